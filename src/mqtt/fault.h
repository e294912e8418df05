/*
 * Faults: what can be wrong with a peer's packet, as facts. The codec and the broker return them; nj_mqtt_fault_reason
 * alone says which MQTT reason code a fact becomes. Constants; any thread.
 */
#ifndef NJ_MQTT_FAULT_H
#define NJ_MQTT_FAULT_H

#include "mqtt/packets.h"

/* X(name, text for the log) */
#define NJ_MQTT_FAULT_TABLE(X)                                                             \
	X(NONE, "none")                                                                    \
	X(TRUNCATED, "the packet ends too early")                                          \
	X(TRAILING, "the packet goes on after its end")                                    \
	X(LENGTH, "a variable byte integer is too long or not minimal")                    \
	X(TOO_LARGE, "the packet is larger than the limit")                                \
	X(TYPE, "a packet that this side never sends")                                     \
	X(FLAGS, "reserved bits of the fixed header are wrong")                            \
	X(UTF8, "a text is not well-formed UTF-8, or holds a character that it must not")  \
	X(PACKET_ID, "packet identifier 0")                                                \
	X(PACKET_ID_IN_USE, "a packet identifier that is in use for another packet")       \
	X(QOS, "QoS 3")                                                                    \
	X(DUP, "DUP with QoS 0")                                                           \
	X(TOPIC_NAME, "the topic name is empty, holds a wildcard or is too long")          \
	X(TOPIC_FILTER, "the topic filter is empty or its wildcards are misplaced")        \
	X(PROTOCOL_NAME, "the protocol name is not MQTT")                                  \
	X(PROTOCOL_LEVEL, "the protocol level is neither 3.1.1 nor 5.0")                   \
	X(CONNECT_FLAGS, "contradictory flags in CONNECT")                                 \
	X(CONNACK_FLAGS, "reserved flags in CONNACK")                                      \
	X(CLIENT_ID, "an empty client identifier without clean session")                   \
	X(PROPERTY_UNKNOWN, "an unknown property")                                         \
	X(PROPERTY_PLACE, "a property that this packet cannot have")                       \
	X(PROPERTY_REPEATED, "a property that may stand once is repeated")                 \
	X(PROPERTY_VALUE, "a property's value is out of range")                            \
	X(TOPIC_ALIAS, "the topic alias is 0, above the maximum or not set")               \
	X(SUBSCRIBE_OPTIONS, "reserved bits in subscription options")                      \
	X(RETAIN_HANDLING, "retain handling 3")                                            \
	X(SHARED_NO_LOCAL, "no local in a shared subscription")                            \
	X(EMPTY, "no topic filter or reason code in the packet")                           \
	X(REASON_CODE, "a reason code that this packet cannot have")                       \
	X(NOT_CONNECTED, "the first packet is not CONNECT")                                \
	X(SECOND_CONNECT, "a second CONNECT")                                              \
	X(AUTH_METHOD, "no such authentication method")                                    \
	X(AUTH_UNEXPECTED, "AUTH without an authentication method")                        \
	X(AUTH_FAILED, "wrong user name, password or authentication data")                 \
	X(SESSION_EXPIRY, "DISCONNECT sets a session expiry that CONNECT had as 0")        \
	X(RECEIVE_MAXIMUM, "more messages in flight than the receive maximum")             \
	X(DENIED_OFTEN, "too many denied messages")                                        \
	X(DENIED, "a denied message that MQTT 3.1.1 cannot refuse in another way")         \
	X(CONTRACT_QOS, "a higher QoS than the topic's contract allows")                   \
	X(CONTRACT_RETAIN, "a retained message that the topic's contract does not allow")  \
	X(CONTRACT_SIZE, "a larger payload than the topic's contract allows")              \
	X(CONTRACT_RATE, "more messages than the topic's contract allows")                 \
	X(CONTRACT_PAYLOAD, "a payload that the topic's contract does not allow")          \
	X(QUOTA, "no room for the message, which MQTT 3.1.1 cannot refuse in another way") \
	X(KEEP_ALIVE, "keep alive timeout")                                                \
	X(CONNECT_TIMEOUT, "no CONNECT in time")                                           \
	X(OUTPUT, "the client does not read what it asked for")                            \
	X(NO_MEMORY, "out of memory")

enum nj_mqtt_fault {
#define NJ_MQTT_FAULT_ENUM(name, text) NJ_MQTT_FAULT_##name,
	NJ_MQTT_FAULT_TABLE(NJ_MQTT_FAULT_ENUM)
#undef NJ_MQTT_FAULT_ENUM
};

const char *nj_mqtt_fault_text(enum nj_mqtt_fault fault);
/* The reason code of CONNACK or DISCONNECT (5.0 section 4.13). */
enum nj_mqtt_reason nj_mqtt_fault_reason(enum nj_mqtt_fault fault);

#endif
