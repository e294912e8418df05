/* Messages between keeper and warden: each comes back as it went, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/ward.h"

static size_t encode(const struct nj_ward *message, uint8_t out[NJ_WARD_MAX_BYTES])
{
	struct nj_writer w = nj_writer_of(out, NJ_WARD_MAX_BYTES);

	assert_int_equal(nj_ward_encode(message, &w), NJ_OK);
	return w.pos;
}

static const struct nj_ward samples[] = {
	{ .type = NJ_WARD_OPEN, .kind = NJ_WARD_LISTENERS, .port = 8883, .prefix = 128, .expires_boot_ns = 77 },
	{ .type = NJ_WARD_SHUT, .kind = NJ_WARD_GUARDS, .port = 0x8123, .prefix = 1 },
	{ .type = NJ_WARD_CLEAR, .kind = NJ_WARD_LISTENERS },
	{ .type = NJ_WARD_RENEW },
	{ .type = NJ_WARD_FAILED, .kind = NJ_WARD_GUARDS, .port = 300, .prefix = 120, .err = NJ_ERR_LIMIT },
};

static void test_each_comes_back(void **state)
{
	uint8_t bytes[NJ_WARD_MAX_BYTES];
	uint8_t again[NJ_WARD_MAX_BYTES];
	struct nj_ward back;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct nj_ward sample = samples[i];
		if (sample.port != 0)
			memset(sample.source.ip, 0xab, sizeof(sample.source.ip));
		size_t len = encode(&sample, bytes);
		assert_int_equal(nj_ward_decode(nj_view_of(bytes, len), &back), NJ_OK);
		assert_int_equal(back.type, sample.type);
		assert_int_equal(back.kind, sample.kind);
		assert_int_equal(back.port, sample.port);
		assert_int_equal(back.prefix, sample.prefix);
		assert_int_equal(back.expires_boot_ns, sample.expires_boot_ns);
		assert_int_equal(back.err, sample.err);
		assert_memory_equal(back.source.ip, sample.source.ip, sizeof(back.source.ip));
		assert_int_equal(encode(&back, again), len);
		assert_memory_equal(bytes, again, len);
	}
}

static void test_no_other_length(void **state)
{
	uint8_t bytes[NJ_WARD_MAX_BYTES] = { 0 };
	struct nj_ward back;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		size_t len = encode(&samples[i], bytes);
		for (size_t cut = 0; cut <= len + 1; cut++)
			assert_int_equal(nj_ward_decode(nj_view_of(bytes, cut), &back) == NJ_OK, cut == len);
	}
}

static void test_values_out_of_range(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} rows[] = {
		{ "type 0", 0, 0 },
		{ "type 5", 0, 5 },
		{ "type 255", 0, 255 },
		{ "kind 2", 1, 2 },
		{ "prefix 0", 1 + 1 + 2 + 16, 0 },
		{ "prefix 129", 1 + 1 + 2 + 16, 129 },
	};
	struct nj_ward back;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[NJ_WARD_MAX_BYTES];
		size_t len = encode(&samples[1], bytes);
		bytes[rows[i].at] = rows[i].value;
		if (nj_ward_decode(nj_view_of(bytes, len), &back) == NJ_OK)
			fail_msg("%s was taken", rows[i].what);
	}
	uint8_t bytes[NJ_WARD_MAX_BYTES];
	size_t len = encode(&samples[1], bytes);
	bytes[2] = bytes[3] = 0;
	assert_int_equal(nj_ward_decode(nj_view_of(bytes, len), &back), NJ_ERR_MALFORMED);
}

static void test_texts_have_a_limit(void **state)
{
	char text[NJ_WARD_TEXT_MAX + 1];
	uint8_t bytes[2 * NJ_WARD_MAX_BYTES];
	struct nj_ward back;

	memset(text, 'x', sizeof(text));
	for (size_t len = NJ_WARD_TEXT_MAX - 1; len <= NJ_WARD_TEXT_MAX + 1; len++) {
		struct nj_ward message = { .type = NJ_WARD_CHANGED,
					   .caller = nj_view_str("uid 0"),
					   .detail = nj_view_of(text, len) };
		struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
		assert_int_equal(nj_ward_encode(&message, &w), NJ_OK);
		enum nj_err err = nj_ward_decode(nj_view_of(bytes, w.pos), &back);
		assert_int_equal(err, len <= NJ_WARD_TEXT_MAX ? NJ_OK : NJ_ERR_TOO_LARGE);
	}
	assert_true(nj_view_equal(back.caller, nj_view_str("uid 0")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_comes_back),
		cmocka_unit_test(test_no_other_length),
		cmocka_unit_test(test_values_out_of_range),
		cmocka_unit_test(test_texts_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
