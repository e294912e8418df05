/*
 * SMPP's texts: times, receipts' dates, receipts, message ids. Held: what is read lies within the input, a time that
 * was written is read as what it was, a receipt that was read and written is read the same, an id is the same as each
 * of its forms.
 */
#include "sms/smpp/receipt.h"
#include "sms/smpp/time.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct nj_view part, struct nj_view whole)
{
	return part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void check_times(struct nj_view in)
{
	static const uint64_t now_ms = UINT64_C(1795358400000);
	char text[NJ_SMPP_TIME_BYTES];
	uint64_t ms = 0;
	uint64_t again_ms = 0;
	if (nj_smpp_time_parse(in, now_ms, &ms) == NJ_OK && nj_smpp_time_write(ms, text) == NJ_OK) {
		CHECK(nj_smpp_time_parse(nj_view_str(text), now_ms, &again_ms) == NJ_OK);
		CHECK(ms - again_ms < 100);
	}
	if (nj_smpp_date_parse(in, &ms) == NJ_OK && ms > 0) {
		char date[NJ_SMPP_DATE_BYTES];
		nj_smpp_date_write(ms, date);
		CHECK(nj_smpp_date_parse(nj_view_str(date), &again_ms) == NJ_OK);
		CHECK(again_ms == 0 || ms - again_ms < 60000);
	}
	if (in.len >= 8) {
		struct nj_reader r = nj_reader_view(in);
		uint64_t any_ms = nj_read_u64(&r) >> 20;
		if (nj_smpp_time_write(any_ms, text) == NJ_OK) {
			CHECK(nj_smpp_time_parse(nj_view_str(text), 0, &again_ms) == NJ_OK);
			CHECK(any_ms - again_ms < 100);
		}
	}
}

static void check_receipt(struct nj_view in)
{
	struct nj_smpp_receipt receipt;
	struct nj_smpp_receipt again;
	struct nj_smpp_receipt_room room;
	struct nj_smpp_pdu pdu;
	if (nj_smpp_receipt_parse(in, &receipt) != NJ_OK)
		return;
	CHECK(inside(receipt.id, in) && inside(receipt.error, in) && inside(receipt.text, in));
	nj_smpp_pdu_init(&pdu, NJ_SMPP_DELIVER_SM, NJ_SMPP_ROK, 1);
	if (nj_smpp_receipt_fill(&receipt, &room, &pdu) != NJ_OK)
		return;
	CHECK(pdu.short_message.len <= NJ_SMPP_MESSAGE_MAX);
	CHECK(nj_smpp_receipt_read(&pdu, &again) == NJ_OK);
	CHECK(nj_view_equal(again.id, receipt.id) && again.state == receipt.state);
	CHECK(again.submitted == (receipt.submitted < 1000 ? receipt.submitted : 999));
	CHECK(again.delivered == (receipt.delivered < 1000 ? receipt.delivered : 999));
}

static void check_ids(struct nj_view in)
{
	struct nj_smpp_id_forms forms;
	if (nj_smpp_id_forms(in, &forms) != NJ_OK)
		return;
	CHECK(forms.count >= 1 && forms.count <= NJ_SMPP_ID_FORMS);
	for (unsigned i = 0; i < forms.count; i++) {
		CHECK(nj_smpp_id_same(in, nj_view_str(forms.text[i])));
		CHECK(nj_smpp_id_same(nj_view_str(forms.text[i]), in));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_view in = nj_view_of(data, size);
	check_times(in);
	check_receipt(in);
	check_ids(in);
	return 0;
}
