/*
 * MQTT 5.0 properties (2.2.2): one row says all there is to know about a property, and decode, encode and log text
 * read it. A decoded set borrows the packet's bytes and allocates nothing. No state, any thread.
 */
#ifndef NJ_MQTT_PROPERTIES_H
#define NJ_MQTT_PROPERTIES_H

#include "base/wire.h"
#include "mqtt/fault.h"
#include "mqtt/packets.h"

enum nj_mqtt_property_type {
	NJ_MQTT_BYTE,
	NJ_MQTT_TWO,
	NJ_MQTT_FOUR,
	NJ_MQTT_VARINT,
	NJ_MQTT_BINARY,
	NJ_MQTT_STRING,
	NJ_MQTT_TOPIC, /* a string that must be a topic name */
	NJ_MQTT_PAIR,
};

#define NJ_MQTT_ANY_4 0xffffffffu
#define NJ_MQTT_ANY_2 0xffffu

/* X(name, identifier, log text, type, least value, greatest value, where legal, where it may repeat) */
#define NJ_MQTT_PROPERTY_TABLE(X)                                                                                    \
	X(PAYLOAD_FORMAT, 0x01, "payload-format", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_PUBLISHED, 0)                       \
	X(MESSAGE_EXPIRY, 0x02, "message-expiry", NJ_MQTT_FOUR, 0, NJ_MQTT_ANY_4, NJ_MQTT_IN_PUBLISHED, 0)           \
	X(CONTENT_TYPE, 0x03, "content-type", NJ_MQTT_STRING, 0, 0, NJ_MQTT_IN_PUBLISHED, 0)                         \
	X(RESPONSE_TOPIC, 0x08, "response-topic", NJ_MQTT_TOPIC, 0, 0, NJ_MQTT_IN_PUBLISHED, 0)                      \
	X(CORRELATION_DATA, 0x09, "correlation-data", NJ_MQTT_BINARY, 0, 0, NJ_MQTT_IN_PUBLISHED, 0)                 \
	X(SUBSCRIPTION_ID, 0x0B, "subscription-id", NJ_MQTT_VARINT, 1, NJ_MQTT_VARINT_MAX,                           \
	  NJ_MQTT_IN_PUBLISH | NJ_MQTT_IN_SUBSCRIBE, NJ_MQTT_IN_PUBLISH)                                             \
	X(SESSION_EXPIRY, 0x11, "session-expiry", NJ_MQTT_FOUR, 0, NJ_MQTT_ANY_4,                                    \
	  NJ_MQTT_IN_CONNECT | NJ_MQTT_IN_REFUSALS, 0)                                                               \
	X(ASSIGNED_CLIENT_ID, 0x12, "assigned-client-id", NJ_MQTT_STRING, 0, 0, NJ_MQTT_IN_CONNACK, 0)               \
	X(SERVER_KEEP_ALIVE, 0x13, "server-keep-alive", NJ_MQTT_TWO, 0, NJ_MQTT_ANY_2, NJ_MQTT_IN_CONNACK, 0)        \
	X(AUTH_METHOD, 0x15, "auth-method", NJ_MQTT_STRING, 0, 0,                                                    \
	  NJ_MQTT_IN_CONNECT | NJ_MQTT_IN_CONNACK | NJ_MQTT_IN_AUTH, 0)                                              \
	X(AUTH_DATA, 0x16, "auth-data", NJ_MQTT_BINARY, 0, 0,                                                        \
	  NJ_MQTT_IN_CONNECT | NJ_MQTT_IN_CONNACK | NJ_MQTT_IN_AUTH, 0)                                              \
	X(REQUEST_PROBLEM_INFO, 0x17, "request-problem-info", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_CONNECT, 0)             \
	X(WILL_DELAY, 0x18, "will-delay", NJ_MQTT_FOUR, 0, NJ_MQTT_ANY_4, NJ_MQTT_IN_WILL, 0)                        \
	X(REQUEST_RESPONSE_INFO, 0x19, "request-response-info", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_CONNECT, 0)           \
	X(RESPONSE_INFO, 0x1A, "response-info", NJ_MQTT_STRING, 0, 0, NJ_MQTT_IN_CONNACK, 0)                         \
	X(SERVER_REFERENCE, 0x1C, "server-reference", NJ_MQTT_STRING, 0, 0, NJ_MQTT_IN_REFUSALS, 0)                  \
	X(REASON_STRING, 0x1F, "reason-string", NJ_MQTT_STRING, 0, 0,                                                \
	  NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_ACKS | NJ_MQTT_IN_AUTH, 0)                                                \
	X(RECEIVE_MAXIMUM, 0x21, "receive-maximum", NJ_MQTT_TWO, 1, NJ_MQTT_ANY_2,                                   \
	  NJ_MQTT_IN_CONNECT | NJ_MQTT_IN_CONNACK, 0)                                                                \
	X(TOPIC_ALIAS_MAXIMUM, 0x22, "topic-alias-maximum", NJ_MQTT_TWO, 0, NJ_MQTT_ANY_2,                           \
	  NJ_MQTT_IN_CONNECT | NJ_MQTT_IN_CONNACK, 0)                                                                \
	X(TOPIC_ALIAS, 0x23, "topic-alias", NJ_MQTT_TWO, 1, NJ_MQTT_ANY_2, NJ_MQTT_IN_PUBLISH, 0)                    \
	X(MAXIMUM_QOS, 0x24, "maximum-qos", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_CONNACK, 0)                               \
	X(RETAIN_AVAILABLE, 0x25, "retain-available", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_CONNACK, 0)                     \
	X(USER, 0x26, "user-property", NJ_MQTT_PAIR, 0, 0, NJ_MQTT_IN_ANYWHERE, NJ_MQTT_IN_ANYWHERE)                 \
	X(MAXIMUM_PACKET_SIZE, 0x27, "maximum-packet-size", NJ_MQTT_FOUR, 1, NJ_MQTT_ANY_4,                          \
	  NJ_MQTT_IN_CONNECT | NJ_MQTT_IN_CONNACK, 0)                                                                \
	X(WILDCARDS_AVAILABLE, 0x28, "wildcards-available", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_CONNACK, 0)               \
	X(SUBSCRIPTION_IDS_AVAILABLE, 0x29, "subscription-ids-available", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_CONNACK, 0) \
	X(SHARED_AVAILABLE, 0x2A, "shared-available", NJ_MQTT_BYTE, 0, 1, NJ_MQTT_IN_CONNACK, 0)

enum nj_mqtt_property {
#define NJ_MQTT_PROPERTY_ENUM(name, id, text, type, min, max, legal, many) NJ_MQTT_P_##name,
	NJ_MQTT_PROPERTY_TABLE(NJ_MQTT_PROPERTY_ENUM)
#undef NJ_MQTT_PROPERTY_ENUM
	    NJ_MQTT_P_COUNT,
};

/* One property as it stands on the wire. `number` for the numeric types, `data` for the others, `name` for pairs. */
struct nj_mqtt_item {
	enum nj_mqtt_property which;
	uint32_t number;
	struct nj_view name;
	struct nj_view data;
};

union nj_mqtt_value {
	uint32_t number;
	struct nj_view data;
};

/* A set. `values[p]` is meaningful only when bit p of `present` is set, so that a set is emptied by two stores.
 * Repeated properties (user, subscription id of PUBLISH) are walked in `raw` with nj_mqtt_properties_next. */
struct nj_mqtt_properties {
	uint32_t present;
	struct nj_view raw; /* the block without its length */
	union nj_mqtt_value values[NJ_MQTT_P_COUNT];
};

#define NJ_MQTT_P_BIT(property) (UINT32_C(1) << (property))
#define NJ_MQTT_P_ALL (NJ_MQTT_P_BIT(NJ_MQTT_P_COUNT) - 1)

/* 1.5.5: at most four bytes, the fewest that hold the value; LENGTH when not. Truncation makes the reader fail. */
NJ_MUST_USE enum nj_mqtt_fault nj_mqtt_varint_read(struct nj_reader *r, uint32_t *out_value);
void nj_mqtt_varint_write(struct nj_writer *w, uint32_t value);
size_t nj_mqtt_varint_size(uint32_t value);

void nj_mqtt_properties_clear(struct nj_mqtt_properties *set);
/* Reads length and block; `where` is one bit of enum nj_mqtt_in. */
NJ_MUST_USE enum nj_mqtt_fault nj_mqtt_properties_read(struct nj_reader *r, unsigned where,
						       struct nj_mqtt_properties *out_set);
/* Walks a decoded `raw` from *cursor = 0; false at the end. */
bool nj_mqtt_properties_next(const struct nj_mqtt_properties *set, size_t *cursor, struct nj_mqtt_item *out_item);
bool nj_mqtt_has(const struct nj_mqtt_properties *set, enum nj_mqtt_property which);
uint32_t nj_mqtt_number(const struct nj_mqtt_properties *set, enum nj_mqtt_property which, uint32_t otherwise);
void nj_mqtt_set_number(struct nj_mqtt_properties *set, enum nj_mqtt_property which, uint32_t number);
void nj_mqtt_set_data(struct nj_mqtt_properties *set, enum nj_mqtt_property which, struct nj_view data);

/* Bytes of the members of `mask` (bits NJ_MQTT_P_BIT) without a length, in the table's order; the same written. */
size_t nj_mqtt_properties_size(const struct nj_mqtt_properties *set, uint32_t mask);
void nj_mqtt_properties_copy(const struct nj_mqtt_properties *set, uint32_t mask, struct nj_writer *w);
/* Length and block, as in a packet. */
void nj_mqtt_properties_write(const struct nj_mqtt_properties *set, struct nj_writer *w);
/* "session-expiry=30 user-property=k:v" for logs, cut to `cap`, always terminated; bytes other than printable ASCII
 * show as '.'. Returns `out`. */
const char *nj_mqtt_properties_text(const struct nj_mqtt_properties *set, char *out, size_t cap);

#endif
