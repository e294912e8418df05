#include "sms/smpp/pdu.h"

#include "sms/smpp/table.h"

#define ADDRESS_MAX 21

static struct nj_smpp_fault fault_of(uint8_t kind, uint32_t status, const char *field)
{
	return (struct nj_smpp_fault){ .kind = kind, .status = status, .field = field };
}

static struct nj_smpp_fault no_fault(void)
{
	return fault_of(NJ_SMPP_FAULT_NONE, NJ_SMPP_ROK, "");
}

static struct nj_smpp_fault truncated(const char *field)
{
	return fault_of(NJ_SMPP_FAULT_TRUNCATED, NJ_SMPP_RINVCMDLEN, field);
}

struct nj_smpp_fault nj_smpp_frame(struct nj_view in, size_t max_bytes, size_t *out_len, size_t *out_need,
				   uint32_t *out_sequence)
{
	struct nj_reader r = nj_reader_view(in);
	*out_sequence = 0;
	*out_len = 0;
	*out_need = 0;
	if (in.len < 4) {
		*out_need = NJ_SMPP_HEADER - in.len;
		return no_fault();
	}
	uint32_t len = nj_read_u32(&r);
	if (len < NJ_SMPP_HEADER)
		return fault_of(NJ_SMPP_FAULT_LENGTH, NJ_SMPP_RINVCMDLEN, "command_length");
	if (in.len < NJ_SMPP_HEADER) {
		*out_need = NJ_SMPP_HEADER - in.len;
		return no_fault();
	}
	if (len > max_bytes) {
		(void)nj_read_u64(&r);
		*out_sequence = nj_read_u32(&r);
		return fault_of(NJ_SMPP_FAULT_LENGTH, NJ_SMPP_RINVCMDLEN, "command_length");
	}
	*out_len = len;
	*out_need = in.len < len ? len - in.len : 0;
	return no_fault();
}

/* Up to a zero, within `max` bytes with it. */
static uint8_t read_string(struct nj_reader *r, size_t max, struct nj_view *out_text)
{
	size_t left = nj_reader_left(r);
	size_t span = left < max ? left : max;
	const uint8_t *start = r->data + r->pos;
	const uint8_t *zero = span > 0 ? memchr(start, 0, span) : NULL;
	if (zero == NULL)
		return left < max ? NJ_SMPP_FAULT_TRUNCATED : NJ_SMPP_FAULT_TOO_LONG;
	*out_text = nj_read_view(r, (size_t)(zero - start));
	(void)nj_read_u8(r);
	return NJ_SMPP_FAULT_NONE;
}

static struct nj_smpp_fault string_fault(uint8_t kind, uint32_t status, const char *field)
{
	if (kind == NJ_SMPP_FAULT_NONE)
		return no_fault();
	return kind == NJ_SMPP_FAULT_TRUNCATED ? truncated(field) : fault_of(kind, status, field);
}

/* ton, npi, address; what is cut shows in the reader or as the kind. */
static uint8_t read_address(struct nj_reader *r, struct nj_smpp_address *out_address)
{
	out_address->ton = nj_read_u8(r);
	out_address->npi = nj_read_u8(r);
	return r->err != NJ_OK ? NJ_SMPP_FAULT_TRUNCATED : read_string(r, ADDRESS_MAX, &out_address->addr);
}

static struct nj_smpp_fault read_dest(struct nj_reader *r, struct nj_smpp_dest *out_dest)
{
	uint8_t flag = nj_read_u8(r);
	if (r->err != NJ_OK)
		return truncated("dest_flag");
	if (flag != NJ_SMPP_DEST_ADDRESS && flag != NJ_SMPP_DEST_LIST)
		return fault_of(NJ_SMPP_FAULT_VALUE, NJ_SMPP_RINVDESTFLAG, "dest_flag");
	*out_dest = (struct nj_smpp_dest){ .is_list = flag == NJ_SMPP_DEST_LIST };
	if (out_dest->is_list)
		return string_fault(read_string(r, ADDRESS_MAX, &out_dest->address.addr), NJ_SMPP_RINVDLNAME,
				    "dl_name");
	return string_fault(read_address(r, &out_dest->address), NJ_SMPP_RINVDSTADR, "destination_addr");
}

static struct nj_smpp_fault read_failure(struct nj_reader *r, struct nj_smpp_failure *out_failure)
{
	*out_failure = (struct nj_smpp_failure){ 0 };
	uint8_t kind = read_address(r, &out_failure->address);
	if (kind != NJ_SMPP_FAULT_NONE)
		return string_fault(kind, NJ_SMPP_RINVDSTADR, "unsuccess_sme");
	out_failure->status = nj_read_u32(r);
	return r->err == NJ_OK ? no_fault() : truncated("unsuccess_sme");
}

static struct nj_smpp_fault read_list(struct nj_reader *r, const struct nj_smpp_field *field,
				      struct nj_smpp_list *out_list)
{
	uint8_t count = nj_read_u8(r);
	struct nj_smpp_dest dest;
	struct nj_smpp_failure failure;
	size_t start = r->pos;
	if (r->err != NJ_OK)
		return truncated(field->name);
	if (count > field->max)
		return fault_of(NJ_SMPP_FAULT_TOO_LONG, field->status, field->name);
	for (unsigned i = 0; i < count; i++) {
		struct nj_smpp_fault fault =
		    field->type == NJ_SMPP_DESTS ? read_dest(r, &dest) : read_failure(r, &failure);
		if (fault.kind != NJ_SMPP_FAULT_NONE)
			return fault;
	}
	*out_list = (struct nj_smpp_list){ .count = count, .items = nj_view_of(r->data + start, r->pos - start) };
	return no_fault();
}

static struct nj_smpp_fault read_octets(struct nj_reader *r, const struct nj_smpp_field *field,
					struct nj_view *out_data)
{
	uint8_t len = nj_read_u8(r);
	if (r->err != NJ_OK)
		return truncated("sm_length");
	if (len > field->max || len > nj_reader_left(r))
		return fault_of(NJ_SMPP_FAULT_TOO_LONG, field->status, "sm_length");
	*out_data = nj_read_view(r, len);
	return no_fault();
}

static struct nj_smpp_fault read_field(struct nj_reader *r, const struct nj_smpp_field *field, uint8_t *at)
{
	switch ((enum nj_smpp_field_type)field->type) {
	case NJ_SMPP_U8:
		*at = nj_read_u8(r);
		break;
	case NJ_SMPP_STRING:
		return string_fault(read_string(r, field->max, (struct nj_view *)(void *)at), field->status,
				    field->name);
	case NJ_SMPP_OCTETS:
		return read_octets(r, field, (struct nj_view *)(void *)at);
	case NJ_SMPP_DESTS:
	case NJ_SMPP_FAILURES:
		return read_list(r, field, (struct nj_smpp_list *)(void *)at);
	}
	return r->err == NJ_OK ? no_fault() : truncated(field->name);
}

static uint32_t tlv_status(uint8_t kind)
{
	switch (kind) {
	case NJ_SMPP_FAULT_TLV_LENGTH:
		return NJ_SMPP_RINVPARLEN;
	case NJ_SMPP_FAULT_TLV_VALUE:
		return NJ_SMPP_RINVOPTPARAMVAL;
	case NJ_SMPP_FAULT_TLV_MISSING:
		return NJ_SMPP_RMISSINGOPTPARAM;
	default:
		return NJ_SMPP_RINVOPTPARSTREAM;
	}
}

static struct nj_smpp_fault read_body(struct nj_reader *r, const struct nj_smpp_body *body, struct nj_smpp_pdu *pdu)
{
	for (unsigned i = 0; i < body->count; i++) {
		struct nj_smpp_fault fault = read_field(r, &body->fields[i], (uint8_t *)pdu + body->fields[i].offset);
		if (fault.kind != NJ_SMPP_FAULT_NONE)
			return fault;
	}
	const char *name = "";
	uint8_t kind = nj_smpp_tlvs_read(r, body->where, &pdu->tlvs, &name);
	return kind == NJ_SMPP_FAULT_NONE ? no_fault() : fault_of(kind, tlv_status(kind), name);
}

struct nj_smpp_fault nj_smpp_decode(struct nj_view whole, struct nj_smpp_pdu *out_pdu)
{
	struct nj_reader r = nj_reader_view(whole);
	(void)nj_read_u32(&r);
	uint32_t command = nj_read_u32(&r);
	uint32_t status = nj_read_u32(&r);
	uint32_t sequence = nj_read_u32(&r);
	const struct nj_smpp_body *body = nj_smpp_body_of(command);
	bool response = (command & NJ_SMPP_RESPONSE) != 0;
	nj_smpp_pdu_init(out_pdu, command, status, sequence);
	if (r.err != NJ_OK)
		return fault_of(NJ_SMPP_FAULT_LENGTH, NJ_SMPP_RINVCMDLEN, "command_length");
	if (body == NULL)
		return fault_of(NJ_SMPP_FAULT_COMMAND, NJ_SMPP_RINVCMDID, "command_id");
	/* deliver_sm_resp's message_id is unused (4.6.2), and often left out. */
	if (response && nj_reader_left(&r) == 0 &&
	    (status != NJ_SMPP_ROK || command == (NJ_SMPP_DELIVER_SM | NJ_SMPP_RESPONSE)))
		return no_fault();
	struct nj_smpp_fault fault = read_body(&r, body, out_pdu);
	if (fault.kind == NJ_SMPP_FAULT_NONE)
		return fault;
	nj_smpp_pdu_init(out_pdu, command, status, sequence);
	return response && status != NJ_SMPP_ROK ? no_fault() : fault;
}

bool nj_smpp_dest_next(const struct nj_smpp_list *list, size_t *cursor, struct nj_smpp_dest *out_dest)
{
	struct nj_reader r = nj_reader_view(list->items);
	struct nj_smpp_dest dest;
	(void)nj_read_view(&r, *cursor);
	if (nj_reader_left(&r) == 0 || read_dest(&r, &dest).kind != NJ_SMPP_FAULT_NONE)
		return false;
	*cursor = r.pos;
	*out_dest = dest;
	return true;
}

bool nj_smpp_failure_next(const struct nj_smpp_list *list, size_t *cursor, struct nj_smpp_failure *out_failure)
{
	struct nj_reader r = nj_reader_view(list->items);
	struct nj_smpp_failure failure;
	(void)nj_read_view(&r, *cursor);
	if (nj_reader_left(&r) == 0 || read_failure(&r, &failure).kind != NJ_SMPP_FAULT_NONE)
		return false;
	*cursor = r.pos;
	*out_failure = failure;
	return true;
}
