#include "identity/audit.h"

#include "base/text.h"
#include "identity/audit_state.h"
#include "identity/audit_verify.h"

#define SEED_RECORD "audit"
static enum nj_err put_head(struct nj_keeper_store *store, const struct nj_audit_keys *keys,
			    const struct nj_audit_chain *chain)
{
	struct nj_audit_head_row head = { .seq = chain->seq, .checkpoint_seq = chain->checkpoint_seq };

	memcpy(head.hash, chain->hash, sizeof(head.hash));
	nj_audit_head_mac(keys, &head, head.mac);
	return nj_keeper_store_head_put(store, &head);
}

static enum nj_err make_seed(struct nj_vault *vault, struct nj_random *random)
{
	uint8_t seed[NJ_KEY_BYTES];
	enum nj_err err;

	nj_random_fill(random, seed, sizeof(seed));
	err = nj_vault_put(vault, SEED_RECORD, nj_view_of(seed, sizeof(seed)));
	nj_wipe(seed, sizeof(seed));
	return err;
}

enum nj_err nj_audit_create(struct nj_vault *vault, struct nj_random *random)
{
	const struct nj_audit_chain empty = { 0 };
	struct nj_audit_head_row head;
	struct nj_audit_keys keys;
	enum nj_err err = nj_keeper_store_head_get(nj_vault_store(vault), &head);

	if (err != NJ_ERR_NOT_FOUND)
		return err == NJ_OK ? NJ_ERR_EXISTS : err;
	NJ_TRY(make_seed(vault, random));
	NJ_TRY(nj_audit_keys_load(vault, &keys));
	err = put_head(nj_vault_store(vault), &keys, &empty);
	nj_audit_keys_done(&keys);
	return err;
}

struct newest {
	uint64_t seq;
	uint8_t hash[NJ_SHA256_BYTES];
};

static enum nj_err take_newest(void *arg, const struct nj_audit_row *row)
{
	struct newest *newest = arg;

	newest->seq = row->seq;
	memcpy(newest->hash, row->hash, sizeof(newest->hash));
	return NJ_OK;
}

/* Says what the verifier finds: no command could ask it later, because none opens this log. */
static enum nj_err tampered(struct nj_vault *vault, const char *seen, struct nj_why *why)
{
	struct nj_audit_report report;
	bool told = nj_audit_verify(vault, &report) == NJ_OK && !report.intact;

	return nj_why(why, NJ_ERR_CORRUPT, "the audit log was changed behind the gateway's back (%s): restore a backup",
		      told ? report.text : seen);
}

/* The head row must be ours and name the newest record; whole-log checks are the verifier's. */
static enum nj_err load_chain(struct nj_audit *audit, struct nj_vault *vault, struct nj_why *why)
{
	struct nj_audit_head_row head;
	struct newest newest = { 0 };
	enum nj_err err = nj_keeper_store_head_get(audit->store, &head);

	if (err == NJ_ERR_NOT_FOUND || err == NJ_ERR_CORRUPT)
		return tampered(vault, "its head is missing or damaged", why);
	if (err != NJ_OK)
		return err;
	if (nj_audit_head_verify(&audit->keys, &head) != NJ_OK)
		return tampered(vault, "its head is not ours", why);
	NJ_TRY(nj_keeper_store_audit_before(audit->store, INT64_MAX, 1, take_newest, &newest));
	if (newest.seq != head.seq || memcmp(newest.hash, head.hash, sizeof(head.hash)) != 0)
		return tampered(vault, "its newest record is not the one last written", why);
	audit->chain.seq = head.seq;
	audit->chain.checkpoint_seq = head.checkpoint_seq;
	audit->chain.checkpoint_boot_ms = nj_clock_boot_ms(audit->clock);
	memcpy(audit->chain.hash, head.hash, sizeof(audit->chain.hash));
	return NJ_OK;
}

enum nj_err nj_audit_open(struct nj_vault *vault, const struct nj_clock *clock, struct nj_audit **out_audit,
			  struct nj_why *why)
{
	struct nj_audit *audit = calloc(1, sizeof(*audit));
	enum nj_err err;

	if (audit == NULL)
		return NJ_ERR_NO_MEMORY;
	audit->store = nj_vault_store(vault);
	audit->clock = clock;
	err = nj_audit_keys_load(vault, &audit->keys);
	if (err != NJ_OK)
		err = nj_why(why, err, "the audit log's key cannot be read: %s", nj_err_text(err));
	else
		err = load_chain(audit, vault, why);
	if (err != NJ_OK) {
		nj_audit_close(audit);
		return err;
	}
	*out_audit = audit;
	return NJ_OK;
}

enum nj_err nj_audit_rekeyed(struct nj_audit *audit, struct nj_vault *vault)
{
	struct nj_audit_keys keys;

	NJ_TRY(nj_audit_keys_load(vault, &keys));
	nj_audit_keys_done(&audit->keys);
	audit->keys = keys;
	return NJ_OK;
}

void nj_audit_close(struct nj_audit *audit)
{
	if (audit == NULL)
		return;
	nj_audit_keys_done(&audit->keys);
	free(audit);
}

uint64_t nj_audit_seq(const struct nj_audit *audit)
{
	return audit->chain.seq;
}

enum nj_err nj_audit_begin(struct nj_audit *audit)
{
	NJ_TRY(nj_keeper_store_begin(audit->store));
	audit->before = audit->chain;
	return NJ_OK;
}

void nj_audit_rollback(struct nj_audit *audit)
{
	nj_keeper_store_rollback(audit->store);
	audit->chain = audit->before;
}

enum nj_err nj_audit_commit(struct nj_audit *audit)
{
	enum nj_err err = NJ_OK;

	if (audit->chain.seq != audit->before.seq || audit->chain.checkpoint_seq != audit->before.checkpoint_seq)
		err = put_head(audit->store, &audit->keys, &audit->chain);
	if (err == NJ_OK)
		err = nj_keeper_store_commit(audit->store);
	if (err != NJ_OK)
		nj_audit_rollback(audit);
	return err;
}

/* Within a transaction. */
static enum nj_err add_checkpoint(struct nj_audit *audit)
{
	struct nj_audit_chain *chain = &audit->chain;
	struct nj_audit_checkpoint_row row = { .seq = chain->seq,
					       .previous_seq = chain->checkpoint_seq,
					       .time_ms = nj_clock_wall_ms(audit->clock) };

	memcpy(row.hash, chain->hash, sizeof(row.hash));
	nj_audit_checkpoint_sign(&audit->keys, &row);
	NJ_TRY(nj_keeper_store_checkpoint_append(audit->store, &row));
	chain->checkpoint_seq = chain->seq;
	chain->checkpoint_boot_ms = nj_clock_boot_ms(audit->clock);
	return NJ_OK;
}

/* Cut at a character's border: the byte after the cut does not continue a character. */
static struct nj_view text_of(const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, NJ_AUDIT_TEXT_MAX + 1);

	if (len > NJ_AUDIT_TEXT_MAX) {
		len = NJ_AUDIT_TEXT_MAX;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	return nj_view_of(text, len);
}

enum nj_err nj_audit_append(struct nj_audit *audit, const struct nj_audit_record *record)
{
	const char *event = nj_audit_event_name(record->event);
	struct nj_audit_row row = {
		.seq = audit->chain.seq + 1,
		.time_ms = nj_clock_wall_ms(audit->clock),
		.customer = text_of(record->customer),
		.subject = text_of(record->subject),
		.source = text_of(record->source),
		.detail = text_of(record->detail),
	};

	if (event == NULL)
		return NJ_ERR_RANGE;
	row.event = nj_view_str(event);
	nj_audit_record_hash(audit->chain.hash, &row, row.hash);
	NJ_TRY(nj_keeper_store_audit_append(audit->store, &row));
	audit->chain.seq = row.seq;
	memcpy(audit->chain.hash, row.hash, sizeof(row.hash));
	if (row.seq - audit->chain.checkpoint_seq >= NJ_AUDIT_CHECKPOINT_RECORDS)
		return add_checkpoint(audit);
	return NJ_OK;
}

enum nj_err nj_audit_write(struct nj_audit *audit, const struct nj_audit_record *record)
{
	enum nj_err err;

	NJ_TRY(nj_audit_begin(audit));
	err = nj_audit_append(audit, record);
	if (err == NJ_OK)
		return nj_audit_commit(audit);
	nj_audit_rollback(audit);
	return err;
}

enum nj_err nj_audit_checkpoint(struct nj_audit *audit)
{
	enum nj_err err;

	if (audit->chain.checkpoint_seq == audit->chain.seq)
		return NJ_OK;
	NJ_TRY(nj_audit_begin(audit));
	err = add_checkpoint(audit);
	if (err == NJ_OK)
		return nj_audit_commit(audit);
	nj_audit_rollback(audit);
	return err;
}

enum nj_err nj_audit_tick(struct nj_audit *audit)
{
	if (nj_clock_boot_ms(audit->clock) - audit->chain.checkpoint_boot_ms < NJ_AUDIT_CHECKPOINT_MS)
		return NJ_OK;
	return nj_audit_checkpoint(audit);
}
