/*
 * What a ClientHello offered: versions, suites, groups and signature algorithms by their registered numbers, in the
 * client's order, cut to a bound. Values that are reserved against ossification (GREASE, RFC 8701) are left out. Plain
 * data; any thread.
 */
#ifndef NJ_NET_TLS_OFFER_H
#define NJ_NET_TLS_OFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"

#define NJ_TLS_OFFER_MAX 40

/* X(name, text): one list each. */
#define NJ_TLS_OFFER_TABLE(X)                \
	X(NJ_TLS_OFFER_VERSIONS, "versions") \
	X(NJ_TLS_OFFER_SUITES, "suites")     \
	X(NJ_TLS_OFFER_GROUPS, "groups")     \
	X(NJ_TLS_OFFER_SIGNATURES, "signatures")

enum nj_tls_offer_list {
#define NJ_TLS_OFFER_ENUM(name, text) name,
	NJ_TLS_OFFER_TABLE(NJ_TLS_OFFER_ENUM)
#undef NJ_TLS_OFFER_ENUM
	    NJ_TLS_OFFER_LISTS
};

struct nj_tls_offer {
	uint16_t at[NJ_TLS_OFFER_LISTS][NJ_TLS_OFFER_MAX];
	uint8_t count[NJ_TLS_OFFER_LISTS];
	bool cut; /* a list was longer than NJ_TLS_OFFER_MAX */
};

/* The pieces of a ClientHello as they stand in it; empty views for extensions that are not there. */
struct nj_tls_hello {
	uint16_t legacy_version;
	struct nj_view suites;             /* pairs of bytes */
	struct nj_view supported_versions; /* RFC 8446 4.2.1: one byte of length first */
	struct nj_view supported_groups;   /* 4.2.7: two bytes of length first */
	struct nj_view signatures;         /* 4.2.3: the same */
};

/* NJ_ERR_MALFORMED and its kind for a list that is not whole; `out_offer` is untouched then. */
NJ_MUST_USE enum nj_err nj_tls_offer_read(const struct nj_tls_hello *hello, struct nj_tls_offer *out_offer);

/* As stored: for each list one byte of count and two of each number, then one byte, 1 when cut. */
#define NJ_TLS_OFFER_BYTES (NJ_TLS_OFFER_LISTS * (1 + 2 * NJ_TLS_OFFER_MAX) + 1)
void nj_tls_offer_write(const struct nj_tls_offer *offer, struct nj_writer *w);
/* NJ_ERR_TOO_LARGE for a count over NJ_TLS_OFFER_MAX, NJ_ERR_RANGE, NJ_ERR_TRUNCATED, NJ_ERR_TRAILING. */
NJ_MUST_USE enum nj_err nj_tls_offer_parse(struct nj_view bytes, struct nj_tls_offer *out_offer);

const char *nj_tls_offer_list_name(enum nj_tls_offer_list list);
/* The registered name of a number in a list, or NULL. */
const char *nj_tls_offer_name(enum nj_tls_offer_list list, uint16_t number);

#endif
