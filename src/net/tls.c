#include "net/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "net/tls_internal.h"

/* OpenSSL would allocate what a ClientHello claims, up to 128 KiB. Ours are under 1 KiB, browsers' under 2. */
#define HELLO_MAX_BYTES 8192
/* Everything that a peer may send before it has proved itself: two hellos and a Finished, generously. */
#define HANDSHAKE_IN_MAX_BYTES (32 * 1024)
/* Output that waits for the verdict of the call that made it, for more records, or for the socket. */
#define HELD_MAX_BYTES (80 * 1024)
#define RECORD_MAX_BYTES 16384              /* RFC 8446 5.1 */
#define GATHER_BYTES (4 * RECORD_MAX_BYTES) /* that leave in one write */
#define RECORD_HANDSHAKE 22
#define HANDSHAKE_CLIENT_HELLO 1

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
	if (tls->holding || tls->gathering) {
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
	(void)nj_read_view(&r, NJ_TLS_RECORD_HEAD_BYTES - 1);
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
	return tls->ctx->client || hello_head_plausible(tls, data, len);
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

struct nj_tls *nj_tls_of(SSL *ssl)
{
	return BIO_get_data(SSL_get_rbio(ssl));
}

bool nj_tls_ready(void)
{
	return socket_method != NULL;
}

/* --- connections --- */

enum nj_err nj_tls_new(struct nj_tls_ctx *ctx, int fd, void *who, struct nj_tls **out_tls)
{
	struct nj_tls *tls = calloc(1, sizeof *tls);
	if (tls == NULL)
		return NJ_ERR_NO_MEMORY;
	atomic_fetch_add(&ctx->references, 1);
	tls->ctx = ctx;
	tls->who = who;
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
	if (ctx->client)
		SSL_set_connect_state(tls->ssl);
	else
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
	free(tls->offer);
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

/* Without the extended master secret (RFC 7627) a TLS 1.2 session's keys can be made to agree with another's. */
static bool session_unique(const struct nj_tls *tls)
{
	return SSL_version(tls->ssl) == TLS1_3_VERSION || SSL_get_extms_support(tls->ssl) == 1;
}

static bool peer_certified(const struct nj_tls *tls)
{
	if (!tls->ctx->client)
		return tls->peer_certified;
	return SSL_get0_peer_certificate(tls->ssl) != NULL && SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

static const char *group_name(SSL *ssl)
{
	int id = SSL_get_shared_group(ssl, 0);
	const char *name = id <= 0 ? NULL : SSL_group_to_name(ssl, id);

	return name == NULL ? "" : name;
}

static void note_certificate(struct nj_tls *tls)
{
	const X509 *cert = tls->facts.certificate_bound ? SSL_get0_peer_certificate(tls->ssl) : NULL;
	const ASN1_INTEGER *serial = cert != NULL ? X509_get0_serialNumber(cert) : NULL;
	size_t most = (sizeof(tls->facts.certificate) - 1) / 2;

	tls->facts.certificate[0] = '\0';
	/* RFC 5280 4.1.2.2: no longer than 20 octets. */
	if (serial != NULL && ASN1_STRING_length(serial) > 0 && (size_t)ASN1_STRING_length(serial) <= most)
		nj_hex_encode(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial),
			      tls->facts.certificate);
}

static void note_facts(struct nj_tls *tls)
{
	bool reused = SSL_session_reused(tls->ssl) == 1;

	tls->finished = true;
	tls->facts.version = SSL_get_version(tls->ssl);
	tls->facts.cipher = SSL_get_cipher_name(tls->ssl);
	tls->facts.group = tls->ctx->client ? "" : group_name(tls->ssl);
	tls->facts.offer = tls->offer;
	tls->facts.psk_bound = reused && SSL_version(tls->ssl) == TLS1_3_VERSION && tls->psk_identities == 1;
	tls->facts.certificate_bound = !reused && peer_certified(tls) && session_unique(tls);
	note_certificate(tls);
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

static enum nj_err write_record(struct nj_tls *tls, const void *data, size_t len, size_t *out_written)
{
	ERR_clear_error();
	enum nj_err err = fact_of(tls, SSL_write_ex(tls->ssl, data, len, out_written));
	return err == NJ_ERR_BUSY ? NJ_ERR_AGAIN : err;
}

/* Records one after the other, that leave together. */
static enum nj_err write_records(struct nj_tls *tls, const uint8_t *data, size_t len, size_t *out_written)
{
	enum nj_err err = NJ_OK;
	size_t done = 0;
	tls->gathering = true;
	while (err == NJ_OK && done < len && done < GATHER_BYTES) {
		size_t n = 0;
		err = write_record(tls, data + done, len - done, &n);
		done += n;
	}
	tls->gathering = false;
	if (done == 0)
		return err;
	*out_written = done;
	err = nj_tls_flush(tls);
	return err == NJ_ERR_AGAIN ? NJ_OK : err;
}

enum nj_err nj_tls_write(struct nj_tls *tls, const void *data, size_t len, size_t *out_written)
{
	NJ_TRY(nj_tls_flush(tls));
	return len > RECORD_MAX_BYTES ? write_records(tls, data, len, out_written)
				      : write_record(tls, data, len, out_written);
}

size_t nj_tls_held_bytes(const struct nj_tls *tls)
{
	return tls->held.cap;
}

void nj_tls_close_notify(struct nj_tls *tls)
{
	ERR_clear_error();
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

enum nj_err nj_tls_export(struct nj_tls *tls, const char *label, void *out, size_t len)
{
	ERR_clear_error();
	int done = SSL_export_keying_material(tls->ssl, out, len, label, strlen(label), NULL, 0, 0);
	ERR_clear_error();
	return done == 1 ? NJ_OK : NJ_ERR_CRYPTO;
}

bool nj_tls_peer_revoked(const struct nj_tls *tls, const struct nj_tls_trust *trust)
{
	X509 *cert = tls->facts.certificate_bound ? SSL_get0_peer_certificate(tls->ssl) : NULL;

	return cert != NULL && nj_tls_trust_lists(trust, cert);
}

void nj_tls_forget_offer(struct nj_tls *tls)
{
	free(tls->offer);
	tls->offer = NULL;
	tls->facts.offer = NULL;
}

const struct nj_tls_facts *nj_tls_facts(const struct nj_tls *tls)
{
	return &tls->facts;
}
