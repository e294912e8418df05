#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/tls_offer.h"

#define V(text)                                           \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

static void lists_are_read_whole_or_not_at_all(void **state)
{
	const struct {
		const char *what;
		struct nj_tls_hello hello;
		enum nj_err want;
		uint8_t counts[NJ_TLS_OFFER_LISTS];
	} rows[] = {
		{ "an old hello", { .legacy_version = 0x0303, .suites = V("\xc0\x2b") }, NJ_OK, { 1, 1, 0, 0 } },
		{ "versions win over the legacy field",
		  { .legacy_version = 0x0303, .supported_versions = V("\x04\x03\x04\x03\x03") },
		  NJ_OK,
		  { 2, 0, 0, 0 } },
		{ "GREASE is left out",
		  { .suites = V("\x0a\x0a\x13\x01\xfa\xfa"), .supported_groups = V("\x00\x04\x2a\x2a\x00\x1d") },
		  NJ_OK,
		  { 1, 1, 1, 0 } },
		{ "signatures", { .signatures = V("\x00\x02\x04\x03") }, NJ_OK, { 1, 0, 0, 1 } },
		{ "half a suite", { .suites = V("\x13") }, NJ_ERR_TRUNCATED, { 0 } },
		{ "a length too long", { .signatures = V("\x00\x04\x04\x03") }, NJ_ERR_TRUNCATED, { 0 } },
		{ "a length too short", { .signatures = V("\x00\x02\x04\x03\x05") }, NJ_ERR_TRAILING, { 0 } },
		{ "versions cut", { .supported_versions = V("\x03\x03\x04\x03") }, NJ_ERR_TRUNCATED, { 0 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_tls_offer offer = { 0 };

		if (nj_tls_offer_read(&rows[i].hello, &offer) != rows[i].want ||
		    memcmp(offer.count, rows[i].counts, sizeof(offer.count)) != 0)
			fail_msg("%s", rows[i].what);
	}
}

static void a_list_is_cut_at_its_bound(void **state)
{
	uint8_t suites[2 * (NJ_TLS_OFFER_MAX + 1)] = { 0 };
	struct nj_tls_hello hello = { .suites = nj_view_of(suites, sizeof(suites) - 2) };
	struct nj_tls_offer offer;

	assert_int_equal(nj_tls_offer_read(&hello, &offer), NJ_OK);
	assert_int_equal(offer.count[NJ_TLS_OFFER_SUITES], NJ_TLS_OFFER_MAX);
	assert_false(offer.cut);
	hello.suites = nj_view_of(suites, sizeof(suites));
	assert_int_equal(nj_tls_offer_read(&hello, &offer), NJ_OK);
	assert_int_equal(offer.count[NJ_TLS_OFFER_SUITES], NJ_TLS_OFFER_MAX);
	assert_true(offer.cut);
}

static void numbers_have_names(void **state)
{
	assert_string_equal(nj_tls_offer_name(NJ_TLS_OFFER_VERSIONS, 0x0304), "TLSv1.3");
	assert_string_equal(nj_tls_offer_name(NJ_TLS_OFFER_SUITES, 0x1303), "CHACHA20-POLY1305-SHA256");
	assert_string_equal(nj_tls_offer_name(NJ_TLS_OFFER_GROUPS, 0x001d), "x25519");
	assert_string_equal(nj_tls_offer_name(NJ_TLS_OFFER_SIGNATURES, 0x0201), "rsa_pkcs1_sha1");
	assert_null(nj_tls_offer_name(NJ_TLS_OFFER_GROUPS, 0xffff));
	assert_string_equal(nj_tls_offer_list_name(NJ_TLS_OFFER_SUITES), "suites");
}

static void what_is_stored_is_read_again(void **state)
{
	struct nj_tls_offer offer = { .at = { { 0x0304 }, { 0x1301, 0x1303 } }, .count = { 1, 2 }, .cut = true };
	uint8_t bytes[NJ_TLS_OFFER_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	struct nj_tls_offer again;
	size_t len = 0;

	nj_tls_offer_write(&offer, &w);
	assert_int_equal(nj_writer_end(&w, &len), NJ_OK);
	assert_int_equal(nj_tls_offer_parse(nj_view_of(bytes, len), &again), NJ_OK);
	assert_memory_equal(&offer, &again, sizeof(offer));
	assert_int_equal(nj_tls_offer_parse(nj_view_of(bytes, len - 1), &again), NJ_ERR_TRUNCATED);
	bytes[len - 1] = 2;
	assert_int_equal(nj_tls_offer_parse(nj_view_of(bytes, len), &again), NJ_ERR_RANGE);
	bytes[0] = NJ_TLS_OFFER_MAX + 1;
	assert_int_equal(nj_tls_offer_parse(nj_view_of(bytes, len), &again), NJ_ERR_TOO_LARGE);
}

static void the_largest_offer_fits(void **state)
{
	uint8_t bytes[NJ_TLS_OFFER_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	struct nj_tls_offer offer = { .cut = true };
	size_t len = 0;

	memset(offer.count, NJ_TLS_OFFER_MAX, sizeof(offer.count));
	nj_tls_offer_write(&offer, &w);
	assert_int_equal(nj_writer_end(&w, &len), NJ_OK);
	assert_int_equal(len, sizeof(bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_whole_or_not_at_all),
		cmocka_unit_test(a_list_is_cut_at_its_bound),
		cmocka_unit_test(numbers_have_names),
		cmocka_unit_test(what_is_stored_is_read_again),
		cmocka_unit_test(the_largest_offer_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
