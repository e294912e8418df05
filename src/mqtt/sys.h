/*
 * $SYS topics: each customer's own numbers, told to whoever of it has a right to them, every `sys_interval_ms`. Nobody
 * publishes there. Included in src/mqtt alone. One thread, see broker.h.
 */
#ifndef NJ_MQTT_SYS_H
#define NJ_MQTT_SYS_H

#include "mqtt/internal.h"

#define NJ_MQTT_SYS "$SYS/"

/* Whether it is one of them. */
bool nj_mqtt_topic_sys(struct nj_view topic);
void nj_mqtt_sys_begin(struct nj_mqtt_broker *broker);
/* The interval may have changed. */
void nj_mqtt_sys_changed(struct nj_mqtt_broker *broker);

#endif
