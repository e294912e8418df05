#include "sms/text/gsm7_tables.h"

#include "base/text.h"

#define REPLACEMENT 0xFFFD

/* By enum nj_gsm7_language. */
static const char *const tags[NJ_GSM7_LANGUAGES] = { "",   "tr", "es", "pt", "bn", "gu", "hi",
						     "kn", "ml", "or", "pa", "ta", "te", "ur" };

const char *nj_gsm7_language_tag(unsigned language)
{
	return language < NJ_GSM7_LANGUAGES ? tags[language] : "";
}

enum nj_err nj_gsm7_language_of(struct nj_view tag, enum nj_gsm7_language *out)
{
	for (unsigned i = 0; i < NJ_GSM7_LANGUAGES; i++)
		if (nj_view_equal(tag, nj_view_str(tags[i]))) {
			*out = (enum nj_gsm7_language)i;
			return NJ_OK;
		}
	return NJ_ERR_NOT_FOUND;
}

static unsigned known(unsigned language)
{
	return language < NJ_GSM7_LANGUAGES ? language : NJ_GSM7_DEFAULT;
}

/* ASCII stands whole in the index, behind three control characters. */
#define PRINTABLE_AT 3

static size_t place_of(uint32_t code)
{
	size_t low = 0;
	size_t high = nj_gsm7_index_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (nj_gsm7_index[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void nj_gsm7_reach(uint32_t code, uint16_t *out_locking, uint16_t *out_single)
{
	size_t at = code >= ' ' && code <= '~' ? code - ' ' + PRINTABLE_AT : place_of(code);
	bool found = at < nj_gsm7_index_count && nj_gsm7_index[at].code == code;
	*out_locking = found ? nj_gsm7_index[at].locking : 0;
	*out_single = found ? nj_gsm7_index[at].single : 0;
}

static bool find(const uint16_t table[NJ_GSM7_SEPTETS], uint32_t code, uint8_t *out)
{
	/* Most of ASCII stands in the same place. */
	if (code < NJ_GSM7_SEPTETS && table[code] == code && code != 0) {
		*out = (uint8_t)code;
		return true;
	}
	for (unsigned i = 0; i < NJ_GSM7_SEPTETS; i++)
		if (table[i] == code && code != 0) {
			*out = (uint8_t)i;
			return true;
		}
	return false;
}

size_t nj_gsm7_encode(struct nj_gsm7_tables tables, uint32_t code, uint8_t out[2])
{
	if (find(nj_gsm7_locking[known(tables.locking)], code, &out[0]))
		return 1;
	if (!find(nj_gsm7_single[known(tables.single)], code, &out[1]))
		return 0;
	out[0] = NJ_GSM7_ESCAPE;
	return 2;
}

void nj_gsm7_decode(struct nj_gsm7_tables tables, struct nj_view septets, struct nj_writer *utf8)
{
	const uint16_t *locking = nj_gsm7_locking[known(tables.locking)];
	const uint16_t *single = nj_gsm7_single[known(tables.single)];
	for (size_t i = 0; i < septets.len; i++) {
		uint8_t septet = septets.data[i] & (NJ_GSM7_SEPTETS - 1);
		uint32_t code = locking[septet];
		if (septet == NJ_GSM7_ESCAPE) {
			uint8_t next = ++i < septets.len ? septets.data[i] & (NJ_GSM7_SEPTETS - 1) : NJ_GSM7_ESCAPE;
			code = single[next] != 0 ? single[next] : locking[next];
			code = next == NJ_GSM7_ESCAPE ? ' ' : code;
		}
		nj_utf8_write(utf8, code != 0 ? code : REPLACEMENT);
	}
}
