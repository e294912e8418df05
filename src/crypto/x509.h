/*
 * The built-in certificate authority's cryptography: keys and certificates as PEM (RFC 7468), P-256 and ECDSA with
 * SHA-256 (RFC 5480), profile of RFC 5280. Allocated texts are freed by the caller (free); private keys are wiped
 * first (nj_wipe). Any thread; no files.
 */
#ifndef NJ_CRYPTO_X509_H
#define NJ_CRYPTO_X509_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct nj_x509_pair {
	char *cert_pem;
	char *key_pem;
};

/* A self-signed CA, path length 0, `days` from `now_s` (Unix seconds). */
NJ_MUST_USE enum nj_err nj_x509_make_ca(const char *common_name, uint64_t now_s, uint32_t days,
					struct nj_x509_pair *out_pair);
/* A server certificate (extendedKeyUsage serverAuth) for names and IP addresses: subjectAltName dNSName or iPAddress.
 */
NJ_MUST_USE enum nj_err nj_x509_issue_server(const struct nj_x509_pair *ca, const char *const *names, size_t name_count,
					     uint64_t now_s, uint32_t days, struct nj_x509_pair *out_pair);
/* A client certificate whose subject is `CN=<common_name>, serialNumber=<uid in hex>`. */
NJ_MUST_USE enum nj_err nj_x509_issue_client(const struct nj_x509_pair *ca, const char *common_name,
					     const uint8_t uid[16], uint64_t now_s, uint32_t days,
					     struct nj_x509_pair *out_pair);
/* Last second of validity (Unix). */
NJ_MUST_USE enum nj_err nj_x509_not_after(const char *cert_pem, uint64_t *out_not_after_s);
void nj_x509_pair_done(struct nj_x509_pair *pair);

#endif
