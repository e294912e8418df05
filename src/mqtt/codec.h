/*
 * MQTT 3.1.1 and 5.0 packets: bytes to structs of views and back. Parsing is strict, allocates nothing and does
 * nothing; views borrow the packet's bytes. Both sides' packets are read and written, so that a bridge and the tests
 * stand on the same code. No state, any thread.
 */
#ifndef NJ_MQTT_CODEC_H
#define NJ_MQTT_CODEC_H

#include "mqtt/properties.h"

/* A packet's frame: type, flag bits and what follows the fixed header. */
struct nj_mqtt_frame {
	uint8_t type;
	uint8_t flags;
	struct nj_view body;
	size_t total; /* bytes of the whole packet */
};

struct nj_mqtt_connect {
	uint8_t version;
	bool clean_start; /* clean session in 3.1.1 */
	bool has_username;
	bool has_password;
	bool has_will;
	bool will_retain;
	uint8_t will_qos;
	uint16_t keep_alive_s;
	struct nj_view client_id;
	struct nj_view will_topic;
	struct nj_view will_payload;
	struct nj_view username;
	struct nj_view password;
	struct nj_mqtt_properties will;
};

struct nj_mqtt_connack {
	bool session_present;
	uint8_t code; /* reason code in 5.0, return code in 3.1.1 */
};

struct nj_mqtt_publish {
	bool dup;
	bool retain;
	uint8_t qos;
	uint16_t packet_id;   /* 0 when qos is 0 */
	struct nj_view topic; /* empty only with a topic alias */
	struct nj_view payload;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP; DISCONNECT and AUTH without the packet id. */
struct nj_mqtt_ack {
	uint16_t packet_id;
	uint8_t code;
};

/* SUBSCRIBE, UNSUBSCRIBE: filters, walked with nj_mqtt_filter_next; SUBACK, UNSUBACK: one code a byte. */
struct nj_mqtt_list {
	uint16_t packet_id;
	struct nj_view items;
};

struct nj_mqtt_filter {
	struct nj_view filter;
	uint8_t qos;
	bool no_local;
	bool retain_as_published;
	uint8_t retain_handling; /* 3.8.3.1: 0 send, 1 send if new, 2 do not send */
};

struct nj_mqtt_packet {
	uint8_t type; /* enum nj_mqtt_type: which member is meaningful; none for PINGREQ and PINGRESP */
	union {
		struct nj_mqtt_connect connect;
		struct nj_mqtt_connack connack;
		struct nj_mqtt_publish publish;
		struct nj_mqtt_ack ack;
		struct nj_mqtt_list list;
	} as;
	struct nj_mqtt_properties properties; /* empty in 3.1.1 */
};

/*
 * Finds the frame at the start of `in`. Complete: *out_need = 0 and *out_frame is filled. Incomplete: *out_need is
 * how many more bytes are wanted at least. TOO_LARGE as soon as the header tells a packet of more than `max_bytes`.
 */
NJ_MUST_USE enum nj_mqtt_fault nj_mqtt_frame(struct nj_view in, size_t max_bytes, struct nj_mqtt_frame *out_frame,
					     size_t *out_need);
/* Reads a frame that `side` sent. `version` is ignored for CONNECT, which names its own. On a fault `out_packet`
 * holds nothing, except a CONNECT's version, to know how to answer: 0 where the packet did not get that far. */
NJ_MUST_USE enum nj_mqtt_fault nj_mqtt_decode(const struct nj_mqtt_frame *frame, uint8_t version,
					      enum nj_mqtt_side side, struct nj_mqtt_packet *out_packet);
/* Writes a whole packet. NJ_ERR_FULL when `cap` is too small (wants 4 bytes more than the packet at most), NJ_ERR_RANGE
 * past the greatest remaining length. `list.items` is written as it is. */
NJ_MUST_USE enum nj_err nj_mqtt_encode(const struct nj_mqtt_packet *packet, uint8_t version, void *out, size_t cap,
				       size_t *out_len);
/* Walks the items of a decoded SUBSCRIBE (`type` NJ_MQTT_SUBSCRIBE) or UNSUBSCRIBE from *cursor = 0; false at the
 * end. */
bool nj_mqtt_filter_next(const struct nj_mqtt_list *list, uint8_t type, size_t *cursor,
			 struct nj_mqtt_filter *out_filter);
/* Appends one item to a SUBSCRIBE's or UNSUBSCRIBE's list. */
void nj_mqtt_filter_write(struct nj_writer *w, uint8_t type, const struct nj_mqtt_filter *filter);

/* A filter that begins with NJ_MQTT_SHARE (4.8.2); and its two parts. False where one is missing or the name holds a
 * wildcard. */
#define NJ_MQTT_SHARE "$share/"
bool nj_mqtt_filter_shared(struct nj_view filter);
bool nj_mqtt_filter_split(struct nj_view filter, struct nj_view *out_name, struct nj_view *out_topics);

#endif
