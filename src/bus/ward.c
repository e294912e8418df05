#include "bus/ward.h"

static void put_place(struct nj_writer *w, const struct nj_ward *m)
{
	nj_write_u8(w, m->kind);
	nj_write_u16(w, m->port);
	nj_write_bytes(w, m->source.ip, sizeof(m->source.ip));
	nj_write_u8(w, m->prefix);
}

static void get_kind(struct nj_reader *r, struct nj_ward *m)
{
	m->kind = nj_read_u8(r);
	if (m->kind >= NJ_WARD_KINDS)
		nj_reader_fail(r, NJ_ERR_MALFORMED);
}

static void get_place(struct nj_reader *r, struct nj_ward *m)
{
	get_kind(r, m);
	m->port = nj_read_u16(r);
	nj_read_bytes(r, m->source.ip, sizeof(m->source.ip));
	m->prefix = nj_read_u8(r);
	if (m->port == 0 || m->prefix == 0 || m->prefix > 128)
		nj_reader_fail(r, NJ_ERR_MALFORMED);
}

static struct nj_view get_text(struct nj_reader *r)
{
	struct nj_view text = nj_read_view16(r);

	if (text.len > NJ_WARD_TEXT_MAX)
		nj_reader_fail(r, NJ_ERR_TOO_LARGE);
	return text;
}

enum nj_err nj_ward_encode(const struct nj_ward *message, struct nj_writer *w)
{
	size_t len;

	nj_write_u8(w, (uint8_t)message->type);
	switch (message->type) {
	case NJ_WARD_OPEN:
		put_place(w, message);
		nj_write_u64(w, message->expires_boot_ns);
		break;
	case NJ_WARD_SHUT:
		put_place(w, message);
		break;
	case NJ_WARD_CLEAR:
		nj_write_u8(w, message->kind);
		break;
	case NJ_WARD_RENEW:
		break;
	case NJ_WARD_FAILED:
		put_place(w, message);
		nj_write_u16(w, message->err);
		break;
	case NJ_WARD_CHANGED:
		nj_write_view16(w, message->caller);
		nj_write_view16(w, message->detail);
		break;
	}
	return nj_writer_end(w, &len);
}

enum nj_err nj_ward_decode(struct nj_view bytes, struct nj_ward *out_message)
{
	struct nj_reader r = nj_reader_view(bytes);
	struct nj_ward m = { .type = (enum nj_ward_type)nj_read_u8(&r) };

	switch (m.type) {
	case NJ_WARD_OPEN:
		get_place(&r, &m);
		m.expires_boot_ns = nj_read_u64(&r);
		break;
	case NJ_WARD_SHUT:
		get_place(&r, &m);
		break;
	case NJ_WARD_CLEAR:
		get_kind(&r, &m);
		break;
	case NJ_WARD_RENEW:
		break;
	case NJ_WARD_FAILED:
		get_place(&r, &m);
		m.err = nj_read_u16(&r);
		break;
	case NJ_WARD_CHANGED:
		m.caller = get_text(&r);
		m.detail = get_text(&r);
		break;
	default:
		nj_reader_fail(&r, NJ_ERR_MALFORMED);
	}
	NJ_TRY(nj_reader_end(&r));
	*out_message = m;
	return NJ_OK;
}
