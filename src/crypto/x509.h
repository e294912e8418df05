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
/* A new P-256 key and a certificate request for it (PKCS #10, RFC 2986): `cert_pem` is the request. */
NJ_MUST_USE enum nj_err nj_x509_make_request(const char *common_name, struct nj_x509_pair *out_pair);

#define NJ_X509_SERIAL_BYTES 41 /* 20 bytes as hex (RFC 5280 4.1.2.2), and the end */

/* Issues for the key of a request, whose names are ignored: the subject is as above. Refuses (NJ_ERR_FORGED) a request
 * that its own key has not signed, and (NJ_ERR_UNSUPPORTED) a key that is neither P-256 nor Ed25519. */
NJ_MUST_USE enum nj_err nj_x509_issue_for_request(const struct nj_x509_pair *ca, const char *request_pem,
						  const char *common_name, const uint8_t uid[16], uint64_t now_s,
						  uint32_t days, char **out_cert_pem);
/* The certificate's number in lower-case hex. */
NJ_MUST_USE enum nj_err nj_x509_serial(const char *cert_pem, char out_serial[NJ_X509_SERIAL_BYTES]);

struct nj_x509_revoked {
	char serial[NJ_X509_SERIAL_BYTES];
	uint64_t revoked_s;
};
/* A revocation list (version 2), number `now_s`, valid for `days`. NJ_ERR_TOO_LARGE past 2 MiB, some 40,000 rows. */
NJ_MUST_USE enum nj_err nj_x509_make_list(const struct nj_x509_pair *ca, const struct nj_x509_revoked *rows,
					  size_t count, uint64_t now_s, uint32_t days, char **out_list_pem);

/* What a customer brings. `why` (may be NULL) says what is wrong; NJ_ERR_CONFIG, NJ_ERR_EXPIRED. */
/* One or more CA certificates and nothing else, each valid at `now_s`. */
NJ_MUST_USE enum nj_err nj_x509_check_ca(const char *ca_pem, uint64_t now_s, struct nj_why *why);
/* One or more revocation lists and nothing else, each signed by a CA of `ca_pem` and current at `now_s`, and one for
 * each of these CAs: without it every certificate of that CA would be refused. */
NJ_MUST_USE enum nj_err nj_x509_check_lists(const char *lists_pem, const char *ca_pem, uint64_t now_s,
					    struct nj_why *why);
/* Last second of validity (Unix). */
NJ_MUST_USE enum nj_err nj_x509_not_after(const char *cert_pem, uint64_t *out_not_after_s);
void nj_x509_pair_done(struct nj_x509_pair *pair);

#endif
