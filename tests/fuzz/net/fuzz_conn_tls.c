/*
 * A stranger's bytes into a TLS server connection over a socket pair. Input: a mode, then chunks of {u8 length, bytes};
 * each is sent by itself, followed by a turn. Modes: nothing comes first · a genuine handshake, so that records after
 * it are reached · a genuine ClientHello spoilt by edits {u8 count, count × {u16 position, u8 xor}}.
 *
 * Holds: no crash, no leak, on_close exactly once, nothing is delivered without an accepted key, a stranger's whole
 * answer is bounded.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/conn.h"

#define IDENTITY "00112233aabbccdd"

static const uint8_t key[NJ_TLS_PSK_BYTES] = { 1, 2, 3 };
static struct nj_clock_fake clock_;
static struct nj_reactor *reactor;
static struct nj_tls_ctx *server_ctx;
static SSL_CTX *client_ctx;
static int opens;
static int closes;
static size_t delivered;

/* assert() is compiled out of the optimised build that fuzzing uses. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool find_key(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES])
{
	if (!nj_view_equal(identity, nj_view_str(IDENTITY)))
		return false;
	memcpy(out_key, key, sizeof key);
	return true;
}

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

static void on_open(struct nj_conn *conn)
{
	opens++;
	must(nj_conn_tls_facts(conn)->psk_bound);
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	must(opens == 1);
	delivered += in.len;
	(void)!nj_conn_send(conn, in.data, in.len);
	/* Keeps a little, so that the buffered path runs as well. */
	return in.len - in.len % 3;
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	closes++;
}

static const struct nj_conn_ops ops = { .on_open = on_open, .on_data = on_data, .on_close = on_close };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct nj_tls_server_config config = { .psk = find_key };
	nj_clock_fake_init(&clock_, 0, 0);
	must(nj_tls_init() == NJ_OK);
	must(nj_reactor_new(&clock_.clock, &reactor) == NJ_OK);
	must(nj_tls_server_ctx_new(&config, &server_ctx, NULL) == NJ_OK);
	client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_psk_use_session_callback(client_ctx, use_key);
	return 0;
}

static void turn(void)
{
	must(nj_reactor_turn(reactor, 0) == NJ_OK);
}

static void genuine_handshake(int fd)
{
	SSL *ssl = SSL_new(client_ctx);
	SSL_set_fd(ssl, fd);
	SSL_set_connect_state(ssl);
	for (int i = 0; i < 4 && opens == 0; i++) {
		(void)SSL_do_handshake(ssl);
		turn();
	}
	must(opens == 1);
	SSL_free(ssl);
	ERR_clear_error();
}

/* Without edits the key is right, and the server answers; it never opens, as no Finished follows. */
static void spoilt_hello(int fd, struct nj_reader *r)
{
	uint8_t hello[1024];
	SSL *ssl = SSL_new(client_ctx);
	BIO *out = BIO_new(BIO_s_mem());
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_connect_state(ssl);
	(void)SSL_do_handshake(ssl);
	int len = BIO_read(out, hello, sizeof hello);
	must(len > 0);
	for (int edits = nj_read_u8(r); edits > 0; edits--) {
		size_t position = nj_read_u16(r);
		hello[position % (size_t)len] ^= nj_read_u8(r);
	}
	(void)!send(fd, hello, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	SSL_free(ssl);
	ERR_clear_error();
	turn();
}

static size_t drain(int fd)
{
	uint8_t sink[4096];
	size_t total = 0;
	ssize_t n;
	while ((n = recv(fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
		total += (size_t)n;
	return total;
}

static size_t feed(int fd, struct nj_reader *r)
{
	size_t answered = 0;
	while (nj_reader_left(r) > 0 && closes == 0) {
		size_t len = nj_read_u8(r);
		struct nj_view chunk = nj_read_view(r, len < nj_reader_left(r) ? len : nj_reader_left(r));
		if (chunk.len > 0)
			(void)!send(fd, chunk.data, chunk.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		turn();
		answered += drain(fd);
	}
	return answered;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_reader r = nj_reader_of(data, size);
	uint8_t mode = nj_read_u8(&r) % 3;
	bool genuine = mode == 1;
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		return 0;
	opens = 0;
	closes = 0;
	delivered = 0;
	struct nj_conn *conn;
	const struct nj_conn_config config = {
		.fd = fds[0], .tls = server_ctx, .max_in_bytes = 1024, .max_out_bytes = 4096, .ops = &ops
	};
	must(nj_conn_new(reactor, &config, &conn) == NJ_OK);
	if (genuine)
		genuine_handshake(fds[1]);
	else if (mode == 2)
		spoilt_hello(fds[1], &r);
	size_t answered = feed(fds[1], &r);
	must(genuine || (opens == 0 && answered < 1024));
	must(delivered == 0);
	if (closes == 0)
		nj_conn_abort(conn, NJ_CLOSE_SHUTDOWN);
	turn();
	must(closes == 1);
	close(fds[1]);
	return 0;
}
