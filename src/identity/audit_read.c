#include "base/text.h"
#include "identity/audit_state.h"

static bool text_is(struct nj_view have, const char *want)
{
	return want == NULL || nj_view_equal(have, nj_view_str(want));
}

static bool passes(const struct nj_audit_filter *filter, const struct nj_audit_row *row)
{
	size_t prefix;

	if (filter == NULL)
		return true;
	prefix = filter->event_prefix == NULL ? 0 : strlen(filter->event_prefix);
	return row->event.len >= prefix &&
	       (prefix == 0 || memcmp(row->event.data, filter->event_prefix, prefix) == 0) &&
	       text_is(row->customer, filter->customer) && text_is(row->subject, filter->subject);
}

struct listing {
	const struct nj_audit_filter *filter;
	nj_audit_entry_fn fn;
	void *arg;
	uint32_t left;
	uint64_t next;
	char texts[5][NJ_AUDIT_TEXT_MAX + 1];
};

/* What somebody wrote behind our back may be longer or hold zeros: shown as far as it goes. */
static const char *copy_text(char out[NJ_AUDIT_TEXT_MAX + 1], struct nj_view text)
{
	size_t len = text.len < NJ_AUDIT_TEXT_MAX ? text.len : NJ_AUDIT_TEXT_MAX;

	if (len > 0)
		memcpy(out, text.data, len);
	out[len] = '\0';
	return out;
}

static enum nj_err list_row(void *arg, const struct nj_audit_row *row)
{
	struct listing *listing = arg;
	struct nj_audit_entry entry = { .seq = row->seq, .time_ms = row->time_ms };

	listing->next = row->seq;
	if (!passes(listing->filter, row))
		return NJ_OK;
	entry.event = copy_text(listing->texts[0], row->event);
	entry.customer = copy_text(listing->texts[1], row->customer);
	entry.subject = copy_text(listing->texts[2], row->subject);
	entry.source = copy_text(listing->texts[3], row->source);
	entry.detail = copy_text(listing->texts[4], row->detail);
	memcpy(entry.hash, row->hash, sizeof(entry.hash));
	NJ_TRY(listing->fn(listing->arg, &entry));
	return --listing->left == 0 ? NJ_ERR_LIMIT : NJ_OK;
}

enum nj_err nj_audit_list(struct nj_audit *audit, uint64_t after, const struct nj_audit_filter *filter, uint32_t limit,
			  uint32_t scan_max, nj_audit_entry_fn fn, void *arg, uint64_t *out_next)
{
	struct listing listing = { .filter = filter, .fn = fn, .arg = arg, .left = limit, .next = after };
	enum nj_err err = NJ_OK;

	if (limit > 0)
		err = nj_keeper_store_audit_after(audit->store, after, scan_max, list_row, &listing);
	/* Our own sign that the page is full; the caller's error when the page is not. */
	if (err != NJ_OK && !(err == NJ_ERR_LIMIT && listing.left == 0))
		return err;
	*out_next = listing.next;
	return NJ_OK;
}

struct tail {
	const struct nj_audit_filter *filter;
	uint32_t left;
	uint64_t lowest;
};

static enum nj_err tail_row(void *arg, const struct nj_audit_row *row)
{
	struct tail *tail = arg;

	tail->lowest = row->seq;
	if (passes(tail->filter, row) && --tail->left == 0)
		return NJ_ERR_LIMIT;
	return NJ_OK;
}

enum nj_err nj_audit_tail_start(struct nj_audit *audit, const struct nj_audit_filter *filter, uint32_t count,
				uint32_t scan_max, uint64_t *out_after)
{
	struct tail tail = { .filter = filter, .left = count, .lowest = audit->chain.seq + 1 };
	enum nj_err err = NJ_OK;

	if (count > 0)
		err = nj_keeper_store_audit_before(audit->store, INT64_MAX, scan_max, tail_row, &tail);
	if (err != NJ_OK && err != NJ_ERR_LIMIT)
		return err;
	*out_after = tail.lowest == 0 ? 0 : tail.lowest - 1;
	return NJ_OK;
}
