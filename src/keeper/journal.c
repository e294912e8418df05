#include "keeper/journal.h"

#include "base/text.h"

#define RECORD_MAX_BYTES (2 + 4 * (2 + NJ_AUDIT_TEXT_MAX + 1))

void nj_journal_init(struct nj_journal *journal)
{
	nj_buf_init(&journal->waiting, NJ_JOURNAL_BYTES);
	journal->lost = 0;
}

void nj_journal_done(struct nj_journal *journal)
{
	nj_buf_done(&journal->waiting);
}

/* With its end, so that it can be handed on where it lies; cut at a character's border. */
static void put_text(struct nj_writer *w, const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, NJ_AUDIT_TEXT_MAX + 1);

	if (len > NJ_AUDIT_TEXT_MAX) {
		len = NJ_AUDIT_TEXT_MAX;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	nj_write_u16(w, (uint16_t)(len + 1));
	nj_write_bytes(w, text, len);
	nj_write_u8(w, 0);
}

void nj_journal_add(struct nj_journal *journal, const struct nj_audit_record *record)
{
	uint8_t bytes[RECORD_MAX_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	size_t len;

	nj_write_u16(&w, (uint16_t)record->event);
	put_text(&w, record->customer);
	put_text(&w, record->subject);
	put_text(&w, record->source);
	put_text(&w, record->detail);
	if (nj_writer_end(&w, &len) != NJ_OK || nj_buf_append(&journal->waiting, bytes, len) != NJ_OK)
		journal->lost++;
}

bool nj_journal_empty(const struct nj_journal *journal)
{
	return nj_buf_len(&journal->waiting) == 0 && journal->lost == 0;
}

static const char *get_text(struct nj_reader *r)
{
	return (const char *)nj_read_view16(r).data;
}

static enum nj_err write_lost(const struct nj_journal *journal, struct nj_audit *audit)
{
	char detail[64];

	if (journal->lost == 0)
		return NJ_OK;
	(void)!nj_text_format(detail, sizeof(detail), "%llu records", (unsigned long long)journal->lost);
	return nj_audit_append(
	    audit, &(struct nj_audit_record){ .event = NJ_AUDIT_LOST, .source = "keeper", .detail = detail });
}

enum nj_err nj_journal_write(const struct nj_journal *journal, struct nj_audit *audit)
{
	struct nj_reader r = nj_reader_view(nj_buf_view(&journal->waiting));

	while (nj_reader_left(&r) > 0 && r.err == NJ_OK) {
		struct nj_audit_record record = { .event = nj_read_u16(&r) };

		record.customer = get_text(&r);
		record.subject = get_text(&r);
		record.source = get_text(&r);
		record.detail = get_text(&r);
		NJ_TRY(r.err);
		NJ_TRY(nj_audit_append(audit, &record));
	}
	return write_lost(journal, audit);
}

void nj_journal_clear(struct nj_journal *journal)
{
	nj_buf_eat(&journal->waiting, nj_buf_len(&journal->waiting));
	nj_buf_release(&journal->waiting);
	journal->lost = 0;
}
