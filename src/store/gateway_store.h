/*
 * The gateway's file (gateway.db), typed: customers, profiles with their rules, parties. It holds no secret. What the
 * gateway keeps of it in memory is identity/directory's. The gateway's main thread only; common rules and errors:
 * store/store.h.
 */
#ifndef NJ_STORE_GATEWAY_STORE_H
#define NJ_STORE_GATEWAY_STORE_H

#include "store/store.h"

struct nj_gateway_store;

NJ_MUST_USE enum nj_err nj_gateway_store_open(const char *path, enum nj_store_mode mode,
					      struct nj_gateway_store **out_store, struct nj_why *why);
void nj_gateway_store_close(struct nj_gateway_store *store);
NJ_MUST_USE enum nj_err nj_gateway_store_begin(struct nj_gateway_store *store);
NJ_MUST_USE enum nj_err nj_gateway_store_commit(struct nj_gateway_store *store);
void nj_gateway_store_rollback(struct nj_gateway_store *store);

/* Texts of rows are borrowed until the callback returns; anything but NJ_OK stops an iteration, which returns it. */

typedef enum nj_err (*nj_customer_fn)(void *arg, const char *name, uint64_t created_ms);
/* NJ_ERR_EXISTS. */
NJ_MUST_USE enum nj_err nj_gateway_store_customer_insert(struct nj_gateway_store *store, const char *name,
							 uint64_t created_ms);
NJ_MUST_USE enum nj_err nj_gateway_store_customer_each(struct nj_gateway_store *store, nj_customer_fn fn, void *arg);

struct nj_profile_rule_row {
	uint8_t direction; /* enum nj_direction */
	bool deny;
	const char *pattern;
	const char *contract; /* identity/contract.h; "": none */
};
struct nj_profile_row {
	const char *name;
	uint32_t services;
	bool plain;
	uint32_t grant_ms;
	uint32_t version;
	const struct nj_profile_rule_row *rules;
	size_t rule_count;
};
#define NJ_PROFILE_RULES_MAX 256
typedef enum nj_err (*nj_profile_row_fn)(void *arg, const struct nj_profile_row *row);
/* Inserts or replaces with all its rules, in their order. NJ_ERR_LIMIT over NJ_PROFILE_RULES_MAX rules. */
NJ_MUST_USE enum nj_err nj_gateway_store_profile_put(struct nj_gateway_store *store, const struct nj_profile_row *row);
NJ_MUST_USE enum nj_err nj_gateway_store_profile_each(struct nj_gateway_store *store, nj_profile_row_fn fn, void *arg);

struct nj_party_row {
	uint8_t uid[NJ_STORE_UID_BYTES];
	uint8_t kind; /* enum nj_party_kind */
	const char *customer;
	const char *name;
	const char *profile;
	uint64_t created_ms;
	uint64_t revoked_ms; /* 0: live */
};
typedef enum nj_err (*nj_party_row_fn)(void *arg, const struct nj_party_row *row);
/* NJ_ERR_EXISTS: the uid, or the name among those not revoked. NJ_ERR_NOT_FOUND: no such customer or profile. */
NJ_MUST_USE enum nj_err nj_gateway_store_party_insert(struct nj_gateway_store *store, const struct nj_party_row *row);
/* NJ_ERR_NOT_FOUND when it is not there or is revoked already. */
NJ_MUST_USE enum nj_err nj_gateway_store_party_revoke(struct nj_gateway_store *store,
						      const uint8_t uid[NJ_STORE_UID_BYTES], uint64_t now_ms);
/* Forgets it altogether (the keeper never made it live); NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_gateway_store_party_delete(struct nj_gateway_store *store,
						      const uint8_t uid[NJ_STORE_UID_BYTES]);
/* Those not revoked; `fn` must not return NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_gateway_store_party_each(struct nj_gateway_store *store, nj_party_row_fn fn, void *arg);
/* One that is not revoked: calls `fn` once, or gives NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_gateway_store_party_get(struct nj_gateway_store *store,
						   const uint8_t uid[NJ_STORE_UID_BYTES], nj_party_row_fn fn,
						   void *arg);
NJ_MUST_USE enum nj_err nj_gateway_store_party_named(struct nj_gateway_store *store, const char *customer, uint8_t kind,
						     const char *name, nj_party_row_fn fn, void *arg);
/* Those not revoked. */
NJ_MUST_USE enum nj_err nj_gateway_store_party_count(struct nj_gateway_store *store, size_t *out_count);

/* ---- what a party's last TLS handshake offered and agreed: for a judgement of its posture ---- */

struct nj_tls_row {
	uint8_t uid[NJ_STORE_UID_BYTES];
	uint64_t seen_ms; /* Unix */
	const char *version, *cipher, *group, *proof;
	struct nj_view offer; /* as nj_tls_offer_write has it */
};
#define NJ_TLS_ROW_FRESH_MS (24ULL * 3600 * 1000)
/* Inserts, or replaces a row that says something else or is older than NJ_TLS_ROW_FRESH_MS; else nothing is written. */
NJ_MUST_USE enum nj_err nj_gateway_store_tls_put(struct nj_gateway_store *store, const struct nj_tls_row *row);
typedef enum nj_err (*nj_tls_row_fn)(void *arg, const struct nj_tls_row *row);
/* Calls `fn` once, or gives NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_gateway_store_tls_get(struct nj_gateway_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
						 nj_tls_row_fn fn, void *arg);
/* Harmless when there is none. */
NJ_MUST_USE enum nj_err nj_gateway_store_tls_delete(struct nj_gateway_store *store,
						    const uint8_t uid[NJ_STORE_UID_BYTES]);

#endif
