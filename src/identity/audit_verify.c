#include "identity/audit_verify.h"

#include <stdarg.h>

#include "identity/audit_chain.h"

#define STEP_RECORDS 10000

struct nj_audit_verifier {
	struct nj_keeper_store *store;
	struct nj_audit_keys keys;
	uint64_t end; /* the newest record when it began */
	uint64_t seq; /* checked so far */
	uint8_t hash[NJ_SHA256_BYTES];
	uint64_t checkpoint_seq;                   /* newest one checked */
	struct nj_audit_checkpoint_row checkpoint; /* the one to come */
	bool has_checkpoint;
	struct nj_audit_report report;
};

/* Notes the first finding. */
static enum nj_err NJ_PRINTF(3, 4) found(struct nj_audit_verifier *v, uint64_t bad_seq, const char *format, ...)
{
	va_list args;

	v->report.intact = false;
	v->report.bad_seq = bad_seq;
	va_start(args, format);
	(void)vsnprintf(v->report.text, sizeof(v->report.text), format, args);
	va_end(args);
	return NJ_ERR_FORGED;
}

static enum nj_err fetch_checkpoint(struct nj_audit_verifier *v)
{
	enum nj_err err = nj_keeper_store_checkpoint_after(v->store, v->checkpoint_seq, &v->checkpoint);

	v->has_checkpoint = err == NJ_OK;
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

/* The row at which a signed checkpoint stands. */
static enum nj_err check_checkpoint(struct nj_audit_verifier *v)
{
	const struct nj_audit_checkpoint_row *row = &v->checkpoint;

	if (row->damaged || nj_audit_checkpoint_verify(&v->keys, row) != NJ_OK)
		return found(v, row->seq, "the checkpoint at record %llu was changed", (unsigned long long)row->seq);
	if (row->previous_seq != v->checkpoint_seq)
		return found(v, row->previous_seq, "the checkpoint at record %llu is missing",
			     (unsigned long long)row->previous_seq);
	if (memcmp(row->hash, v->hash, sizeof(v->hash)) != 0)
		return found(v, row->seq,
			     "records between %llu and %llu were written anew: the signed checkpoint differs",
			     (unsigned long long)v->checkpoint_seq + 1, (unsigned long long)row->seq);
	v->checkpoint_seq = row->seq;
	v->report.checkpoints++;
	return fetch_checkpoint(v);
}

static enum nj_err check_row(void *arg, const struct nj_audit_row *row)
{
	struct nj_audit_verifier *v = arg;
	uint8_t hash[NJ_SHA256_BYTES];

	if (row->seq != v->seq + 1)
		return found(v, v->seq + 1, "record %llu is missing", (unsigned long long)v->seq + 1);
	nj_audit_record_hash(v->hash, row, hash);
	if (row->damaged || memcmp(hash, row->hash, sizeof(hash)) != 0)
		return found(v, row->seq, "record %llu was changed, replaced or moved", (unsigned long long)row->seq);
	v->seq = row->seq;
	memcpy(v->hash, hash, sizeof(hash));
	v->report.records++;
	if (v->has_checkpoint && v->checkpoint.seq == row->seq)
		return check_checkpoint(v);
	if (row->seq - v->checkpoint_seq >= NJ_AUDIT_CHECKPOINT_RECORDS)
		return found(v, row->seq, "the checkpoint at record %llu is missing", (unsigned long long)row->seq);
	return NJ_OK;
}

static enum nj_err take_seq(void *arg, const struct nj_audit_row *row)
{
	*(uint64_t *)arg = row->seq;
	return NJ_OK;
}

static enum nj_err newest_seq(struct nj_audit_verifier *v, uint64_t *out_seq)
{
	*out_seq = 0;
	return nj_keeper_store_audit_before(v->store, INT64_MAX, 1, take_seq, out_seq);
}

/* A checkpoint of the last record may have been signed since its turn came. */
static enum nj_err late_checkpoint(struct nj_audit_verifier *v)
{
	NJ_TRY(fetch_checkpoint(v));
	return v->has_checkpoint && v->checkpoint.seq == v->seq ? check_checkpoint(v) : NJ_OK;
}

/* The head as it is now, which may be newer than when the check began. */
static enum nj_err check_end(struct nj_audit_verifier *v)
{
	struct nj_audit_head_row head;
	uint64_t newest;
	enum nj_err err = nj_keeper_store_head_get(v->store, &head);

	if (err == NJ_ERR_NOT_FOUND || err == NJ_ERR_CORRUPT)
		return found(v, 0, "the head of the log is missing or damaged");
	if (err != NJ_OK)
		return err;
	if (nj_audit_head_verify(&v->keys, &head) != NJ_OK)
		return found(v, 0, "the head of the log was changed");
	NJ_TRY(newest_seq(v, &newest));
	if (newest < head.seq)
		return found(v, newest + 1, "the tail was cut: records %llu to %llu are missing",
			     (unsigned long long)newest + 1, (unsigned long long)head.seq);
	if (newest > head.seq)
		return found(v, head.seq + 1, "records from %llu on are not ours", (unsigned long long)head.seq + 1);
	if (head.seq == v->seq && memcmp(head.hash, v->hash, sizeof(v->hash)) != 0)
		return found(v, v->checkpoint_seq + 1,
			     "records between %llu and %llu were written anew: the head differs",
			     (unsigned long long)v->checkpoint_seq + 1, (unsigned long long)v->seq);
	NJ_TRY(late_checkpoint(v));
	if (head.seq == v->seq && (v->has_checkpoint || head.checkpoint_seq != v->checkpoint_seq))
		return found(v, head.checkpoint_seq, "the checkpoint at record %llu is missing, or one was added",
			     (unsigned long long)head.checkpoint_seq);
	return NJ_OK;
}

enum nj_err nj_audit_verifier_new(struct nj_vault *vault, struct nj_audit_verifier **out_verifier)
{
	struct nj_audit_verifier *v = calloc(1, sizeof(*v));
	enum nj_err err;

	if (v == NULL)
		return NJ_ERR_NO_MEMORY;
	v->store = nj_vault_store(vault);
	v->report.intact = true;
	err = nj_audit_keys_load(vault, &v->keys);
	if (err == NJ_OK)
		err = newest_seq(v, &v->end);
	if (err == NJ_OK)
		err = fetch_checkpoint(v);
	if (err != NJ_OK) {
		nj_audit_verifier_free(v);
		return err;
	}
	*out_verifier = v;
	return NJ_OK;
}

void nj_audit_verifier_free(struct nj_audit_verifier *verifier)
{
	if (verifier == NULL)
		return;
	nj_audit_keys_done(&verifier->keys);
	free(verifier);
}

static enum nj_err step(struct nj_audit_verifier *v, uint32_t max_records)
{
	uint64_t left = v->end - v->seq;

	if (left > 0)
		NJ_TRY(nj_keeper_store_audit_after(v->store, v->seq, left < max_records ? (uint32_t)left : max_records,
						   check_row, v));
	return v->seq < v->end ? NJ_ERR_AGAIN : check_end(v);
}

enum nj_err nj_audit_verifier_step(struct nj_audit_verifier *verifier, uint32_t max_records,
				   struct nj_audit_report *out_report)
{
	enum nj_err err = step(verifier, max_records);

	if (err == NJ_ERR_CORRUPT && verifier->report.intact)
		err = found(verifier, verifier->seq + 1, "the store is damaged near record %llu",
			    (unsigned long long)verifier->seq + 1);
	if (err != NJ_OK && err != NJ_ERR_FORGED)
		return err;
	*out_report = verifier->report;
	return NJ_OK;
}

enum nj_err nj_audit_verify(struct nj_vault *vault, struct nj_audit_report *out_report)
{
	struct nj_audit_verifier *verifier;
	enum nj_err err;

	NJ_TRY(nj_audit_verifier_new(vault, &verifier));
	do
		err = nj_audit_verifier_step(verifier, STEP_RECORDS, out_report);
	while (err == NJ_ERR_AGAIN);
	nj_audit_verifier_free(verifier);
	return err;
}
