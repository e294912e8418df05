/*
 * Recovery: a device that shares no root key with its gateway any more gets a new one in a session of the enrolment
 * service, which its recovery key opens while the operator's window is open (docs/protocol/knock.md, "Recovery"). The
 * messages of that session, the new key, and the device's side; the gateway's is keeper/recovery.h. Pure: no I/O, no
 * clock, no allocation; shared by keeper, device library and tests. Any thread. Structs with keys are wiped by their
 * owner.
 */
#ifndef NJ_WIRE_RECOVER_H
#define NJ_WIRE_RECOVER_H

#include "wire/rekey.h"

#define NJ_RECOVER_NONCE_BYTES 32
#define NJ_RECOVER_OFFER_BYTES (1 + 4 + 8 + NJ_RECOVER_NONCE_BYTES) /* type, epoch, floor, nonce */
#define NJ_RECOVER_PROVEN_BYTES (1 + 4 + NJ_REKEY_PROOF_BYTES)      /* STORED and DONE: type, epoch, proof */
#define NJ_RECOVER_MESSAGE_MAX_BYTES NJ_RECOVER_OFFER_BYTES
#define NJ_RECOVER_AFTER_MS (UINT64_C(24) * 60 * 60 * 1000) /* of failure, before a device tries its recovery key */

enum nj_recover_type { NJ_RECOVER_OFFER = 1, NJ_RECOVER_STORED = 2, NJ_RECOVER_DONE = 3 };

struct nj_recover_message {
	enum nj_recover_type type;
	uint32_t epoch;                        /* of the new key */
	uint64_t floor;                        /* OFFER: counters of the new key begin after it */
	uint8_t nonce[NJ_RECOVER_NONCE_BYTES]; /* OFFER */
	uint8_t proof[NJ_REKEY_PROOF_BYTES];   /* STORED, DONE */
};

/* The message at the front of a session's bytes; `out_len` is how many it takes. NJ_ERR_TRUNCATED: more must come;
 * NJ_ERR_UNSUPPORTED: no such type; NJ_ERR_RANGE: epoch 0, or a floor past the counters. */
NJ_MUST_USE enum nj_err nj_recover_decode(struct nj_view in, struct nj_recover_message *out, size_t *out_len);
/* Returns the length. */
size_t nj_recover_encode(const struct nj_recover_message *message, uint8_t out[NJ_RECOVER_MESSAGE_MAX_BYTES]);
/* K' = HKDF(K_rec ‖ nonce, salt = uid, info = "nightjar/1 recover" ‖ epoch ‖ floor). STORED and DONE prove it as in a
 * rekey (nj_rekey_prove). */
void nj_recover_derive(const uint8_t recovery_key[NJ_KNOCK_KEY_BYTES], const struct nj_recover_message *offer,
		       const uint8_t uid[NJ_UID_BYTES], uint8_t out_key[NJ_KNOCK_KEY_BYTES]);

/* ---- the device's side ---- */

/* As nj_rekey_device_next, for a device that has failed for NJ_RECOVER_AFTER_MS: 16 attempts with its root keys, 16
 * with its recovery key, in turn. Without a recovery key the same as nj_rekey_device_next. */
NJ_MUST_USE enum nj_err nj_recover_device_next(struct nj_rekey_device *device, struct nj_rekey_attempt *out_attempt);
/* OFFER came in the attempt's session, which is bound under the recovery key. NJ_OK: `device` holds the new key first
 * and the ones before it; store it, then send `out_stored`. NJ_ERR_STATE, nothing changed: no session of the recovery
 * key, or a second OFFER in one. DONE: nj_recover_device_done. */
NJ_MUST_USE enum nj_err nj_recover_device_offered(struct nj_rekey_device *device, struct nj_rekey_attempt *session,
						  const struct nj_recover_message *offer,
						  struct nj_recover_message *out_stored);
/* DONE came. NJ_OK: `device` holds the new root key alone (and its recovery key, as ever); store it. NJ_ERR_STATE,
 * NJ_ERR_FORGED: nothing changed. */
NJ_MUST_USE enum nj_err nj_recover_device_done(struct nj_rekey_device *device, const struct nj_recover_message *done);

#endif
