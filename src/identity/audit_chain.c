#include "identity/audit_chain.h"

#define SEED_RECORD "audit"
#define RECORD_LABEL "nightjar/1 audit record"
#define CHECKPOINT_LABEL "nightjar/1 audit checkpoint"
#define HEAD_LABEL "nightjar/1 audit head"
#define TEXTS 5

enum nj_err nj_audit_keys_load(const struct nj_vault *vault, struct nj_audit_keys *out_keys)
{
	NJ_CLEANUP_SECRET struct nj_secret *seed = NULL;
	struct nj_audit_keys keys;

	NJ_TRY(nj_vault_get(vault, SEED_RECORD, &seed));
	if (nj_secret_len(seed) != NJ_KEY_BYTES)
		return NJ_ERR_CORRUPT;
	NJ_TRY(nj_secret_new(NJ_ED25519_SECRET_BYTES + NJ_KEY_BYTES, &keys.secret));
	nj_ed25519_from_seed(nj_secret_bytes(seed), keys.public_key, nj_secret_bytes(keys.secret));
	nj_vault_derive(vault, HEAD_LABEL, nj_secret_bytes(keys.secret) + NJ_ED25519_SECRET_BYTES);
	*out_keys = keys;
	return NJ_OK;
}

void nj_audit_keys_done(struct nj_audit_keys *keys)
{
	nj_secret_free(keys->secret);
	keys->secret = NULL;
}

void nj_audit_record_hash(const uint8_t previous[NJ_SHA256_BYTES], const struct nj_audit_row *row,
			  uint8_t out_hash[NJ_SHA256_BYTES])
{
	const struct nj_view texts[TEXTS] = { row->event, row->customer, row->subject, row->source, row->detail };
	struct nj_view parts[3 + 2 * TEXTS];
	uint8_t numbers[16];
	uint8_t lengths[TEXTS][4];
	size_t count = 0;

	nj_put_u64(numbers, row->seq);
	nj_put_u64(numbers + 8, row->time_ms);
	parts[count++] = nj_view_str(RECORD_LABEL);
	parts[count++] = nj_view_of(previous, NJ_SHA256_BYTES);
	parts[count++] = nj_view_of(numbers, sizeof(numbers));
	for (size_t i = 0; i < TEXTS; i++) {
		nj_put_u32(lengths[i], (uint32_t)texts[i].len);
		parts[count++] = nj_view_of(lengths[i], sizeof(lengths[i]));
		parts[count++] = texts[i];
	}
	nj_sha256(parts, count, out_hash);
}

#define CHECKPOINT_BYTES (sizeof(CHECKPOINT_LABEL) - 1 + 3 * 8 + NJ_SHA256_BYTES)

static struct nj_view checkpoint_message(const struct nj_audit_checkpoint_row *row, uint8_t buffer[CHECKPOINT_BYTES])
{
	struct nj_writer w = nj_writer_of(buffer, CHECKPOINT_BYTES);

	nj_write_bytes(&w, CHECKPOINT_LABEL, strlen(CHECKPOINT_LABEL));
	nj_write_u64(&w, row->previous_seq);
	nj_write_u64(&w, row->seq);
	nj_write_u64(&w, row->time_ms);
	nj_write_bytes(&w, row->hash, sizeof(row->hash));
	return nj_view_of(buffer, w.pos);
}

void nj_audit_checkpoint_sign(const struct nj_audit_keys *keys, struct nj_audit_checkpoint_row *row)
{
	uint8_t message[CHECKPOINT_BYTES];

	nj_ed25519_sign(nj_secret_bytes(keys->secret), checkpoint_message(row, message), row->signature);
}

enum nj_err nj_audit_checkpoint_verify(const struct nj_audit_keys *keys, const struct nj_audit_checkpoint_row *row)
{
	uint8_t message[CHECKPOINT_BYTES];

	return nj_ed25519_verify(keys->public_key, checkpoint_message(row, message), row->signature);
}

void nj_audit_head_mac(const struct nj_audit_keys *keys, const struct nj_audit_head_row *head,
		       uint8_t out_mac[NJ_SHA256_BYTES])
{
	uint8_t numbers[16];
	const struct nj_view parts[] = { nj_view_str(HEAD_LABEL), nj_view_of(numbers, sizeof(numbers)),
					 nj_view_of(head->hash, sizeof(head->hash)) };

	nj_put_u64(numbers, head->seq);
	nj_put_u64(numbers + 8, head->checkpoint_seq);
	nj_hmac_sha256(nj_secret_bytes(keys->secret) + NJ_ED25519_SECRET_BYTES, NJ_KEY_BYTES, parts, 3, out_mac);
}

enum nj_err nj_audit_head_verify(const struct nj_audit_keys *keys, const struct nj_audit_head_row *head)
{
	uint8_t mac[NJ_SHA256_BYTES];

	nj_audit_head_mac(keys, head, mac);
	return nj_equal_ct(mac, head->mac, sizeof(mac)) ? NJ_OK : NJ_ERR_FORGED;
}
