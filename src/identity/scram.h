/*
 * SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677): a verifier, from which a password cannot be had but by
 * guessing, and one exchange. Parses a stranger's text; allocates nothing, does no I/O. One exchange has one owner;
 * verifiers are read by any thread. Passwords are printable ASCII, of which SASLprep changes nothing. No channel
 * binding: the gateway's TLS is bound to the party by the knock already.
 */
#ifndef NJ_IDENTITY_SCRAM_H
#define NJ_IDENTITY_SCRAM_H

#include "base/random.h"
#include "crypto/crypto.h"

#define NJ_SCRAM_METHOD "SCRAM-SHA-256"
#define NJ_SCRAM_ITERATIONS 4096 /* RFC 7677 section 4: at least */
#define NJ_SCRAM_ITERATIONS_MAX 1000000
#define NJ_SCRAM_SALT_BYTES 16
#define NJ_SCRAM_NONCE_BYTES 25 /* text and its end */
#define NJ_SCRAM_TEXT_BYTES 160 /* of a verifier, and its end */
#define NJ_SCRAM_MESSAGE_BYTES 512

struct nj_scram_verifier {
	uint32_t iterations;
	uint8_t salt[NJ_SCRAM_SALT_BYTES];
	uint8_t stored_key[NJ_SHA256_BYTES];
	uint8_t server_key[NJ_SHA256_BYTES];
};

/* NJ_ERR_MALFORMED: an empty password, or one that is not printable ASCII. Takes milliseconds. */
NJ_MUST_USE enum nj_err nj_scram_verifier_make(struct nj_view password, const uint8_t salt[NJ_SCRAM_SALT_BYTES],
					       uint32_t iterations, struct nj_scram_verifier *out_verifier);
/* "SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY", in base64, as PostgreSQL writes it. */
void nj_scram_verifier_text(const struct nj_scram_verifier *verifier, char out[NJ_SCRAM_TEXT_BYTES]);
NJ_MUST_USE enum nj_err nj_scram_verifier_parse(const char *text, struct nj_scram_verifier *out_verifier);
/* Whether this is the password. Takes milliseconds. */
bool nj_scram_verifier_accepts(const struct nj_scram_verifier *verifier, struct nj_view password);

struct nj_scram {
	struct nj_scram_verifier verifier;
	bool known; /* the user is who the verifier is for */
	size_t gs2_bytes;
	size_t nonce_bytes;
	size_t said_bytes; /* client-first-bare "," server-first */
	char gs2[NJ_SCRAM_MESSAGE_BYTES];
	char nonce[NJ_SCRAM_MESSAGE_BYTES];
	char said[2 * NJ_SCRAM_MESSAGE_BYTES];
	char answer[NJ_SCRAM_MESSAGE_BYTES];
};

/* The server's half of a nonce: 18 random bytes in base64. */
void nj_scram_nonce(struct nj_random *random, char out[NJ_SCRAM_NONCE_BYTES]);
/* Takes client-first and gives server-first, which is borrowed from `scram`. Another user than `user` is heard to the
 * end and refused then. NJ_ERR_MALFORMED, NJ_ERR_TOO_LARGE. */
NJ_MUST_USE enum nj_err nj_scram_begin(struct nj_scram *scram, const struct nj_scram_verifier *verifier,
				       const char *user, const char *nonce, struct nj_view client_first,
				       struct nj_view *out_server_first);
/* Takes client-final and gives server-final, borrowed likewise. NJ_ERR_MALFORMED, NJ_ERR_FORGED (wrong user or
 * password). The exchange is over either way. */
NJ_MUST_USE enum nj_err nj_scram_end(struct nj_scram *scram, struct nj_view client_final,
				     struct nj_view *out_server_final);

#endif
