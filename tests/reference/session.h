/*
 * A device's connection: TLS 1.3 with the one-time PSK of a knock, and as much of MQTT 3.1.1 as it needs. Blocking;
 * every wait has its limit.
 */
#ifndef REFERENCE_SESSION_H
#define REFERENCE_SESSION_H

#include "base/addr.h"
#include "wire/rekey.h"

struct session;

/* The gateway proves itself by the PSK alone: a handshake without it is refused. NULL when nothing answers in time, or
 * it fails; `out_connected` tells the two apart. */
struct session *session_open(const struct nj_addr *gateway, uint16_t port, const char *identity, const uint8_t psk[32],
			     int limit_ms, bool *out_connected);
void session_close(struct session *session);
NJ_MUST_USE bool session_export(struct session *session, const char *label, uint8_t out[NJ_REKEY_EXPORTER_BYTES]);

/* Bytes as they are, for protocols without packets: `len` of them, false when they did not come in time. */
NJ_MUST_USE bool session_send(struct session *session, const void *data, size_t len);
NJ_MUST_USE bool session_read(struct session *session, int limit_ms, uint8_t *out, size_t len);

NJ_MUST_USE bool session_mqtt_connect(struct session *session, const char *client_id);
NJ_MUST_USE bool session_publish(struct session *session, const char *topic, struct nj_view payload,
				 uint16_t packet_id);

/* One packet of the gateway. */
struct session_packet {
	uint8_t type; /* 3 PUBLISH, 4 PUBACK, … */
	uint16_t packet_id;
	struct nj_view topic, payload; /* borrowed until the next */
};
/* False when none came in time, or the connection ended. */
NJ_MUST_USE bool session_receive(struct session *session, int limit_ms, struct session_packet *out_packet);

#endif
