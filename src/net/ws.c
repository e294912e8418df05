#include "net/ws.h"

#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"

#define KEY_CHARS 24 /* base64 of 16 bytes */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SHA1_CHARS 28

#define FINAL 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define LENGTH_16 126
#define LENGTH_64 127

enum opcode { CONTINUATION = 0x0, TEXT = 0x1, BINARY = 0x2, CLOSE = 0x8, PING = 0x9, PONG = 0xa };

#define CODE_PROTOCOL 1002
#define CODE_UNACCEPTABLE 1003

/* --- the opening request --- */

/* What the headers said. */
struct request {
	struct nj_view key;
	struct nj_view origin;
	unsigned hosts, keys, versions, origins;
	bool upgrade;
	bool connection;
	bool version_13;
	bool mqtt;
};

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* `word` is lower-case. */
static bool is_word(struct nj_view text, const char *word)
{
	if (text.len != strlen(word))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (lower(text.data[i]) != (uint8_t)word[i])
			return false;
	return true;
}

static struct nj_view trim(struct nj_view text)
{
	while (text.len > 0 && is_space(text.data[0]))
		text = nj_view_of(text.data + 1, text.len - 1);
	while (text.len > 0 && is_space(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* Takes what comes before `c` off the front of `rest`; all of it when there is none. False: nothing was left. */
static bool cut_at(struct nj_view *rest, char c, struct nj_view *out_part)
{
	if (rest->data == NULL)
		return false;
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, c, rest->len) : NULL;
	size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	*out_part = nj_view_of(rest->data, len);
	*rest = end != NULL ? nj_view_of(end + 1, rest->len - len - 1) : nj_view_of(NULL, 0);
	return true;
}

static bool lists(struct nj_view list, const char *word)
{
	struct nj_view part;
	while (cut_at(&list, ',', &part))
		if (is_word(trim(part), word))
			return true;
	return false;
}

static bool is_base64(struct nj_view key)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	if (key.len != KEY_CHARS || key.data[KEY_CHARS - 1] != '=' || key.data[KEY_CHARS - 2] != '=')
		return false;
	for (size_t i = 0; i < KEY_CHARS - 2; i++)
		if (key.data[i] == '\0' || strchr(letters, key.data[i]) == NULL)
			return false;
	return true;
}

/* A header line: a name without space, a colon, a value. */
static bool take_header(struct nj_view line, struct request *request)
{
	struct nj_view name;
	if (line.len == 0 || memchr(line.data, ':', line.len) == NULL || !cut_at(&line, ':', &name) || name.len == 0 ||
	    is_space(name.data[0]) || is_space(name.data[name.len - 1]))
		return false;
	struct nj_view value = trim(line);
	if (is_word(name, "host")) {
		request->hosts++;
	} else if (is_word(name, "upgrade")) {
		request->upgrade |= lists(value, "websocket");
	} else if (is_word(name, "connection")) {
		request->connection |= lists(value, "upgrade");
	} else if (is_word(name, "sec-websocket-key")) {
		request->keys++;
		request->key = value;
	} else if (is_word(name, "sec-websocket-version")) {
		request->versions++;
		request->version_13 = is_word(value, "13");
	} else if (is_word(name, "sec-websocket-protocol")) {
		request->mqtt |= lists(value, "mqtt");
	} else if (is_word(name, "origin")) {
		request->origins++;
		request->origin = value;
	} else if (is_word(name, "content-length") && !is_word(value, "0")) {
		return false;
	} else if (is_word(name, "transfer-encoding")) {
		return false;
	}
	return true;
}

/* A line up to CR LF; no control character stands in it. */
static bool next_line(struct nj_view *rest, struct nj_view *out_line)
{
	if (!cut_at(rest, '\n', out_line) || out_line->len == 0 || out_line->data[out_line->len - 1] != '\r')
		return false;
	out_line->len--;
	for (size_t i = 0; i < out_line->len; i++)
		if (out_line->data[i] < ' ' && out_line->data[i] != '\t')
			return false;
	return true;
}

static enum nj_err check_path(struct nj_view line)
{
	struct nj_view method;
	struct nj_view target;
	struct nj_view path;
	if (!cut_at(&line, ' ', &method) || !cut_at(&line, ' ', &target) || line.data == NULL ||
	    !nj_view_equal(method, nj_view_str("GET")) || !nj_view_equal(line, nj_view_str("HTTP/1.1")) ||
	    target.len == 0 || !cut_at(&target, '?', &path))
		return NJ_ERR_MALFORMED;
	return nj_view_equal(path, nj_view_str("/mqtt")) || nj_view_equal(path, nj_view_str("/")) ? NJ_OK
												  : NJ_ERR_NOT_FOUND;
}

static bool may_come(const struct request *request, const struct nj_origins *origins)
{
	return request->origins == 0 || (request->origins == 1 && nj_origins_have(origins, request->origin));
}

static enum nj_err read_request(struct nj_view text, const struct nj_origins *origins, struct request *out_request)
{
	struct nj_view line;
	if (!next_line(&text, &line))
		return NJ_ERR_MALFORMED;
	NJ_TRY(check_path(line));
	for (;;) {
		if (!next_line(&text, &line))
			return NJ_ERR_MALFORMED;
		if (line.len == 0)
			break;
		if (!take_header(line, out_request))
			return NJ_ERR_MALFORMED;
	}
	if (out_request->hosts != 1 || out_request->keys != 1 || !is_base64(out_request->key) ||
	    !out_request->upgrade || !out_request->connection)
		return NJ_ERR_MALFORMED;
	if (!may_come(out_request, origins))
		return NJ_ERR_DENIED;
	if (out_request->versions != 1 || !out_request->version_13 || !out_request->mqtt)
		return NJ_ERR_UNSUPPORTED;
	return NJ_OK;
}

/* Bytes up to and with the empty line; 0 when it has not come. */
static size_t request_bytes(struct nj_view in)
{
	const uint8_t *end = in.len > 0 ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
	return end == NULL ? 0 : (size_t)(end - in.data) + 4;
}

static void write_text(struct nj_writer *w, const char *text)
{
	nj_write_bytes(w, text, strlen(text));
}

static void refuse(struct nj_writer *answer, enum nj_err err, bool wrong_version)
{
	if (err == NJ_ERR_NOT_FOUND)
		write_text(answer, "HTTP/1.1 404 Not Found\r\n");
	else if (err == NJ_ERR_DENIED)
		write_text(answer, "HTTP/1.1 403 Forbidden\r\n");
	else if (err == NJ_ERR_TOO_LARGE)
		write_text(answer, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
	else if (err == NJ_ERR_UNSUPPORTED && wrong_version)
		write_text(answer, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n");
	else
		write_text(answer, "HTTP/1.1 400 Bad Request\r\n");
	write_text(answer, "Connection: close\r\nContent-Length: 0\r\n\r\n");
}

static void welcome(struct nj_writer *answer, struct nj_view key)
{
	uint8_t text[KEY_CHARS + sizeof(GUID) - 1];
	uint8_t digest[NJ_SHA1_BYTES];
	char accept[SHA1_CHARS + 1];
	memcpy(text, key.data, KEY_CHARS);
	memcpy(text + KEY_CHARS, GUID, sizeof(GUID) - 1);
	nj_sha1(nj_view_of(text, sizeof(text)), digest);
	nj_base64_encode(digest, sizeof(digest), accept);
	write_text(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			   "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: ");
	write_text(answer, accept);
	write_text(answer, "\r\n\r\n");
}

enum nj_err nj_ws_open(struct nj_view in, const struct nj_origins *origins, struct nj_writer *answer, size_t *out_eaten,
		       struct nj_view *out_origin)
{
	struct request request = { .upgrade = false };
	size_t bytes =
	    request_bytes(nj_view_of(in.data, in.len < NJ_WS_REQUEST_MAX_BYTES ? in.len : NJ_WS_REQUEST_MAX_BYTES));
	if (bytes == 0 && in.len < NJ_WS_REQUEST_MAX_BYTES)
		return NJ_ERR_AGAIN;
	enum nj_err err = bytes == 0 ? NJ_ERR_TOO_LARGE : read_request(nj_view_of(in.data, bytes), origins, &request);
	if (err != NJ_OK) {
		refuse(answer, err, !request.version_13);
		if (err == NJ_ERR_DENIED)
			*out_origin = request.origin;
		return err;
	}
	welcome(answer, request.key);
	*out_eaten = bytes;
	return NJ_OK;
}

/* --- frames --- */

size_t nj_ws_frame(uint64_t len, uint8_t out[NJ_WS_HEAD_MAX_BYTES])
{
	struct nj_writer w = nj_writer_of(out, NJ_WS_HEAD_MAX_BYTES);
	nj_write_u8(&w, FINAL | BINARY);
	if (len < LENGTH_16) {
		nj_write_u8(&w, (uint8_t)len);
	} else if (len <= UINT16_MAX) {
		nj_write_u8(&w, LENGTH_16);
		nj_write_u16(&w, (uint16_t)len);
	} else {
		nj_write_u8(&w, LENGTH_64);
		nj_write_u64(&w, len);
	}
	return w.pos;
}

static void write_control(struct nj_writer *w, enum opcode opcode, const uint8_t *data, size_t len)
{
	if (w->err != NJ_OK || w->cap - w->pos < 2 + len)
		return;
	nj_write_u8(w, (uint8_t)(FINAL | opcode));
	nj_write_u8(w, (uint8_t)len);
	nj_write_bytes(w, data, len);
}

void nj_ws_goodbye(uint16_t code, struct nj_writer *w)
{
	uint8_t data[2];
	nj_put_u16(data, code);
	write_control(w, CLOSE, data, sizeof(data));
}

static enum nj_err breach(struct nj_ws *ws, uint16_t code, struct nj_writer *answer)
{
	ws->ended = true;
	nj_ws_goodbye(code, answer);
	return NJ_ERR_MALFORMED;
}

/* How long the head is, by as much as has come of it. */
static size_t head_bytes(const struct nj_ws *ws)
{
	if (ws->head_len < 2 || (ws->head[1] & MASKED) == 0)
		return 2;
	uint8_t length = ws->head[1] & LENGTH;
	return 2 + (length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0) + sizeof(ws->mask);
}

static bool is_control(uint8_t opcode)
{
	return (opcode & 0x8) != 0;
}

/* What a frame may be here (RFC 6455 5.2, 5.4, 5.5); a code, or 0. */
static uint16_t judge(const struct nj_ws *ws, uint8_t first, uint8_t length)
{
	uint8_t opcode = first & OPCODE;
	bool final = (first & FINAL) != 0;
	if ((first & RESERVED) != 0 || (opcode > BINARY && opcode < CLOSE) || opcode > PONG)
		return CODE_PROTOCOL;
	if (is_control(opcode))
		return final && length < LENGTH_16 ? 0 : CODE_PROTOCOL;
	if ((opcode == CONTINUATION) != ws->in_message)
		return CODE_PROTOCOL;
	return opcode == TEXT ? CODE_UNACCEPTABLE : 0;
}

/* The head has come whole. A code, or 0. */
static uint16_t begin_frame(struct nj_ws *ws)
{
	struct nj_reader r = nj_reader_of(ws->head, ws->head_len);
	uint8_t first = nj_read_u8(&r);
	uint8_t second = nj_read_u8(&r);
	uint8_t length = second & LENGTH;
	uint16_t code = (second & MASKED) == 0 ? CODE_PROTOCOL : judge(ws, first, length);
	ws->left = length == LENGTH_16 ? nj_read_u16(&r) : length == LENGTH_64 ? nj_read_u64(&r) : length;
	nj_read_bytes(&r, ws->mask, sizeof(ws->mask));
	if (code != 0)
		return code;
	if ((length == LENGTH_16 && ws->left < LENGTH_16) ||
	    (length == LENGTH_64 && (ws->left <= UINT16_MAX || ws->left > INT64_MAX)))
		return CODE_PROTOCOL;
	ws->opcode = first & OPCODE;
	ws->final = (first & FINAL) != 0;
	ws->taken = 0;
	ws->control_len = 0;
	if (!is_control(ws->opcode))
		ws->in_message = !ws->final;
	return 0;
}

/* Forward, so that `to` may lie before `from` in the same bytes. */
static void unmask(struct nj_ws *ws, const uint8_t *from, uint8_t *to, size_t len)
{
	uint8_t turned[8];
	uint64_t mask;
	size_t i = 0;
	for (size_t k = 0; k < sizeof(turned); k++)
		turned[k] = ws->mask[(ws->taken + k) & 3];
	memcpy(&mask, turned, sizeof(mask));
	for (; len - i >= sizeof(mask); i += sizeof(mask)) {
		uint64_t word;
		memcpy(&word, from + i, sizeof(word));
		word ^= mask;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < len; i++)
		to[i] = from[i] ^ turned[i & 7];
	ws->taken += len;
	ws->left -= len;
}

/* A control frame is whole. */
static enum nj_err end_control(struct nj_ws *ws, struct nj_writer *answer)
{
	if (ws->opcode == PING)
		write_control(answer, PONG, ws->control, ws->control_len);
	if (ws->opcode != CLOSE)
		return NJ_OK;
	if (ws->control_len == 1)
		return breach(ws, CODE_PROTOCOL, answer);
	ws->ended = true;
	write_control(answer, CLOSE, ws->control, ws->control_len < 2 ? 0 : 2);
	return NJ_ERR_CLOSED;
}

enum nj_err nj_ws_unwrap(struct nj_ws *ws, uint8_t *data, size_t len, struct nj_writer *answer, size_t *out_len)
{
	size_t at = 0;
	size_t out = 0;
	enum nj_err err = ws->ended ? NJ_ERR_CLOSED : NJ_OK;
	bool inside = ws->left > 0;
	while (err == NJ_OK && at < len) {
		if (!inside) {
			ws->head[ws->head_len++] = data[at++];
			if (ws->head_len < head_bytes(ws))
				continue;
			uint16_t code = begin_frame(ws);
			ws->head_len = 0;
			if (code != 0)
				err = breach(ws, code, answer);
		}
		size_t n = ws->left < len - at ? (size_t)ws->left : len - at;
		if (err == NJ_OK && is_control(ws->opcode)) {
			unmask(ws, data + at, ws->control + ws->control_len, n);
			ws->control_len += (uint8_t)n;
			err = ws->left == 0 ? end_control(ws, answer) : NJ_OK;
		} else if (err == NJ_OK) {
			unmask(ws, data + at, data + out, n);
			out += n;
		}
		at += n;
		inside = ws->left > 0;
	}
	*out_len = out;
	return err;
}
