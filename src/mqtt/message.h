/*
 * A message on its way: what every receiver of it shares. Content is views, wherever the bytes are; a message is
 * content with bytes of its own, immutable and reference-counted, counted against the memory budget that all brokers
 * of a gateway share. Any thread may take and give references; whoever gives the last one frees it.
 */
#ifndef NJ_MQTT_MESSAGE_H
#define NJ_MQTT_MESSAGE_H

#include <stdatomic.h>

#include "mqtt/codec.h"

/* Bytes in use, and the ceiling. Any thread, but for `beside`, which is for a budget of one thread. */
struct nj_mqtt_budget {
	_Atomic uint64_t used;
	_Atomic uint64_t max;
	const uint64_t *beside; /* bytes that count too and that somebody else counts; NULL: none */
};
/* Bytes in use, all told; and how many more there may be. */
uint64_t nj_mqtt_budget_total(const struct nj_mqtt_budget *budget);
uint64_t nj_mqtt_budget_left(const struct nj_mqtt_budget *budget);
/* NJ_ERR_LIMIT past the ceiling. */
NJ_MUST_USE enum nj_err nj_mqtt_budget_take(struct nj_mqtt_budget *budget, uint64_t bytes);
void nj_mqtt_budget_give(struct nj_mqtt_budget *budget, uint64_t bytes);

struct nj_mqtt_content {
	struct nj_view topic;
	struct nj_view properties; /* those that are forwarded, in wire form without a length */
	struct nj_view payload;
	uint64_t expires_ms; /* boot clock; 0 = never */
	uint8_t qos;         /* as published */
	bool retain;         /* as published */
};

struct nj_mqtt_message {
	_Atomic uint32_t refs;
	struct nj_mqtt_budget *budget;
	uint64_t change; /* of a retained one: its number, set before anybody else has it; 0 without a fabric */
	struct nj_mqtt_content content;
	uint8_t bytes[];
};

/* Properties that a server passes on unaltered (3.3.2.3). */
#define NJ_MQTT_FORWARDED                                                                      \
	(NJ_MQTT_P_BIT(NJ_MQTT_P_PAYLOAD_FORMAT) | NJ_MQTT_P_BIT(NJ_MQTT_P_CONTENT_TYPE) |     \
	 NJ_MQTT_P_BIT(NJ_MQTT_P_RESPONSE_TOPIC) | NJ_MQTT_P_BIT(NJ_MQTT_P_CORRELATION_DATA) | \
	 NJ_MQTT_P_BIT(NJ_MQTT_P_USER))

/* Copies the content. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_message_new(struct nj_mqtt_budget *budget, const struct nj_mqtt_content *content,
					    struct nj_mqtt_message **out_message);
struct nj_mqtt_message *nj_mqtt_message_ref(struct nj_mqtt_message *message);
void nj_mqtt_message_unref(struct nj_mqtt_message *message);
/* What it counts for in limits. */
size_t nj_mqtt_content_bytes(const struct nj_mqtt_content *content);
bool nj_mqtt_content_expired(const struct nj_mqtt_content *content, uint64_t now_ms);

/* How one receiver gets it. */
struct nj_mqtt_sending {
	uint8_t version;
	uint8_t qos;
	bool retain;
	bool dup;
	bool alias_known; /* the topic is left out */
	uint16_t packet_id;
	uint16_t alias; /* 0: none */
	uint64_t now_ms;
	const uint32_t *ids; /* subscription identifiers */
	size_t id_count;
};
/* Bytes of the PUBLISH packet. */
size_t nj_mqtt_publish_size(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending);
/* Everything of the packet before the payload. */
void nj_mqtt_publish_head(const struct nj_mqtt_content *content, const struct nj_mqtt_sending *sending,
			  struct nj_writer *w);

#endif
