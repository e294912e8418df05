#include "sms/smpp/pdu.h"

#include "sms/smpp/table.h"

static enum nj_err write_string(struct nj_writer *w, size_t max, struct nj_view text)
{
	if (text.len >= max)
		return NJ_ERR_TOO_LARGE;
	if (text.len > 0 && memchr(text.data, 0, text.len) != NULL)
		return NJ_ERR_MALFORMED;
	nj_write_bytes(w, text.data, text.len);
	nj_write_u8(w, 0);
	return NJ_OK;
}

static enum nj_err write_octets(struct nj_writer *w, size_t max, struct nj_view data)
{
	if (data.len > max)
		return NJ_ERR_TOO_LARGE;
	nj_write_u8(w, (uint8_t)data.len);
	nj_write_bytes(w, data.data, data.len);
	return NJ_OK;
}

/* The items are as many as `count` says, and nothing else. */
static bool list_valid(const struct nj_smpp_list *list, bool dests)
{
	struct nj_smpp_dest dest;
	struct nj_smpp_failure failure;
	size_t cursor = 0;
	unsigned count = 0;
	while (dests ? nj_smpp_dest_next(list, &cursor, &dest) : nj_smpp_failure_next(list, &cursor, &failure))
		count++;
	return count == list->count && cursor == list->items.len;
}

static enum nj_err write_list(struct nj_writer *w, const struct nj_smpp_field *field, const struct nj_smpp_list *list)
{
	if (list->count > field->max)
		return NJ_ERR_TOO_LARGE;
	if (!list_valid(list, field->type == NJ_SMPP_DESTS))
		return NJ_ERR_MALFORMED;
	nj_write_u8(w, list->count);
	nj_write_bytes(w, list->items.data, list->items.len);
	return NJ_OK;
}

static enum nj_err write_field(struct nj_writer *w, const struct nj_smpp_field *field, const uint8_t *at)
{
	switch ((enum nj_smpp_field_type)field->type) {
	case NJ_SMPP_U8:
		nj_write_u8(w, *at);
		return NJ_OK;
	case NJ_SMPP_STRING:
		return write_string(w, field->max, *(const struct nj_view *)(const void *)at);
	case NJ_SMPP_OCTETS:
		return write_octets(w, field->max, *(const struct nj_view *)(const void *)at);
	case NJ_SMPP_DESTS:
	case NJ_SMPP_FAILURES:
		return write_list(w, field, (const struct nj_smpp_list *)(const void *)at);
	}
	return NJ_ERR_UNSUPPORTED;
}

static bool bodiless(const struct nj_smpp_pdu *pdu)
{
	return (pdu->command & NJ_SMPP_RESPONSE) != 0 && pdu->status != NJ_SMPP_ROK && pdu->tlvs.present == 0 &&
	       pdu->tlvs.raw.len == 0;
}

enum nj_err nj_smpp_encode(const struct nj_smpp_pdu *pdu, void *out, size_t cap, size_t *out_len)
{
	const struct nj_smpp_body *body = nj_smpp_body_of(pdu->command);
	struct nj_writer w = nj_writer_of(out, cap);
	if (body == NULL)
		return NJ_ERR_UNSUPPORTED;
	uint8_t *length = nj_write_reserve(&w, 4);
	nj_write_u32(&w, pdu->command);
	nj_write_u32(&w, pdu->status);
	nj_write_u32(&w, pdu->sequence);
	if (!bodiless(pdu)) {
		for (unsigned i = 0; i < body->count; i++)
			NJ_TRY(write_field(&w, &body->fields[i], (const uint8_t *)pdu + body->fields[i].offset));
		NJ_TRY(nj_smpp_tlvs_write(&pdu->tlvs, body->where, &w));
	}
	size_t len = 0;
	NJ_TRY(nj_writer_end(&w, &len));
	nj_put_u32(length, (uint32_t)len);
	*out_len = len;
	return NJ_OK;
}

static void put_string(struct nj_writer *w, struct nj_view text)
{
	nj_write_bytes(w, text.data, text.len);
	nj_write_u8(w, 0);
}

static void put_address(struct nj_writer *w, const struct nj_smpp_address *address)
{
	nj_write_u8(w, address->ton);
	nj_write_u8(w, address->npi);
	put_string(w, address->addr);
}

void nj_smpp_dest_write(struct nj_writer *w, const struct nj_smpp_dest *dest)
{
	nj_write_u8(w, dest->is_list ? NJ_SMPP_DEST_LIST : NJ_SMPP_DEST_ADDRESS);
	if (dest->is_list)
		put_string(w, dest->address.addr);
	else
		put_address(w, &dest->address);
}

void nj_smpp_failure_write(struct nj_writer *w, const struct nj_smpp_failure *failure)
{
	put_address(w, &failure->address);
	nj_write_u32(w, failure->status);
}
