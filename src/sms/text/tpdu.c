#include "sms/text/tpdu.h"

/* The first octet. */
enum {
	TYPE_MASK = 0x03,
	NO_MORE = 0x04,
	REJECT_DUPLICATES = 0x04,
	LOOP = 0x08,
	FORMAT_SHIFT = 3,
	FORMAT_MASK = 3,
	REPORT = 0x20,
	HEADER = 0x40,
	REPLY_PATH = 0x80,
};

/* TP-PI. */
enum { PARAMETERS_KNOWN = 0x07, PARAMETERS_EXTENDED = 0x80 };

#define COMMAND_DATA_MAX 156

/* By the two bits and who sent it. The fourth type is reserved. */
static const enum nj_tpdu_type types[][3] = {
	[NJ_TPDU_FROM_DEVICE] = { NJ_TPDU_DELIVER_REPORT, NJ_TPDU_SUBMIT, NJ_TPDU_COMMAND },
	[NJ_TPDU_FROM_CENTRE] = { NJ_TPDU_DELIVER, NJ_TPDU_SUBMIT_REPORT, NJ_TPDU_STATUS_REPORT },
};

static uint8_t type_bits(enum nj_tpdu_type type)
{
	static const uint8_t bits[] = {
		[NJ_TPDU_DELIVER] = 0,       [NJ_TPDU_DELIVER_REPORT] = 0, [NJ_TPDU_SUBMIT] = 1,
		[NJ_TPDU_SUBMIT_REPORT] = 1, [NJ_TPDU_STATUS_REPORT] = 2,  [NJ_TPDU_COMMAND] = 2,
	};
	return bits[type];
}

/* ---- decoding ---- */

static void read_stamp(struct nj_reader *r, struct nj_stamp *out)
{
	nj_read_bytes(r, out->raw, sizeof(out->raw));
}

/* TP-PI and what it announces. What a later version announces stands at the end, and is left alone. */
static void read_parameters(struct nj_reader *r, bool header, bool time, struct nj_tpdu *t)
{
	uint8_t parameters = nj_read_u8(r);
	bool unknown = (parameters & ~(PARAMETERS_KNOWN | PARAMETERS_EXTENDED)) != 0;
	for (uint8_t more = parameters; (more & PARAMETERS_EXTENDED) != 0 && r->err == NJ_OK;) {
		more = nj_read_u8(r);
		unknown = unknown || (more & ~PARAMETERS_EXTENDED) != 0;
	}
	t->parameters = parameters & PARAMETERS_KNOWN;
	if (time)
		read_stamp(r, &t->time);
	if ((parameters & NJ_TPDU_HAS_PID) != 0)
		t->protocol = nj_read_u8(r);
	if ((parameters & NJ_TPDU_HAS_DCS) != 0)
		t->coding = nj_read_u8(r);
	if ((parameters & NJ_TPDU_HAS_USER_DATA) != 0)
		nj_user_data_read(r, t->coding, header, &t->user_data);
	if (unknown)
		nj_read_view(r, nj_reader_left(r));
}

static void read_deliver(struct nj_reader *r, uint8_t first, struct nj_tpdu *t)
{
	t->no_more = (first & NO_MORE) != 0;
	t->loop = (first & LOOP) != 0;
	t->reply_path = (first & REPLY_PATH) != 0;
	t->report = (first & REPORT) != 0;
	nj_address_read(r, &t->address);
	t->protocol = nj_read_u8(r);
	t->coding = nj_read_u8(r);
	read_stamp(r, &t->time);
	nj_user_data_read(r, t->coding, (first & HEADER) != 0, &t->user_data);
}

static void read_submit(struct nj_reader *r, uint8_t first, struct nj_tpdu *t)
{
	t->reject_duplicates = (first & REJECT_DUPLICATES) != 0;
	t->reply_path = (first & REPLY_PATH) != 0;
	t->report = (first & REPORT) != 0;
	t->validity.format = (enum nj_validity_format)(first >> FORMAT_SHIFT & FORMAT_MASK);
	t->reference = nj_read_u8(r);
	nj_address_read(r, &t->address);
	t->protocol = nj_read_u8(r);
	t->coding = nj_read_u8(r);
	nj_read_bytes(r, t->validity.raw, nj_validity_octets(t->validity.format));
	nj_user_data_read(r, t->coding, (first & HEADER) != 0, &t->user_data);
}

static void read_status_report(struct nj_reader *r, uint8_t first, struct nj_tpdu *t)
{
	t->no_more = (first & NO_MORE) != 0;
	t->loop = (first & LOOP) != 0;
	t->report = (first & REPORT) != 0;
	t->reference = nj_read_u8(r);
	nj_address_read(r, &t->address);
	read_stamp(r, &t->time);
	read_stamp(r, &t->discharge);
	t->status = nj_read_u8(r);
	if (nj_reader_left(r) > 0)
		read_parameters(r, (first & HEADER) != 0, false, t);
}

static void read_command(struct nj_reader *r, uint8_t first, struct nj_tpdu *t)
{
	t->report = (first & REPORT) != 0;
	t->reference = nj_read_u8(r);
	t->protocol = nj_read_u8(r);
	t->command = nj_read_u8(r);
	t->message = nj_read_u8(r);
	nj_address_read(r, &t->address);
	t->user_data.length = nj_read_u8(r);
	if (t->user_data.length > COMMAND_DATA_MAX)
		nj_reader_fail(r, NJ_ERR_RANGE);
	t->user_data.octets = nj_read_view(r, t->user_data.length);
}

static void read_report(struct nj_reader *r, uint8_t first, bool failed, struct nj_tpdu *t)
{
	t->failed = failed;
	if (failed)
		t->cause = nj_read_u8(r);
	read_parameters(r, (first & HEADER) != 0, t->type == NJ_TPDU_SUBMIT_REPORT, t);
}

enum nj_err nj_tpdu_decode(struct nj_view in, enum nj_tpdu_from from, bool failed, struct nj_tpdu *out)
{
	struct nj_reader r = nj_reader_view(in);
	struct nj_tpdu tpdu = { 0 };
	uint8_t first = nj_read_u8(&r);
	unsigned bits = first & TYPE_MASK;
	if (r.err == NJ_OK && bits == TYPE_MASK) {
		if (from == NJ_TPDU_FROM_DEVICE)
			return NJ_ERR_UNSUPPORTED;
		bits = type_bits(NJ_TPDU_DELIVER);
	}
	tpdu.type = types[from][bits];
	switch (tpdu.type) {
	case NJ_TPDU_DELIVER:
		read_deliver(&r, first, &tpdu);
		break;
	case NJ_TPDU_SUBMIT:
		read_submit(&r, first, &tpdu);
		break;
	case NJ_TPDU_STATUS_REPORT:
		read_status_report(&r, first, &tpdu);
		break;
	case NJ_TPDU_COMMAND:
		read_command(&r, first, &tpdu);
		break;
	case NJ_TPDU_DELIVER_REPORT:
	case NJ_TPDU_SUBMIT_REPORT:
		read_report(&r, first, failed, &tpdu);
		break;
	}
	NJ_TRY(nj_reader_end(&r));
	*out = tpdu;
	return NJ_OK;
}

/* ---- encoding ---- */

static void write_stamp(struct nj_writer *w, const struct nj_stamp *stamp)
{
	nj_write_bytes(w, stamp->raw, sizeof(stamp->raw));
}

static void write_parameters(struct nj_writer *w, const struct nj_tpdu *t, bool time)
{
	nj_write_u8(w, t->parameters & PARAMETERS_KNOWN);
	if (time)
		write_stamp(w, &t->time);
	if ((t->parameters & NJ_TPDU_HAS_PID) != 0)
		nj_write_u8(w, t->protocol);
	if ((t->parameters & NJ_TPDU_HAS_DCS) != 0)
		nj_write_u8(w, t->coding);
	if ((t->parameters & NJ_TPDU_HAS_USER_DATA) != 0)
		nj_user_data_write(w, &t->user_data);
}

static void write_deliver(struct nj_writer *w, const struct nj_tpdu *t)
{
	nj_address_write(w, &t->address);
	nj_write_u8(w, t->protocol);
	nj_write_u8(w, t->coding);
	write_stamp(w, &t->time);
	nj_user_data_write(w, &t->user_data);
}

static void write_submit(struct nj_writer *w, const struct nj_tpdu *t)
{
	nj_write_u8(w, t->reference);
	nj_address_write(w, &t->address);
	nj_write_u8(w, t->protocol);
	nj_write_u8(w, t->coding);
	nj_write_bytes(w, t->validity.raw, nj_validity_octets(t->validity.format));
	nj_user_data_write(w, &t->user_data);
}

static void write_status_report(struct nj_writer *w, const struct nj_tpdu *t)
{
	nj_write_u8(w, t->reference);
	nj_address_write(w, &t->address);
	write_stamp(w, &t->time);
	write_stamp(w, &t->discharge);
	nj_write_u8(w, t->status);
	if (t->parameters != 0)
		write_parameters(w, t, false);
}

static void write_command(struct nj_writer *w, const struct nj_tpdu *t)
{
	nj_write_u8(w, t->reference);
	nj_write_u8(w, t->protocol);
	nj_write_u8(w, t->command);
	nj_write_u8(w, t->message);
	nj_address_write(w, &t->address);
	nj_user_data_write(w, &t->user_data);
}

static uint8_t first_octet(const struct nj_tpdu *t)
{
	bool submit = t->type == NJ_TPDU_SUBMIT;
	bool reports = t->type == NJ_TPDU_DELIVER_REPORT || t->type == NJ_TPDU_SUBMIT_REPORT;
	bool waits = t->type == NJ_TPDU_DELIVER || t->type == NJ_TPDU_STATUS_REPORT;
	unsigned octet = type_bits(t->type);
	if (waits)
		octet |= (t->no_more ? NO_MORE : 0U) | (t->loop ? LOOP : 0U);
	if (submit)
		octet |= (t->reject_duplicates ? REJECT_DUPLICATES : 0U) | (unsigned)t->validity.format << FORMAT_SHIFT;
	if (!reports && t->report)
		octet |= REPORT;
	if (t->user_data.has_header)
		octet |= HEADER;
	if ((submit || t->type == NJ_TPDU_DELIVER) && t->reply_path)
		octet |= REPLY_PATH;
	return (uint8_t)octet;
}

enum nj_err nj_tpdu_encode(const struct nj_tpdu *tpdu, uint8_t *out, size_t cap, size_t *out_len)
{
	struct nj_writer w = nj_writer_of(out, cap);
	nj_write_u8(&w, first_octet(tpdu));
	switch (tpdu->type) {
	case NJ_TPDU_DELIVER:
		write_deliver(&w, tpdu);
		break;
	case NJ_TPDU_SUBMIT:
		write_submit(&w, tpdu);
		break;
	case NJ_TPDU_STATUS_REPORT:
		write_status_report(&w, tpdu);
		break;
	case NJ_TPDU_COMMAND:
		write_command(&w, tpdu);
		break;
	case NJ_TPDU_DELIVER_REPORT:
	case NJ_TPDU_SUBMIT_REPORT:
		if (tpdu->failed)
			nj_write_u8(&w, tpdu->cause);
		write_parameters(&w, tpdu, tpdu->type == NJ_TPDU_SUBMIT_REPORT);
		break;
	}
	return nj_writer_end(&w, out_len);
}
