#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "net/internal.h"

#define PSK_SUITES "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
#define GROUPS "X25519:P-256"
/* OpenSSL would allocate what a ClientHello claims, up to 128 KiB. Ours are under 1 KiB, browsers' under 2. */
#define HELLO_MAX_BYTES 8192
/* Everything that a peer may send before it has proved itself: two hellos and a Finished, generously. */
#define HANDSHAKE_IN_MAX_BYTES (32 * 1024)
/* Handshake output that waits for the verdict of the call that made it, or for the socket. */
#define HELD_MAX_BYTES (64 * 1024)
/* Identities looked up a connection: a hello of 8 KiB could name a thousand. */
#define PSK_LOOKUPS_MAX 8
/* TLS record header (RFC 8446 5.1) and handshake header (4). */
#define RECORD_HEAD_BYTES 5
#define HELLO_HEAD_BYTES (RECORD_HEAD_BYTES + 4)
#define RECORD_HANDSHAKE 22
#define HANDSHAKE_CLIENT_HELLO 1

struct nj_tls_ctx {
	SSL_CTX *ssl_ctx;
	nj_tls_psk_fn psk;
	void *psk_arg;
	atomic_uint references;
};

struct nj_tls {
	SSL *ssl;
	struct nj_tls_ctx *ctx;
	int fd;
	struct nj_buf held;
	size_t handshake_in_bytes;
	uint8_t hello_head[HELLO_HEAD_BYTES];
	uint8_t hello_head_len;
	uint8_t psk_lookups;
	uint8_t psk_identities; /* different ones that the callback supplied; 2 means more than one */
	bool holding;           /* output goes to `held` until the call is known not to have failed */
	bool hello_seen;
	bool finished;
	bool eof;
	bool io_failed;
	bool refused; /* by us, below OpenSSL */
	struct nj_tls_facts facts;
};

static BIO_METHOD *socket_method;

/* --- the socket as OpenSSL sees it ---
 *
 * What fails is closed without an alert. OpenSSL writes the alert within the call that fails, so whatever a handshake
 * or a read wants to write is held until that call has returned, and thrown away if it failed. */

static enum nj_err socket_send(struct nj_tls *tls, const void *data, size_t len, size_t *out_sent)
{
	ssize_t n;
	do
		n = send(tls->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0) {
		*out_sent = (size_t)n;
		return NJ_OK;
	}
	if (errno == EAGAIN)
		return NJ_ERR_AGAIN;
	tls->io_failed = true;
	return NJ_ERR_IO;
}

enum nj_err nj_tls_flush(struct nj_tls *tls)
{
	while (nj_buf_len(&tls->held) > 0) {
		struct nj_view held = nj_buf_view(&tls->held);
		size_t sent = 0;
		NJ_TRY(socket_send(tls, held.data, held.len, &sent));
		nj_buf_eat(&tls->held, sent);
	}
	nj_buf_release(&tls->held);
	return NJ_OK;
}

static int bio_write(BIO *bio, const char *data, int len)
{
	struct nj_tls *tls = BIO_get_data(bio);
	size_t sent = 0;
	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	enum nj_err err;
	if (tls->holding) {
		err = nj_buf_append(&tls->held, data, (size_t)len);
		sent = (size_t)len;
	} else {
		err = nj_tls_flush(tls);
		if (err == NJ_OK)
			err = socket_send(tls, data, (size_t)len, &sent);
	}
	if (err == NJ_OK)
		return (int)sent;
	if (err == NJ_ERR_AGAIN || err == NJ_ERR_LIMIT)
		BIO_set_retry_write(bio);
	return -1;
}

/* Looks at the first bytes of the stream before OpenSSL does: anything but the start of a ClientHello of bearable
 * length is refused at once, and costs no allocation. A hello may come byte by byte, but its first record holds at
 * least the handshake header: no client cuts it finer. */
static bool hello_head_plausible(struct nj_tls *tls, const char *data, size_t len)
{
	size_t room = sizeof tls->hello_head - tls->hello_head_len;
	size_t take = len < room ? len : room;
	if (take == 0)
		return true;
	memcpy(tls->hello_head + tls->hello_head_len, data, take);
	tls->hello_head_len += (uint8_t)take;
	struct nj_reader r = nj_reader_of(tls->hello_head, tls->hello_head_len);
	bool plausible = nj_read_u8(&r) == RECORD_HANDSHAKE;
	(void)nj_read_view(&r, RECORD_HEAD_BYTES - 1);
	uint32_t head = nj_read_u32(&r);
	if (nj_reader_end(&r) == NJ_OK)
		plausible &= head >> 24 == HANDSHAKE_CLIENT_HELLO && (head & 0xffffff) <= HELLO_MAX_BYTES;
	return plausible;
}

static bool input_bearable(struct nj_tls *tls, const char *data, size_t len)
{
	if (tls->finished)
		return true;
	tls->handshake_in_bytes += len;
	return hello_head_plausible(tls, data, len);
}

static int bio_read(BIO *bio, char *out, int cap)
{
	struct nj_tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (tls->refused || (!tls->finished && tls->handshake_in_bytes > HANDSHAKE_IN_MAX_BYTES)) {
		tls->refused = true;
		return -1;
	}
	ssize_t n;
	do
		n = recv(tls->fd, out, (size_t)cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		tls->refused = !input_bearable(tls, out, (size_t)n);
		return tls->refused ? -1 : (int)n;
	}
	if (n < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	else if (n < 0)
		tls->io_failed = true;
	else
		tls->eof = true;
	return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct nj_tls *tls = BIO_get_data(bio);
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return tls->eof;
	default:
		return 0;
	}
}

static enum nj_err make_method(void)
{
	int index = BIO_get_new_index();
	socket_method = index < 0 ? NULL : BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "nightjar socket");
	if (socket_method == NULL)
		return NJ_ERR_NO_MEMORY;
	BIO_meth_set_write(socket_method, bio_write);
	BIO_meth_set_read(socket_method, bio_read);
	BIO_meth_set_ctrl(socket_method, bio_ctrl);
	return NJ_OK;
}

/* The configuration file is an input that nobody checks; without it the machine's administrator cannot weaken or
 * break us by mistake, and the sandbox needs no path to it. */
enum nj_err nj_tls_init(void)
{
	if (socket_method != NULL)
		return NJ_OK;
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
				 OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
			     NULL) != 1)
		return NJ_ERR_CRYPTO;
	uint8_t seed[1];
	if (RAND_bytes(seed, sizeof seed) != 1)
		return NJ_ERR_CRYPTO;
	return make_method();
}

/* --- external PSK --- */

/* Counts what the callback supplied. A second hello (HelloRetryRequest) asks again: the same identity is one. */
static void note_supplied(struct nj_tls *tls, struct nj_view identity)
{
	const char *noted = tls->facts.psk_identity;
	if (tls->psk_identities == 1 && nj_view_equal(nj_view_str(noted), identity))
		return;
	tls->psk_identities = tls->psk_identities == 0 ? 1 : 2;
	memcpy(tls->facts.psk_identity, identity.data, identity.len);
	tls->facts.psk_identity[identity.len] = '\0';
}

static SSL_SESSION *session_of_key(SSL *ssl, const uint8_t key[NJ_TLS_PSK_BYTES])
{
	/* The suite stands for its hash alone: SHA-256 serves both suites that we allow. */
	static const unsigned char aes_128_gcm_sha256[] = { 0x13, 0x01 };
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
	SSL_SESSION *session = SSL_SESSION_new();
	if (session != NULL && cipher != NULL && SSL_SESSION_set1_master_key(session, key, NJ_TLS_PSK_BYTES) == 1 &&
	    SSL_SESSION_set_cipher(session, cipher) == 1 &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

/* RFC 8446 4.2.11. An identity that is not ours leaves *out_session NULL, which is no error: the next one is asked. */
static int find_psk(SSL *ssl, const unsigned char *identity, size_t len, SSL_SESSION **out_session)
{
	struct nj_tls *tls = SSL_get_app_data(ssl);
	*out_session = NULL;
	if (len == 0 || len > NJ_TLS_IDENTITY_MAX || memchr(identity, 0, len) != NULL)
		return 1;
	if (tls->psk_lookups >= PSK_LOOKUPS_MAX)
		return 1;
	tls->psk_lookups++;
	uint8_t key[NJ_TLS_PSK_BYTES];
	struct nj_view view = nj_view_of(identity, len);
	if (!tls->ctx->psk(tls->ctx->psk_arg, view, key))
		return 1;
	*out_session = session_of_key(ssl, key);
	OPENSSL_cleanse(key, sizeof key);
	if (*out_session == NULL)
		return 0;
	note_supplied(tls, view);
	return 1;
}

/* OpenSSL asks for a certificate only when no PSK was accepted: then there is nothing to go on with, and a stranger
 * does not even see our certificate. */
static int refuse_certificate(SSL *ssl, void *arg)
{
	return 0;
}

static int note_hello(SSL *ssl, int *alert, void *arg)
{
	struct nj_tls *tls = SSL_get_app_data(ssl);
	tls->hello_seen = true;
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* --- contexts --- */

static int no_passphrase(char *out, int cap, int writing, void *arg)
{
	return -1;
}

static bool use_chain(SSL_CTX *ssl_ctx, BIO *pem)
{
	X509 *leaf = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL);
	bool ok = leaf != NULL && SSL_CTX_use_certificate(ssl_ctx, leaf) == 1;
	X509_free(leaf);
	while (ok) {
		X509 *issuer = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL);
		if (issuer == NULL)
			break;
		ok = SSL_CTX_add0_chain_cert(ssl_ctx, issuer) == 1;
		if (!ok)
			X509_free(issuer);
	}
	return ok;
}

static enum nj_err load_certificate(SSL_CTX *ssl_ctx, const char *cert_pem, struct nj_why *why)
{
	BIO *pem = BIO_new_mem_buf(cert_pem, -1);
	bool ok = pem != NULL && use_chain(ssl_ctx, pem);
	BIO_free(pem);
	return ok ? NJ_OK : nj_why(why, NJ_ERR_CONFIG, "the server certificate is not a chain of PEM certificates");
}

static enum nj_err load_key(SSL_CTX *ssl_ctx, const char *key_pem, struct nj_why *why)
{
	BIO *pem = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *key = pem == NULL ? NULL : PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL);
	BIO_free(pem);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ssl_ctx, key) == 1 && SSL_CTX_check_private_key(ssl_ctx) == 1;
	EVP_PKEY_free(key);
	if (ok)
		return NJ_OK;
	return nj_why(why, NJ_ERR_CONFIG, "the server key is not an unencrypted PEM key of the server certificate");
}

static bool restrict_protocol(SSL_CTX *ssl_ctx)
{
	static const unsigned char session_context[] = "nightjar";
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(ssl_ctx, PSK_SUITES) == 1 && SSL_CTX_set1_groups_list(ssl_ctx, GROUPS) == 1 &&
	       SSL_CTX_set_num_tickets(ssl_ctx, 0) == 1 && SSL_CTX_set_max_early_data(ssl_ctx, 0) == 1 &&
	       SSL_CTX_set_recv_max_early_data(ssl_ctx, 0) == 1 &&
	       SSL_CTX_set_session_id_context(ssl_ctx, session_context, sizeof session_context - 1) == 1;
}

static void tune(SSL_CTX *ssl_ctx)
{
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One recv for a record's header and body, and for several small records. */
	SSL_CTX_set_read_ahead(ssl_ctx, 1);
}

static enum nj_err configure(struct nj_tls_ctx *ctx, const struct nj_tls_server_config *config, struct nj_why *why)
{
	ctx->ssl_ctx = SSL_CTX_new(TLS_server_method());
	if (ctx->ssl_ctx == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "OpenSSL cannot make a TLS context");
	if (!restrict_protocol(ctx->ssl_ctx))
		return nj_why(why, NJ_ERR_CRYPTO, "this OpenSSL lacks %s or %s", PSK_SUITES, GROUPS);
	tune(ctx->ssl_ctx);
	SSL_CTX_set_psk_find_session_callback(ctx->ssl_ctx, find_psk);
	SSL_CTX_set_cert_cb(ctx->ssl_ctx, refuse_certificate, NULL);
	SSL_CTX_set_client_hello_cb(ctx->ssl_ctx, note_hello, NULL);
	if (config->cert_pem == NULL && config->key_pem == NULL)
		return NJ_OK;
	if (config->cert_pem == NULL || config->key_pem == NULL)
		return nj_why(why, NJ_ERR_CONFIG, "a server certificate and its key go together");
	NJ_TRY(load_certificate(ctx->ssl_ctx, config->cert_pem, why));
	return load_key(ctx->ssl_ctx, config->key_pem, why);
}

enum nj_err nj_tls_server_ctx_new(const struct nj_tls_server_config *config, struct nj_tls_ctx **out_ctx,
				  struct nj_why *why)
{
	/* Without a PSK there would be no proof at all. */
	if (config->psk == NULL)
		return nj_why(why, NJ_ERR_USAGE, "a TLS server needs a way to look up keys");
	if (socket_method == NULL)
		return nj_why(why, NJ_ERR_STATE, "TLS is not initialised");
	struct nj_tls_ctx *ctx = calloc(1, sizeof *ctx);
	if (ctx == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "no memory for a TLS context");
	ctx->psk = config->psk;
	ctx->psk_arg = config->psk_arg;
	atomic_init(&ctx->references, 1);
	enum nj_err err = configure(ctx, config, why);
	ERR_clear_error();
	if (err != NJ_OK) {
		nj_tls_ctx_free(ctx);
		return err;
	}
	*out_ctx = ctx;
	return NJ_OK;
}

/* Connections hold references: a reload may free the context under them. */
void nj_tls_ctx_free(struct nj_tls_ctx *ctx)
{
	if (ctx == NULL || atomic_fetch_sub(&ctx->references, 1) != 1)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	free(ctx);
}

/* --- connections --- */

enum nj_err nj_tls_new(struct nj_tls_ctx *ctx, int fd, struct nj_tls **out_tls)
{
	struct nj_tls *tls = calloc(1, sizeof *tls);
	if (tls == NULL)
		return NJ_ERR_NO_MEMORY;
	atomic_fetch_add(&ctx->references, 1);
	tls->ctx = ctx;
	tls->fd = fd;
	nj_buf_init(&tls->held, HELD_MAX_BYTES);
	tls->ssl = SSL_new(ctx->ssl_ctx);
	BIO *bio = BIO_new(socket_method);
	if (tls->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		nj_tls_free(tls);
		return NJ_ERR_NO_MEMORY;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_accept_state(tls->ssl);
	*out_tls = tls;
	return NJ_OK;
}

void nj_tls_free(struct nj_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	nj_buf_done(&tls->held);
	nj_tls_ctx_free(tls->ctx);
	free(tls);
}

/* The fact behind a failed call, and an empty error queue for whoever comes next on this thread. */
static enum nj_err fact_of(struct nj_tls *tls, int result)
{
	int error = SSL_get_error(tls->ssl, result);
	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_NONE:
		return NJ_OK;
	case SSL_ERROR_WANT_READ:
		return NJ_ERR_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		return NJ_ERR_BUSY;
	case SSL_ERROR_ZERO_RETURN:
		return NJ_ERR_CLOSED;
	default:
		if (tls->eof)
			return NJ_ERR_CLOSED;
		return tls->io_failed ? NJ_ERR_IO : NJ_ERR_FORGED;
	}
}

static bool is_failure(enum nj_err err)
{
	return err != NJ_OK && err != NJ_ERR_AGAIN && err != NJ_ERR_BUSY;
}

/* Lets out what the call wrote, or buries it with the call. */
static enum nj_err settle(struct nj_tls *tls, enum nj_err err)
{
	tls->holding = false;
	if (is_failure(err)) {
		nj_buf_eat(&tls->held, nj_buf_len(&tls->held));
		nj_buf_release(&tls->held);
		return err;
	}
	enum nj_err flushed = nj_tls_flush(tls);
	return is_failure(flushed) ? flushed : err;
}

static void note_facts(struct nj_tls *tls)
{
	tls->finished = true;
	tls->facts.version = SSL_get_version(tls->ssl);
	tls->facts.cipher = SSL_get_cipher_name(tls->ssl);
	tls->facts.psk_bound =
	    SSL_session_reused(tls->ssl) == 1 && SSL_version(tls->ssl) == TLS1_3_VERSION && tls->psk_identities == 1;
	if (!tls->facts.psk_bound)
		tls->facts.psk_identity[0] = '\0';
}

enum nj_err nj_tls_handshake(struct nj_tls *tls)
{
	ERR_clear_error();
	tls->holding = true;
	enum nj_err err = settle(tls, fact_of(tls, SSL_do_handshake(tls->ssl)));
	if (err == NJ_OK)
		note_facts(tls);
	return err == NJ_ERR_BUSY ? NJ_ERR_AGAIN : err;
}

bool nj_tls_hello_seen(const struct nj_tls *tls)
{
	return tls->hello_seen;
}

enum nj_err nj_tls_read(struct nj_tls *tls, void *out, size_t cap, size_t *out_len)
{
	ERR_clear_error();
	tls->holding = true;
	return settle(tls, fact_of(tls, SSL_read_ex(tls->ssl, out, cap, out_len)));
}

enum nj_err nj_tls_write(struct nj_tls *tls, const void *data, size_t len, size_t *out_written)
{
	ERR_clear_error();
	enum nj_err err = fact_of(tls, SSL_write_ex(tls->ssl, data, len, out_written));
	return err == NJ_ERR_BUSY ? NJ_ERR_AGAIN : err;
}

void nj_tls_close_notify(struct nj_tls *tls)
{
	ERR_clear_error();
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

const struct nj_tls_facts *nj_tls_facts(const struct nj_tls *tls)
{
	return &tls->facts;
}
