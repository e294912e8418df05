/*
 * The built-in certificate authority: its key and the gateway's TLS key lie sealed in the vault. The keeper's main
 * thread only (and `init`); the gateway gets its own pair and the CA's certificate, never the CA's key. Never logs.
 */
#ifndef NJ_IDENTITY_AUTHORITY_H
#define NJ_IDENTITY_AUTHORITY_H

#include "crypto/x509.h"
#include "identity/vault.h"

#define NJ_AUTHORITY_CA_DAYS 3650
#define NJ_AUTHORITY_SERVER_DAYS 397
#define NJ_AUTHORITY_NAMES_MAX 32

struct nj_authority;

/* NJ_ERR_EXISTS when the vault has one. `common_name` as people will see it. */
NJ_MUST_USE enum nj_err nj_authority_create(struct nj_vault *vault, const char *common_name, uint64_t now_s,
					    struct nj_authority **out_authority);
NJ_MUST_USE enum nj_err nj_authority_open(struct nj_vault *vault, struct nj_authority **out_authority);
void nj_authority_free(struct nj_authority *authority);
/* PEM, borrowed. */
const char *nj_authority_ca_pem(const struct nj_authority *authority);
/* The gateway's pair for these host names and addresses: the stored one while the names are the same and a third of its
 * life remains, else a new one, stored. `out_renewed` may be NULL. NJ_ERR_LIMIT over NJ_AUTHORITY_NAMES_MAX. */
NJ_MUST_USE enum nj_err nj_authority_server(struct nj_authority *authority, const char *const *names, size_t name_count,
					    uint64_t now_s, struct nj_x509_pair *out_pair, bool *out_renewed);
/* A new one, stored in the place of the one before it. */
NJ_MUST_USE enum nj_err nj_authority_renew_server(struct nj_authority *authority, const char *const *names,
						  size_t name_count, uint64_t now_s, struct nj_x509_pair *out_pair);
#define NJ_AUTHORITY_CLIENT_DAYS 825
#define NJ_AUTHORITY_LIST_DAYS 90

/* A certificate for the key of a party's request, whose private half the keeper never sees; nothing is stored. The
 * caller frees the text. NJ_ERR_FORGED, NJ_ERR_UNSUPPORTED, NJ_ERR_MALFORMED for a request that is refused. */
NJ_MUST_USE enum nj_err nj_authority_certify(struct nj_authority *authority, const char *request_pem,
					     const char *common_name, const uint8_t uid[16], uint64_t now_s,
					     char **out_cert_pem);
/* A revocation list, new each time; the caller frees the text. */
NJ_MUST_USE enum nj_err nj_authority_list(struct nj_authority *authority, const struct nj_x509_revoked *rows,
					  size_t count, uint64_t now_s, char **out_list_pem);

#endif
