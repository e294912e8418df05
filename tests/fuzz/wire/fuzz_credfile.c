/* What parses is written as one text, which parses to the same and is written as the same. */
#include "crypto/crypto.h"
#include "wire/credfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool same(const struct nj_credfile *a, const struct nj_credfile *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->customer, b->customer) == 0 &&
	       memcmp(a->uid, b->uid, sizeof(a->uid)) == 0 && memcmp(a->key, b->key, sizeof(a->key)) == 0 &&
	       a->epoch == b->epoch && strcmp(a->host, b->host) == 0 && a->knock_port == b->knock_port &&
	       memcmp(a->port, b->port, sizeof(a->port)) == 0 && a->counter == b->counter && a->attempt == b->attempt &&
	       strcmp(a->ca, b->ca) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[NJ_CREDFILE_MAX_BYTES];
	static char again_text[NJ_CREDFILE_MAX_BYTES];
	static struct nj_credfile file;
	static struct nj_credfile again;
	struct nj_why why = { "" };
	size_t len = 0;
	size_t again_len = 0;
	if (nj_credfile_parse((const char *)data, size, &file, &why) != NJ_OK) {
		check(why.text[0] != '\0');
		return 0;
	}
	check(nj_credfile_format(&file, text, sizeof(text), &len) == NJ_OK);
	check(nj_credfile_parse(text, len, &again, NULL) == NJ_OK);
	check(same(&file, &again));
	check(nj_credfile_format(&again, again_text, sizeof(again_text), &again_len) == NJ_OK);
	check(len == again_len && memcmp(text, again_text, len) == 0);
	return 0;
}
