#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "bus/door.h"
#include "crypto/crypto.h"

static struct nj_clock_fake fake;
static struct nj_door *door;

static int set_up(void **state)
{
	nj_clock_fake_init(&fake, UINT64_C(5000000000), 0);
	return nj_door_new(&fake.clock, 4, &door) == NJ_OK ? 0 : 1;
}

static int tear_down(void **state)
{
	nj_door_free(door);
	return 0;
}

static struct nj_addr address(const char *text)
{
	struct nj_addr addr;

	assert_int_equal(nj_addr_parse(text, &addr), NJ_OK);
	return addr;
}

static struct nj_grant model(uint64_t id, uint16_t service)
{
	struct nj_grant grant = {
		.id = id,
		.service = service,
		.plain_allowed = !nj_service_is_tls(service),
		.bind = NJ_BINDING_PSK & nj_service_bindings(service),
		.source = address("192.0.2.1"),
		.source_prefix = 128,
		.lifetime_ms = 30000,
	};

	memset(grant.hint, (int)id, sizeof(grant.hint));
	memset(grant.uid, (int)id, sizeof(grant.uid));
	memset(grant.psk, 0x50 + (int)id, sizeof(grant.psk));
	memset(grant.password, 0x70 + (int)id, sizeof(grant.password));
	return grant;
}

static void give(uint64_t id, uint16_t service)
{
	struct nj_grant grant = model(id, service);

	assert_int_equal(nj_door_grant(door, &grant), NJ_OK);
}

static const char *hint_hex(uint64_t id)
{
	static char text[NJ_KNOCK_HINT_BYTES * 2 + 1];
	uint8_t hint[NJ_KNOCK_HINT_BYTES];

	memset(hint, (int)id, sizeof(hint));
	nj_hex_encode(hint, sizeof(hint), text);
	return text;
}

static enum nj_err bind_psk(uint64_t id, uint16_t service, const char *from)
{
	struct nj_addr peer = address(from);
	struct nj_grant out;
	static const uint8_t zero[32];
	enum nj_err err = nj_door_bind_psk(door, hint_hex(id), service, &peer, &out);

	if (err == NJ_OK) {
		assert_int_equal(out.id, id);
		assert_memory_equal(out.psk, zero, 32);
		assert_memory_equal(out.password, zero, 32);
	}
	return err;
}

static void key_has_no_side_effect_and_binding_consumes(void **state)
{
	uint8_t key[32];

	give(1, NJ_SERVICE_MQTTS);
	for (int i = 0; i < 2; i++) {
		assert_true(nj_door_psk(door, nj_view_str(hint_hex(1)), key));
		assert_int_equal(key[0], 0x51);
	}
	assert_int_equal(bind_psk(1, NJ_SERVICE_HTTPS, "192.0.2.1"), NJ_ERR_DENIED);
	assert_int_equal(bind_psk(1, NJ_SERVICE_MQTTS, "192.0.2.2"), NJ_ERR_DENIED);
	assert_int_equal(bind_psk(1, NJ_SERVICE_MQTTS, "192.0.2.1"), NJ_OK);
	assert_int_equal(bind_psk(1, NJ_SERVICE_MQTTS, "192.0.2.1"), NJ_ERR_NOT_FOUND);
	assert_false(nj_door_psk(door, nj_view_str(hint_hex(1)), key));
	assert_int_equal(nj_door_count(door), 0);
}

static void bad_identities(void **state)
{
	static const char *const bad[] = { "", "01", "zz01010101010101", "010101010101010101", "0101010101010102" };
	uint8_t key[32];

	give(1, NJ_SERVICE_MQTTS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(nj_door_psk(door, nj_view_str(bad[i]), key));
	give(2, NJ_SERVICE_MQTT);
	assert_false(nj_door_psk(door, nj_view_str(hint_hex(2)), key));
}

static void expiry(void **state)
{
	uint8_t key[32];

	give(1, NJ_SERVICE_MQTTS);
	nj_clock_fake_advance_ms(&fake, 29999);
	assert_true(nj_door_psk(door, nj_view_str(hint_hex(1)), key));
	nj_clock_fake_advance_ms(&fake, 1);
	assert_false(nj_door_psk(door, nj_view_str(hint_hex(1)), key));
	assert_int_equal(bind_psk(1, NJ_SERVICE_MQTTS, "192.0.2.1"), NJ_ERR_EXPIRED);
	assert_int_equal(nj_door_count(door), 0);
}

static void limits(void **state)
{
	struct nj_grant grant = model(5, NJ_SERVICE_MQTTS);

	for (uint64_t id = 1; id <= 4; id++)
		give(id, NJ_SERVICE_MQTTS);
	assert_int_equal(nj_door_grant(door, &grant), NJ_ERR_LIMIT);
	grant = model(4, NJ_SERVICE_MQTTS);
	assert_int_equal(nj_door_grant(door, &grant), NJ_ERR_EXISTS);
	nj_door_end(door, 2);
	nj_door_end(door, 2);
	give(5, NJ_SERVICE_MQTTS);
	/* Expired ones make room. */
	nj_clock_fake_advance_ms(&fake, 30000);
	give(6, NJ_SERVICE_MQTTS);
	assert_int_equal(nj_door_count(door), 1);
}

static void ends_by_uid(void **state)
{
	uint8_t uid[NJ_UID_BYTES];

	give(1, NJ_SERVICE_MQTTS);
	give(2, NJ_SERVICE_MQTTS);
	memset(uid, 1, sizeof(uid));
	nj_door_end_uid(door, uid);
	assert_int_equal(nj_door_count(door), 1);
	assert_int_equal(bind_psk(2, NJ_SERVICE_MQTTS, "192.0.2.1"), NJ_OK);
}

static void password(void **state)
{
	struct nj_addr peer = address("192.0.2.1");
	struct nj_grant out;
	uint8_t bytes[32];
	char text[65];

	give(1, NJ_SERVICE_MQTT);
	memset(bytes, 0x71, sizeof(bytes));
	nj_hex_encode(bytes, sizeof(bytes), text);
	text[63] ^= 1;
	assert_int_equal(nj_door_bind_password(door, nj_view_str(hint_hex(1)), nj_view_str(text), NJ_SERVICE_MQTT,
					       &peer, &out),
			 NJ_ERR_FORGED);
	assert_int_equal(nj_door_bind_password(door, nj_view_str(hint_hex(1)), nj_view_str("71"), NJ_SERVICE_MQTT,
					       &peer, &out),
			 NJ_ERR_FORGED);
	text[63] ^= 1;
	assert_int_equal(nj_door_bind_password(door, nj_view_str(hint_hex(1)), nj_view_str(text), NJ_SERVICE_MQTT,
					       &peer, &out),
			 NJ_OK);
	assert_int_equal(out.id, 1);
	assert_int_equal(nj_door_bind_password(door, nj_view_str(hint_hex(1)), nj_view_str(text), NJ_SERVICE_MQTT,
					       &peer, &out),
			 NJ_ERR_NOT_FOUND);
	/* Not for a service with TLS, whatever the password. */
	give(3, NJ_SERVICE_MQTTS);
	assert_int_equal(nj_door_bind_password(door, nj_view_str(hint_hex(3)), nj_view_str(text), NJ_SERVICE_MQTTS,
					       &peer, &out),
			 NJ_ERR_DENIED);
}

static void prefixes(void **state)
{
	static const struct {
		uint8_t prefix;
		const char *peer;
		enum nj_err want;
	} rows[] = {
		{ 128, "192.0.2.1", NJ_OK },   { 128, "192.0.2.0", NJ_ERR_DENIED },
		{ 127, "192.0.2.0", NJ_OK },   { 127, "192.0.2.2", NJ_ERR_DENIED },
		{ 120, "192.0.2.255", NJ_OK }, { 120, "192.0.3.1", NJ_ERR_DENIED },
		{ 121, "192.0.2.127", NJ_OK }, { 121, "192.0.2.128", NJ_ERR_DENIED },
		{ 0, "2001:db8::1", NJ_OK },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_grant grant = model(1, NJ_SERVICE_MQTTS);

		grant.source_prefix = rows[i].prefix;
		assert_int_equal(nj_door_grant(door, &grant), NJ_OK);
		assert_int_equal(bind_psk(1, NJ_SERVICE_MQTTS, rows[i].peer), rows[i].want);
		nj_door_end(door, 1);
	}
}

/* The longest time that a grant gives to whoever comes from there. */
static void time_for_the_proof(void **state)
{
	struct nj_addr peer = address("192.0.2.1");
	struct nj_addr other = address("192.0.2.2");
	struct nj_grant slow = model(1, NJ_SERVICE_MQTTS);
	struct nj_grant quick = model(2, NJ_SERVICE_MQTTS);

	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &peer, 10000), 10000);
	quick.bind_ms = 2000;
	assert_int_equal(nj_door_grant(door, &quick), NJ_OK);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &peer, 10000), 2000);
	give(3, NJ_SERVICE_MQTTS);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &peer, 10000), 10000);
	slow.bind_ms = 60000;
	assert_int_equal(nj_door_grant(door, &slow), NJ_OK);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &peer, 10000), 60000);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &other, 10000), 10000);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTT, &peer, 10000), 10000);
	/* It ends with its grant, however that ends. */
	nj_door_end(door, 1);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &peer, 10000), 10000);
	slow.id = 4;
	assert_int_equal(nj_door_grant(door, &slow), NJ_OK);
	nj_clock_fake_advance_ms(&fake, 29999);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &peer, 10000), 60000);
	nj_clock_fake_advance_ms(&fake, 1);
	assert_int_equal(nj_door_bind_ms(door, NJ_SERVICE_MQTTS, &peer, 10000), 10000);
}

/* ---- certificates ---- */

static struct nj_grant certified(uint64_t id, uint8_t bind, bool tls12)
{
	struct nj_grant grant = model(id, NJ_SERVICE_MQTTS);

	grant.bind = bind;
	grant.tls12 = tls12;
	return grant;
}

static unsigned could_bind(uint16_t service, const char *peer)
{
	struct nj_addr from = address(peer);
	uint32_t cursor = 0;
	unsigned count = 0;

	while (nj_door_next_certificate(door, service, &from, &cursor) != NULL)
		count++;
	return count;
}

static void only_certified_grants_of_the_source_are_offered(void **state)
{
	struct nj_grant psk = certified(1, NJ_BINDING_PSK, false);
	struct nj_grant cert = certified(2, NJ_BINDING_CERTIFICATE, false);
	struct nj_grant either = certified(3, NJ_BINDING_TLS, false);

	assert_int_equal(nj_door_grant(door, &psk), NJ_OK);
	assert_int_equal(could_bind(NJ_SERVICE_MQTTS, "192.0.2.1"), 0);
	assert_int_equal(nj_door_grant(door, &cert), NJ_OK);
	assert_int_equal(nj_door_grant(door, &either), NJ_OK);
	assert_int_equal(could_bind(NJ_SERVICE_MQTTS, "192.0.2.1"), 2);
	assert_int_equal(could_bind(NJ_SERVICE_MQTTS, "192.0.2.2"), 0);
	assert_int_equal(could_bind(NJ_SERVICE_HTTPS, "192.0.2.1"), 0);
	nj_clock_fake_advance_ms(&fake, 30000);
	assert_int_equal(could_bind(NJ_SERVICE_MQTTS, "192.0.2.1"), 0);
}

static void a_certificate_binds_its_uid_once(void **state)
{
	struct nj_grant grant = certified(2, NJ_BINDING_CERTIFICATE, false);
	struct nj_addr peer = address("192.0.2.1");
	struct nj_addr other = address("192.0.2.2");
	uint8_t stranger[NJ_UID_BYTES] = { 0 };
	struct nj_grant out;

	assert_int_equal(nj_door_grant(door, &grant), NJ_OK);
	assert_int_equal(nj_door_bind_certificate(door, stranger, false, NJ_SERVICE_MQTTS, &peer, &out),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_door_bind_certificate(door, grant.uid, false, NJ_SERVICE_HTTPS, &peer, &out),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_door_bind_certificate(door, grant.uid, false, NJ_SERVICE_MQTTS, &other, &out),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_door_bind_certificate(door, grant.uid, true, NJ_SERVICE_MQTTS, &peer, &out),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_door_bind_certificate(door, grant.uid, false, NJ_SERVICE_MQTTS, &peer, &out), NJ_OK);
	assert_int_equal(out.id, 2);
	assert_int_equal(nj_door_bind_certificate(door, grant.uid, false, NJ_SERVICE_MQTTS, &peer, &out),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_door_count(door), 0);
}

static void tls12_binds_where_the_floor_allows(void **state)
{
	struct nj_grant grant = certified(2, NJ_BINDING_CERTIFICATE, true);
	struct nj_addr peer = address("192.0.2.1");
	struct nj_grant out;

	assert_int_equal(nj_door_grant(door, &grant), NJ_OK);
	assert_int_equal(nj_door_bind_certificate(door, grant.uid, true, NJ_SERVICE_MQTTS, &peer, &out), NJ_OK);
}

static void a_key_does_not_bind_where_a_certificate_is_wanted(void **state)
{
	struct nj_grant grant = certified(2, NJ_BINDING_CERTIFICATE, false);
	struct nj_addr peer = address("192.0.2.1");
	char hint[2 * NJ_KNOCK_HINT_BYTES + 1];
	struct nj_grant out;
	uint8_t key[32];

	nj_hex_encode(grant.hint, sizeof(grant.hint), hint);
	assert_int_equal(nj_door_grant(door, &grant), NJ_OK);
	assert_false(nj_door_psk(door, nj_view_str(hint), key));
	assert_int_equal(nj_door_bind_psk(door, hint, NJ_SERVICE_MQTTS, &peer, &out), NJ_ERR_DENIED);
	assert_int_equal(nj_door_count(door), 1);
}

static void the_oldest_grant_of_a_uid_goes_first(void **state)
{
	struct nj_grant first = certified(4, NJ_BINDING_CERTIFICATE, false);
	struct nj_grant second = certified(9, NJ_BINDING_CERTIFICATE, false);
	struct nj_addr peer = address("192.0.2.1");
	struct nj_grant out;

	memcpy(second.uid, first.uid, sizeof(second.uid));
	assert_int_equal(nj_door_grant(door, &second), NJ_OK);
	assert_int_equal(nj_door_grant(door, &first), NJ_OK);
	assert_int_equal(nj_door_bind_certificate(door, first.uid, false, NJ_SERVICE_MQTTS, &peer, &out), NJ_OK);
	assert_int_equal(out.id, 4);
}

static bool expects(uint16_t service, const char *from)
{
	struct nj_addr peer = address(from);

	return nj_door_expects(door, service, &peer);
}

static void who_is_expected(void **state)
{
	struct nj_grant net = model(2, NJ_SERVICE_MQTTS);

	assert_false(expects(NJ_SERVICE_MQTTS, "192.0.2.1"));
	give(1, NJ_SERVICE_MQTTS);
	assert_true(expects(NJ_SERVICE_MQTTS, "192.0.2.1"));
	assert_true(expects(NJ_SERVICE_MQTTS, "192.0.2.1:4000"));
	assert_false(expects(NJ_SERVICE_MQTTS, "192.0.2.2"));
	assert_false(expects(NJ_SERVICE_HTTPS, "192.0.2.1"));
	/* Two of one address: the second keeps it expected. */
	give(3, NJ_SERVICE_MQTTS);
	assert_int_equal(bind_psk(1, NJ_SERVICE_MQTTS, "192.0.2.1"), NJ_OK);
	assert_true(expects(NJ_SERVICE_MQTTS, "192.0.2.1"));
	nj_door_end(door, 3);
	assert_false(expects(NJ_SERVICE_MQTTS, "192.0.2.1"));
	net.source_prefix = 120;
	assert_int_equal(nj_door_grant(door, &net), NJ_OK);
	assert_true(expects(NJ_SERVICE_MQTTS, "192.0.2.255"));
	assert_false(expects(NJ_SERVICE_MQTTS, "192.0.3.1"));
	nj_clock_fake_advance_ms(&fake, 29999);
	assert_true(expects(NJ_SERVICE_MQTTS, "192.0.2.255"));
	nj_clock_fake_advance_ms(&fake, 1);
	assert_false(expects(NJ_SERVICE_MQTTS, "192.0.2.255"));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(key_has_no_side_effect_and_binding_consumes),
		ROW(bad_identities),
		ROW(expiry),
		ROW(limits),
		ROW(ends_by_uid),
		ROW(password),
		ROW(prefixes),
		ROW(time_for_the_proof),
		ROW(only_certified_grants_of_the_source_are_offered),
		ROW(a_certificate_binds_its_uid_once),
		ROW(tls12_binds_where_the_floor_allows),
		ROW(a_key_does_not_bind_where_a_certificate_is_wanted),
		ROW(the_oldest_grant_of_a_uid_goes_first),
		ROW(who_is_expected),
	};

	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
