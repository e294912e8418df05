#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "wire/knock.h"

#define VECTORS 9
#define VECTOR_FILE_MAX 65536
#define LINE_BYTES 256
#define SEALED_AT 24
#define MAC_AT 96

struct vector {
	char what[LINE_BYTES];
	uint8_t root_key[32], uid[16], fresh[16];
	uint64_t counter;
	struct nj_knock_body body;
	struct nj_knock_keys keys;
	uint8_t datagram[NJ_KNOCK_BYTES], psk[32], password[32];
};

static struct vector vectors[VECTORS];

static void set_hex(const char *value, void *out, size_t len)
{
	assert_int_equal(nj_hex_decode(nj_view_str(value), out, len), NJ_OK);
}

static uint64_t number(const char *value)
{
	uint64_t n = 0;
	assert_int_equal(nj_number_parse(value, 0, UINT64_MAX, &n), NJ_OK);
	return n;
}

/* Bytes of the vector by name; NULL for another name. */
static void *bytes_field(struct vector *v, const char *name, size_t *out_len)
{
	const struct {
		const char *name;
		void *at;
		size_t len;
	} fields[] = {
		{ "root-key", v->root_key, 32 },
		{ "uid", v->uid, 16 },
		{ "fresh", v->fresh, 16 },
		{ "source", v->body.source, 16 },
#define KEY_FIELD(member, label) { "key-" #member, v->keys.member, 32 },
		NJ_KNOCK_KEY_TABLE(KEY_FIELD)
#undef KEY_FIELD
		    { "datagram", v->datagram, NJ_KNOCK_BYTES },
		{ "psk", v->psk, 32 },
		{ "password", v->password, 32 },
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, name) == 0) {
			*out_len = fields[i].len;
			return fields[i].at;
		}
	return NULL;
}

static void set_field(struct vector *v, const char *name, const char *value)
{
	size_t len = 0;
	void *at = bytes_field(v, name, &len);
	if (at)
		set_hex(value, at, len);
	else if (strcmp(name, "what") == 0)
		assert_int_equal(nj_text_copy(v->what, sizeof(v->what), value), NJ_OK);
	else if (strcmp(name, "counter") == 0)
		v->counter = number(value);
	else if (strcmp(name, "flags") == 0)
		v->body.flags = (uint8_t)number(value);
	else if (strcmp(name, "service") == 0)
		v->body.service = (uint16_t)number(value);
	else if (strcmp(name, "wanted-seconds") == 0)
		v->body.wanted_seconds = (uint16_t)number(value);
	else if (strcmp(name, "time-ms") == 0)
		v->body.time_ms = number(value);
	else
		assert_string_equal(name, "body"); /* implied by the datagram */
}

static int read_vectors(void **state)
{
	NJ_CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	size_t count = 0;
	assert_int_equal(nj_file_read(NJ_TEST_DIR "/vectors/knock.txt", VECTOR_FILE_MAX, &text, &len, NULL), NJ_OK);
	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n');
		char *next = *end ? end + 1 : end;
		*end = '\0';
		char *colon = strstr(line, ": ");
		if (line[0] != '#' && colon) {
			*colon = '\0';
			count += strcmp(line, "what") == 0;
			assert_in_range(count, 1, VECTORS);
			set_field(&vectors[count - 1], line, colon + 2);
		}
		line = next;
	}
	assert_int_equal(count, VECTORS);
	for (size_t i = 0; i < count; i++) {
		vectors[i].body.version = NJ_KNOCK_VERSION;
		memcpy(vectors[i].body.uid, vectors[i].uid, sizeof(vectors[i].uid));
	}
	return 0;
}

static void assert_body_equal(const struct nj_knock_body *a, const struct nj_knock_body *b)
{
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->service, b->service);
	assert_int_equal(a->wanted_seconds, b->wanted_seconds);
	assert_true(a->time_ms == b->time_ms);
	assert_memory_equal(a->source, b->source, sizeof(a->source));
	assert_memory_equal(a->uid, b->uid, sizeof(a->uid));
}

static void check_vector(const struct vector *v)
{
	struct nj_knock_keys keys;
	struct nj_knock_body body;
	uint8_t out[NJ_KNOCK_BYTES];
	print_message("%s\n", v->what);
	nj_knock_derive(v->root_key, v->uid, &keys);
	assert_memory_equal(&keys, &v->keys, sizeof(keys));
	nj_knock_derive_hint_key(v->root_key, v->uid, out);
	assert_memory_equal(out, v->keys.hint, 32);
	nj_knock_hint(keys.hint, v->counter, out);
	assert_memory_equal(out, v->datagram, NJ_KNOCK_HINT_BYTES);
	nj_knock_seal(&keys, v->counter, v->fresh, &v->body, out);
	assert_memory_equal(out, v->datagram, NJ_KNOCK_BYTES);
	assert_int_equal(nj_knock_open(&keys, v->counter, v->datagram, &body), NJ_OK);
	assert_body_equal(&body, &v->body);
	nj_knock_psk(&keys, v->datagram, out);
	assert_memory_equal(out, v->psk, 32);
	nj_knock_password(&keys, v->counter, v->datagram, v->body.service, out);
	assert_memory_equal(out, v->password, 32);
}

static void test_vectors(void **state)
{
	for (size_t i = 0; i < VECTORS; i++)
		check_vector(&vectors[i]);
}

static void assert_forged(const struct vector *v, uint64_t counter, const uint8_t *datagram)
{
	struct nj_knock_body body;
	struct nj_knock_body untouched;
	memset(&body, 0xee, sizeof(body));
	memset(&untouched, 0xee, sizeof(untouched));
	assert_int_equal(nj_knock_open(&v->keys, counter, datagram, &body), NJ_ERR_FORGED);
	assert_memory_equal(&body, &untouched, sizeof(body));
}

static void test_every_flipped_bit(void **state)
{
	for (size_t bit = 0; bit < NJ_KNOCK_BYTES * 8; bit++) {
		uint8_t datagram[NJ_KNOCK_BYTES];
		memcpy(datagram, vectors[0].datagram, sizeof(datagram));
		datagram[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_forged(&vectors[0], vectors[0].counter, datagram);
	}
}

static void sign(const struct nj_knock_keys *keys, uint8_t datagram[NJ_KNOCK_BYTES])
{
	uint8_t digest[NJ_SHA256_BYTES];
	struct nj_view covered = nj_view_of(datagram, MAC_AT);
	nj_hmac_sha256(keys->mac, sizeof(keys->mac), &covered, 1, digest);
	memcpy(datagram + MAC_AT, digest, NJ_KNOCK_BYTES - MAC_AT);
}

/* Whoever holds the outer key alone still cannot change a bit: the seal covers bytes 0 to 95. */
static void test_every_flipped_bit_under_the_outer_key(void **state)
{
	for (size_t bit = 0; bit < MAC_AT * 8; bit++) {
		uint8_t datagram[NJ_KNOCK_BYTES];
		memcpy(datagram, vectors[0].datagram, sizeof(datagram));
		datagram[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		sign(&vectors[0].keys, datagram);
		assert_forged(&vectors[0], vectors[0].counter, datagram);
	}
}

static void test_wrong_counter(void **state)
{
	const struct vector *v = &vectors[0];
	const uint64_t wrong[] = {
		0, v->counter - 1, v->counter + 1, v->counter + 16, v->counter | UINT64_C(1) << 63, NJ_KNOCK_COUNTER_MAX
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_forged(v, wrong[i], v->datagram);
}

static void test_wrong_keys(void **state)
{
	struct vector v = vectors[0];
	v.keys.mac[31] ^= 1;
	assert_forged(&v, v.counter, v.datagram);
	v = vectors[0];
	v.keys.seal[0] ^= 1;
	assert_forged(&v, v.counter, v.datagram);
	struct vector other_uid = vectors[0];
	other_uid.uid[15] ^= 1;
	nj_knock_derive(other_uid.root_key, other_uid.uid, &other_uid.keys);
	assert_forged(&other_uid, v.counter, v.datagram);
}

static void test_every_service(void **state)
{
	const struct vector *v = &vectors[0];
	uint8_t passwords[NJ_SERVICE_END][32] = { 0 };
	for (uint16_t service = 1; service < NJ_SERVICE_END; service++) {
		struct nj_knock_body in = v->body;
		struct nj_knock_body out;
		uint8_t datagram[NJ_KNOCK_BYTES];
		in.service = service;
		nj_knock_seal(&v->keys, 5, v->fresh, &in, datagram);
		assert_int_equal(nj_knock_open(&v->keys, 5, datagram, &out), NJ_OK);
		assert_body_equal(&in, &out);
		nj_knock_password(&v->keys, 5, v->datagram, service, passwords[service]);
		for (uint16_t other = 0; other < service; other++)
			assert_memory_not_equal(passwords[service], passwords[other], 32);
		assert_int_equal(nj_service_from_name(nj_service_name(service)), service);
	}
	assert_string_equal(nj_service_name(NJ_SERVICE_MQTTS), "mqtts");
	assert_null(nj_service_name(0));
	assert_null(nj_service_name(NJ_SERVICE_END));
	assert_int_equal(nj_service_from_name("MQTTS"), 0);
	assert_int_equal(nj_service_from_name(""), 0);
	assert_true(nj_service_is_tls(NJ_SERVICE_HTTPS));
	assert_false(nj_service_is_tls(NJ_SERVICE_MQTT));
	assert_false(nj_service_is_tls(0));
}

/* Seals any 56 bytes, as a device of another version would. */
static void seal_raw(const struct vector *v, const uint8_t plain[NJ_KNOCK_BODY_BYTES], uint8_t out[NJ_KNOCK_BYTES])
{
	uint8_t nonce[NJ_XCHACHA_NONCE_BYTES];
	memcpy(out, v->datagram, SEALED_AT);
	nj_put_u64(nonce, v->counter);
	memcpy(nonce + 8, out + 8, 16);
	nj_xchacha_seal(v->keys.seal, nonce, nj_view_of(out, SEALED_AT), nj_view_of(plain, NJ_KNOCK_BODY_BYTES),
			out + SEALED_AT);
	sign(&v->keys, out);
}

struct body_row {
	const char *what;
	size_t at;
	uint8_t value;
	enum nj_err want;
};

static const struct body_row body_rows[] = {
	{ "version 0", 0, 0, NJ_ERR_MALFORMED },
	{ "version 1", 0, 1, NJ_OK },
	{ "version 2", 0, 2, NJ_ERR_MALFORMED },
	{ "no flag", 1, 0x00, NJ_OK },
	{ "every known flag", 1, 0x03, NJ_OK },
	{ "flag bit 2", 1, 0x04, NJ_ERR_MALFORMED },
	{ "flag bit 7", 1, 0x80, NJ_ERR_MALFORMED },
	{ "a service of a later version", 3, 99, NJ_OK }, /* for the gateway's policy to refuse */
	{ "reserved byte 6", 6, 1, NJ_ERR_MALFORMED },
	{ "reserved byte 7", 7, 0x80, NJ_ERR_MALFORMED },
	{ "time", 8, 0xff, NJ_OK },
	{ "uid of another", 47, 0, NJ_OK }, /* for the gateway to compare */
	{ "reserved byte 48", 48, 1, NJ_ERR_MALFORMED },
	{ "reserved byte 55", 55, 0x80, NJ_ERR_MALFORMED },
};

static void test_bodies(void **state)
{
	const struct vector *v = &vectors[0];
	for (size_t i = 0; i < sizeof(body_rows) / sizeof(body_rows[0]); i++) {
		uint8_t plain[NJ_KNOCK_BODY_BYTES] = { 1, 0, 0, 1 };
		uint8_t datagram[NJ_KNOCK_BYTES];
		struct nj_knock_body body = { 0 };
		memcpy(plain + 32, v->uid, sizeof(v->uid));
		plain[body_rows[i].at] = body_rows[i].value;
		seal_raw(v, plain, datagram);
		enum nj_err err = nj_knock_open(&v->keys, v->counter, datagram, &body);
		if (err != body_rows[i].want)
			fail_msg("%s: %s", body_rows[i].what, nj_err_name(err));
		/* Filled also when malformed: the counter is burnt and the audit record names what was asked. */
		assert_int_equal(body.version, plain[0]);
		assert_memory_equal(body.uid, plain + 32, sizeof(body.uid));
	}
}

/* One counter, one fresh, two bodies: the nonce differs, or the seal's key stream would repeat. */
static void test_dead_generator(void **state)
{
	const struct vector *v = &vectors[0];
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES] = { 0 };
	uint8_t a[NJ_KNOCK_BYTES], b[NJ_KNOCK_BYTES];
	struct nj_knock_body body = v->body;
	nj_knock_seal(&v->keys, 7, fresh, &body, a);
	body.wanted_seconds++;
	nj_knock_seal(&v->keys, 7, fresh, &body, b);
	assert_memory_equal(a, b, 8);
	assert_memory_not_equal(a + 8, b + 8, 16);
	nj_knock_seal(&v->keys, 8, fresh, &body, a);
	assert_memory_not_equal(a, b, 8);
	assert_memory_not_equal(a + 8, b + 8, 16);
}

/* Many hints at once are the hints one by one, up to the last counter. */
static void test_many_hints(void **state)
{
	static const uint64_t first[] = { 0, 1, 0xfffffff0, NJ_KNOCK_COUNTER_MAX - NJ_KNOCK_WINDOW + 1 };
	uint8_t key[NJ_KNOCK_KEY_BYTES];
	uint8_t many[NJ_KNOCK_WINDOW][NJ_KNOCK_HINT_BYTES];
	uint8_t one[NJ_KNOCK_HINT_BYTES];
	memset(key, 0x5a, sizeof(key));
	for (size_t f = 0; f < sizeof(first) / sizeof(first[0]); f++) {
		nj_knock_hints(key, first[f], NJ_KNOCK_WINDOW, many);
		for (uint64_t i = 0; i < NJ_KNOCK_WINDOW; i++) {
			nj_knock_hint(key, first[f] + i, one);
			assert_memory_equal(many[i], one, sizeof(one));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_flipped_bit),
		cmocka_unit_test(test_every_flipped_bit_under_the_outer_key),
		cmocka_unit_test(test_wrong_counter),
		cmocka_unit_test(test_wrong_keys),
		cmocka_unit_test(test_every_service),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_dead_generator),
		cmocka_unit_test(test_many_hints),
	};
	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, read_vectors, NULL);
}
