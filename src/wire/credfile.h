/*
 * The credentials file: what a device or application holds to knock, as text (docs/protocol/knock.md, "Credentials
 * file"). Reads and writes memory only: no I/O, no allocation. Any thread. The struct and the text hold the root key:
 * their owner wipes them.
 */
#ifndef NJ_WIRE_CREDFILE_H
#define NJ_WIRE_CREDFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "wire/knock.h"

#define NJ_CREDFILE_MAX_BYTES 16384 /* of the text */
#define NJ_CREDFILE_HOST_BYTES 254  /* RFC 1035 2.3.4, as text, and the end */
#define NJ_CREDFILE_CA_BYTES 4096
#define NJ_CREDFILE_CERT_BYTES 4096
#define NJ_CREDFILE_CERT_KEY_BYTES 512

enum nj_credfile_kind {
	NJ_CREDFILE_DEVICE = 1,
	NJ_CREDFILE_APPLICATION = 2,
};

struct nj_credfile {
	enum nj_credfile_kind kind;
	char name[NJ_NAME_BYTES];
	char customer[NJ_NAME_BYTES];
	uint8_t uid[NJ_UID_BYTES];
	uint8_t key[NJ_KNOCK_KEY_BYTES];      /* the root key */
	uint32_t epoch;                       /* of the root key */
	uint8_t recovery[NJ_KNOCK_KEY_BYTES]; /* the recovery key; zero for none */
	char host[NJ_CREDFILE_HOST_BYTES];    /* "" when the user names it at each knock */
	uint16_t knock_port;
	uint16_t port[NJ_SERVICE_END];             /* by service; 0 when the gateway does not offer it */
	uint64_t counter;                          /* of the last knock whose connection was bound */
	uint64_t attempt;                          /* of the next knock (nj_knock_attempt_counter) */
	char ca[NJ_CREDFILE_CA_BYTES];             /* certificates as PEM, each line ended; "" for none */
	char cert[NJ_CREDFILE_CERT_BYTES];         /* its own certificate, with its chain, likewise */
	char cert_key[NJ_CREDFILE_CERT_KEY_BYTES]; /* the private key of `cert` (PKCS #8), likewise */
};

/* Strict: every line is understood or refused, and `why` (may be NULL) names the line, never a value. NJ_ERR_NEWER for
 * a later version of the format, NJ_ERR_TOO_LARGE, NJ_ERR_EXISTS for a repeated key, NJ_ERR_NOT_FOUND for a missing or
 * unknown one, NJ_ERR_MALFORMED and NJ_ERR_RANGE for a value. */
NJ_MUST_USE enum nj_err nj_credfile_parse(const char *text, size_t len, struct nj_credfile *out_file,
					  struct nj_why *why);
/* The one text that stands for `file`, terminated; `out_len` excludes the end. NJ_CREDFILE_MAX_BYTES is always enough.
 * `out` is wiped on failure: NJ_ERR_FULL, or what parsing that value would say. */
NJ_MUST_USE enum nj_err nj_credfile_format(const struct nj_credfile *file, char *out, size_t cap, size_t *out_len);

void nj_credfile_wipe(struct nj_credfile *file);
#define NJ_CLEANUP_CREDFILE __attribute__((cleanup(nj_credfile_wipe)))

#endif
