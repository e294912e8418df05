/* Messages between gateway and dialler: each comes back as it went, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bus/dial.h"

static const struct nj_dial samples[] = {
	{ .type = NJ_DIAL_ASK },
	{ .type = NJ_DIAL_STREAM, .peer = { .ip = { 1, 2, 3 }, .port = 8883, .scope = 7 } },
	{ .type = NJ_DIAL_FAILED },
};

static size_t encode(const struct nj_dial *message, uint8_t out[NJ_DIAL_MAX_BYTES])
{
	struct nj_writer w = nj_writer_of(out, NJ_DIAL_MAX_BYTES);

	assert_int_equal(nj_dial_encode(message, &w), NJ_OK);
	return w.pos;
}

static void each_comes_back(void **state)
{
	uint8_t bytes[NJ_DIAL_MAX_BYTES];
	uint8_t again[NJ_DIAL_MAX_BYTES];
	struct nj_dial back;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct nj_dial sample = samples[i];
		sample.name = nj_view_str("plant");
		sample.text = nj_view_str("no route");
		size_t len = encode(&sample, bytes);
		assert_int_equal(nj_dial_decode(nj_view_of(bytes, len), &back), NJ_OK);
		assert_int_equal(back.type, sample.type);
		assert_true(nj_view_equal(back.name, sample.name));
		assert_memory_equal(back.peer.ip, sample.peer.ip, sizeof(back.peer.ip));
		assert_int_equal(back.peer.port, sample.peer.port);
		assert_int_equal(back.peer.scope, sample.peer.scope);
		assert_true(sample.type != NJ_DIAL_FAILED || nj_view_equal(back.text, sample.text));
		assert_int_equal(encode(&back, again), len);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_not_equal(nj_dial_decode(nj_view_of(bytes, cut), &back), NJ_OK);
		bytes[len] = 0;
		assert_int_not_equal(nj_dial_decode(nj_view_of(bytes, len + 1), &back), NJ_OK);
	}
}

static void texts_have_a_maximum(void **state)
{
	static char text[NJ_DIAL_TEXT_MAX + 2];
	uint8_t bytes[NJ_DIAL_MAX_BYTES];
	struct nj_dial back;

	memset(text, 'x', sizeof(text));
	for (size_t len = NJ_DIAL_NAME_MAX - 1; len <= NJ_DIAL_NAME_MAX + 1; len++) {
		struct nj_dial m = { .type = NJ_DIAL_ASK, .name = nj_view_of(text, len) };
		assert_int_equal(nj_dial_decode(nj_view_of(bytes, encode(&m, bytes)), &back),
				 len <= NJ_DIAL_NAME_MAX ? NJ_OK : NJ_ERR_TOO_LARGE);
	}
	for (size_t len = NJ_DIAL_TEXT_MAX - 1; len <= NJ_DIAL_TEXT_MAX + 1; len++) {
		struct nj_dial m = { .type = NJ_DIAL_FAILED, .text = nj_view_of(text, len) };
		assert_int_equal(nj_dial_decode(nj_view_of(bytes, encode(&m, bytes)), &back),
				 len <= NJ_DIAL_TEXT_MAX ? NJ_OK : NJ_ERR_TOO_LARGE);
	}
	bytes[0] = 2;
	assert_int_equal(nj_dial_decode(nj_view_of(bytes, 3), &back), NJ_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_comes_back),
		cmocka_unit_test(texts_have_a_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
