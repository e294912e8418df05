#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "net/ws.h"

#define LINE(text) text "\r\n"
#define HOST LINE("Host: gateway")
#define UPGRADE LINE("Upgrade: websocket")
#define CONNECTION LINE("Connection: keep-alive, Upgrade")
#define KEY LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
#define VERSION LINE("Sec-WebSocket-Version: 13")
#define PROTOCOL LINE("Sec-WebSocket-Protocol: mqttv3.1, mqtt")
#define GET LINE("GET /mqtt HTTP/1.1")
#define GOOD HOST UPGRADE CONNECTION KEY VERSION PROTOCOL

static const struct nj_origins nobody;

static enum nj_err open_from(const struct nj_origins *origins, const char *text, char *out_answer, size_t *out_eaten)
{
	struct nj_view origin = nj_view_of(NULL, 0);
	struct nj_writer w = nj_writer_of(out_answer, NJ_WS_ANSWER_MAX_BYTES);
	enum nj_err err = nj_ws_open(nj_view_str(text), origins, &w, out_eaten, &origin);
	assert_int_equal(w.err, NJ_OK);
	assert_int_equal(origin.data != NULL, err == NJ_ERR_DENIED);
	out_answer[w.pos] = '\0';
	return err;
}

static enum nj_err open_text(const char *text, char *out_answer, size_t *out_eaten)
{
	return open_from(&nobody, text, out_answer, out_eaten);
}

/* RFC 6455 1.3. */
static void the_standards_example_is_answered(void **state)
{
	char answer[NJ_WS_ANSWER_MAX_BYTES + 1];
	size_t eaten = 0;
	assert_int_equal(open_text(GET GOOD LINE("") "rest", answer, &eaten), NJ_OK);
	assert_string_equal(answer, LINE("HTTP/1.1 101 Switching Protocols") LINE("Upgrade: websocket")
					LINE("Connection: Upgrade") LINE("Sec-WebSocket-Protocol: mqtt")
					    LINE("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") LINE(""));
	assert_int_equal(eaten, strlen(GET GOOD LINE("")));
}

/* None, one, the most: who is listed comes in, and nobody who is not. */
static void pages_that_are_listed(void **state)
{
	static const char *const never[] = { "null",
					     "",
					     "https://page1.example.evil",
					     "https://page1.example/",
					     "https://Page1.example",
					     "http://page1.example",
					     "https://page1.example:444",
					     "https://page1.example https://page1.example",
					     "https://page1.example, https://page1.example" };
	struct nj_origins origins = { .count = 0 };
	char answer[NJ_WS_ANSWER_MAX_BYTES + 1];
	char text[1024];
	size_t eaten = 0;

	for (size_t i = 0; i < NJ_ORIGINS_MAX; i++)
		snprintf(origins.at[i], NJ_ORIGIN_BYTES, "https://page%zu.example", i);
	for (origins.count = 0; origins.count <= NJ_ORIGINS_MAX; origins.count++) {
		for (size_t i = 0; i < NJ_ORIGINS_MAX; i++) {
			snprintf(text, sizeof(text), GET GOOD "oRIGIN: %s \r\n\r\n", origins.at[i]);
			assert_int_equal(open_from(&origins, text, answer, &eaten),
					 i < origins.count ? NJ_OK : NJ_ERR_DENIED);
			assert_memory_equal(answer + 9, i < origins.count ? "101" : "403", 3);
		}
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
			snprintf(text, sizeof(text), GET GOOD "Origin: %s\r\n\r\n", never[i]);
			assert_int_equal(open_from(&origins, text, answer, &eaten), NJ_ERR_DENIED);
		}
		assert_int_equal(open_from(&origins, GET GOOD LINE(""), answer, &eaten), NJ_OK);
	}
	origins.count = NJ_ORIGINS_MAX;
	assert_int_equal(open_from(&origins,
				   GET GOOD LINE("Origin: https://page1.example") LINE("Origin: https://page1.example")
				       LINE(""),
				   answer, &eaten),
			 NJ_ERR_DENIED);
}

static void requests_are_judged(void **state)
{
	static const struct {
		const char *what;
		const char *text;
		enum nj_err want;
		const char *status;
	} rows[] = {
		{ "the root", LINE("GET / HTTP/1.1") GOOD LINE(""), NJ_OK, "101" },
		{ "a query", LINE("GET /mqtt?x=1 HTTP/1.1") GOOD LINE(""), NJ_OK, "101" },
		{ "other headers, other case",
		  GET LINE("HOST:gateway") LINE("upgrade: WebSocket") LINE("connection: UPGRADE") LINE(
		      "sec-websocket-key:\tdGhlIHNhbXBsZSBub25jZQ== ") VERSION PROTOCOL LINE("X-Other: a: b") LINE(""),
		  NJ_OK, "101" },
		{ "an extension is offered", GET GOOD LINE("Sec-WebSocket-Extensions: permessage-deflate") LINE(""),
		  NJ_OK, "101" },
		{ "an empty body", GET GOOD LINE("Content-Length: 0") LINE(""), NJ_OK, "101" },
		{ "another path", LINE("GET /admin HTTP/1.1") GOOD LINE(""), NJ_ERR_NOT_FOUND, "404" },
		{ "another method", LINE("POST /mqtt HTTP/1.1") GOOD LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "HTTP/1.0", LINE("GET /mqtt HTTP/1.0") GOOD LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "no version of HTTP", LINE("GET /mqtt") GOOD LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "no target", LINE("GET  HTTP/1.1") GOOD LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "no host", GET UPGRADE CONNECTION KEY VERSION PROTOCOL LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "two hosts", GET HOST GOOD LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "no upgrade", GET HOST CONNECTION KEY VERSION PROTOCOL LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "no connection", GET HOST UPGRADE KEY VERSION PROTOCOL LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "no key", GET HOST UPGRADE CONNECTION VERSION PROTOCOL LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "two keys", GET GOOD KEY LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "a short key",
		  GET HOST UPGRADE CONNECTION VERSION PROTOCOL LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZQ==") LINE(""),
		  NJ_ERR_MALFORMED, "400" },
		{ "a key that is not base64",
		  GET HOST UPGRADE CONNECTION VERSION PROTOCOL LINE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q==")
		      LINE(""),
		  NJ_ERR_MALFORMED, "400" },
		{ "another version", GET HOST UPGRADE CONNECTION KEY PROTOCOL LINE("Sec-WebSocket-Version: 8") LINE(""),
		  NJ_ERR_UNSUPPORTED, "426" },
		{ "no version", GET HOST UPGRADE CONNECTION KEY PROTOCOL LINE(""), NJ_ERR_UNSUPPORTED, "426" },
		{ "no subprotocol", GET HOST UPGRADE CONNECTION KEY VERSION LINE(""), NJ_ERR_UNSUPPORTED, "400" },
		{ "another subprotocol",
		  GET HOST UPGRADE CONNECTION KEY VERSION LINE("Sec-WebSocket-Protocol: mqttv3.1") LINE(""),
		  NJ_ERR_UNSUPPORTED, "400" },
		{ "a page", GET GOOD LINE("Origin: https://example.org") LINE(""), NJ_ERR_DENIED, "403" },
		{ "a page in a sandbox", GET GOOD LINE("Origin: null") LINE(""), NJ_ERR_DENIED, "403" },
		{ "an empty origin", GET GOOD LINE("Origin:") LINE(""), NJ_ERR_DENIED, "403" },
		{ "a body", GET GOOD LINE("Content-Length: 5") LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "a chunked body", GET GOOD LINE("Transfer-Encoding: chunked") LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "a folded header", GET GOOD LINE(" folded: x") LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "a space before the colon", GET GOOD LINE("X : y") LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "a header without a colon", GET GOOD LINE("nothing") LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "a control character", GET GOOD LINE("X: \x01") LINE(""), NJ_ERR_MALFORMED, "400" },
		{ "a bare line feed", GET "Host: a\n" GOOD LINE(""), NJ_ERR_MALFORMED, "400" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char answer[NJ_WS_ANSWER_MAX_BYTES + 1];
		size_t eaten = 0;
		enum nj_err err = open_text(rows[i].text, answer, &eaten);
		if (err != rows[i].want)
			print_error("%s\n", rows[i].what);
		assert_int_equal(err, rows[i].want);
		assert_memory_equal(answer + strlen("HTTP/1.1 "), rows[i].status, 3);
		assert_int_equal(eaten, err == NJ_OK ? strlen(rows[i].text) : 0);
	}
}

static void half_a_request_waits_and_a_long_one_is_refused(void **state)
{
	char answer[NJ_WS_ANSWER_MAX_BYTES + 1];
	char text[NJ_WS_REQUEST_MAX_BYTES + 1];
	const char *whole = GET GOOD LINE("");
	size_t eaten = 0;
	for (size_t len = 0; len < strlen(whole); len++) {
		memcpy(text, whole, len);
		text[len] = '\0';
		assert_int_equal(open_text(text, answer, &eaten), NJ_ERR_AGAIN);
		assert_string_equal(answer, "");
	}
	memset(text, 'x', sizeof(text) - 1);
	text[NJ_WS_REQUEST_MAX_BYTES] = '\0';
	memcpy(text, GET, strlen(GET));
	assert_int_equal(open_text(text, answer, &eaten), NJ_ERR_TOO_LARGE);
	assert_memory_equal(answer + strlen("HTTP/1.1 "), "431", 3);
	text[NJ_WS_REQUEST_MAX_BYTES - 1] = '\0';
	assert_int_equal(open_text(text, answer, &eaten), NJ_ERR_AGAIN);
}

/* --- frames --- */

#define MASK 0x11, 0x22, 0x33, 0x44

static size_t frame(uint8_t first, const char *text, uint8_t *out)
{
	static const uint8_t mask[] = { MASK };
	size_t len = strlen(text);
	out[0] = first;
	out[1] = (uint8_t)(0x80 | len);
	memcpy(out + 2, mask, sizeof(mask));
	for (size_t i = 0; i < len; i++)
		out[6 + i] = (uint8_t)((uint8_t)text[i] ^ mask[i & 3]);
	return 6 + len;
}

struct result {
	enum nj_err err;
	uint8_t out[4096];
	size_t out_len;
	uint8_t answer[4096];
	size_t answer_len;
};

/* In pieces of `step` bytes. */
static struct result unwrap(const uint8_t *bytes, size_t len, size_t step)
{
	struct nj_ws ws = { .left = 0 };
	struct result r = { .err = NJ_OK };
	struct nj_writer w = nj_writer_of(r.answer, sizeof(r.answer));
	for (size_t at = 0; at < len && r.err == NJ_OK; at += step) {
		size_t n = len - at < step ? len - at : step;
		uint8_t *piece = malloc(n);
		size_t got = 0;
		memcpy(piece, bytes + at, n);
		r.err = nj_ws_unwrap(&ws, piece, n, &w, &got);
		assert_true(got <= n);
		memcpy(r.out + r.out_len, piece, got);
		r.out_len += got;
		free(piece);
	}
	r.answer_len = w.pos;
	return r;
}

static void a_message_may_come_in_any_pieces(void **state)
{
	uint8_t bytes[256];
	size_t n = frame(0x02, "one, ", bytes);
	n += frame(0x89, "ping", bytes + n);
	n += frame(0x00, "two, ", bytes + n);
	n += frame(0x8a, "unasked", bytes + n);
	n += frame(0x80, "", bytes + n);
	n += frame(0x82, "three, and this is longer than a word", bytes + n);
	for (size_t step = 1; step <= n; step++) {
		struct result r = unwrap(bytes, n, step);
		assert_int_equal(r.err, NJ_OK);
		assert_int_equal(r.out_len, strlen("one, two, three, and this is longer than a word"));
		assert_memory_equal(r.out, "one, two, three, and this is longer than a word", r.out_len);
		assert_int_equal(r.answer_len, 6);
		assert_memory_equal(r.answer, "\x8a\x04ping", 6);
	}
}

static void a_close_is_answered_and_is_the_end(void **state)
{
	uint8_t bytes[256];
	size_t n = frame(0x82, "last", bytes);
	n += frame(0x88, "\x03\xe8gone", bytes + n);
	n += frame(0x82, "after", bytes + n);
	for (size_t step = 1; step <= n; step++) {
		struct result r = unwrap(bytes, n, step);
		assert_int_equal(r.err, NJ_ERR_CLOSED);
		assert_int_equal(r.out_len, 4);
		assert_int_equal(r.answer_len, 4);
		assert_memory_equal(r.answer, "\x88\x02\x03\xe8", 4);
	}
}

static void breaches_end_the_stream(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[20];
		size_t len;
		uint16_t code;
	} rows[] = {
		{ "no mask", { 0x82, 0x01, 'x' }, 3, 1002 },
		{ "no mask, no payload", { 0x89, 0x00 }, 2, 1002 },
		{ "text", { 0x81, 0x81, MASK, 0 }, 7, 1003 },
		{ "a reserved bit", { 0xc2, 0x81, MASK, 0 }, 7, 1002 },
		{ "a reserved opcode of data", { 0x83, 0x80, MASK }, 6, 1002 },
		{ "a reserved opcode of control", { 0x8b, 0x80, MASK }, 6, 1002 },
		{ "a continuation of nothing", { 0x80, 0x80, MASK }, 6, 1002 },
		{ "a message in a message", { 0x02, 0x80, MASK, 0x82, 0x80, MASK }, 12, 1002 },
		{ "half a ping", { 0x09, 0x80, MASK }, 6, 1002 },
		{ "a long ping", { 0x89, 0xfe, 0, 126, MASK }, 8, 1002 },
		{ "a length in too many bytes", { 0x82, 0xfe, 0, 125, MASK }, 8, 1002 },
		{ "in eight too many", { 0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, MASK }, 14, 1002 },
		{ "a length past the last", { 0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, MASK }, 14, 1002 },
		{ "half a close code", { 0x88, 0x81, MASK, 0 }, 7, 1002 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t step = 1; step <= rows[i].len; step++) {
			struct result r = unwrap(rows[i].bytes, rows[i].len, step);
			if (r.err != NJ_ERR_MALFORMED)
				print_error("%s, in pieces of %zu\n", rows[i].what, step);
			assert_int_equal(r.err, NJ_ERR_MALFORMED);
			assert_int_equal(r.out_len, 0);
			assert_int_equal(r.answer_len, 4);
			assert_int_equal(r.answer[2] << 8 | r.answer[3], rows[i].code);
		}
}

static void lengths_at_their_borders(void **state)
{
	static const size_t lengths[] = { 0, 1, 125, 126, 127, 65535, 65536, 65537 };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint8_t head[NJ_WS_HEAD_MAX_BYTES];
		size_t head_len = nj_ws_frame(lengths[i], head);
		uint8_t *bytes = calloc(1, head_len + 4 + lengths[i]);
		struct nj_ws ws = { .left = 0 };
		struct nj_writer w = nj_writer_of(NULL, 0);
		size_t got = 0;
		/* A server's head and a mask of zeros make a client's. */
		memcpy(bytes, head, head_len);
		bytes[1] |= 0x80;
		memset(bytes + head_len + 4, 'x', lengths[i]);
		assert_int_equal(nj_ws_unwrap(&ws, bytes, head_len + 4 + lengths[i], &w, &got), NJ_OK);
		assert_int_equal(got, lengths[i]);
		assert_int_equal(ws.left, 0);
		free(bytes);
	}
}

static int init(void **state)
{
	return nj_crypto_init() == NJ_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standards_example_is_answered),
		cmocka_unit_test(requests_are_judged),
		cmocka_unit_test(pages_that_are_listed),
		cmocka_unit_test(half_a_request_waits_and_a_long_one_is_refused),
		cmocka_unit_test(a_message_may_come_in_any_pieces),
		cmocka_unit_test(a_close_is_answered_and_is_the_end),
		cmocka_unit_test(breaches_end_the_stream),
		cmocka_unit_test(lengths_at_their_borders),
	};
	return cmocka_run_group_tests(tests, init, NULL);
}
