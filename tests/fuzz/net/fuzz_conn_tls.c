/*
 * A stranger against a whole TLS server connection over a socket pair, keys and certificates on: a system target, whose
 * input is a handshake with its public-key arithmetic (the parsers of ours have fast targets: fuzz_tls_hello,
 * fuzz_tls_subject, fuzz_tls_offer). Input: a mode, edits {u8 count, count × {u16 position, u8 xor}}, then chunks of
 * {u8 length, bytes}; each is sent by itself, followed by a turn. Modes: nothing comes first · a genuine ClientHello of
 * a client with a key or a certificate, spoilt by the edits · a genuine hello and the client's second flight, spoilt
 * by the edits (in TLS 1.2 its certificate is in the clear) · a genuine handshake, then the chunks as they are or as
 * the plain text of genuine records.
 *
 * Holds: no crash, no leak, on_close exactly once, nothing is open without a key or a certificate that was accepted,
 * nothing is delivered but what a genuine client sent, a stranger's whole answer is bounded.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "crypto/crypto.h"
#include "crypto/x509.h"
#include "net/conn.h"

#define IDENTITY "00112233aabbccdd"
#define ANSWER_MAX 4096 /* a flight with our certificate */

enum client { WITH_KEY, WITH_CERTIFICATE, WITH_CERTIFICATE_12, STRANGER, CLIENTS };
enum phase { NOTHING, HELLO, SECOND_FLIGHT, RAW_RECORDS, GENUINE_RECORDS, PHASES };

static struct {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_tls_ctx *server_ctx;
	struct nj_tls_trust *trust;
	SSL_CTX *clients[CLIENTS];
	struct nj_conn *conn;
	int fd;
	int opens;
	int closes;
	size_t answered;
	size_t said; /* by a genuine client, as plain text */
	size_t delivered;
} fz;

static const uint8_t key[NJ_TLS_PSK_BYTES] = { 1, 2, 3 };

/* assert() is compiled out of the optimised build that fuzzing uses. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the server ---- */

static bool find_key(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES])
{
	if (!nj_view_equal(identity, nj_view_str(IDENTITY)))
		return false;
	memcpy(out_key, key, sizeof key);
	return true;
}

static enum nj_tls_admission admit(void *arg, void *who)
{
	return NJ_TLS_FROM_12;
}

static const struct nj_tls_trust *trust_of(void *arg, void *who, const struct nj_tls_subject *subject)
{
	return fz.trust;
}

static void on_open(struct nj_conn *conn)
{
	const struct nj_tls_facts *facts = nj_conn_tls_facts(conn);

	fz.opens++;
	must(facts->psk_bound != facts->certificate_bound);
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	must(fz.opens == 1);
	/* Keeps a little, so that the buffered path runs as well. */
	size_t eaten = in.len - in.len % 3;
	fz.delivered += eaten;
	(void)!nj_conn_send(conn, in.data, eaten);
	return eaten;
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	fz.closes++;
}

static const struct nj_conn_ops ops = { .on_open = on_open, .on_data = on_data, .on_close = on_close };

static void make_server(const struct nj_x509_pair *ca, uint64_t now_s)
{
	static const char *const names[] = { "gateway.test" };
	const struct nj_tls_certificates certificates = { .admit = admit, .trust = trust_of };
	struct nj_x509_pair pair;
	struct nj_why why;

	must(nj_x509_issue_server(ca, names, 1, now_s, 3650, &pair) == NJ_OK);
	must(nj_tls_trust_new(ca->cert_pem, NULL, &fz.trust, &why) == NJ_OK);
	const struct nj_tls_server_config config = {
		.cert_pem = pair.cert_pem, .key_pem = pair.key_pem, .psk = find_key, .certificates = &certificates
	};
	must(nj_tls_server_ctx_new(&config, &fz.server_ctx, &why) == NJ_OK);
	nj_x509_pair_done(&pair);
}

/* ---- clients ---- */

static int use_key(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **out_session)
{
	static const unsigned char suite[] = { 0x13, 0x01 };
	SSL_SESSION *session = SSL_SESSION_new();

	SSL_SESSION_set1_master_key(session, key, sizeof key);
	SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, suite));
	SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
	*id = (const unsigned char *)IDENTITY;
	*id_len = sizeof IDENTITY - 1;
	*out_session = session;
	return 1;
}

static void use_certificate(SSL_CTX *ctx, const struct nj_x509_pair *pair)
{
	BIO *cert_bio = BIO_new_mem_buf(pair->cert_pem, -1);
	BIO *key_bio = BIO_new_mem_buf(pair->key_pem, -1);
	X509 *cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	EVP_PKEY *private = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);

	must(SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, private) == 1);
	X509_free(cert);
	EVP_PKEY_free(private);
	BIO_free(cert_bio);
	BIO_free(key_bio);
}

static void make_clients(const struct nj_x509_pair *ca, uint64_t now_s)
{
	static const uint8_t uid[16] = { 1 };
	struct nj_x509_pair pair;

	must(nj_x509_issue_client(ca, "d1", uid, now_s, 3650, &pair) == NJ_OK);
	for (enum client client = 0; client < CLIENTS; client++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		int version = client == WITH_CERTIFICATE_12 ? TLS1_2_VERSION : TLS1_3_VERSION;

		must(SSL_CTX_set_min_proto_version(ctx, version) == 1);
		must(SSL_CTX_set_max_proto_version(ctx, version) == 1);
		if (client == WITH_KEY)
			SSL_CTX_set_psk_use_session_callback(ctx, use_key);
		else if (client != STRANGER)
			use_certificate(ctx, &pair);
		fz.clients[client] = ctx;
	}
	nj_x509_pair_done(&pair);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const uint64_t now_s = nj_clock_wall_ms(nj_clock_system()) / 1000;
	struct nj_x509_pair ca;

	nj_clock_fake_init(&fz.clock, 0, 0);
	must(nj_crypto_init() == NJ_OK && nj_tls_init() == NJ_OK);
	must(nj_reactor_new(&fz.clock.clock, &fz.reactor) == NJ_OK);
	must(nj_x509_make_ca("ca", now_s, 3650, &ca) == NJ_OK);
	make_server(&ca, now_s);
	make_clients(&ca, now_s);
	nj_x509_pair_done(&ca);
	return 0;
}

/* A client over memory: what it wants to send is spoilt or not, and sent. */
static SSL *client_new(enum client client)
{
	SSL *ssl = SSL_new(fz.clients[client]);
	BIO *in = BIO_new(BIO_s_mem());

	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(ssl, in, BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	return ssl;
}

static void turn(void)
{
	must(nj_reactor_turn(fz.reactor, 0) == NJ_OK);
}

static void send_bytes(const uint8_t *bytes, size_t len)
{
	if (len > 0)
		(void)!send(fz.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	turn();
}

/* What the server said, to a client or to nobody. */
static void hear(SSL *ssl)
{
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = recv(fz.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
		fz.answered += (size_t)n;
		if (ssl != NULL)
			(void)BIO_write(SSL_get_rbio(ssl), bytes, (int)n);
	}
}

/* The client's next flight, spoilt where there are edits. */
static void flight(SSL *ssl, struct nj_reader *edits)
{
	uint8_t bytes[8192];

	ERR_clear_error();
	(void)SSL_do_handshake(ssl);
	ERR_clear_error();
	int len = BIO_read(SSL_get_wbio(ssl), bytes, sizeof bytes);
	if (len <= 0)
		return;
	for (int count = edits == NULL ? 0 : nj_read_u8(edits); count > 0 && edits->err == NJ_OK; count--) {
		size_t position = nj_read_u16(edits);
		bytes[position % (size_t)len] ^= nj_read_u8(edits);
	}
	send_bytes(bytes, (size_t)len);
	hear(ssl);
}

static void handshake(SSL *ssl)
{
	for (int i = 0; i < 6 && fz.opens == 0 && fz.closes == 0; i++)
		flight(ssl, NULL);
	flight(ssl, NULL); /* reads the server's last words in TLS 1.2 */
}

static void say_genuine(SSL *ssl, struct nj_view plain)
{
	uint8_t bytes[8192];
	size_t written = 0;

	if (plain.len == 0)
		(void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
	else if (SSL_write_ex(ssl, plain.data, plain.len, &written) == 1)
		fz.said += written;
	ERR_clear_error();
	int len = BIO_read(SSL_get_wbio(ssl), bytes, sizeof bytes);
	send_bytes(bytes, len > 0 ? (size_t)len : 0);
}

static void feed(struct nj_reader *r, SSL *ssl, bool genuine)
{
	while (nj_reader_left(r) > 0 && fz.closes == 0) {
		size_t len = nj_read_u8(r);
		struct nj_view chunk = nj_read_view(r, len < nj_reader_left(r) ? len : nj_reader_left(r));

		if (genuine)
			say_genuine(ssl, chunk);
		else
			send_bytes(chunk.data, chunk.len);
		hear(genuine ? ssl : NULL);
	}
}

/* Returns whether this may have opened the connection. */
static bool talk(enum phase phase, enum client client, struct nj_reader *r)
{
	SSL *ssl = client_new(client);
	bool may_open = client != STRANGER;

	switch (phase) {
	case NOTHING:
	case PHASES:
		may_open = false;
		break;
	case HELLO:
		flight(ssl, r);
		may_open = false;
		break;
	case SECOND_FLIGHT:
		flight(ssl, NULL);
		flight(ssl, r);
		break;
	case RAW_RECORDS:
	case GENUINE_RECORDS:
		handshake(ssl);
		must((fz.opens == 1) == may_open);
	}
	bool stranger = fz.opens == 0;
	feed(r, ssl, phase == GENUINE_RECORDS);
	must(!stranger || fz.answered <= ANSWER_MAX);
	SSL_free(ssl);
	ERR_clear_error();
	return may_open;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_reader r = nj_reader_of(data, size);
	uint8_t mode = nj_read_u8(&r);
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		return 0;
	fz.fd = fds[1];
	fz.opens = fz.closes = 0;
	fz.answered = fz.said = fz.delivered = 0;
	const struct nj_conn_config config = {
		.fd = fds[0], .tls = fz.server_ctx, .max_in_bytes = 1024, .max_out_bytes = 4096, .ops = &ops
	};
	must(nj_conn_new(fz.reactor, &config, &fz.conn) == NJ_OK);
	bool may_open = talk((enum phase)(mode % PHASES), (enum client)(mode / PHASES % CLIENTS), &r);
	must(may_open || fz.opens == 0);
	must(fz.delivered <= fz.said);
	if (fz.closes == 0)
		nj_conn_abort(fz.conn, NJ_CLOSE_SHUTDOWN);
	turn();
	must(fz.closes == 1);
	close(fz.fd);
	return 0;
}
