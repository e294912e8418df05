/*
 * A client certificate as the server's handshake judges it: what its subject says, and by what it is verified. The
 * first byte says what the rest is: a name (DER) in a certificate that is otherwise good, or a whole certificate (DER);
 * and whether somebody with such a name is known.
 *
 * Holds: what a subject is said to claim is printable, without spaces and short enough; nothing is accepted that the CA
 * has not signed.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/crypto.h"
#include "crypto/x509.h"
#include "net/tls_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct {
	struct nj_tls_ctx *ctx;
	struct nj_tls *tls;
	struct nj_tls_trust *trust;
	X509_STORE_CTX *store_ctx;
	X509 *good;
	X509 *named; /* the good one but for its subject */
	unsigned char *good_der;
	int good_len;
	bool known;
	int rejections;
} fz;

/* assert() is compiled out of the optimised build that fuzzing uses. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool find_key(void *arg, struct nj_view identity, uint8_t out_key[NJ_TLS_PSK_BYTES])
{
	return false;
}

static enum nj_tls_admission admit(void *arg, void *who)
{
	return NJ_TLS_FROM_12;
}

static void must_be_plain(const char *text)
{
	must(strnlen(text, NJ_TLS_IDENTITY_MAX + 1) <= NJ_TLS_IDENTITY_MAX);
	for (; *text != '\0'; text++)
		must(*text > ' ' && *text <= '~');
}

static const struct nj_tls_trust *trust_of(void *arg, void *who, const struct nj_tls_subject *subject)
{
	must_be_plain(subject->serial_number);
	must_be_plain(subject->common_name);
	return fz.known ? fz.trust : NULL;
}

static void rejected(void *arg, void *who, const char *reason)
{
	must(reason != NULL && reason[0] != '\0');
	fz.rejections++;
}

static X509 *read_pem(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return cert;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t uid[16] = { 1 };
	const struct nj_tls_certificates certificates = { .admit = admit, .trust = trust_of, .rejected = rejected };
	const struct nj_tls_server_config config = { .psk = find_key, .certificates = &certificates };
	const uint64_t now_s = nj_clock_wall_ms(nj_clock_system()) / 1000;
	struct nj_x509_pair ca;
	struct nj_x509_pair client;
	struct nj_why why;

	must(nj_crypto_init() == NJ_OK && nj_tls_init() == NJ_OK);
	must(nj_tls_server_ctx_new(&config, &fz.ctx, &why) == NJ_OK);
	must(nj_x509_make_ca("ca", now_s, 3650, &ca) == NJ_OK);
	must(nj_x509_issue_client(&ca, "d1", uid, now_s, 3650, &client) == NJ_OK);
	must(nj_tls_trust_new(ca.cert_pem, NULL, &fz.trust, &why) == NJ_OK);
	must(nj_tls_new(fz.ctx, 0, NULL, &fz.tls) == NJ_OK);
	fz.good = read_pem(client.cert_pem);
	fz.named = X509_dup(fz.good);
	fz.good_len = i2d_X509(fz.good, &fz.good_der);
	fz.store_ctx = X509_STORE_CTX_new();
	must(fz.good_len > 0 && fz.named != NULL && fz.store_ctx != NULL);
	nj_x509_pair_done(&ca);
	nj_x509_pair_done(&client);
	return 0;
}

/* As OpenSSL calls it when the peer's chain is there. */
static bool accepted(X509 *cert)
{
	int verdict;

	fz.rejections = 0;
	fz.tls->peer_certified = false;
	must(X509_STORE_CTX_init(fz.store_ctx, NULL, cert, NULL) == 1);
	X509_STORE_CTX_set_ex_data(fz.store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx(), fz.tls->ssl);
	verdict = nj_tls_on_verify(fz.store_ctx, NULL);
	X509_STORE_CTX_cleanup(fz.store_ctx);
	must(fz.rejections == (verdict == 1 ? 0 : 1) && fz.tls->peer_certified == (verdict == 1));
	return verdict == 1;
}

/* The holder that the CA has signed: the rest of the bytes may be written in more than one way. */
static bool is_good(X509 *cert)
{
	return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_subject_name(fz.good)) == 0 &&
	       ASN1_INTEGER_cmp(X509_get0_serialNumber(cert), X509_get0_serialNumber(fz.good)) == 0 &&
	       EVP_PKEY_eq(X509_get0_pubkey(cert), X509_get0_pubkey(fz.good)) == 1;
}

static void try_name(const uint8_t *der, size_t size)
{
	X509_NAME *name = d2i_X509_NAME(NULL, &der, (long)size);

	/* Encoded anew, or the signature would be held against the bytes that it was made for. */
	if (name != NULL && X509_set_subject_name(fz.named, name) == 1 && i2d_re_X509_tbs(fz.named, NULL) > 0)
		must(!accepted(fz.named) || is_good(fz.named));
	X509_NAME_free(name);
}

/* The good one, spoilt: {u16 position, u8 xor}… */
static void try_certificate(const uint8_t *edits, size_t size)
{
	unsigned char der[2048];
	const unsigned char *at = der;
	X509 *cert;

	must((size_t)fz.good_len <= sizeof(der));
	memcpy(der, fz.good_der, (size_t)fz.good_len);
	for (size_t i = 0; i + 2 < size; i += 3)
		der[(edits[i] << 8 | edits[i + 1]) % fz.good_len] ^= edits[i + 2];
	cert = d2i_X509(NULL, &at, fz.good_len);
	if (cert != NULL)
		must(!accepted(cert) || is_good(cert));
	X509_free(cert);
}

static void try_any(const uint8_t *der, size_t size)
{
	X509 *cert = d2i_X509(NULL, &der, (long)size);

	if (cert != NULL)
		must(!accepted(cert) || is_good(cert));
	X509_free(cert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* Seldom: a verification is public-key arithmetic. */
	fz.known = data[0] >= 0xf0;
	switch (data[0] % 8) {
	case 0:
		try_certificate(data + 1, size - 1);
		break;
	case 1:
		try_any(data + 1, size - 1);
		break;
	default:
		try_name(data + 1, size - 1);
	}
	ERR_clear_error();
	return 0;
}
