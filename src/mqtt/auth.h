/*
 * Enhanced authentication (5.0 section 4.12) with SCRAM-SHA-256, and the same password as user name and password, for
 * connections whose entry has a verifier. Who is bound by a knock has proved more than a password could, and is refused
 * a method. Included in src/mqtt alone. One thread, see broker.h.
 */
#ifndef NJ_MQTT_AUTH_H
#define NJ_MQTT_AUTH_H

#include "mqtt/client.h"

struct nj_mqtt_auth {
	struct nj_scram scram;
	struct nj_view last_words; /* server-final, once the client has proved itself; borrowed from `scram` */
	size_t connect_bytes;      /* the CONNECT that waits; 0 in a re-authentication */
	uint8_t connect[];
};

/* What a CONNECT says of authentication. True: it may go on now. False: it was refused, or waits for AUTH. */
bool nj_mqtt_auth_connect(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet, struct nj_view body);
/* A packet before CONNACK while AUTH is waited for. */
void nj_mqtt_auth_waiting(struct nj_mqtt_client *client, const struct nj_mqtt_frame *frame);
/* AUTH after CONNACK: re-authentication. */
void nj_mqtt_on_auth(struct nj_mqtt_client *client, const struct nj_mqtt_packet *packet);
/* Puts method and last words into CONNACK, if the client came by them. */
void nj_mqtt_auth_properties(const struct nj_mqtt_client *client, struct nj_mqtt_properties *properties);
/* Forgets an exchange; harmless without one. */
void nj_mqtt_auth_end(struct nj_mqtt_client *client);

#endif
