#include "bus/dial.h"

static struct nj_view get_text(struct nj_reader *r, size_t max)
{
	struct nj_view text = nj_read_view16(r);

	if (text.len > max)
		nj_reader_fail(r, NJ_ERR_TOO_LARGE);
	return text;
}

enum nj_err nj_dial_encode(const struct nj_dial *message, struct nj_writer *w)
{
	size_t len;

	nj_write_u8(w, (uint8_t)message->type);
	nj_write_view16(w, message->name);
	if (message->type == NJ_DIAL_STREAM) {
		nj_write_bytes(w, message->peer.ip, sizeof(message->peer.ip));
		nj_write_u16(w, message->peer.port);
		nj_write_u32(w, message->peer.scope);
	} else if (message->type == NJ_DIAL_FAILED) {
		nj_write_view16(w, message->text);
	}
	return nj_writer_end(w, &len);
}

enum nj_err nj_dial_decode(struct nj_view bytes, struct nj_dial *out_message)
{
	struct nj_reader r = nj_reader_view(bytes);
	struct nj_dial m = { .type = (enum nj_dial_type)nj_read_u8(&r) };

	m.name = get_text(&r, NJ_DIAL_NAME_MAX);
	switch (m.type) {
	case NJ_DIAL_ASK:
		break;
	case NJ_DIAL_STREAM:
		nj_read_bytes(&r, m.peer.ip, sizeof(m.peer.ip));
		m.peer.port = nj_read_u16(&r);
		m.peer.scope = nj_read_u32(&r);
		break;
	case NJ_DIAL_FAILED:
		m.text = get_text(&r, NJ_DIAL_TEXT_MAX);
		break;
	default:
		nj_reader_fail(&r, NJ_ERR_MALFORMED);
	}
	NJ_TRY(nj_reader_end(&r));
	*out_message = m;
	return NJ_OK;
}
