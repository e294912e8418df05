#include <sys/eventfd.h>

#include "unit/net/tls_client.h"

static struct nj_tls_ctx *ctx;
static int lookups;

static bool find_key(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES])
{
	lookups++;
	assert_ptr_equal(arg, &lookups);
	bool known = nj_view_equal(identity, nj_view_str(IDENTITY)) ||
		     nj_view_equal(identity, nj_view_str(OTHER_IDENTITY)) || identity.len == NJ_TLS_IDENTITY_MAX;
	if (known)
		memcpy(out_key, right_key, sizeof right_key);
	return known;
}

static void make_ctx(void)
{
	const struct nj_tls_server_config config = {
		.cert_pem = test_cert_pem, .key_pem = test_key_pem, .psk = find_key, .psk_arg = &lookups
	};
	struct nj_why why = { 0 };
	assert_int_equal(nj_tls_server_ctx_new(&config, &ctx, &why), NJ_OK);
}

static int setup(void **state)
{
	lookups = 0;
	make_ctx();
	server_init();
	server_start(ctx);
	return 0;
}

static int teardown(void **state)
{
	server_done();
	client_done();
	nj_tls_ctx_free(ctx);
	return 0;
}

static const struct client_setup good = { .identity = IDENTITY, .key = right_key };

static void assert_bound(void)
{
	assert_int_equal(s.opens, 1);
	assert_true(s.has_facts);
	assert_true(s.facts.psk_bound);
	assert_string_equal(s.facts.psk_identity, IDENTITY);
	assert_string_equal(s.facts.version, "TLSv1.3");
}

/* The client said all it had to, and met nothing but a reset: no hello, no alert. */
static void assert_met_only_a_reset(enum nj_close why)
{
	assert_int_equal(s.opens, 0);
	assert_int_equal(s.closes, 1);
	assert_string_equal(nj_close_name(s.why), nj_close_name(why));
	assert_int_equal(c.received, 0);
	if (c.end == -EAGAIN)
		client_pull();
	assert_int_equal(c.received, 0);
	assert_int_equal(c.end, -ECONNRESET);
}

/* --- who gets in --- */

static void the_right_key_binds(void **state)
{
	client_start(good);
	assert_null(nj_conn_tls_facts(s.conn));
	handshake();
	assert_bound();
	assert_int_equal(lookups, 1);
	assert_non_null(nj_conn_tls_facts(s.conn));
	assert_int_equal(SSL_session_reused(c.ssl), 1);
}

static void both_suites_bind(void **state)
{
	struct client_setup setup = good;
	setup.suites = *state;
	client_start(setup);
	handshake();
	assert_bound();
	assert_string_equal(s.facts.cipher, setup.suites);
}

static int setup_chacha(void **state)
{
	*state = (void *)(uintptr_t) "TLS_CHACHA20_POLY1305_SHA256";
	return setup(NULL);
}

static int setup_aes(void **state)
{
	*state = (void *)(uintptr_t) "TLS_AES_128_GCM_SHA256";
	return setup(NULL);
}

/* The first group has no key share that we take: HelloRetryRequest, the callback runs twice for one identity. */
static void a_retried_hello_binds(void **state)
{
	struct client_setup setup = good;
	setup.groups = "P-384:P-256";
	client_start(setup);
	handshake();
	assert_bound();
	assert_int_equal(c.psk_asked, 2);
	assert_int_equal(lookups, 2);
}

static void two_identities_over_a_retry_do_not_bind(void **state)
{
	struct client_setup setup = good;
	setup.groups = "P-384:P-256";
	setup.second_identity = OTHER_IDENTITY;
	client_start(setup);
	handshake();
	assert_int_equal(s.opens, 1);
	assert_false(s.facts.psk_bound);
	assert_string_equal(s.facts.psk_identity, "");
}

static void the_hello_may_come_byte_by_byte(void **state)
{
	client_start(good);
	(void)SSL_do_handshake(c.ssl);
	uint8_t *hello;
	size_t len = client_take_output(&hello);
	for (size_t i = 0; i < len; i++) {
		client_write(hello + i, 1);
		turn();
		client_pull();
		assert_true((c.received > 0) == (i + 1 == len));
	}
	free(hello);
	handshake();
	assert_bound();
}

static void an_identity_of_the_longest_length_is_looked_up(void **state)
{
	struct client_setup setup = good;
	setup.identity = "0123456789012345678901234567890123456789012345678901234567890123";
	client_start(setup);
	handshake();
	assert_int_equal(s.opens, 1);
	assert_true(s.facts.psk_bound);
	assert_string_equal(s.facts.psk_identity, setup.identity);
}

/* --- who does not --- */

static void refuse(struct client_setup setup)
{
	client_start(setup);
	handshake();
	assert_met_only_a_reset(NJ_CLOSE_TLS);
}

static void a_wrong_key_meets_a_reset(void **state)
{
	refuse((struct client_setup){ .identity = IDENTITY, .key = wrong_key });
	assert_int_equal(lookups, 1);
}

static void an_unknown_identity_meets_a_reset(void **state)
{
	refuse((struct client_setup){ .identity = "0000000000000000", .key = right_key });
	assert_int_equal(lookups, 1);
}

static void a_too_long_identity_is_not_looked_up(void **state)
{
	refuse((struct client_setup){ .identity = "01234567890123456789012345678901234567890123456789012345678901234",
				      .key = right_key });
	assert_int_equal(lookups, 0);
}

static void no_psk_meets_a_reset(void **state)
{
	refuse((struct client_setup){ 0 });
	assert_int_equal(lookups, 0);
}

static void a_certificate_is_no_way_in(void **state)
{
	refuse((struct client_setup){ .cert = test_cert, .cert_key = test_key });
}

static void an_unknown_identity_with_a_certificate_is_no_way_in(void **state)
{
	refuse((struct client_setup){
	    .identity = "0000000000000000", .key = right_key, .cert = test_cert, .cert_key = test_key });
}

static void sha384_alone_meets_a_reset(void **state)
{
	refuse((struct client_setup){
	    .identity = IDENTITY, .key = right_key, .sha384 = true, .suites = "TLS_AES_256_GCM_SHA384" });
}

/* The PSK is tied to SHA-384, and the suite is one of ours: OpenSSL would go on without the PSK. */
static void a_sha384_psk_is_not_ignored(void **state)
{
	refuse((struct client_setup){ .identity = IDENTITY, .key = right_key, .sha384 = true });
}

static void tls12_meets_a_reset(void **state)
{
	refuse((struct client_setup){ .tls12 = true });
}

static void a_group_that_we_lack_meets_a_reset(void **state)
{
	refuse((struct client_setup){ .identity = IDENTITY, .key = right_key, .groups = "P-521" });
}

/* An unknown identity learns no more for having to retry: at most the retry itself. */
static void an_unknown_identity_that_retries_gets_no_flight(void **state)
{
	client_start(
	    (struct client_setup){ .identity = "0000000000000000", .key = right_key, .groups = "P-384:P-256" });
	handshake();
	assert_int_equal(s.opens, 0);
	assert_int_equal(s.why, NJ_CLOSE_TLS);
	assert_true(c.received < 150);
	if (c.end == -EAGAIN)
		client_pull();
	assert_int_equal(c.end, -ECONNRESET);
}

/* --- tickets of another server --- */

static SSL_SESSION *foreign_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(foreign_session);
	foreign_session = session;
	return 1;
}

/* A session with a ticket, from an ordinary server in memory. */
static SSL_SESSION *make_foreign_session(void)
{
	SSL_CTX *server_ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_use_certificate(server_ctx, test_cert);
	SSL_CTX_use_PrivateKey(server_ctx, test_key);
	assert_int_equal(SSL_CTX_set_ciphersuites(client_ctx, "TLS_AES_128_GCM_SHA256"), 1);
	SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client_ctx, keep_session);
	SSL *server = SSL_new(server_ctx);
	SSL *client = SSL_new(client_ctx);
	BIO *a;
	BIO *b;
	BIO_new_bio_pair(&a, 0, &b, 0);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	uint8_t byte;
	for (int i = 0; i < 10; i++) {
		(void)SSL_read(client, &byte, 1);
		(void)SSL_read(server, &byte, 1);
	}
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	ERR_clear_error();
	SSL_SESSION *session = foreign_session;
	foreign_session = NULL;
	assert_non_null(session);
	return session;
}

static void a_ticket_is_no_way_in(void **state)
{
	SSL_SESSION *session = make_foreign_session();
	client_start((struct client_setup){ .session = session });
	handshake();
	SSL_SESSION_free(session);
	assert_met_only_a_reset(NJ_CLOSE_TLS);
}

/* Two identities in one hello: the ticket, which nobody knows, then ours. */
static void a_ticket_beside_the_psk_does_not_disturb_it(void **state)
{
	SSL_SESSION *session = make_foreign_session();
	struct client_setup setup = good;
	setup.session = session;
	client_start(setup);
	handshake();
	SSL_SESSION_free(session);
	assert_bound();
}

/* A session that was bound here cannot be resumed: it has no ticket. */
static void a_bound_session_is_not_resumable(void **state)
{
	client_start(good);
	handshake();
	assert_bound();
	assert_int_equal(nj_conn_send(s.conn, "x", 1), NJ_OK);
	turn();
	client_pull();
	char byte;
	assert_int_equal(SSL_read(c.ssl, &byte, 1), 1);
	SSL_SESSION *session = SSL_get1_session(c.ssl);
	assert_int_equal(SSL_SESSION_has_ticket(session), 0);
	SSL_SESSION_free(session);
}

/* --- bytes that are no hello --- */

static void garbage_meets_a_reset_at_its_first_byte(void **state)
{
	client_write("G", 1);
	turns(2);
	assert_closed_by_reset(NJ_CLOSE_TLS);
}

struct head_row {
	const char *what;
	uint8_t bytes[9];
	size_t len;
	bool refused;
};

static void heads_are_checked_before_openssl(void **state)
{
	static const struct head_row rows[] = {
		{ "8,191 bytes", { 22, 3, 1, 2, 0, 1, 0, 0x1f, 0xff }, 9, false },
		{ "8,192 bytes", { 22, 3, 1, 2, 0, 1, 0, 0x20, 0x00 }, 9, false },
		{ "8,193 bytes", { 22, 3, 1, 2, 0, 1, 0, 0x20, 0x01 }, 9, true },
		{ "8,193 bytes, not all of the length yet", { 22, 3, 1, 2, 0, 1, 0, 0x20 }, 8, false },
		{ "16 MB", { 22, 3, 1, 2, 0, 1, 0xff, 0xff, 0xff }, 9, true },
		{ "a ServerHello", { 22, 3, 1, 2, 0, 2, 0, 1, 0 }, 9, true },
		{ "an alert", { 21, 3, 1, 0, 2, 2, 40 }, 7, true },
		{ "application data", { 23 }, 1, true },
		{ "HTTP", "GET / HTT", 9, true },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (i > 0)
			assert_int_equal(setup(NULL), 0);
		client_write(rows[i].bytes, rows[i].len);
		turns(2);
		if (s.closes != rows[i].refused)
			fail_msg("%s: closes = %d", rows[i].what, s.closes);
		if (rows[i].refused)
			assert_closed_by_reset(NJ_CLOSE_TLS);
		if (i + 1 < sizeof rows / sizeof rows[0])
			assert_int_equal(teardown(NULL), 0);
	}
}

/* A hello of 8,000 bytes, a byte a record: OpenSSL would take all 48 KB of it. */
static void nobody_feeds_a_handshake_for_ever(void **state)
{
	static const uint8_t head[] = { 22, 3, 1, 0, 4, 1, 0, 0x1f, 0x40 };
	static const uint8_t record[] = { 22, 3, 1, 0, 1, 0 };
	size_t sent = sizeof head;
	client_write(head, sizeof head);
	while (sent + sizeof record <= 32 * 1024) {
		client_write(record, sizeof record);
		sent += sizeof record;
		turn();
	}
	assert_int_equal(s.closes, 0);
	client_write(record, sizeof record);
	turns(2);
	assert_closed_by_reset(NJ_CLOSE_TLS);
}

static void a_spoilt_finished_meets_no_alert(void **state)
{
	client_start(good);
	(void)client_step();
	turns(2);
	client_pull();
	size_t flight = c.received;
	assert_true(flight > 0);
	assert_int_equal(SSL_do_handshake(c.ssl), 1);
	uint8_t *bytes;
	size_t len = client_take_output(&bytes);
	bytes[len - 1] ^= 1;
	client_write(bytes, len);
	free(bytes);
	turns(2);
	assert_int_equal(s.opens, 0);
	client_pull();
	assert_int_equal(c.received, flight);
	assert_int_equal(s.why, NJ_CLOSE_TLS);
	assert_int_equal(c.end, -ECONNRESET);
}

/* --- time --- */

static void half_a_hello_ends_at_the_hello_timeout(void **state)
{
	client_start(good);
	(void)SSL_do_handshake(c.ssl);
	uint8_t *hello;
	size_t len = client_take_output(&hello);
	client_write(hello, len - 1);
	free(hello);
	turn();
	nj_clock_fake_advance_ms(&s.clock, HELLO_TIMEOUT_MS - 1);
	turn();
	assert_int_equal(s.closes, 0);
	nj_clock_fake_advance_ms(&s.clock, 1);
	turn();
	assert_met_only_a_reset(NJ_CLOSE_HELLO_TIMEOUT);
}

static void a_hello_without_more_ends_at_the_bind_deadline(void **state)
{
	nj_conn_bind_deadline(s.conn, 10000);
	client_start(good);
	(void)client_step();
	turn();
	nj_clock_fake_advance_ms(&s.clock, 9999);
	turn();
	assert_int_equal(s.closes, 0);
	nj_clock_fake_advance_ms(&s.clock, 1);
	turn();
	assert_int_equal(s.why, NJ_CLOSE_BIND_TIMEOUT);
}

static void an_early_end_is_the_peers(void **state)
{
	client_start(good);
	(void)SSL_do_handshake(c.ssl);
	uint8_t *hello;
	size_t len = client_take_output(&hello);
	client_write(hello, len / 2);
	free(hello);
	shutdown(s.client, SHUT_WR);
	turns(2);
	assert_met_only_a_reset(NJ_CLOSE_PEER);
}

static void finishing_before_the_handshake_says_nothing(void **state)
{
	client_start(good);
	(void)client_step();
	nj_conn_finish(s.conn, NJ_CLOSE_SHUTDOWN);
	turns(2);
	assert_met_only_a_reset(NJ_CLOSE_SHUTDOWN);
}

/* --- data --- */

static size_t client_ssl_read(uint8_t *out, size_t cap)
{
	size_t total = 0;
	size_t n = 0;
	client_pull();
	ERR_clear_error();
	while (total < cap && SSL_read_ex(c.ssl, out + total, cap - total, &n) == 1)
		total += n;
	return total;
}

static void client_ssl_write(const void *data, size_t len)
{
	size_t n;
	assert_int_equal(SSL_write_ex(c.ssl, data, len, &n), 1);
	assert_int_equal(n, len);
	client_push();
}

/* A neighbour whose event comes before the server's in each turn: it lets the client answer after the events of the
 * turn were fetched, when the server's says nothing of input yet. */
static void client_answers(struct nj_io *io, uint32_t events)
{
	size_t n;
	client_pull();
	if (!client_step() || c.psk_asked == 0)
		return;
	nj_io_remove(io);
	assert_int_equal(SSL_write_ex(c.ssl, "early", 5, &n), 1);
	client_push();
}

static int setup_neighbour(void **state)
{
	lookups = 0;
	make_ctx();
	server_init();
	return 0;
}

static void what_comes_with_the_end_of_the_handshake_is_read(void **state)
{
	struct nj_io neighbour = { .fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), .on_event = client_answers };
	assert_int_equal(nj_io_add(s.reactor, &neighbour, EPOLLIN), NJ_OK);
	server_start(ctx);
	client_start(good);
	turns(8);
	assert_bound();
	assert_int_equal(s.got_len, 5);
	assert_memory_equal(s.got, "early", 5);
	close(neighbour.fd);
}

static void big_transfer_both_ways(void **state)
{
	enum { TOTAL = 3 * 1024 * 1024, STEP = 64 * 1024 };
	uint8_t *out = malloc(TOTAL);
	uint8_t *back = malloc(TOTAL + 1);
	size_t received = 0;
	for (size_t i = 0; i < TOTAL; i++)
		out[i] = (uint8_t)(i * 2654435761U >> 13);
	s.echoes = true;
	client_start(good);
	handshake();
	for (size_t sent = 0; sent < TOTAL; sent += STEP) {
		client_ssl_write(out + sent, STEP);
		turn();
		received += client_ssl_read(back + received, TOTAL + 1 - received);
	}
	while (received < TOTAL) {
		turn();
		received += client_ssl_read(back + received, TOTAL + 1 - received);
	}
	assert_memory_equal(out, back, TOTAL);
	assert_memory_equal(out, s.got, TOTAL);
	free(out);
	free(back);
}

static void small_sends_of_one_turn_share_a_record(void **state)
{
	char out[16];
	client_start(good);
	handshake();
	client_pull();
	size_t before = c.received;
	for (int i = 0; i < 10; i++)
		assert_int_equal(nj_conn_send(s.conn, "x", 1), NJ_OK);
	turn();
	client_pull();
	/* Header 5, text 10, content type 1, tag 16. */
	assert_int_equal(c.received - before, 32);
	assert_int_equal(client_ssl_read((uint8_t *)out, sizeof out), 10);
}

static void records_of_one_turn_are_offered_together(void **state)
{
	client_start(good);
	handshake();
	client_pull();
	for (int i = 0; i < 10; i++) {
		size_t n;
		assert_int_equal(SSL_write_ex(c.ssl, "x", 1, &n), 1);
	}
	client_push();
	turn();
	assert_int_equal(s.datas, 1);
	assert_int_equal(s.got_len, 10);
}

static void a_slow_reader_gets_all_before_the_end(void **state)
{
	enum { TOTAL = SERVER_OUT_MAX };
	uint8_t *bytes = calloc(1, TOTAL);
	size_t received = 0;
	client_start(good);
	handshake();
	assert_int_equal(nj_conn_send(s.conn, bytes, TOTAL), NJ_OK);
	nj_conn_finish(s.conn, NJ_CLOSE_LOCAL);
	for (int i = 0; i < 10000 && received < TOTAL; i++) {
		turn();
		received += client_ssl_read(bytes, TOTAL);
	}
	assert_int_equal(received, TOTAL);
	turn();
	(void)client_ssl_read(bytes, 1);
	assert_int_equal(SSL_get_shutdown(c.ssl), SSL_RECEIVED_SHUTDOWN);
	assert_int_equal(c.end, 0);
	free(bytes);
}

static void the_peers_close_notify_is_its_end(void **state)
{
	client_start(good);
	handshake();
	client_pull();
	client_ssl_write("bye", 3);
	(void)SSL_shutdown(c.ssl);
	client_push();
	turns(2);
	assert_int_equal(s.got_len, 3);
	assert_int_equal(s.closes, 1);
	assert_int_equal(s.why, NJ_CLOSE_PEER);
}

static void a_spoilt_record_meets_no_alert(void **state)
{
	size_t n;
	uint8_t *bytes;
	client_start(good);
	handshake();
	client_pull();
	size_t before = c.received;
	assert_int_equal(SSL_write_ex(c.ssl, "abc", 3, &n), 1);
	size_t len = client_take_output(&bytes);
	bytes[len - 1] ^= 1;
	client_write(bytes, len);
	free(bytes);
	turns(2);
	client_pull();
	assert_int_equal(s.got_len, 0);
	assert_int_equal(s.why, NJ_CLOSE_TLS);
	assert_int_equal(c.received, before);
	assert_int_equal(c.end, -ECONNRESET);
}

static void key_updates_are_answered(void **state)
{
	uint8_t out[8];
	s.echoes = true;
	client_start(good);
	handshake();
	client_pull();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		client_ssl_write("ping", 4);
		turns(2);
		assert_int_equal(client_ssl_read(out, sizeof out), 4);
		assert_memory_equal(out, "ping", 4);
	}
}

/* Answers to somebody who never reads are bounded: the server stops reading and goes on when they have left. */
static void a_flood_of_key_updates_is_bounded(void **state)
{
	client_start(good);
	handshake();
	client_pull();
	for (int i = 0; i < 20000 && s.closes == 0; i++) {
		assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		ERR_clear_error();
		(void)SSL_do_handshake(c.ssl);
		client_push();
		turn();
		if (i % 1000 == 0)
			client_pull();
	}
	client_ssl_write("ping", 4);
	for (int i = 0; i < 10000 && s.got_len < 4; i++) {
		client_pull();
		turn();
	}
	assert_int_equal(s.got_len, 4);
}

static void a_reloaded_context_may_go_under_a_connection(void **state)
{
	client_start(good);
	(void)client_step();
	nj_tls_ctx_free(ctx);
	ctx = NULL;
	handshake();
	assert_bound();
}

/* --- contexts --- */

static int setup_unproven(void **state)
{
	const struct nj_tls_server_config config = { .cert_pem = test_cert_pem,
						     .key_pem = test_key_pem,
						     .unproven = true };
	struct nj_why why = { 0 };
	assert_int_equal(nj_tls_server_ctx_new(&config, &ctx, &why), NJ_OK);
	server_init();
	server_start(ctx);
	return 0;
}

static void assert_open_and_unproven(void)
{
	assert_int_equal(s.opens, 1);
	assert_false(s.facts.psk_bound);
	assert_false(s.facts.certificate_bound);
}

static void without_proof_anybody_is_served_and_proves_nothing(void **state)
{
	client_start((struct client_setup){ 0 });
	handshake();
	assert_open_and_unproven();
	assert_non_null(SSL_get0_peer_certificate(c.ssl));
}

static void without_proof_a_key_and_a_certificate_are_nothing(void **state)
{
	client_start(good);
	handshake();
	assert_open_and_unproven();
}

static void without_proof_tls12_meets_a_reset(void **state)
{
	refuse((struct client_setup){ .tls12 = true });
}

static void wrong_configurations_say_why(void **state)
{
	static const struct {
		const char *cert;
		const char *key;
		bool psk;
		enum nj_err want;
		bool unproven;
	} rows[] = {
		{ test_cert_pem, test_key_pem, false, NJ_OK, true },
		{ test_cert_pem, test_key_pem, true, NJ_ERR_USAGE, true },
		{ NULL, NULL, true, NJ_OK },
		{ test_cert_pem, test_key_pem, true, NJ_OK },
		{ test_cert_pem, test_key_pem, false, NJ_ERR_USAGE },
		{ test_cert_pem, NULL, true, NJ_ERR_CONFIG },
		{ NULL, test_key_pem, true, NJ_ERR_CONFIG },
		{ "nonsense", test_key_pem, true, NJ_ERR_CONFIG },
		{ test_cert_pem, "nonsense", true, NJ_ERR_CONFIG },
		{ test_key_pem, test_cert_pem, true, NJ_ERR_CONFIG },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct nj_tls_server_config config = { .cert_pem = rows[i].cert,
							     .key_pem = rows[i].key,
							     .psk = rows[i].psk ? find_key : NULL,
							     .unproven = rows[i].unproven };
		struct nj_tls_ctx *made = NULL;
		struct nj_why why = { 0 };
		assert_int_equal(nj_tls_server_ctx_new(&config, &made, &why), rows[i].want);
		assert_true((made != NULL) == (rows[i].want == NJ_OK));
		assert_true((why.text[0] != '\0') == (rows[i].want != NJ_OK));
		nj_tls_ctx_free(made);
	}
	assert_int_equal(ERR_peek_error(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define UNPROVEN(name) cmocka_unit_test_setup_teardown(name, setup_unproven, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_right_key_binds),
		cmocka_unit_test_setup_teardown(both_suites_bind, setup_chacha, teardown),
		cmocka_unit_test_setup_teardown(both_suites_bind, setup_aes, teardown),
		TEST(a_retried_hello_binds),
		TEST(two_identities_over_a_retry_do_not_bind),
		TEST(the_hello_may_come_byte_by_byte),
		TEST(an_identity_of_the_longest_length_is_looked_up),
		TEST(a_wrong_key_meets_a_reset),
		TEST(an_unknown_identity_meets_a_reset),
		TEST(a_too_long_identity_is_not_looked_up),
		TEST(no_psk_meets_a_reset),
		TEST(a_certificate_is_no_way_in),
		TEST(an_unknown_identity_with_a_certificate_is_no_way_in),
		TEST(sha384_alone_meets_a_reset),
		TEST(a_sha384_psk_is_not_ignored),
		TEST(tls12_meets_a_reset),
		TEST(a_group_that_we_lack_meets_a_reset),
		TEST(an_unknown_identity_that_retries_gets_no_flight),
		TEST(a_ticket_is_no_way_in),
		TEST(a_ticket_beside_the_psk_does_not_disturb_it),
		TEST(a_bound_session_is_not_resumable),
		TEST(garbage_meets_a_reset_at_its_first_byte),
		TEST(heads_are_checked_before_openssl),
		TEST(nobody_feeds_a_handshake_for_ever),
		TEST(a_spoilt_finished_meets_no_alert),
		TEST(half_a_hello_ends_at_the_hello_timeout),
		TEST(a_hello_without_more_ends_at_the_bind_deadline),
		TEST(an_early_end_is_the_peers),
		TEST(finishing_before_the_handshake_says_nothing),
		cmocka_unit_test_setup_teardown(what_comes_with_the_end_of_the_handshake_is_read, setup_neighbour,
						teardown),
		TEST(big_transfer_both_ways),
		TEST(small_sends_of_one_turn_share_a_record),
		TEST(records_of_one_turn_are_offered_together),
		TEST(a_slow_reader_gets_all_before_the_end),
		TEST(the_peers_close_notify_is_its_end),
		TEST(a_spoilt_record_meets_no_alert),
		TEST(key_updates_are_answered),
		TEST(a_flood_of_key_updates_is_bounded),
		TEST(a_reloaded_context_may_go_under_a_connection),
		UNPROVEN(without_proof_anybody_is_served_and_proves_nothing),
		UNPROVEN(without_proof_a_key_and_a_certificate_are_nothing),
		UNPROVEN(without_proof_tls12_meets_a_reset),
		cmocka_unit_test(wrong_configurations_say_why),
	};
	return cmocka_run_group_tests(tests, make_certificate, free_certificate);
}
