#include "mqtt/packets.h"

#include <stddef.h>

#include "mqtt/fault.h"

static const struct packet_row {
	const char *name;
	uint8_t since[2]; /* by enum nj_mqtt_side */
	uint8_t flags;
} packet_rows[16] = {
#define PACKET_ROW(name, type, client, server, flags) [type] = { #name, { client, server }, flags },
	NJ_MQTT_PACKET_TABLE(PACKET_ROW)
#undef PACKET_ROW
};

struct reason_row {
	const char *text;
	unsigned legal;
};

static const struct reason_row reason_rows[256] = {
#define REASON_ROW(name, code, text, legal) [code] = { text, legal },
	NJ_MQTT_REASON_TABLE(REASON_ROW)
#undef REASON_ROW
};

static const char *const fault_texts[] = {
#define FAULT_ROW(name, text) text,
	NJ_MQTT_FAULT_TABLE(FAULT_ROW)
#undef FAULT_ROW
};

const char *nj_mqtt_type_name(uint8_t type)
{
	const char *name = packet_rows[type & 0x0f].name;
	return name != NULL ? name : "reserved";
}

bool nj_mqtt_type_allowed(uint8_t type, enum nj_mqtt_side side, uint8_t version)
{
	uint8_t since = packet_rows[type & 0x0f].since[side];
	return since != NJ_MQTT_NEVER && version >= since;
}

bool nj_mqtt_flags_allowed(uint8_t type, uint8_t flags)
{
	uint8_t want = packet_rows[type & 0x0f].flags;
	return want == NJ_MQTT_FLAGS_OWN || want == flags;
}

const char *nj_mqtt_reason_text(uint8_t code)
{
	const char *text = reason_rows[code].text;
	return text != NULL ? text : "unknown reason";
}

bool nj_mqtt_reason_legal(uint8_t code, unsigned where)
{
	return (reason_rows[code].legal & where) != 0;
}

uint8_t nj_mqtt_connack_v311(enum nj_mqtt_reason reason)
{
	switch ((unsigned)reason) {
	case NJ_MQTT_R_SUCCESS:
		return 0;
	case NJ_MQTT_R_BAD_VERSION:
		return 1;
	case NJ_MQTT_R_BAD_CLIENT_ID:
		return 2;
	case NJ_MQTT_R_UNAVAILABLE:
	case NJ_MQTT_R_BUSY:
	case NJ_MQTT_R_QUOTA_EXCEEDED:
	case NJ_MQTT_R_CONNECT_RATE:
		return 3;
	case NJ_MQTT_R_BAD_LOGIN:
		return 4;
	default:
		return 5;
	}
}

const char *nj_mqtt_fault_text(enum nj_mqtt_fault fault)
{
	return fault_texts[fault];
}

enum nj_mqtt_reason nj_mqtt_fault_reason(enum nj_mqtt_fault fault)
{
	switch (fault) {
	case NJ_MQTT_FAULT_NONE:
		return NJ_MQTT_R_SUCCESS;
	case NJ_MQTT_FAULT_TRUNCATED:
	case NJ_MQTT_FAULT_TRAILING:
	case NJ_MQTT_FAULT_LENGTH:
	case NJ_MQTT_FAULT_FLAGS:
	case NJ_MQTT_FAULT_UTF8:
	case NJ_MQTT_FAULT_QOS:
	case NJ_MQTT_FAULT_DUP:
	case NJ_MQTT_FAULT_CONNECT_FLAGS:
	case NJ_MQTT_FAULT_CONNACK_FLAGS:
	case NJ_MQTT_FAULT_PROPERTY_UNKNOWN:
	case NJ_MQTT_FAULT_PROPERTY_PLACE:
	case NJ_MQTT_FAULT_SUBSCRIBE_OPTIONS:
	case NJ_MQTT_FAULT_REASON_CODE:
		return NJ_MQTT_R_MALFORMED;
	case NJ_MQTT_FAULT_TYPE:
	case NJ_MQTT_FAULT_PACKET_ID:
	case NJ_MQTT_FAULT_PROPERTY_REPEATED:
	case NJ_MQTT_FAULT_PROPERTY_VALUE:
	case NJ_MQTT_FAULT_RETAIN_HANDLING:
	case NJ_MQTT_FAULT_PACKET_ID_IN_USE:
	case NJ_MQTT_FAULT_SHARED_NO_LOCAL:
	case NJ_MQTT_FAULT_EMPTY:
	case NJ_MQTT_FAULT_NOT_CONNECTED:
	case NJ_MQTT_FAULT_SECOND_CONNECT:
	case NJ_MQTT_FAULT_AUTH_UNEXPECTED:
	case NJ_MQTT_FAULT_SESSION_EXPIRY:
	case NJ_MQTT_FAULT_CONNECT_TIMEOUT:
		return NJ_MQTT_R_PROTOCOL_ERROR;
	case NJ_MQTT_FAULT_TOO_LARGE:
		return NJ_MQTT_R_TOO_LARGE;
	case NJ_MQTT_FAULT_TOPIC_NAME:
		return NJ_MQTT_R_BAD_TOPIC_NAME;
	case NJ_MQTT_FAULT_TOPIC_FILTER:
		return NJ_MQTT_R_BAD_TOPIC_FILTER;
	case NJ_MQTT_FAULT_PROTOCOL_NAME:
	case NJ_MQTT_FAULT_PROTOCOL_LEVEL:
		return NJ_MQTT_R_BAD_VERSION;
	case NJ_MQTT_FAULT_CLIENT_ID:
		return NJ_MQTT_R_BAD_CLIENT_ID;
	case NJ_MQTT_FAULT_TOPIC_ALIAS:
		return NJ_MQTT_R_BAD_TOPIC_ALIAS;
	case NJ_MQTT_FAULT_AUTH_METHOD:
		return NJ_MQTT_R_BAD_AUTH_METHOD;
	case NJ_MQTT_FAULT_RECEIVE_MAXIMUM:
		return NJ_MQTT_R_RECEIVE_MAXIMUM;
	case NJ_MQTT_FAULT_AUTH_FAILED:
	case NJ_MQTT_FAULT_DENIED_OFTEN:
	case NJ_MQTT_FAULT_DENIED:
		return NJ_MQTT_R_NOT_AUTHORIZED;
	case NJ_MQTT_FAULT_CONTRACT_QOS:
		return NJ_MQTT_R_NO_QOS;
	case NJ_MQTT_FAULT_CONTRACT_RETAIN:
		return NJ_MQTT_R_NO_RETAIN;
	case NJ_MQTT_FAULT_CONTRACT_SIZE:
		return NJ_MQTT_R_TOO_LARGE;
	case NJ_MQTT_FAULT_CONTRACT_RATE:
		return NJ_MQTT_R_RATE_TOO_HIGH;
	case NJ_MQTT_FAULT_CONTRACT_PAYLOAD:
		return NJ_MQTT_R_BAD_PAYLOAD_FORMAT;
	case NJ_MQTT_FAULT_QUOTA:
	case NJ_MQTT_FAULT_OUTPUT:
		return NJ_MQTT_R_QUOTA_EXCEEDED;
	case NJ_MQTT_FAULT_KEEP_ALIVE:
		return NJ_MQTT_R_KEEP_ALIVE_TIMEOUT;
	case NJ_MQTT_FAULT_NO_MEMORY:
		return NJ_MQTT_R_UNSPECIFIED;
	}
	return NJ_MQTT_R_UNSPECIFIED;
}
