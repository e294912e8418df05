/*
 * The keeper store's rows about certificates: those that the built-in CA issued, and what customers brought as their
 * own CA. Thread rule and errors: store/keeper_store.h.
 */
#ifndef NJ_STORE_KEEPER_CERTIFICATES_H
#define NJ_STORE_KEEPER_CERTIFICATES_H

#include "store/keeper_store.h"

#define NJ_STORE_SERIAL_BYTES 41 /* as hex, and the end */

struct nj_certificate_row {
	char serial[NJ_STORE_SERIAL_BYTES];
	uint8_t uid[NJ_STORE_UID_BYTES];
	uint64_t not_after_s; /* Unix */
	uint64_t revoked_s;   /* 0: not revoked */
};
typedef enum nj_err (*nj_certificate_fn)(void *arg, const struct nj_certificate_row *row);

/* NJ_ERR_EXISTS. `revoked_s` is ignored: new ones are not revoked. */
NJ_MUST_USE enum nj_err nj_keeper_store_certificate_put(struct nj_keeper_store *store,
							const struct nj_certificate_row *row);
/* NJ_ERR_NOT_FOUND when there is no such certificate, or it is revoked already. */
NJ_MUST_USE enum nj_err nj_keeper_store_certificate_revoke(struct nj_keeper_store *store, const char *serial,
							   uint64_t now_s);
/* All of a party that are not revoked yet; NJ_ERR_NOT_FOUND when there is none. */
NJ_MUST_USE enum nj_err nj_keeper_store_certificate_revoke_uid(struct nj_keeper_store *store,
							       const uint8_t uid[NJ_STORE_UID_BYTES], uint64_t now_s);
NJ_MUST_USE enum nj_err nj_keeper_store_certificate_of(struct nj_keeper_store *store,
						       const uint8_t uid[NJ_STORE_UID_BYTES], nj_certificate_fn fn,
						       void *arg);
/* Revoked ones whose life has not ended; `live`: of live parties alone, as nobody else could come with one. */
NJ_MUST_USE enum nj_err nj_keeper_store_certificate_revoked(struct nj_keeper_store *store, bool live, uint64_t now_s,
							    nj_certificate_fn fn, void *arg);
/* Those that would be accepted. */
NJ_MUST_USE enum nj_err nj_keeper_store_certificate_count(struct nj_keeper_store *store, uint64_t now_s,
							  uint64_t *out_count);

/* Texts are borrowed until the callback returns. */
struct nj_trust_row {
	const char *customer;
	const char *ca_pem;
	const char *list_pem; /* "": none */
};
typedef enum nj_err (*nj_trust_fn)(void *arg, const struct nj_trust_row *row);

/* Inserts or replaces. */
NJ_MUST_USE enum nj_err nj_keeper_store_trust_put(struct nj_keeper_store *store, const struct nj_trust_row *row);
/* NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_keeper_store_trust_remove(struct nj_keeper_store *store, const char *customer);
/* Calls `fn` once, or gives NJ_ERR_NOT_FOUND. */
NJ_MUST_USE enum nj_err nj_keeper_store_trust_get(struct nj_keeper_store *store, const char *customer, nj_trust_fn fn,
						  void *arg);
NJ_MUST_USE enum nj_err nj_keeper_store_trust_each(struct nj_keeper_store *store, nj_trust_fn fn, void *arg);
/* What all but one customer's take. */
NJ_MUST_USE enum nj_err nj_keeper_store_trust_bytes(struct nj_keeper_store *store, const char *but_customer,
						    uint64_t *out_bytes);

#endif
