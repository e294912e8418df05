/* Passwords of local listeners: SCRAM-SHA-256 by AUTH, again by AUTH, and user name with password as they are. */
#include "unit/mqtt/client.h"

#include "base/text.h"
#include "crypto/crypto.h"

#define KEY NJ_SHA256_BYTES

/* The client's side of SCRAM, as far as the tests need it. */
struct scram_client {
	const char *password;
	char first[128];
	char answer[768];
	uint8_t server_signature[KEY];
};

static void hmac(const uint8_t *key, size_t key_len, struct nj_view data, uint8_t out[KEY])
{
	nj_hmac_sha256(key, key_len, &data, 1, out);
}

static void salted(const struct scram_client *c, const uint8_t *salt, uint32_t iterations, uint8_t out[KEY])
{
	const uint8_t *password = (const uint8_t *)c->password;
	uint8_t block[NJ_SCRAM_SALT_BYTES + 4] = { 0 };
	uint8_t u[KEY];
	memcpy(block, salt, NJ_SCRAM_SALT_BYTES);
	block[sizeof(block) - 1] = 1;
	hmac(password, strlen(c->password), nj_view_of(block, sizeof(block)), u);
	memcpy(out, u, KEY);
	for (uint32_t i = 1; i < iterations; i++) {
		hmac(password, strlen(c->password), nj_view_of(u, KEY), u);
		for (size_t k = 0; k < KEY; k++)
			out[k] ^= u[k];
	}
}

static struct nj_view say_first(struct scram_client *c, const char *user)
{
	assert_int_equal(nj_text_format(c->first, sizeof(c->first), "n,,n=%s,r=clientnonce", user), NJ_OK);
	return nj_view_str(c->first);
}

/* client-final for this server-first. */
static struct nj_view say_final(struct scram_client *c, struct nj_view server_first)
{
	uint8_t salt[NJ_SCRAM_SALT_BYTES], key[KEY], client[KEY], stored[KEY], server[KEY], signature[KEY];
	char nonce[64], proof[64], salt_text[32], said[512], bare[128];
	size_t len;
	const char *text = (const char *)server_first.data;
	const char *s = memmem(text, server_first.len, ",s=", 3);
	const char *i = memmem(text, server_first.len, ",i=4096", 7);
	assert_true(s != NULL && i != NULL && memcmp(text, "r=clientnonce", 13) == 0);
	assert_int_equal(nj_text_copy_view(nonce, sizeof(nonce), nj_view_of(text + 2, (size_t)(s - text) - 2)), NJ_OK);
	assert_int_equal(nj_text_copy_view(salt_text, sizeof(salt_text), nj_view_of(s + 3, (size_t)(i - s) - 3)),
			 NJ_OK);
	assert_int_equal(nj_base64_decode(nj_view_str(salt_text), salt, sizeof(salt), &len), NJ_OK);
	salted(c, salt, 4096, key);
	hmac(key, KEY, nj_view_str("Client Key"), client);
	nj_sha256(&(struct nj_view){ client, KEY }, 1, stored);
	hmac(key, KEY, nj_view_str("Server Key"), server);
	assert_int_equal(nj_text_format(bare, sizeof(bare), "c=biws,r=%s", nonce), NJ_OK);
	assert_int_equal(
	    nj_text_format(said, sizeof(said), "%s,%.*s,%s", c->first + 3, (int)server_first.len, text, bare), NJ_OK);
	hmac(stored, KEY, nj_view_str(said), signature);
	hmac(server, KEY, nj_view_str(said), c->server_signature);
	for (size_t k = 0; k < KEY; k++)
		client[k] ^= signature[k];
	nj_base64_encode(client, KEY, proof);
	assert_int_equal(nj_text_format(c->answer, sizeof(c->answer), "%s,p=%s", bare, proof), NJ_OK);
	return nj_view_str(c->answer);
}

static struct nj_view property(const struct nj_mqtt_packet *packet, enum nj_mqtt_property which)
{
	assert_true(nj_mqtt_has(&packet->properties, which));
	return packet->properties.values[which].data;
}

static void is_by_scram(const struct nj_mqtt_packet *packet)
{
	assert_true(nj_view_equal(property(packet, NJ_MQTT_P_AUTH_METHOD), nj_view_str(NJ_SCRAM_METHOD)));
}

static void is_the_servers_proof(const struct scram_client *c, const struct nj_mqtt_packet *packet)
{
	char want[64] = "v=";
	is_by_scram(packet);
	nj_base64_encode(c->server_signature, KEY, want + 2);
	assert_true(nj_view_equal(property(packet, NJ_MQTT_P_AUTH_DATA), nj_view_str(want)));
}

static struct nj_mqtt_packet auth_packet(uint8_t code, const char *method, struct nj_view data)
{
	struct nj_mqtt_packet packet = { .type = NJ_MQTT_AUTH, .as.ack = { .code = code } };
	nj_mqtt_set_data(&packet.properties, NJ_MQTT_P_AUTH_METHOD, nj_view_str(method));
	nj_mqtt_set_data(&packet.properties, NJ_MQTT_P_AUTH_DATA, data);
	return packet;
}

static struct nj_scram_verifier verifier;

static struct peer *at_the_door(struct gate *gate, uint8_t version)
{
	struct nj_mqtt_entry entry = { .party = &gate->parties[ALICE], .local = true, .verifier = &verifier };
	return peer_open_as(gate, &entry, version);
}

/* CONNECT with client-first; gives the answer. */
static const struct nj_mqtt_packet *knock_at(struct peer *peer, struct scram_client *c, const char *user)
{
	struct nj_mqtt_packet hello = connect_packet(peer, "a", true);
	nj_mqtt_set_data(&hello.properties, NJ_MQTT_P_AUTH_METHOD, nj_view_str(NJ_SCRAM_METHOD));
	nj_mqtt_set_data(&hello.properties, NJ_MQTT_P_AUTH_DATA, say_first(c, user));
	hello.as.connect.has_will = true;
	hello.as.connect.will_topic = nj_view_str("w");
	hello.as.connect.will_payload = nj_view_str("gone");
	send_packet(peer, &hello);
	return expect(peer, NJ_MQTT_AUTH);
}

static void prove(struct peer *peer, struct scram_client *c, const struct nj_mqtt_packet *asked)
{
	is_by_scram(asked);
	assert_int_equal(asked->as.ack.code, NJ_MQTT_R_CONTINUE_AUTH);
	struct nj_mqtt_packet proof =
	    auth_packet(NJ_MQTT_R_CONTINUE_AUTH, NJ_SCRAM_METHOD, say_final(c, property(asked, NJ_MQTT_P_AUTH_DATA)));
	send_packet(peer, &proof);
}

static struct peer *let_in(struct gate *gate, struct scram_client *c)
{
	struct peer *peer = at_the_door(gate, V5);
	prove(peer, c, knock_at(peer, c, "alice"));
	const struct nj_mqtt_packet *welcome = expect(peer, NJ_MQTT_CONNACK);
	assert_int_equal(welcome->as.connack.code, 0);
	is_the_servers_proof(c, welcome);
	return peer;
}

static void who_knows_the_password_is_let_in(void **state)
{
	struct gate gate;
	struct scram_client c = { .password = "open sesame" };
	gate_open(&gate);
	struct peer *b = joined(&gate, BOB, V5, "b");
	subscribe(b, "w", 0);
	struct peer *a = let_in(&gate, &c);
	assert_int_equal(subscribe(a, "t", 0), 0);
	publish(a, "t", "x", 0, 0);
	expect_message(a, "t", "x", 0);
	peer_close(a);
	expect_message(b, "w", "gone", 0);
	peer_close(b);
	gate_close(&gate);
}

static void who_does_not_is_refused(void **state)
{
	static const struct {
		const char *user;
		const char *password;
	} rows[] = { { "alice", "open says me" }, { "bob", "open sesame" } };
	for (size_t i = 0; i < 2; i++) {
		struct gate gate;
		struct scram_client c = { .password = rows[i].password };
		gate_open(&gate);
		struct peer *a = at_the_door(&gate, V5);
		prove(a, &c, knock_at(a, &c, rows[i].user));
		assert_int_equal(expect(a, NJ_MQTT_CONNACK)->as.connack.code, NJ_MQTT_R_NOT_AUTHORIZED);
		expect_closed(a);
		assert_int_equal(gate.connected, 0);
		assert_int_equal(gate_counters(&gate).sessions, 0);
		peer_close(a);
		gate_close(&gate);
	}
}

static void nothing_but_auth_before_connack(void **state)
{
	struct gate gate;
	struct scram_client c = { .password = "open sesame" };
	gate_open(&gate);
	struct peer *a = at_the_door(&gate, V5);
	knock_at(a, &c, "alice");
	publish(a, "t", "x", 0, 0);
	assert_int_equal(expect(a, NJ_MQTT_CONNACK)->as.connack.code, NJ_MQTT_R_PROTOCOL_ERROR);
	expect_closed(a);
	peer_close(a);
	a = at_the_door(&gate, V5);
	const struct nj_mqtt_packet *asked = knock_at(a, &c, "alice");
	struct nj_mqtt_packet proof =
	    auth_packet(NJ_MQTT_R_CONTINUE_AUTH, "SCRAM-SHA-512", say_final(&c, property(asked, NJ_MQTT_P_AUTH_DATA)));
	send_packet(a, &proof);
	assert_int_equal(expect(a, NJ_MQTT_CONNACK)->as.connack.code, NJ_MQTT_R_BAD_AUTH_METHOD);
	expect_closed(a);
	peer_close(a);
	a = at_the_door(&gate, V5);
	knock_at(a, &c, "alice");
	struct nj_mqtt_packet again = auth_packet(NJ_MQTT_R_REAUTHENTICATE, NJ_SCRAM_METHOD, say_first(&c, "alice"));
	send_packet(a, &again);
	assert_int_equal(expect(a, NJ_MQTT_CONNACK)->as.connack.code, NJ_MQTT_R_PROTOCOL_ERROR);
	expect_closed(a);
	peer_close(a);
	a = at_the_door(&gate, V5);
	knock_at(a, &c, "alice");
	struct nj_mqtt_packet bye = { .type = NJ_MQTT_DISCONNECT };
	send_packet(a, &bye);
	expect_closed(a);
	peer_close(a);
	a = at_the_door(&gate, V5);
	knock_at(a, &c, "alice");
	advance(&gate, gate_limits.connect_timeout_ms);
	read_more(a);
	assert_int_equal(gate_counters(&gate).connections, 0);
	peer_close(a);
	gate_close(&gate);
}

static void another_method_is_refused(void **state)
{
	struct gate gate;
	gate_open(&gate);
	struct peer *a = at_the_door(&gate, V5);
	struct nj_mqtt_packet hello = connect_packet(a, "a", true);
	nj_mqtt_set_data(&hello.properties, NJ_MQTT_P_AUTH_METHOD, nj_view_str("PLAIN"));
	assert_int_equal(connect_with(a, &hello)->as.connack.code, NJ_MQTT_R_BAD_AUTH_METHOD);
	expect_closed(a);
	peer_close(a);
	a = at_the_door(&gate, V5);
	nj_mqtt_set_data(&hello.properties, NJ_MQTT_P_AUTH_METHOD, nj_view_str(NJ_SCRAM_METHOD));
	nj_mqtt_set_data(&hello.properties, NJ_MQTT_P_AUTH_DATA, nj_view_str("nonsense"));
	assert_int_equal(connect_with(a, &hello)->as.connack.code, NJ_MQTT_R_NOT_AUTHORIZED);
	expect_closed(a);
	peer_close(a);
	gate_close(&gate);
}

static void a_client_may_prove_itself_again(void **state)
{
	struct gate gate;
	struct scram_client c = { .password = "open sesame" };
	gate_open(&gate);
	struct peer *a = let_in(&gate, &c);
	struct nj_mqtt_packet again = auth_packet(NJ_MQTT_R_REAUTHENTICATE, NJ_SCRAM_METHOD, say_first(&c, "alice"));
	struct nj_mqtt_packet ping = { .type = NJ_MQTT_PINGREQ };
	for (int i = 0; i < 2; i++) {
		send_packet(a, &again);
		const struct nj_mqtt_packet *asked = expect(a, NJ_MQTT_AUTH);
		struct nj_mqtt_packet kept = *asked;
		say_final(&c, property(&kept, NJ_MQTT_P_AUTH_DATA));
		send_packet(a, &ping);
		expect(a, NJ_MQTT_PINGRESP);
		struct nj_mqtt_packet proof =
		    auth_packet(NJ_MQTT_R_CONTINUE_AUTH, NJ_SCRAM_METHOD, nj_view_str(c.answer));
		send_packet(a, &proof);
		const struct nj_mqtt_packet *done = expect(a, NJ_MQTT_AUTH);
		assert_int_equal(done->as.ack.code, NJ_MQTT_R_SUCCESS);
		is_the_servers_proof(&c, done);
	}
	peer_close(a);
	gate_close(&gate);
}

static void who_fails_to_is_ended(void **state)
{
	struct gate gate;
	struct scram_client c = { .password = "open sesame" };
	gate_open(&gate);
	struct peer *a = let_in(&gate, &c);
	struct nj_mqtt_packet again = auth_packet(NJ_MQTT_R_REAUTHENTICATE, NJ_SCRAM_METHOD, say_first(&c, "alice"));
	send_packet(a, &again);
	c.password = "open says me";
	prove(a, &c, expect(a, NJ_MQTT_AUTH));
	expect_closed_with(a, NJ_MQTT_R_NOT_AUTHORIZED);
	peer_close(a);
	c.password = "open sesame";
	a = let_in(&gate, &c);
	again = auth_packet(NJ_MQTT_R_REAUTHENTICATE, "PLAIN", nj_view_str("x"));
	send_packet(a, &again);
	expect_closed_with(a, NJ_MQTT_R_BAD_AUTH_METHOD);
	peer_close(a);
	a = let_in(&gate, &c);
	again = auth_packet(NJ_MQTT_R_CONTINUE_AUTH, NJ_SCRAM_METHOD, nj_view_str("x"));
	send_packet(a, &again);
	expect_closed_with(a, NJ_MQTT_R_PROTOCOL_ERROR);
	peer_close(a);
	gate_close(&gate);
}

static void the_password_as_it_is(void **state)
{
	static const struct {
		const char *user;
		const char *password;
		uint8_t version;
		uint8_t want;
	} rows[] = {
		{ "alice", "open sesame", V5, 0 },
		{ "alice", "open sesame", V4, 0 },
		{ "alice", "open says me", V5, NJ_MQTT_R_BAD_LOGIN },
		{ "alice", "open says me", V4, 4 },
		{ "bob", "open sesame", V5, NJ_MQTT_R_BAD_LOGIN },
		{ NULL, NULL, V5, NJ_MQTT_R_BAD_LOGIN },
		{ NULL, NULL, V4, 4 },
	};
	struct gate gate;
	gate_open(&gate);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer *a = at_the_door(&gate, rows[i].version);
		struct nj_mqtt_packet hello = connect_packet(a, "a", true);
		if (rows[i].user != NULL) {
			hello.as.connect.has_username = hello.as.connect.has_password = true;
			hello.as.connect.username = nj_view_str(rows[i].user);
			hello.as.connect.password = nj_view_str(rows[i].password);
		}
		assert_int_equal(connect_with(a, &hello)->as.connack.code, rows[i].want);
		peer_close(a);
	}
	gate_close(&gate);
}

static int make_verifier(void **state)
{
	static const uint8_t salt[NJ_SCRAM_SALT_BYTES] = { 1, 2, 3 };
	if (nj_crypto_init() != NJ_OK)
		return -1;
	return nj_scram_verifier_make(nj_view_str("open sesame"), salt, 4096, &verifier) == NJ_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_knows_the_password_is_let_in),
		cmocka_unit_test(who_does_not_is_refused),
		cmocka_unit_test(nothing_but_auth_before_connack),
		cmocka_unit_test(another_method_is_refused),
		cmocka_unit_test(a_client_may_prove_itself_again),
		cmocka_unit_test(who_fails_to_is_ended),
		cmocka_unit_test(the_password_as_it_is),
	};
	return cmocka_run_group_tests(tests, make_verifier, NULL);
}
