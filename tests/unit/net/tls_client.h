/*
 * An OpenSSL client over memory BIOs for the connection fixture: the test moves its bytes to the socket and back, so
 * that it can cut, spoil and count them.
 */
#ifndef NJ_TESTS_NET_TLS_CLIENT_H
#define NJ_TESTS_NET_TLS_CLIENT_H

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "unit/net/conn_fixture.h"

#define IDENTITY "00112233aabbccdd"
#define OTHER_IDENTITY "ffffffff00000000"
static const uint8_t right_key[NJ_TLS_PSK_BYTES] = { 1, 2, 3 };
static const uint8_t wrong_key[NJ_TLS_PSK_BYTES] = { 1, 2, 4 };

struct client_setup {
	const char *identity;        /* NULL: no PSK */
	const char *second_identity; /* after HelloRetryRequest; NULL: the same */
	const uint8_t *key;
	const char *suites;
	const char *groups;
	bool sha384;
	bool tls12;
	X509 *cert;
	EVP_PKEY *cert_key;
	SSL_SESSION *session;
};

struct client {
	struct client_setup setup;
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in;
	BIO *out;
	size_t received; /* bytes of the socket */
	int psk_asked;
	ssize_t end; /* what the socket said last, ≤ 0 */
};

static struct client c;

static SSL_SESSION *psk_session(SSL *ssl, const uint8_t *key, bool sha384)
{
	static const unsigned char sha256_suite[] = { 0x13, 0x01 };
	static const unsigned char sha384_suite[] = { 0x13, 0x02 };
	SSL_SESSION *session = SSL_SESSION_new();
	assert_int_equal(SSL_SESSION_set1_master_key(session, key, NJ_TLS_PSK_BYTES), 1);
	assert_int_equal(SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, sha384 ? sha384_suite : sha256_suite)),
			 1);
	assert_int_equal(SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION), 1);
	return session;
}

static int client_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **session)
{
	const char *identity = c.setup.identity;
	if (c.psk_asked++ > 0 && c.setup.second_identity != NULL)
		identity = c.setup.second_identity;
	*id = (const unsigned char *)identity;
	*id_len = strlen(identity);
	*session = psk_session(ssl, c.setup.key, c.setup.sha384);
	return 1;
}

static void client_start(struct client_setup setup)
{
	c = (struct client){ .setup = setup, .end = -EAGAIN };
	c.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(c.ctx, setup.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(c.ctx, setup.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	if (setup.suites != NULL)
		assert_int_equal(SSL_CTX_set_ciphersuites(c.ctx, setup.suites), 1);
	if (setup.groups != NULL)
		assert_int_equal(SSL_CTX_set1_groups_list(c.ctx, setup.groups), 1);
	if (setup.identity != NULL)
		SSL_CTX_set_psk_use_session_callback(c.ctx, client_psk);
	if (setup.cert != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(c.ctx, setup.cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(c.ctx, setup.cert_key), 1);
	}
	c.ssl = SSL_new(c.ctx);
	c.in = BIO_new(BIO_s_mem());
	c.out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(c.in, -1);
	SSL_set_bio(c.ssl, c.in, c.out);
	SSL_set_connect_state(c.ssl);
	if (setup.session != NULL)
		assert_int_equal(SSL_set_session(c.ssl, setup.session), 1);
}

static void client_done(void)
{
	SSL_free(c.ssl);
	SSL_CTX_free(c.ctx);
	c = (struct client){ 0 };
	ERR_clear_error();
}

/* The client's pending output, which the caller frees. */
static size_t client_take_output(uint8_t **out)
{
	size_t len = BIO_ctrl_pending(c.out);
	*out = malloc(len + 1);
	if (len > 0)
		assert_int_equal(BIO_read(c.out, *out, (int)len), len);
	return len;
}

static void client_push(void)
{
	uint8_t *bytes;
	size_t len = client_take_output(&bytes);
	/* The server may have hung up: that is for the test to see when it reads. */
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(s.client, bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		if (sent < len)
			turn();
	}
	free(bytes);
}

static void client_pull(void)
{
	static uint8_t bytes[65536];
	ssize_t n;
	while ((n = client_read(bytes, sizeof bytes)) > 0) {
		c.received += (size_t)n;
		assert_int_equal(BIO_write(c.in, bytes, (int)n), n);
	}
	c.end = n;
}

/* One flight of the client. True when its handshake is over. */
static bool client_step(void)
{
	ERR_clear_error();
	int done = SSL_do_handshake(c.ssl);
	client_push();
	return done == 1;
}

static void handshake(void)
{
	for (int i = 0; i < 20 && s.opens + s.closes == 0; i++) {
		(void)client_step();
		turns(2);
		client_pull();
	}
}

/* --- certificates --- */

static EVP_PKEY *test_key;
static X509 *test_cert;
static char test_key_pem[1024];
static char test_cert_pem[2048];

static void pem_text(BIO *pem, char *out, size_t cap)
{
	int n = BIO_read(pem, out, (int)cap - 1);
	assert_true(n > 0);
	out[n] = '\0';
	BIO_free(pem);
}

static int make_certificate(void **state)
{
	test_key = EVP_EC_gen("P-256");
	test_cert = X509_new();
	X509_set_version(test_cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(test_cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(test_cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(test_cert), 3600);
	X509_set_pubkey(test_cert, test_key);
	X509_NAME *name = X509_get_subject_name(test_cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(test_cert, name);
	X509_sign(test_cert, test_key, EVP_sha256());
	BIO *pem = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(pem, test_cert);
	pem_text(pem, test_cert_pem, sizeof test_cert_pem);
	pem = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(pem, test_key, NULL, NULL, 0, NULL, NULL);
	pem_text(pem, test_key_pem, sizeof test_key_pem);
	return nj_tls_init() == NJ_OK ? 0 : -1;
}

static int free_certificate(void **state)
{
	X509_free(test_cert);
	EVP_PKEY_free(test_key);
	return 0;
}

#endif
