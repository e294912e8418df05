/*
 * What makes the audit log tamper-evident: the bytes that are hashed, signed and authenticated. Shared by the writer
 * and the verifier. Only identity includes this. Any thread.
 */
#ifndef NJ_IDENTITY_AUDIT_CHAIN_H
#define NJ_IDENTITY_AUDIT_CHAIN_H

#include "identity/audit.h"
#include "store/keeper_audit.h"

/* Both secret keys of the log, in memory of secrets. */
struct nj_audit_keys {
	uint8_t public_key[NJ_ED25519_PUBLIC_BYTES];
	struct nj_secret *secret; /* signing key, then the head's MAC key */
};

NJ_MUST_USE enum nj_err nj_audit_keys_load(const struct nj_vault *vault, struct nj_audit_keys *out_keys);
void nj_audit_keys_done(struct nj_audit_keys *keys);

/* SHA-256(label ‖ previous hash ‖ seq ‖ time ‖ each text after its length); `row->hash` is not read. */
void nj_audit_record_hash(const uint8_t previous[NJ_SHA256_BYTES], const struct nj_audit_row *row,
			  uint8_t out_hash[NJ_SHA256_BYTES]);
void nj_audit_checkpoint_sign(const struct nj_audit_keys *keys, struct nj_audit_checkpoint_row *row);
NJ_MUST_USE enum nj_err nj_audit_checkpoint_verify(const struct nj_audit_keys *keys,
						   const struct nj_audit_checkpoint_row *row);
void nj_audit_head_mac(const struct nj_audit_keys *keys, const struct nj_audit_head_row *head,
		       uint8_t out_mac[NJ_SHA256_BYTES]);
NJ_MUST_USE enum nj_err nj_audit_head_verify(const struct nj_audit_keys *keys, const struct nj_audit_head_row *head);

#endif
