/* Knocks before connections, and the one-time keys that come of them. */
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "load.h"
#include "wire/credfile.h"
#include "wire/knock.h"

#define WAIT_MS 150 /* until a door is open: the burn is committed in groups */

static void read_credentials(const struct plan *plan, uint32_t number, struct nj_credfile *out)
{
	char path[512];
	struct nj_why why = { "" };
	char *text = NULL;
	size_t len = 0;
	snprintf(path, sizeof(path), "%s/device-%u.cred", plan->credentials, number);
	if (nj_file_read(path, NJ_CREDFILE_MAX_BYTES, &text, &len, &why) != NJ_OK ||
	    nj_credfile_parse(text, len, out, &why) != NJ_OK) {
		fprintf(stderr, "load: %s: %s\n", path, why.text);
		exit(1);
	}
	free(text);
}

static void knock(const struct plan *plan, int fd, struct conn *conn, const struct nj_credfile *credentials)
{
	struct nj_knock_keys keys;
	struct nj_knock_body body = { .version = NJ_KNOCK_VERSION, .service = NJ_SERVICE_MQTTS };
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES];
	uint8_t datagram[NJ_KNOCK_BYTES];
	memcpy(body.uid, credentials->uid, sizeof(body.uid));
	nj_random_fill(nj_random_system(), fresh, sizeof(fresh));
	nj_knock_derive(credentials->key, credentials->uid, &keys);
	nj_knock_seal(&keys, plan->knock_counter, fresh, &body, datagram);
	nj_knock_psk(&keys, datagram, conn->psk);
	if (!plan->certificate)
		nj_hex_encode(datagram, NJ_KNOCK_HINT_BYTES, conn->identity);
	if (send(fd, datagram, sizeof(datagram), 0) != (ssize_t)sizeof(datagram))
		load_die("knock");
}

static X509 *cert_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return cert;
}

static EVP_PKEY *key_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return key;
}

static void take_certificate(struct conn *conn, const struct nj_credfile *credentials)
{
	conn->cert = cert_of(credentials->cert);
	conn->key = key_of(credentials->cert_key);
	if (conn->cert == NULL || conn->key == NULL) {
		fputs("load: the credentials hold no certificate\n", stderr);
		exit(1);
	}
}

void knock_for(struct conn *conns, uint32_t count)
{
	const struct plan *plan = conns[0].worker->plan;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)strtoul(plan->knock_port, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, plan->host, &to.sin_addr) != 1 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		load_die("knock");
	for (uint32_t i = 0; i < count; i++) {
		struct nj_credfile credentials;
		uint32_t all = conns[i].index + (conns[i].publisher ? 0 : plan->publishers);
		read_credentials(plan, all + 1, &credentials);
		knock(plan, fd, &conns[i], &credentials);
		if (plan->certificate)
			take_certificate(&conns[i], &credentials);
		nj_credfile_wipe(&credentials);
	}
	close(fd);
	usleep(WAIT_MS * 1000);
}
