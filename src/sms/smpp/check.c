#include "sms/smpp/octets.h"
#include "sms/smpp/table.h"
#include "sms/smpp/time.h"

/* 5.2.5 */
static bool ton_valid(uint8_t ton)
{
	return ton <= 6;
}

/* 5.2.6 */
static bool npi_valid(uint8_t npi)
{
	static const uint32_t named =
	    1u << 0 | 1u << 1 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 8 | 1u << 9 | 1u << 10 | 1u << 14 | 1u << 18;
	return npi < 32 && (named >> npi & 1) != 0;
}

/* 5.2.4: all up to 3.3 are one; 5.0 is answered with 3.4. */
static bool version_valid(uint8_t version)
{
	return version <= NJ_SMPP_VERSION_34 || version == NJ_SMPP_VERSION_50;
}

/* Only the form: whether it has passed is its receiver's to say, who has a clock. */
static bool time_valid(struct nj_view text)
{
	static const uint64_t any_time_ms = UINT64_C(1000000000000);
	uint64_t ms = 0;
	return text.len == 0 || nj_smpp_time_parse(text, any_time_ms, &ms) == NJ_OK;
}

static struct nj_smpp_fault value_fault(uint32_t status, const char *field)
{
	return (struct nj_smpp_fault){ .kind = NJ_SMPP_FAULT_VALUE, .status = status, .field = field };
}

static struct nj_smpp_fault check_addressees(const struct nj_smpp_list *list)
{
	struct nj_smpp_dest dest;
	if (list->count == 0)
		return value_fault(NJ_SMPP_RINVNUMDESTS, "number_of_dests");
	for (size_t cursor = 0; nj_smpp_dest_next(list, &cursor, &dest);) {
		if (dest.is_list && dest.address.addr.len == 0)
			return value_fault(NJ_SMPP_RINVDLNAME, "dl_name");
		if (!ton_valid(dest.address.ton))
			return value_fault(NJ_SMPP_RINVDSTTON, "dest_addr_ton");
		if (!npi_valid(dest.address.npi))
			return value_fault(NJ_SMPP_RINVDSTNPI, "dest_addr_npi");
		if (dest.address.addr.len == 0)
			return value_fault(NJ_SMPP_RINVDSTADR, "destination_addr");
	}
	return (struct nj_smpp_fault){ .field = "" };
}

static bool value_valid(uint8_t rule, const uint8_t *at, enum nj_smpp_side sender)
{
	const struct nj_view *text = (const struct nj_view *)(const void *)at;
	switch ((enum nj_smpp_rule)rule) {
	case NJ_SMPP_ANY:
	case NJ_SMPP_ADDRESSEES:
		return true;
	case NJ_SMPP_TON:
		return ton_valid(*at);
	case NJ_SMPP_NPI:
		return npi_valid(*at);
	case NJ_SMPP_VERSION:
		return version_valid(*at);
	case NJ_SMPP_ESM:
		return nj_smpp_esm_valid(*at, sender);
	case NJ_SMPP_REGISTERED:
		return nj_smpp_registered_valid(*at);
	case NJ_SMPP_AT_MOST_1:
		return *at <= 1;
	case NJ_SMPP_AT_MOST_3:
		return *at <= 3;
	case NJ_SMPP_AT_MOST_254:
		return *at <= 254;
	case NJ_SMPP_NOT_EMPTY:
		return text->len > 0;
	case NJ_SMPP_TIME:
		return time_valid(*text);
	}
	return true;
}

struct nj_smpp_fault nj_smpp_check(const struct nj_smpp_pdu *pdu, enum nj_smpp_side sender)
{
	const struct nj_smpp_body *body = nj_smpp_body_of(pdu->command);
	struct nj_smpp_fault fault = { .field = "" };
	for (unsigned i = 0; body != NULL && i < body->count; i++) {
		const struct nj_smpp_field *field = &body->fields[i];
		const uint8_t *at = (const uint8_t *)pdu + field->offset;
		if (field->rule == NJ_SMPP_ADDRESSEES)
			fault = check_addressees((const struct nj_smpp_list *)(const void *)at);
		else if (!value_valid(field->rule, at, sender))
			fault = value_fault(field->status, field->name);
		if (fault.kind != NJ_SMPP_FAULT_NONE)
			return fault;
	}
	fault.kind = nj_smpp_tlvs_check(&pdu->tlvs, &fault.field);
	if (fault.kind != NJ_SMPP_FAULT_NONE) {
		fault.status =
		    fault.kind == NJ_SMPP_FAULT_TLV_MISSING ? NJ_SMPP_RMISSINGOPTPARAM : NJ_SMPP_RINVOPTPARAMVAL;
		return fault;
	}
	/* 5.3.2.32: the user data is in one of them. */
	if (nj_smpp_has(&pdu->tlvs, NJ_SMPP_TLV_MESSAGE_PAYLOAD) && pdu->short_message.len > 0)
		return (struct nj_smpp_fault){ NJ_SMPP_FAULT_TLV_EXCLUDED, NJ_SMPP_ROPTPARNOTALLWD, "message_payload" };
	fault.field = "";
	return fault;
}
