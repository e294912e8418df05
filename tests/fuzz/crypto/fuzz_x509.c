/* What people bring as PEM: certificate requests, CAs and revocation lists. Nothing crashes, and a request that is
 * accepted gives a certificate that can be read again. The first byte chooses the reader. */
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "crypto/x509.h"

#define NOW_S UINT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(const struct nj_x509_pair *ca, const char *text)
{
	static const uint8_t uid[16];
	char serial[NJ_X509_SERIAL_BYTES];
	char *pem = NULL;

	if (nj_x509_issue_for_request(ca, text, "x", uid, NOW_S, 1, &pem) != NJ_OK)
		return;
	if (nj_x509_serial(pem, serial) != NJ_OK)
		abort();
	free(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nj_x509_pair ca;
	struct nj_why why;
	char *text;

	if (ca.cert_pem == NULL && (nj_crypto_init() != NJ_OK || nj_x509_make_ca("ca", NOW_S, 30, &ca) != NJ_OK))
		return 0;
	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (text == NULL)
		return 0;
	if (data[0] % 3 == 0)
		try_request(&ca, text);
	else if (data[0] % 3 == 1)
		(void)!nj_x509_check_ca(text, NOW_S, &why);
	else
		(void)!nj_x509_check_lists(text, ca.cert_pem, NOW_S, &why);
	free(text);
	return 0;
}
