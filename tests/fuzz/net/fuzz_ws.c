/*
 * A client's side of a WebSocket. Input: a mode, then bytes. Mode 0: an opening request. Else: frames, cut after every
 * `mode` bytes.
 *
 * Holds: a request eats no more than there is, and a byte less of it is not whole; an answer fits its room. Frames cut
 * anywhere give the same stream, the same answers and the same end as in one piece, and no byte more than came.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "net/ws.h"

struct stream {
	enum nj_err err;
	uint8_t *bytes;
	size_t len;
	uint8_t *answer;
	size_t answer_len;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_request(const uint8_t *data, size_t size)
{
	uint8_t answer[NJ_WS_ANSWER_MAX_BYTES];
	struct nj_writer w = nj_writer_of(answer, sizeof(answer));
	static const struct nj_origins origins = { .count = 1, .at = { "https://a" } };
	struct nj_view origin = nj_view_of(NULL, 0);
	size_t eaten = 0;
	enum nj_err err = nj_ws_open(nj_view_of(data, size), &origins, &w, &eaten, &origin);
	must(w.err == NJ_OK && (w.pos == 0) == (err == NJ_ERR_AGAIN));
	must(eaten <= size && (eaten > 0) == (err == NJ_OK));
	must((origin.data != NULL) == (err == NJ_ERR_DENIED));
	must(err != NJ_ERR_DENIED || (origin.data > data && origin.data + origin.len <= data + size));
	if (err != NJ_OK)
		return;
	w = nj_writer_of(answer, sizeof(answer));
	must(nj_ws_open(nj_view_of(data, eaten - 1), &origins, &w, &eaten, &origin) == NJ_ERR_AGAIN);
}

static struct stream unwrap(const uint8_t *data, size_t size, size_t step)
{
	struct nj_ws ws = { .left = 0 };
	struct stream s = { .bytes = malloc(size + 1), .answer = malloc(2 * size + 256) };
	struct nj_writer w = nj_writer_of(s.answer, 2 * size + 256);
	for (size_t at = 0; at < size && s.err == NJ_OK; at += step) {
		size_t n = size - at < step ? size - at : step;
		uint8_t *piece = malloc(n);
		size_t got = 0;
		memcpy(piece, data + at, n);
		s.err = nj_ws_unwrap(&ws, piece, n, &w, &got);
		must(got <= n);
		memcpy(s.bytes + s.len, piece, got);
		s.len += got;
		free(piece);
	}
	must(w.err == NJ_OK);
	s.answer_len = w.pos;
	return s;
}

static void fuzz_frames(const uint8_t *data, size_t size, size_t step)
{
	struct stream whole = unwrap(data, size, size);
	struct stream cut = unwrap(data, size, step);
	must(whole.err == cut.err && whole.len == cut.len && whole.answer_len == cut.answer_len);
	must(memcmp(whole.bytes, cut.bytes, cut.len) == 0);
	must(memcmp(whole.answer, cut.answer, cut.answer_len) == 0);
	free(whole.bytes);
	free(whole.answer);
	free(cut.bytes);
	free(cut.answer);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	must(nj_crypto_init() == NJ_OK);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] == 0)
		fuzz_request(data + 1, size - 1);
	else
		fuzz_frames(data + 1, size - 1, data[0]);
	return 0;
}
