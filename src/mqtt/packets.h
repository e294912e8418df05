/*
 * What MQTT 3.1.1 and 5.0 name: packet types with who may send them, reason codes with where they are legal, and the
 * faults that a parser finds. Constants and their texts alone; no state, any thread.
 */
#ifndef NJ_MQTT_PACKETS_H
#define NJ_MQTT_PACKETS_H

#include <stdbool.h>
#include <stdint.h>

enum nj_mqtt_version { NJ_MQTT_NEVER = 0, NJ_MQTT_V311 = 4, NJ_MQTT_V5 = 5 };
enum nj_mqtt_side { NJ_MQTT_FROM_CLIENT, NJ_MQTT_FROM_SERVER };

#define NJ_MQTT_FLAGS_OWN 0xff /* PUBLISH: the four flag bits have meanings of their own */
#define NJ_MQTT_VARINT_MAX 268435455u
#define NJ_MQTT_FIXED_MAX 5 /* bytes of a fixed header at most: type and remaining length */

/* X(name, type, version since which a client may send it, a server, required flag bits): 2.1.2, 2.1.3 */
#define NJ_MQTT_PACKET_TABLE(X)                                      \
	X(CONNECT, 1, NJ_MQTT_V311, NJ_MQTT_NEVER, 0)                \
	X(CONNACK, 2, NJ_MQTT_NEVER, NJ_MQTT_V311, 0)                \
	X(PUBLISH, 3, NJ_MQTT_V311, NJ_MQTT_V311, NJ_MQTT_FLAGS_OWN) \
	X(PUBACK, 4, NJ_MQTT_V311, NJ_MQTT_V311, 0)                  \
	X(PUBREC, 5, NJ_MQTT_V311, NJ_MQTT_V311, 0)                  \
	X(PUBREL, 6, NJ_MQTT_V311, NJ_MQTT_V311, 2)                  \
	X(PUBCOMP, 7, NJ_MQTT_V311, NJ_MQTT_V311, 0)                 \
	X(SUBSCRIBE, 8, NJ_MQTT_V311, NJ_MQTT_NEVER, 2)              \
	X(SUBACK, 9, NJ_MQTT_NEVER, NJ_MQTT_V311, 0)                 \
	X(UNSUBSCRIBE, 10, NJ_MQTT_V311, NJ_MQTT_NEVER, 2)           \
	X(UNSUBACK, 11, NJ_MQTT_NEVER, NJ_MQTT_V311, 0)              \
	X(PINGREQ, 12, NJ_MQTT_V311, NJ_MQTT_NEVER, 0)               \
	X(PINGRESP, 13, NJ_MQTT_NEVER, NJ_MQTT_V311, 0)              \
	X(DISCONNECT, 14, NJ_MQTT_V311, NJ_MQTT_V5, 0)               \
	X(AUTH, 15, NJ_MQTT_V5, NJ_MQTT_V5, 0)

enum nj_mqtt_type {
	NJ_MQTT_RESERVED = 0,
#define NJ_MQTT_TYPE_ENUM(name, type, client, server, flags) NJ_MQTT_##name = type,
	NJ_MQTT_PACKET_TABLE(NJ_MQTT_TYPE_ENUM)
#undef NJ_MQTT_TYPE_ENUM
};

/* Sets of packets, and of the will inside CONNECT (bit 0): where a property or a reason code is legal. */
enum nj_mqtt_in {
	NJ_MQTT_IN_WILL = 1,
#define NJ_MQTT_IN_ENUM(name, type, client, server, flags) NJ_MQTT_IN_##name = 1 << type,
	NJ_MQTT_PACKET_TABLE(NJ_MQTT_IN_ENUM)
#undef NJ_MQTT_IN_ENUM
	    NJ_MQTT_IN_PUBLISHED = NJ_MQTT_IN_PUBLISH | NJ_MQTT_IN_WILL,
	NJ_MQTT_IN_REFUSALS = NJ_MQTT_IN_CONNACK | NJ_MQTT_IN_DISCONNECT,
	NJ_MQTT_IN_PUBLISH_ACKS = NJ_MQTT_IN_PUBACK | NJ_MQTT_IN_PUBREC,
	NJ_MQTT_IN_SUBSCRIBE_ACKS = NJ_MQTT_IN_SUBACK | NJ_MQTT_IN_UNSUBACK,
	NJ_MQTT_IN_ACKS = NJ_MQTT_IN_PUBLISH_ACKS | NJ_MQTT_IN_PUBREL | NJ_MQTT_IN_PUBCOMP | NJ_MQTT_IN_SUBSCRIBE_ACKS,
	NJ_MQTT_IN_ANYWHERE = NJ_MQTT_IN_ACKS | NJ_MQTT_IN_PUBLISHED | NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_CONNECT |
			      NJ_MQTT_IN_SUBSCRIBE | NJ_MQTT_IN_UNSUBSCRIBE | NJ_MQTT_IN_AUTH,
};

/* X(name, code, text, where legal): 5.0 section 2.4 */
#define NJ_MQTT_REASON_TABLE(X)                                                                                      \
	X(SUCCESS, 0x00, "success", NJ_MQTT_IN_ACKS | NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_AUTH)                         \
	X(GRANTED_QOS1, 0x01, "granted QoS 1", NJ_MQTT_IN_SUBACK)                                                    \
	X(GRANTED_QOS2, 0x02, "granted QoS 2", NJ_MQTT_IN_SUBACK)                                                    \
	X(WITH_WILL, 0x04, "disconnect with will", NJ_MQTT_IN_DISCONNECT)                                            \
	X(NO_SUBSCRIBERS, 0x10, "no matching subscribers", NJ_MQTT_IN_PUBLISH_ACKS)                                  \
	X(NO_SUBSCRIPTION, 0x11, "no subscription existed", NJ_MQTT_IN_UNSUBACK)                                     \
	X(CONTINUE_AUTH, 0x18, "continue authentication", NJ_MQTT_IN_AUTH)                                           \
	X(REAUTHENTICATE, 0x19, "re-authenticate", NJ_MQTT_IN_AUTH)                                                  \
	X(UNSPECIFIED, 0x80, "unspecified error",                                                                    \
	  NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_PUBLISH_ACKS | NJ_MQTT_IN_SUBSCRIBE_ACKS)                                 \
	X(MALFORMED, 0x81, "malformed packet", NJ_MQTT_IN_REFUSALS)                                                  \
	X(PROTOCOL_ERROR, 0x82, "protocol error", NJ_MQTT_IN_REFUSALS)                                               \
	X(IMPLEMENTATION, 0x83, "implementation specific error",                                                     \
	  NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_PUBLISH_ACKS | NJ_MQTT_IN_SUBSCRIBE_ACKS)                                 \
	X(BAD_VERSION, 0x84, "unsupported protocol version", NJ_MQTT_IN_CONNACK)                                     \
	X(BAD_CLIENT_ID, 0x85, "client identifier not valid", NJ_MQTT_IN_CONNACK)                                    \
	X(BAD_LOGIN, 0x86, "bad user name or password", NJ_MQTT_IN_CONNACK)                                          \
	X(NOT_AUTHORIZED, 0x87, "not authorized",                                                                    \
	  NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_PUBLISH_ACKS | NJ_MQTT_IN_SUBSCRIBE_ACKS)                                 \
	X(UNAVAILABLE, 0x88, "server unavailable", NJ_MQTT_IN_CONNACK)                                               \
	X(BUSY, 0x89, "server busy", NJ_MQTT_IN_REFUSALS)                                                            \
	X(BANNED, 0x8A, "banned", NJ_MQTT_IN_CONNACK)                                                                \
	X(SHUTTING_DOWN, 0x8B, "server shutting down", NJ_MQTT_IN_DISCONNECT)                                        \
	X(BAD_AUTH_METHOD, 0x8C, "bad authentication method", NJ_MQTT_IN_REFUSALS)                                   \
	X(KEEP_ALIVE_TIMEOUT, 0x8D, "keep alive timeout", NJ_MQTT_IN_DISCONNECT)                                     \
	X(TAKEN_OVER, 0x8E, "session taken over", NJ_MQTT_IN_DISCONNECT)                                             \
	X(BAD_TOPIC_FILTER, 0x8F, "topic filter invalid", NJ_MQTT_IN_SUBSCRIBE_ACKS | NJ_MQTT_IN_DISCONNECT)         \
	X(BAD_TOPIC_NAME, 0x90, "topic name invalid", NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_PUBLISH_ACKS)                 \
	X(PACKET_ID_IN_USE, 0x91, "packet identifier in use", NJ_MQTT_IN_PUBLISH_ACKS | NJ_MQTT_IN_SUBSCRIBE_ACKS)   \
	X(PACKET_ID_UNKNOWN, 0x92, "packet identifier not found", NJ_MQTT_IN_PUBREL | NJ_MQTT_IN_PUBCOMP)            \
	X(RECEIVE_MAXIMUM, 0x93, "receive maximum exceeded", NJ_MQTT_IN_DISCONNECT)                                  \
	X(BAD_TOPIC_ALIAS, 0x94, "topic alias invalid", NJ_MQTT_IN_DISCONNECT)                                       \
	X(TOO_LARGE, 0x95, "packet too large", NJ_MQTT_IN_REFUSALS)                                                  \
	X(RATE_TOO_HIGH, 0x96, "message rate too high", NJ_MQTT_IN_DISCONNECT)                                       \
	X(QUOTA_EXCEEDED, 0x97, "quota exceeded", NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_PUBLISH_ACKS | NJ_MQTT_IN_SUBACK) \
	X(ADMINISTRATIVE, 0x98, "administrative action", NJ_MQTT_IN_DISCONNECT)                                      \
	X(BAD_PAYLOAD_FORMAT, 0x99, "payload format invalid", NJ_MQTT_IN_REFUSALS | NJ_MQTT_IN_PUBLISH_ACKS)         \
	X(NO_RETAIN, 0x9A, "retain not supported", NJ_MQTT_IN_REFUSALS)                                              \
	X(NO_QOS, 0x9B, "QoS not supported", NJ_MQTT_IN_REFUSALS)                                                    \
	X(USE_ANOTHER_SERVER, 0x9C, "use another server", NJ_MQTT_IN_REFUSALS)                                       \
	X(SERVER_MOVED, 0x9D, "server moved", NJ_MQTT_IN_REFUSALS)                                                   \
	X(NO_SHARED, 0x9E, "shared subscriptions not supported", NJ_MQTT_IN_SUBACK | NJ_MQTT_IN_DISCONNECT)          \
	X(CONNECT_RATE, 0x9F, "connection rate exceeded", NJ_MQTT_IN_REFUSALS)                                       \
	X(MAXIMUM_CONNECT_TIME, 0xA0, "maximum connect time", NJ_MQTT_IN_DISCONNECT)                                 \
	X(NO_SUBSCRIPTION_IDS, 0xA1, "subscription identifiers not supported",                                       \
	  NJ_MQTT_IN_SUBACK | NJ_MQTT_IN_DISCONNECT)                                                                 \
	X(NO_WILDCARDS, 0xA2, "wildcard subscriptions not supported", NJ_MQTT_IN_SUBACK | NJ_MQTT_IN_DISCONNECT)

enum nj_mqtt_reason {
#define NJ_MQTT_REASON_ENUM(name, code, text, legal) NJ_MQTT_R_##name = code,
	NJ_MQTT_REASON_TABLE(NJ_MQTT_REASON_ENUM)
#undef NJ_MQTT_REASON_ENUM
};

/* Name as the standard writes it ("PUBLISH"); "reserved" for others. */
const char *nj_mqtt_type_name(uint8_t type);
/* May `side` send this type with these flag bits in `version`? The two answers of the table. */
bool nj_mqtt_type_allowed(uint8_t type, enum nj_mqtt_side side, uint8_t version);
bool nj_mqtt_flags_allowed(uint8_t type, uint8_t flags);
const char *nj_mqtt_reason_text(uint8_t code);
/* `where`: one bit of enum nj_mqtt_in. */
bool nj_mqtt_reason_legal(uint8_t code, unsigned where);
/* CONNACK return code of 3.1.1 (3.2.2.3) that comes nearest. */
uint8_t nj_mqtt_connack_v311(enum nj_mqtt_reason reason);

#endif
