/*
 * Any bytes as a stream of SMPP PDUs. Held: a frame never reaches past its input, every prefix of a PDU is incomplete
 * and asks for no more than is missing, the header survives whatever is wrong behind it, and what was read and written
 * again is read and written the same. Canonical bytes come back to the byte.
 */
#include "sms/smpp/octets.h"
#include "sms/smpp/pdu.h"

#define MAX_BYTES 4096

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_split(struct nj_view whole)
{
	size_t last = whole.len < 64 ? whole.len : 64;
	for (size_t cut = 0; cut < last; cut++) {
		size_t len = 0;
		size_t need = 0;
		uint32_t sequence = 0;
		struct nj_smpp_fault fault =
		    nj_smpp_frame(nj_view_of(whole.data, cut), MAX_BYTES, &len, &need, &sequence);
		CHECK(fault.kind == NJ_SMPP_FAULT_NONE && need > 0 && cut + need <= whole.len);
	}
}

static void check_lists(const struct nj_smpp_pdu *pdu)
{
	uint8_t bytes[MAX_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	struct nj_smpp_dest dest;
	struct nj_smpp_failure failure;
	unsigned count = 0;
	if (pdu->command == NJ_SMPP_SUBMIT_MULTI)
		for (size_t cursor = 0; nj_smpp_dest_next(&pdu->list, &cursor, &dest); count++)
			nj_smpp_dest_write(&w, &dest);
	else
		for (size_t cursor = 0; nj_smpp_failure_next(&pdu->list, &cursor, &failure); count++)
			nj_smpp_failure_write(&w, &failure);
	CHECK(count == pdu->list.count);
	CHECK(nj_view_equal(nj_view_of(bytes, w.pos), pdu->list.items));
}

static void check_values(const struct nj_smpp_pdu *pdu)
{
	struct nj_smpp_tlv_item item;
	struct nj_smpp_fault fault = nj_smpp_check(pdu, pdu->sequence & 1 ? NJ_SMPP_ESME : NJ_SMPP_SMSC);
	CHECK((fault.kind == NJ_SMPP_FAULT_NONE) == (fault.status == NJ_SMPP_ROK));
	CHECK(fault.field != NULL && !nj_smpp_fault_ends(fault.kind));
	CHECK(nj_smpp_coding_of(pdu->data_coding).text != NULL);
	for (size_t cursor = 0; nj_smpp_tlv_next(&pdu->tlvs, &cursor, &item);)
		CHECK(cursor <= pdu->tlvs.raw.len);
}

static void check_round(const struct nj_smpp_pdu *pdu, struct nj_view whole)
{
	uint8_t once[MAX_BYTES + 256];
	uint8_t twice[MAX_BYTES + 256];
	size_t once_len = 0;
	size_t twice_len = 0;
	struct nj_smpp_pdu again;
	CHECK(nj_smpp_encode(pdu, once, sizeof(once), &once_len) == NJ_OK);
	CHECK(nj_smpp_decode(nj_view_of(once, once_len), &again).kind == NJ_SMPP_FAULT_NONE);
	CHECK(again.tlvs.present == pdu->tlvs.present && again.sequence == pdu->sequence);
	CHECK(nj_smpp_encode(&again, twice, sizeof(twice), &twice_len) == NJ_OK);
	CHECK(nj_view_equal(nj_view_of(once, once_len), nj_view_of(twice, twice_len)));
	/* Without optional parameters, whose order and zeros are a sender's, and without a body that may be left out,
	 * there is one way to write it. */
	if (pdu->tlvs.raw.len == 0 && (pdu->status == NJ_SMPP_ROK || (pdu->command & NJ_SMPP_RESPONSE) == 0) &&
	    whole.len > NJ_SMPP_HEADER)
		CHECK(nj_view_equal(nj_view_of(once, once_len), whole));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_view in = nj_view_of(data, size);
	while (in.len > 0) {
		struct nj_smpp_pdu pdu;
		size_t len = 0;
		size_t need = 0;
		uint32_t sequence = 0;
		struct nj_smpp_fault fault = nj_smpp_frame(in, MAX_BYTES, &len, &need, &sequence);
		if (fault.kind != NJ_SMPP_FAULT_NONE || need > 0)
			break;
		CHECK(len >= NJ_SMPP_HEADER && len <= in.len);
		struct nj_view whole = nj_view_of(in.data, len);
		check_split(whole);
		fault = nj_smpp_decode(whole, &pdu);
		CHECK(
		    nj_view_equal(nj_view_of(in.data + 12, 4),
				  nj_view_of((uint8_t[]){ (uint8_t)(pdu.sequence >> 24), (uint8_t)(pdu.sequence >> 16),
							  (uint8_t)(pdu.sequence >> 8), (uint8_t)pdu.sequence },
					     4)));
		if (fault.kind == NJ_SMPP_FAULT_NONE) {
			check_lists(&pdu);
			check_values(&pdu);
			check_round(&pdu, whole);
		} else {
			CHECK(fault.status != NJ_SMPP_ROK && pdu.tlvs.present == 0 && pdu.tlvs.raw.len == 0);
		}
		in = nj_view_of(in.data + len, in.len - len);
	}
	return 0;
}
