/*
 * What a stranger can say first to a TLS port, as far as it is ours to judge: the gate before OpenSSL, the offer's
 * record, PSK identities, the demand for a way in. Nobody is admitted, so that an input costs no public-key arithmetic
 * unless it is a ClientHello with a right binder. The input: one byte that says how (raw bytes · a recorded hello of a
 * kind, spoilt by edits {u8 count, count × {u16 position, u8 xor}} · a hello built from lists), one that says where it
 * is cut in two, then the rest.
 *
 * Holds: on_close exactly once and no on_open; no answer but a HelloRetryRequest, or the flight to a right binder.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/conn.h"

#define IDENTITY "00112233aabbccdd"
#define HELLO_MAX 4096
#define RETRY_MAX 150   /* a HelloRetryRequest and a change_cipher_spec */
#define FLIGHT_MAX 1024 /* a server's flight without a certificate */

enum kind { PSK_13, NO_PSK_13, ONLY_12, BOTH_VERSIONS, RETRIES, KINDS };

static struct {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_tls_ctx *server_ctx;
	uint8_t hellos[KINDS][1024];
	size_t lens[KINDS];
	bool key_known;
	int lookups;
	int closes;
} fz;

static const uint8_t key[NJ_TLS_PSK_BYTES] = { 1, 2, 3 };

/* assert() is compiled out of the optimised build that fuzzing uses. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool find_key(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES])
{
	must(++fz.lookups <= 16); /* eight, and again after a retry */
	must(identity.len > 0 && identity.len <= NJ_TLS_IDENTITY_MAX && memchr(identity.data, 0, identity.len) == NULL);
	if (!fz.key_known || !nj_view_equal(identity, nj_view_str(IDENTITY)))
		return false;
	memcpy(out_key, key, sizeof key);
	return true;
}

static enum nj_tls_admission admit(void *arg, void *who)
{
	return NJ_TLS_REFUSE;
}

static void on_open(struct nj_conn *conn)
{
	abort();
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	abort();
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	fz.closes++;
}

static const struct nj_conn_ops ops = { .on_open = on_open, .on_data = on_data, .on_close = on_close };

/* ---- hellos of real clients ---- */

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

static void record_hello(enum kind kind)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(ctx, kind == ONLY_12 || kind == BOTH_VERSIONS ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(ctx, kind == ONLY_12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	if (kind == PSK_13 || kind == BOTH_VERSIONS || kind == RETRIES)
		SSL_CTX_set_psk_use_session_callback(ctx, use_key);
	if (kind == RETRIES)
		must(SSL_CTX_set1_groups_list(ctx, "P-384:P-256") == 1);
	SSL *ssl = SSL_new(ctx);
	BIO *out = BIO_new(BIO_s_mem());
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_connect_state(ssl);
	(void)SSL_do_handshake(ssl);
	int len = BIO_read(out, fz.hellos[kind], sizeof fz.hellos[kind]);
	must(len > 0);
	fz.lens[kind] = (size_t)len;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct nj_tls_certificates certificates = { .admit = admit };
	const struct nj_tls_server_config config = { .psk = find_key, .certificates = &certificates };

	nj_clock_fake_init(&fz.clock, 0, 0);
	must(nj_tls_init() == NJ_OK);
	must(nj_reactor_new(&fz.clock.clock, &fz.reactor) == NJ_OK);
	must(nj_tls_server_ctx_new(&config, &fz.server_ctx, NULL) == NJ_OK);
	for (enum kind kind = 0; kind < KINDS; kind++)
		record_hello(kind);
	return 0;
}

static size_t spoil(enum kind kind, struct nj_reader *r, uint8_t out[HELLO_MAX])
{
	memcpy(out, fz.hellos[kind], fz.lens[kind]);
	for (int edits = nj_read_u8(r); edits > 0 && r->err == NJ_OK; edits--) {
		size_t position = nj_read_u16(r);
		out[position % fz.lens[kind]] ^= nj_read_u8(r);
	}
	return fz.lens[kind];
}

/* ---- a hello from lists ---- */

/* A u8 length and so many bytes, or as many as there are. */
static struct nj_view piece(struct nj_reader *r)
{
	size_t len = nj_read_u8(r);
	return nj_read_view(r, len < nj_reader_left(r) ? len : nj_reader_left(r));
}

/* RFC 8446 4.2.11; the binders are of the right length and wrong, or of any length. */
static void put_psk(struct nj_writer *w, struct nj_reader *r)
{
	uint8_t count = nj_read_u8(r) % 12;
	uint8_t *identities = nj_write_reserve(w, 2);
	size_t from = w->pos;
	for (uint8_t i = 0; i < count; i++) {
		struct nj_view identity = piece(r);
		nj_write_view16(w, identity.len == 0 ? nj_view_str(IDENTITY) : identity);
		nj_write_u32(w, 0);
	}
	if (identities != NULL && w->err == NJ_OK)
		nj_put_u16(identities, (uint16_t)(w->pos - from));
	uint8_t binder = nj_read_u8(r) % 64;
	nj_write_u16(w, (uint16_t)(count * (binder + 1)));
	for (uint8_t i = 0; i < count; i++) {
		nj_write_u8(w, binder);
		nj_write_zero(w, binder);
	}
}

/* {u8 what, its bytes}…: the extensions that we look at, or any other by number. */
static void put_extension(struct nj_writer *w, struct nj_reader *r)
{
	static const uint16_t types[] = { TLSEXT_TYPE_supported_versions,   TLSEXT_TYPE_supported_groups,
					  TLSEXT_TYPE_signature_algorithms, TLSEXT_TYPE_key_share,
					  TLSEXT_TYPE_psk_kex_modes,        TLSEXT_TYPE_psk };
	uint8_t what = nj_read_u8(r) % 8;
	nj_write_u16(w, what < 6 ? types[what] : nj_read_u16(r));
	uint8_t *len = nj_write_reserve(w, 2);
	size_t from = w->pos;
	if (what == 5)
		put_psk(w, r);
	else if (what == 1 || what == 2)
		nj_write_view16(w, piece(r));
	else {
		struct nj_view body = piece(r);
		nj_write_bytes(w, body.data, body.len);
	}
	if (len != NULL && w->err == NJ_OK)
		nj_put_u16(len, (uint16_t)(w->pos - from));
}

static size_t build(struct nj_reader *r, uint8_t out[HELLO_MAX])
{
	static const uint8_t random[32];
	struct nj_writer w = nj_writer_of(out, HELLO_MAX);
	uint8_t *record = nj_write_reserve(&w, 5);
	uint8_t *handshake = nj_write_reserve(&w, 4);
	nj_write_u16(&w, (uint16_t)(0x0300 + nj_read_u8(r) % 6));
	nj_write_bytes(&w, random, sizeof random);
	nj_write_u8(&w, 0);
	nj_write_view16(&w, piece(r));
	nj_write_u16(&w, 0x0100); /* one method of compression, none */
	uint8_t *extensions = nj_write_reserve(&w, 2);
	size_t from = w.pos;
	while (nj_reader_left(r) > 0 && w.err == NJ_OK)
		put_extension(&w, r);
	if (w.err != NJ_OK)
		return 0;
	nj_put_u16(extensions, (uint16_t)(w.pos - from));
	nj_put_u32(handshake, 1u << 24 | (uint32_t)(w.pos - 9));
	record[0] = 22;
	nj_put_u16(record + 1, 0x0301);
	nj_put_u16(record + 3, (uint16_t)(w.pos - 5));
	return w.pos;
}

/* ---- an input ---- */

static size_t drain(int fd)
{
	uint8_t sink[4096];
	size_t total = 0;
	ssize_t n;
	while ((n = recv(fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
		total += (size_t)n;
	return total;
}

static void say(int fd, const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return;
	(void)!send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	must(nj_reactor_turn(fz.reactor, 0) == NJ_OK);
}

static void talk(const uint8_t *bytes, size_t len, size_t cut, size_t answer_max)
{
	int fds[2];
	struct nj_conn *conn;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	const struct nj_conn_config config = {
		.fd = fds[0], .tls = fz.server_ctx, .max_in_bytes = 1024, .max_out_bytes = 4096, .ops = &ops
	};
	fz.closes = 0;
	fz.lookups = 0;
	must(nj_conn_new(fz.reactor, &config, &conn) == NJ_OK);
	say(fds[1], bytes, cut);
	if (fz.closes == 0)
		say(fds[1], bytes + cut, len - cut);
	must(drain(fds[1]) <= answer_max);
	if (fz.closes == 0) {
		nj_conn_abort(conn, NJ_CLOSE_SHUTDOWN);
		must(nj_reactor_turn(fz.reactor, 0) == NJ_OK);
	}
	must(fz.closes == 1);
	close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t hello[HELLO_MAX];
	struct nj_reader r = nj_reader_of(data, size);
	uint8_t how = nj_read_u8(&r);
	uint8_t cut = nj_read_u8(&r);
	if (r.err != NJ_OK)
		return 0;
	fz.key_known = (how & 0x80) != 0;
	uint8_t what = (how & 0x7f) % (KINDS + 2);
	size_t len;
	if (what < KINDS)
		len = spoil((enum kind)what, &r, hello);
	else if (what == KINDS)
		len = build(&r, hello);
	else
		nj_read_bytes(&r, hello, len = nj_reader_left(&r) < HELLO_MAX ? nj_reader_left(&r) : HELLO_MAX);
	talk(hello, len, len * cut / 255, fz.key_known ? FLIGHT_MAX : RETRY_MAX);
	return 0;
}
