#include "sms/smpp/receipt.h"

#include "base/text.h"
#include "sms/smpp/time.h"

enum key { KEY_ID, KEY_SUB, KEY_DLVRD, KEY_SUBMIT, KEY_DONE, KEY_STAT, KEY_ERR, KEY_TEXT, KEY_COUNT };

/* The names of Appendix B first, then other people's. A space also stands for '_', or for nothing. */
static const struct key_row {
	const char *name;
	enum key key;
} key_rows[] = {
	{ "id", KEY_ID },          { "sub", KEY_SUB },    { "dlvrd", KEY_DLVRD }, { "submit date", KEY_SUBMIT },
	{ "done date", KEY_DONE }, { "stat", KEY_STAT },  { "err", KEY_ERR },     { "text", KEY_TEXT },
	{ "status", KEY_STAT },    { "state", KEY_STAT }, { "error", KEY_ERR },   { "msg", KEY_TEXT },
};

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* The length of a key's name with its colon at the start of `text`; 0: it is not there. */
static size_t match(struct nj_view text, const char *name)
{
	size_t at = 0;
	for (; *name != '\0'; name++) {
		if (at < text.len && lower(text.data[at]) == (uint8_t)*name)
			at++;
		else if (*name == ' ' && at < text.len && text.data[at] == '_')
			at++;
		else if (*name != ' ')
			return 0;
	}
	return at < text.len && text.data[at] == ':' ? at + 1 : 0;
}

static struct nj_view from(struct nj_view text, size_t at)
{
	return nj_view_of(text.data + at, text.len - at);
}

static size_t key_at(struct nj_view text, enum key *out_key)
{
	for (size_t i = 0; i < sizeof(key_rows) / sizeof(key_rows[0]); i++) {
		size_t len = match(text, key_rows[i].name);
		if (len == 0)
			continue;
		*out_key = key_rows[i].key;
		return len;
	}
	return 0;
}

/* Up to the next blank; one that begins with blanks is empty when a key follows them. */
static struct nj_view value_at(struct nj_view text)
{
	enum key next = KEY_COUNT;
	size_t start = 0;
	while (start < text.len && blank(text.data[start]))
		start++;
	text = from(text, start);
	if (start > 0 && key_at(text, &next) > 0)
		return nj_view_of(text.data, 0);
	size_t len = 0;
	while (len < text.len && !blank(text.data[len]))
		len++;
	return nj_view_of(text.data, len);
}

static void find_values(struct nj_view text, struct nj_view values[KEY_COUNT])
{
	enum key key = KEY_COUNT;
	for (size_t at = 0; at < text.len; at++) {
		if (at > 0 && !blank(text.data[at - 1]))
			continue;
		size_t len = key_at(from(text, at), &key);
		if (len == 0 || values[key].data != NULL)
			continue;
		if (key != KEY_TEXT) {
			values[key] = value_at(from(text, at + len));
			continue;
		}
		/* The last one, unless what counts has not come yet. */
		values[key] = from(text, at + len);
		if (values[KEY_ID].data != NULL && values[KEY_STAT].data != NULL)
			return;
	}
}

static uint16_t number_of(struct nj_view text)
{
	uint32_t number = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || number > 6552)
			return 0;
		number = number * 10 + (uint32_t)(text.data[i] - '0');
	}
	return (uint16_t)number;
}

static uint64_t date_of(struct nj_view text)
{
	uint64_t ms = 0;
	return nj_smpp_date_parse(text, &ms) == NJ_OK ? ms : 0;
}

enum nj_err nj_smpp_receipt_parse(struct nj_view text, struct nj_smpp_receipt *out_receipt)
{
	struct nj_view values[KEY_COUNT] = { 0 };
	find_values(text, values);
	if (values[KEY_ID].len == 0 && values[KEY_STAT].len == 0)
		return NJ_ERR_MALFORMED;
	*out_receipt = (struct nj_smpp_receipt){
		.id = values[KEY_ID],
		.submitted = number_of(values[KEY_SUB]),
		.delivered = number_of(values[KEY_DLVRD]),
		.submit_ms = date_of(values[KEY_SUBMIT]),
		.done_ms = date_of(values[KEY_DONE]),
		.state = nj_smpp_state_of(values[KEY_STAT]),
		.error = values[KEY_ERR],
		.text = values[KEY_TEXT],
	};
	return NJ_OK;
}

/* Some SMSCs mark receipts by their parameters alone. */
static bool is_receipt(const struct nj_smpp_pdu *pdu)
{
	uint8_t type = pdu->esm_class & NJ_SMPP_ESM_TYPE;
	return type == NJ_SMPP_ESM_RECEIPT || type == NJ_SMPP_ESM_INTERMEDIATE ||
	       (type == NJ_SMPP_ESM_MESSAGE && nj_smpp_has(&pdu->tlvs, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID) &&
		nj_smpp_has(&pdu->tlvs, NJ_SMPP_TLV_MESSAGE_STATE));
}

enum nj_err nj_smpp_receipt_read(const struct nj_smpp_pdu *pdu, struct nj_smpp_receipt *out_receipt)
{
	const struct nj_smpp_tlvs *tlvs = &pdu->tlvs;
	struct nj_view payload = nj_smpp_tlv_data(tlvs, NJ_SMPP_TLV_MESSAGE_PAYLOAD);
	struct nj_view id = nj_smpp_tlv_data(tlvs, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID);
	struct nj_view network = nj_smpp_tlv_data(tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE);
	struct nj_smpp_receipt receipt = { .state = NJ_SMPP_STATE_UNKNOWN };
	if (!is_receipt(pdu))
		return NJ_ERR_NOT_FOUND;
	enum nj_err err = nj_smpp_receipt_parse(pdu->short_message.len > 0 ? pdu->short_message : payload, &receipt);
	if (err != NJ_OK && id.len == 0)
		return NJ_ERR_MALFORMED;
	if (id.len > 0)
		receipt.id = id;
	receipt.state = (uint8_t)nj_smpp_tlv_number(tlvs, NJ_SMPP_TLV_MESSAGE_STATE, receipt.state);
	receipt.intermediate = (pdu->esm_class & NJ_SMPP_ESM_TYPE) == NJ_SMPP_ESM_INTERMEDIATE;
	if (network.len == NJ_SMPP_NETWORK_ERROR_BYTES) {
		struct nj_reader r = nj_reader_view(network);
		receipt.network = nj_read_u8(&r);
		receipt.network_code = nj_read_u16(&r);
	}
	*out_receipt = receipt;
	return NJ_OK;
}

static struct nj_view cut(struct nj_view view, size_t max)
{
	return nj_view_of(view.data, view.len < max ? view.len : max);
}

static unsigned three_digits(uint16_t number)
{
	return number < 1000 ? number : 999;
}

/* Appendix B. */
static void write_text(const struct nj_smpp_receipt *receipt, struct nj_writer *w)
{
	char numbers[32];
	char submit[NJ_SMPP_DATE_BYTES];
	char done[NJ_SMPP_DATE_BYTES];
	char dates[64];
	struct nj_view error = receipt->error.len > 0 ? cut(receipt->error, 3) : nj_view_str("000");
	struct nj_view text = cut(receipt->text, NJ_SMPP_RECEIPT_TEXT_MAX);
	nj_smpp_date_write(receipt->submit_ms, submit);
	nj_smpp_date_write(receipt->done_ms, done);
	(void)!nj_text_format(numbers, sizeof(numbers), " sub:%03u dlvrd:%03u", three_digits(receipt->submitted),
			      three_digits(receipt->delivered));
	(void)!nj_text_format(dates, sizeof(dates), " submit date:%s done date:%s stat:%s err:", submit, done,
			      nj_smpp_state_word(receipt->state));
	nj_write_bytes(w, "id:", 3);
	nj_write_bytes(w, receipt->id.data, receipt->id.len);
	nj_write_bytes(w, numbers, strlen(numbers));
	nj_write_bytes(w, dates, strlen(dates));
	nj_write_bytes(w, error.data, error.len);
	nj_write_bytes(w, " Text:", 6);
	nj_write_bytes(w, text.data, text.len);
}

enum nj_err nj_smpp_receipt_fill(const struct nj_smpp_receipt *receipt, struct nj_smpp_receipt_room *room,
				 struct nj_smpp_pdu *pdu)
{
	struct nj_writer w = nj_writer_of(room->text, NJ_SMPP_MESSAGE_MAX);
	size_t len = 0;
	if (receipt->id.len >= NJ_SMPP_MESSAGE_ID_BYTES)
		return NJ_ERR_TOO_LARGE;
	write_text(receipt, &w);
	NJ_TRY(nj_writer_end(&w, &len));
	pdu->esm_class = receipt->intermediate ? NJ_SMPP_ESM_INTERMEDIATE : NJ_SMPP_ESM_RECEIPT;
	pdu->short_message = nj_view_of(room->text, len);
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID, receipt->id);
	nj_smpp_tlv_set_number(&pdu->tlvs, NJ_SMPP_TLV_MESSAGE_STATE, receipt->state);
	if (receipt->network == 0)
		return NJ_OK;
	room->network[0] = receipt->network;
	nj_put_u16(room->network + 1, receipt->network_code);
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE,
			     nj_view_of(room->network, sizeof(room->network)));
	return NJ_OK;
}
