/*
 * What people bring as PEM: certificate requests, CAs and revocation lists. The first byte says what the rest is: the
 * text itself · DER that is wrapped as PEM · edits {u16 position, u8 xor}… of the DER of a good one, wrapped; and which
 * reader gets it. Held: nothing crashes, a request that is accepted gives a certificate that can be read again, a list
 * is never accepted but with the content that the CA has signed.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/crypto.h"
#include "crypto/x509.h"

#define NOW_S UINT64_C(1800000000)
#define DER_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum kind { REQUEST, CA, LIST, KINDS };

static const char *const labels[KINDS] = { "CERTIFICATE REQUEST", "CERTIFICATE", "X509 CRL" };

static struct {
	struct nj_x509_pair ca;
	uint8_t good[KINDS][DER_MAX];
	size_t lens[KINDS];
} fz;

/* assert() is compiled out of the optimised build that fuzzing uses. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static void keep_der(enum kind kind, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	unsigned char *der = NULL;
	char *name = NULL;
	char *header = NULL;
	long len = 0;

	must(PEM_read_bio(bio, &name, &header, &der, &len) == 1 && len > 0 && len <= DER_MAX);
	memcpy(fz.good[kind], der, (size_t)len);
	fz.lens[kind] = (size_t)len;
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct nj_x509_revoked revoked[] = { { "0102", NOW_S - 10 }, { "03", NOW_S - 5 } };
	struct nj_x509_pair request;
	char *list;

	must(nj_crypto_init() == NJ_OK && nj_x509_make_ca("ca", NOW_S, 30, &fz.ca) == NJ_OK);
	must(nj_x509_make_request("device", &request) == NJ_OK);
	must(nj_x509_make_list(&fz.ca, revoked, 2, NOW_S - 1, 7, &list) == NJ_OK);
	keep_der(REQUEST, request.cert_pem);
	keep_der(CA, fz.ca.cert_pem);
	keep_der(LIST, list);
	nj_x509_pair_done(&request);
	free(list);
	return 0;
}

static void try_request(const char *text)
{
	static const uint8_t uid[16];
	char serial[NJ_X509_SERIAL_BYTES];
	char *pem = NULL;

	if (nj_x509_issue_for_request(&fz.ca, text, "x", uid, NOW_S, 1, &pem) != NJ_OK)
		return;
	must(nj_x509_serial(pem, serial) == NJ_OK);
	free(pem);
}

static void try_text(enum kind kind, const char *text, bool may_be_list)
{
	struct nj_why why;

	if (kind == REQUEST)
		try_request(text);
	else if (kind == CA)
		(void)!nj_x509_check_ca(text, NOW_S, &why);
	else
		must(nj_x509_check_lists(text, fz.ca.cert_pem, NOW_S, &why) != NJ_OK || may_be_list);
	must(ERR_peek_error() == 0);
}

static void try_der(enum kind kind, const uint8_t *der, size_t len, bool may_be_list)
{
	char *text = NULL;

	if (len == 0)
		return;
	BIO *bio = BIO_new(BIO_s_mem());
	must(PEM_write_bio(bio, labels[kind], "", der, (long)len) > 0 && BIO_write(bio, "", 1) == 1);
	(void)BIO_get_mem_data(bio, &text);
	try_text(kind, text, may_be_list);
	BIO_free(bio);
}

/* Bytes of a DER head (X.690 8.1.3), with lengths of up to two bytes; the content's length goes to `out_len`. */
static size_t head_of(const uint8_t *der, size_t *out_len)
{
	*out_len = der[1] < 0x80 ? der[1] : der[1] == 0x81 ? der[2] : (size_t)(der[2] << 8 | der[3]);
	return der[1] < 0x80 ? 2 : der[1] == 0x81 ? 3 : 4;
}

/* The signed part is the first thing in the list. */
static bool signed_part_same(const uint8_t *list)
{
	size_t len = 0;
	size_t from = head_of(fz.good[LIST], &len);
	size_t head = head_of(fz.good[LIST] + from, &len);

	return memcmp(list + from, fz.good[LIST] + from, head + len) == 0;
}

static void try_edits(enum kind kind, const uint8_t *edits, size_t size)
{
	uint8_t der[DER_MAX];

	memcpy(der, fz.good[kind], fz.lens[kind]);
	for (size_t i = 0; i + 2 < size; i += 3)
		der[(size_t)(edits[i] << 8 | edits[i + 1]) % fz.lens[kind]] ^= edits[i + 2];
	try_der(kind, der, fz.lens[kind], kind == LIST && signed_part_same(der));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	enum kind kind = (enum kind)(data[0] % KINDS);
	char *text;

	switch (data[0] >> 6) {
	case 0:
		text = strndup((const char *)data + 1, size - 1);
		must(text != NULL);
		try_text(kind, text, false);
		free(text);
		break;
	case 1:
		try_der(kind, data + 1, size - 1, false);
		break;
	default:
		try_edits(kind, data + 1, size - 1);
	}
	return 0;
}
