#include "identity/passphrase.h"

#include "base/text.h"
#include "identity/words.h"

_Static_assert(NJ_PASSPHRASE_MADE_BYTES >= NJ_PASSPHRASE_WORDS * NJ_WORD_BYTES, "words with their blanks fit");
_Static_assert(NJ_WORD_COUNT == 2048, "a word is eleven bits of a random number");

void nj_passphrase_params_new(struct nj_random *random, uint32_t memory_kib, uint32_t passes,
			      struct nj_passphrase_params *out_params)
{
	nj_random_fill(random, out_params->salt, sizeof(out_params->salt));
	out_params->memory_kib = memory_kib != 0 ? memory_kib : NJ_PASSPHRASE_MEMORY_KIB;
	out_params->passes = passes != 0 ? passes : NJ_PASSPHRASE_PASSES;
}

enum nj_err nj_passphrase_params_check(const struct nj_passphrase_params *params)
{
	if (params->memory_kib < NJ_PASSPHRASE_MEMORY_MIN_KIB || params->memory_kib > NJ_PASSPHRASE_MEMORY_MAX_KIB)
		return NJ_ERR_RANGE;
	return params->passes >= 1 && params->passes <= NJ_PASSPHRASE_PASSES_MAX ? NJ_OK : NJ_ERR_RANGE;
}

void nj_passphrase_params_write(const struct nj_passphrase_params *params, uint8_t out[NJ_PASSPHRASE_PARAMS_BYTES])
{
	struct nj_writer w = nj_writer_of(out, NJ_PASSPHRASE_PARAMS_BYTES);

	nj_write_bytes(&w, params->salt, sizeof(params->salt));
	nj_write_u32(&w, params->memory_kib);
	nj_write_u32(&w, params->passes);
}

enum nj_err nj_passphrase_params_read(struct nj_view bytes, struct nj_passphrase_params *out_params)
{
	struct nj_reader r = nj_reader_of(bytes.data, bytes.len);
	struct nj_passphrase_params params;

	nj_read_bytes(&r, params.salt, sizeof(params.salt));
	params.memory_kib = nj_read_u32(&r);
	params.passes = nj_read_u32(&r);
	NJ_TRY(nj_reader_end(&r));
	NJ_TRY(nj_passphrase_params_check(&params));
	*out_params = params;
	return NJ_OK;
}

void nj_passphrase_make(struct nj_random *random, char out[NJ_PASSPHRASE_MADE_BYTES])
{
	size_t at = 0;

	for (size_t i = 0; i < NJ_PASSPHRASE_WORDS; i++) {
		const char *word = nj_words[nj_random_u64(random) & (NJ_WORD_COUNT - 1)];
		size_t len = strlen(word);

		if (i > 0)
			out[at++] = ' ';
		memcpy(out + at, word, len);
		at += len;
	}
	out[at] = '\0';
}

static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

enum nj_err nj_passphrase_check(const char *passphrase)
{
	size_t len = strlen(passphrase);

	if (!nj_utf8_valid(nj_view_of(passphrase, len)))
		return NJ_ERR_MALFORMED;
	return len <= NJ_PASSPHRASE_MAX_BYTES && characters(passphrase) >= NJ_PASSPHRASE_MIN_CHARACTERS ? NJ_OK
													: NJ_ERR_RANGE;
}

/* One blank between words, none at the ends. */
static size_t tidy(const char *passphrase, char out[NJ_PASSPHRASE_MAX_BYTES])
{
	size_t len = 0;

	for (const char *at = passphrase; *at != '\0'; at++) {
		bool blank = *at == ' ' || *at == '\t';

		if (!blank)
			out[len++] = *at;
		else if (len > 0 && out[len - 1] != ' ')
			out[len++] = ' ';
	}
	return len > 0 && out[len - 1] == ' ' ? len - 1 : len;
}

enum nj_err nj_passphrase_key(const struct nj_passphrase_params *params, const char *passphrase,
			      uint8_t out_key[NJ_KEY_BYTES])
{
	char tidied[NJ_PASSPHRASE_MAX_BYTES];
	enum nj_err err;

	NJ_TRY(nj_passphrase_params_check(params));
	if (strlen(passphrase) > sizeof(tidied))
		return NJ_ERR_RANGE;
	err = nj_argon2id(nj_view_of(tidied, tidy(passphrase, tidied)), params->salt, params->memory_kib,
			  params->passes, out_key);
	nj_wipe(tidied, sizeof(tidied));
	return err;
}
