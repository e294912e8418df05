/*
 * The gateway process's side of the knock: one-time keys that the keeper handed over, until a connection proves that it
 * is the device that knocked, or the grant ends. A connection without an entry here is nobody. Main thread only.
 */
#ifndef NJ_BUS_DOOR_H
#define NJ_BUS_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "wire/knock.h"

struct nj_door;

struct nj_grant {
	uint64_t id; /* the keeper's number */
	uint8_t hint[NJ_KNOCK_HINT_BYTES];
	uint8_t uid[NJ_UID_BYTES];
	uint16_t service;
	bool plain_allowed;
	uint8_t bind;          /* NJ_BINDING_PSK, NJ_BINDING_CERTIFICATE, of a TLS service */
	bool tls12;            /* with a certificate, TLS 1.2 may do */
	bool rekey;            /* its session may be offered a new root key */
	uint32_t bind_ms;      /* from the connection to its proof; 0: as the gateway gives everybody */
	struct nj_addr source; /* port 0 */
	uint8_t source_prefix; /* compared bits of `source.ip`, 128 = exact */
	uint32_t lifetime_ms;
	uint8_t psk[32];
	uint8_t password[32];
};

/* At most `max_grants` at a time. */
NJ_MUST_USE enum nj_err nj_door_new(const struct nj_clock *clock, uint32_t max_grants, struct nj_door **out_door);
void nj_door_free(struct nj_door *door);
/* NJ_ERR_EXISTS for a hint that is there, NJ_ERR_LIMIT. Copies; expired entries go first. */
NJ_MUST_USE enum nj_err nj_door_grant(struct nj_door *door, const struct nj_grant *grant);
/* Withdraws; harmless when gone. */
void nj_door_end(struct nj_door *door, uint64_t id);
void nj_door_end_uid(struct nj_door *door, const uint8_t uid[NJ_UID_BYTES]);
/* TLS callback: the key of an unconsumed, unexpired grant for a TLS service that a PSK may bind. No side effect. */
bool nj_door_psk(void *door, struct nj_view identity_hex, uint8_t out_key[32]);
/* Consumes the grant that a finished handshake proved. NJ_ERR_NOT_FOUND (unknown, consumed), NJ_ERR_EXPIRED,
 * NJ_ERR_DENIED (other service or source). `out_grant` gets a copy with wiped keys. */
NJ_MUST_USE enum nj_err nj_door_bind_psk(struct nj_door *door, const char *identity_hex, uint16_t service,
					 const struct nj_addr *peer, struct nj_grant *out_grant);
/* The live grants of a service that a connection from `peer` could bind with a certificate, one after the other: start
 * with *cursor = 0; NULL at the end. Borrowed, without keys, until the door changes. */
const struct nj_grant *nj_door_next_certificate(const struct nj_door *door, uint16_t service,
						const struct nj_addr *peer, uint32_t *cursor);
/* Consumes the oldest live grant of `uid`, whose certificate a finished handshake proved, by TLS 1.2 or later.
 * NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_door_bind_certificate(struct nj_door *door, const uint8_t uid[NJ_UID_BYTES], bool by_tls12,
						 uint16_t service, const struct nj_addr *peer,
						 struct nj_grant *out_grant);
/* Consumes by the one-time password of the plain binding; NJ_ERR_FORGED for a wrong password (not consumed). */
NJ_MUST_USE enum nj_err nj_door_bind_password(struct nj_door *door, struct nj_view username_hex,
					      struct nj_view password_hex, uint16_t service, const struct nj_addr *peer,
					      struct nj_grant *out_grant);
/* Has somebody knocked for this service from where `peer` is? What does not even have that is not to be answered. */
bool nj_door_expects(const struct nj_door *door, uint16_t service, const struct nj_addr *peer);
/* How long a connection from `peer` may take for its proof: the longest that a live grant for it gives, or
 * `default_ms`. Nobody knows yet whose connection it is. */
uint32_t nj_door_bind_ms(const struct nj_door *door, uint16_t service, const struct nj_addr *peer, uint32_t default_ms);
uint32_t nj_door_count(const struct nj_door *door);

#endif
