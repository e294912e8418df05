/*
 * Grants: who may connect from where to which port, until when. A grant waits until the gateway has acknowledged its
 * one-time key; only then the cloak opens for its source and port. Several grants of one source and port are counted:
 * the cloak stays open until the latest expiry among them and shuts with the last. What stands open for a listed proxy
 * is counted with them, so that no grant's end shuts it. The keeper's main thread only.
 */
#ifndef NJ_KEEPER_GRANTS_H
#define NJ_KEEPER_GRANTS_H

#include "base/clock.h"
#include "base/text.h"
#include "keeper/cloak/cloak.h"
#include "wire/knock.h"

#define NJ_GRANT_ACK_MS 2000 /* a gateway that has not acknowledged by then will not */

struct nj_grants;

struct nj_grant_spec {
	uint8_t uid[NJ_UID_BYTES];
	struct nj_addr source; /* port 0 */
	uint8_t source_prefix; /* of 128 bits */
	uint16_t port;         /* local TCP port */
	uint16_t service;
	uint32_t lifetime_ms;
	uint32_t epoch; /* of the key that the knock was made with */
	bool rekey;     /* the device may be offered a new one */
	char customer[NJ_NAME_BYTES];
	char name[NJ_NAME_BYTES];
};

/* X(name, text): why a grant ended. */
#define NJ_GRANT_END_TABLE(X)                                        \
	X(NJ_GRANT_BOUND, "bound")                                   \
	X(NJ_GRANT_EXPIRED, "expired")                               \
	X(NJ_GRANT_UNANSWERED, "the gateway did not acknowledge it") \
	X(NJ_GRANT_REVOKED, "revoked")                               \
	X(NJ_GRANT_OLD_KEY, "its key was replaced")                  \
	X(NJ_GRANT_GATEWAY_GONE, "the gateway process ended")        \
	X(NJ_GRANT_CLOAK_FAILED, "the cloak could not open")

enum nj_grant_end {
#define NJ_GRANT_END_ENUM(name, text) name,
	NJ_GRANT_END_TABLE(NJ_GRANT_END_ENUM)
#undef NJ_GRANT_END_ENUM
};
const char *nj_grant_end_text(enum nj_grant_end end);

/* Tells each end, the grant still readable; must not call back into the table. */
typedef void (*nj_grant_ended_fn)(void *arg, uint64_t id, const struct nj_grant_spec *spec, enum nj_grant_end end);

NJ_MUST_USE enum nj_err nj_grants_new(const struct nj_clock *clock, struct nj_cloak *cloak, uint32_t max,
				      nj_grant_ended_fn ended, void *arg, struct nj_grants **out_grants);
/* Forgets all without a word; the cloak's own expiry ends what is open. */
void nj_grants_free(struct nj_grants *grants);
/* Waits for its acknowledgement. Ids are never 0 and do not repeat. NJ_ERR_LIMIT. */
NJ_MUST_USE enum nj_err nj_grants_add(struct nj_grants *grants, const struct nj_grant_spec *spec, uint64_t *out_id);
/* Opens the cloak. NJ_ERR_NOT_FOUND when it has ended; errors of the cloak end the grant. Repeating is harmless. */
NJ_MUST_USE enum nj_err nj_grants_ack(struct nj_grants *grants, uint64_t id);
/* A connection proved itself. NJ_ERR_NOT_FOUND; NJ_ERR_STATE for a grant that was never open. */
NJ_MUST_USE enum nj_err nj_grants_bound(struct nj_grants *grants, uint64_t id);
/* Ends one that the caller could not hand over; harmless when gone. */
void nj_grants_end(struct nj_grants *grants, uint64_t id, enum nj_grant_end end);
void nj_grants_end_uid(struct nj_grants *grants, const uint8_t uid[NJ_UID_BYTES], enum nj_grant_end end);
/* Those of knocks that were made with another key than that of `epoch`. */
void nj_grants_end_other_keys(struct nj_grants *grants, const uint8_t uid[NJ_UID_BYTES], uint32_t epoch);
/* Those for one service. */
void nj_grants_end_service(struct nj_grants *grants, uint16_t service, enum nj_grant_end end);
void nj_grants_end_all(struct nj_grants *grants, enum nj_grant_end end);
/* Opens the cloak for a net and a port for as long as the table lives, without a grant: whoever comes that way is
 * judged behind it. Repeating opens again what the cloak may have lost. NJ_ERR_LIMIT; errors of the cloak. */
NJ_MUST_USE enum nj_err nj_grants_stand(struct nj_grants *grants, const struct nj_net *net, uint16_t port);
/* Ends what expired or was not acknowledged in time. */
void nj_grants_tick(struct nj_grants *grants);
uint32_t nj_grants_count(const struct nj_grants *grants);
/* Sources and ports that the cloak lets through now, those that stand among them. */
uint32_t nj_grants_open_count(const struct nj_grants *grants);

#endif
