/*
 * Passphrases of the vault: made here (six words of a list of 2,048: 66 bits), or a person's own, and turned into the
 * key of a slot by Argon2id with parameters that the slot keeps. The derivation runs where the passphrase was entered,
 * in the command line, so that it takes neither the keeper's time nor its memory. Any thread. Never logs.
 */
#ifndef NJ_IDENTITY_PASSPHRASE_H
#define NJ_IDENTITY_PASSPHRASE_H

#include "base/random.h"
#include "crypto/crypto.h"

#define NJ_PASSPHRASE_WORDS 6
#define NJ_PASSPHRASE_MADE_BYTES 48 /* six words of at most six letters, blanks, the end */
#define NJ_PASSPHRASE_MIN_CHARACTERS 16
#define NJ_PASSPHRASE_MAX_BYTES 1024
#define NJ_PASSPHRASE_PARAMS_BYTES 24

#define NJ_PASSPHRASE_MEMORY_KIB (256u * 1024)
#define NJ_PASSPHRASE_MEMORY_MIN_KIB (64u * 1024)
#define NJ_PASSPHRASE_MEMORY_MAX_KIB (4096u * 1024)
#define NJ_PASSPHRASE_PASSES 3
#define NJ_PASSPHRASE_PASSES_MAX 64

struct nj_passphrase_params {
	uint8_t salt[NJ_ARGON2_SALT_BYTES];
	uint32_t memory_kib;
	uint32_t passes;
};

/* A fresh salt and the given costs (0: the default). */
void nj_passphrase_params_new(struct nj_random *random, uint32_t memory_kib, uint32_t passes,
			      struct nj_passphrase_params *out_params);
/* NJ_ERR_RANGE outside the limits above: weaker than the floor, or more than a machine is to be asked for. */
NJ_MUST_USE enum nj_err nj_passphrase_params_check(const struct nj_passphrase_params *params);
/* The slot's form: salt, memory in KiB, passes. */
void nj_passphrase_params_write(const struct nj_passphrase_params *params, uint8_t out[NJ_PASSPHRASE_PARAMS_BYTES]);
NJ_MUST_USE enum nj_err nj_passphrase_params_read(struct nj_view bytes, struct nj_passphrase_params *out_params);

void nj_passphrase_make(struct nj_random *random, char out[NJ_PASSPHRASE_MADE_BYTES]);
/* NJ_ERR_RANGE for fewer than 16 characters or more than 1,024 bytes, NJ_ERR_MALFORMED for bytes that are no UTF-8. */
NJ_MUST_USE enum nj_err nj_passphrase_check(const char *passphrase);
/* Blanks at the ends and repeated ones between words do not count. The errors of nj_argon2id and of the checks. */
NJ_MUST_USE enum nj_err nj_passphrase_key(const struct nj_passphrase_params *params, const char *passphrase,
					  uint8_t out_key[NJ_KEY_BYTES]);

#endif
