/*
 * What the files of X.509 share, and no other folder includes: OpenSSL objects that free themselves, and the steps of
 * making a certificate. Every function leaves OpenSSL's error queue empty. Any thread.
 */
#ifndef NJ_CRYPTO_X509_INTERNAL_H
#define NJ_CRYPTO_X509_INTERNAL_H

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "crypto/x509.h"

#define NJ_X509_UID_HEX_BYTES 33
#define NJ_X509_DAY_S 86400
#define NJ_X509_BACKDATED_S 300

/* The certificate authority, read: what signs. */
struct nj_x509_issuer {
	X509 *cert;
	EVP_PKEY *key;
};

struct nj_x509_validity {
	time_t not_before;
	time_t not_after;
};

/* What distinguishes the kinds of certificate. */
struct nj_x509_profile {
	const char *basic_constraints;
	const char *key_usage;
	const char *extended_key_usage; /* NULL: none */
};
extern const struct nj_x509_profile nj_x509_client_profile;

#define CLEANUP(type, release)                           \
	static inline void cleanup_##type(type **object) \
	{                                                \
		release(*object);                        \
	}
CLEANUP(X509, X509_free)
CLEANUP(X509_REQ, X509_REQ_free)
CLEANUP(X509_CRL, X509_CRL_free)
CLEANUP(EVP_PKEY, EVP_PKEY_free)
CLEANUP(BIO, BIO_free_all)
CLEANUP(BIGNUM, BN_free)
CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free)
#define OWNED(type) __attribute__((cleanup(cleanup_##type))) type *

/* From when on what is made now is valid: a little before, for whoever's clock is behind. */
static inline uint64_t nj_x509_backdated(uint64_t now_s)
{
	return now_s > NJ_X509_BACKDATED_S ? now_s - NJ_X509_BACKDATED_S : 0;
}

void nj_x509_issuer_done(struct nj_x509_issuer *issuer);
#define OWNED_ISSUER __attribute__((cleanup(nj_x509_issuer_done))) struct nj_x509_issuer

/* OpenSSL's error queue belongs to the thread, and TLS reads it: nothing of ours may stay in it. */
enum nj_err nj_x509_failed(enum nj_err err);
NJ_MUST_USE enum nj_err nj_x509_read_cert(const char *pem, X509 **out_cert);
/* Fills what it could read also on failure; nj_x509_issuer_done frees that. */
NJ_MUST_USE enum nj_err nj_x509_read_issuer(const struct nj_x509_pair *ca, struct nj_x509_issuer *issuer);
/* A certificate outlives its issuer to no purpose: its end is the earlier of both. */
NJ_MUST_USE enum nj_err nj_x509_leaf_validity(const struct nj_x509_issuer *issuer, uint64_t now_s, uint32_t days,
					      struct nj_x509_validity *out_validity);
/* Version 3, serial, validity, public key: what every certificate of ours has before its names. */
NJ_MUST_USE enum nj_err nj_x509_begin(EVP_PKEY *key, struct nj_x509_validity validity, X509 **out_cert);
NJ_MUST_USE enum nj_err nj_x509_add_name(X509 *cert, int nid, const char *text);
NJ_MUST_USE enum nj_err nj_x509_sign(X509 *cert, const struct nj_x509_issuer *issuer,
				     const struct nj_x509_profile *profile);
/* Copies what was written to a new text of the caller's allocator. */
NJ_MUST_USE enum nj_err nj_x509_take_text(BIO *bio, char **out_text);

#endif
