/* The alphabets against the standard's own tables, which tests/vectors/gsm7.txt holds as they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "sms/text/gsm7_tables.h"

#define VECTORS NJ_TEST_DIR "/vectors/gsm7.txt"
#define VECTORS_MAX (64 * 1024)
#define FIRST_INDIC 4
#define ESCAPE_TOKEN 0xFFFFFFFE

static uint32_t printed_locking[NJ_GSM7_LANGUAGES][NJ_GSM7_SEPTETS];
static uint32_t printed_single[NJ_GSM7_LANGUAGES][NJ_GSM7_SEPTETS];

static unsigned hex(const char *text)
{
	return (unsigned)strtoul(text, NULL, 16);
}

/* One word of a line: the code points from *out_first to *out_last. */
static void read_token(const char *token, uint32_t *out_first, uint32_t *out_last)
{
	static const struct {
		const char *name;
		uint32_t code;
	} names[] = { { "SP", ' ' },  { "LF", '\n' },          { "CR", '\r' },
		      { "FF", '\f' }, { "ESC", ESCAPE_TOKEN }, { "--", 0 } };
	size_t len = strlen(token);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(token, names[i].name) == 0) {
			*out_first = *out_last = names[i].code;
			return;
		}
	if (nj_utf8_decode(nj_view_str(token), out_first) == len) {
		*out_last = *out_first;
		return;
	}
	assert_true(len == 4 || (len == 9 && token[4] == '-'));
	*out_first = hex(token);
	*out_last = len == 9 ? hex(token + 5) : *out_first;
}

static void set(bool locking, unsigned language, unsigned at, uint32_t code)
{
	assert_true(at < NJ_GSM7_SEPTETS);
	(locking ? printed_locking : printed_single)[language][at] = code;
}

static void read_words(char *line, bool locking, unsigned first_language, unsigned last_language, unsigned at)
{
	for (char *word = line; *word != '\0';) {
		size_t len = strcspn(word, " \n");
		char next = word[len];
		uint32_t first = 0;
		uint32_t last = 0;
		word[len] = '\0';
		read_token(word, &first, &last);
		for (uint32_t code = first; code <= last; code++, at++)
			for (unsigned language = first_language; language <= last_language; language++)
				set(locking, language, at, code);
		word += len + (next != '\0');
	}
}

static void read_line(char *line)
{
	bool locking = strncmp(line, "locking ", 8) == 0;
	if (!locking && strncmp(line, "single ", 7) != 0)
		return;
	char *language = line + (locking ? 8 : 7);
	char *at = strchr(language, ' ') + 1;
	bool indic = strncmp(language, "indic", 5) == 0;
	unsigned number = indic ? FIRST_INDIC : (unsigned)strtoul(language, NULL, 10);
	read_words(strchr(at, ' ') + 1, locking, number, indic ? NJ_GSM7_LANGUAGES - 1 : number, hex(at));
}

static int read_vectors(void **state)
{
	char *text = NULL;
	size_t len = 0;
	assert_int_equal(nj_file_read(VECTORS, VECTORS_MAX, &text, &len, NULL), NJ_OK);
	for (char *line = text; line < text + len;) {
		char *end = strchr(line, '\n');
		*end = '\0';
		read_line(line);
		line = end + 1;
	}
	free(text);
	memcpy(printed_locking[NJ_GSM7_SPANISH], printed_locking[NJ_GSM7_DEFAULT], sizeof(printed_locking[0]));
	return 0;
}

static void tables_are_the_printed_ones(void **state)
{
	for (unsigned language = 0; language < NJ_GSM7_LANGUAGES; language++)
		for (unsigned i = 0; i < NJ_GSM7_SEPTETS; i++) {
			uint32_t printed = printed_locking[language][i];
			assert_int_equal(printed == ESCAPE_TOKEN, i == NJ_GSM7_ESCAPE);
			assert_int_equal(nj_gsm7_locking[language][i], printed == ESCAPE_TOKEN ? 0 : printed);
			assert_int_equal(nj_gsm7_single[language][i], printed_single[language][i]);
		}
}

static bool has(const uint16_t table[NJ_GSM7_SEPTETS], uint32_t code)
{
	for (unsigned i = 0; i < NJ_GSM7_SEPTETS; i++)
		if (table[i] == code)
			return true;
	return false;
}

/* Every code point there is: the index says of each just what the tables say. */
static void the_index_says_what_the_tables_say(void **state)
{
	static bool used[0x10000];
	for (unsigned language = 0; language < NJ_GSM7_LANGUAGES; language++)
		for (unsigned i = 0; i < NJ_GSM7_SEPTETS; i++)
			used[nj_gsm7_locking[language][i]] = used[nj_gsm7_single[language][i]] = true;
	for (uint32_t code = 1; code < 0x10000; code++) {
		uint16_t locking;
		uint16_t single;
		nj_gsm7_reach(code, &locking, &single);
		if (!used[code]) {
			assert_int_equal(locking | single, 0);
			continue;
		}
		for (unsigned language = 0; language < NJ_GSM7_LANGUAGES; language++) {
			assert_int_equal(locking >> language & 1, has(nj_gsm7_locking[language], code));
			assert_int_equal(single >> language & 1, has(nj_gsm7_single[language], code));
		}
	}
}

static void every_pair_of_tables_writes_and_reads(void **state)
{
	for (unsigned pair = 0; pair < NJ_GSM7_LANGUAGES * NJ_GSM7_LANGUAGES; pair++) {
		struct nj_gsm7_tables tables = { (uint8_t)(pair / NJ_GSM7_LANGUAGES),
						 (uint8_t)(pair % NJ_GSM7_LANGUAGES) };
		for (size_t i = 0; i < nj_gsm7_index_count; i++) {
			const struct nj_gsm7_reach *reach = &nj_gsm7_index[i];
			uint8_t septets[2];
			uint8_t utf8[8];
			uint32_t code = 0;
			size_t count = nj_gsm7_encode(tables, reach->code, septets);
			bool locks = (reach->locking >> tables.locking & 1) != 0;
			bool shifts = (reach->single >> tables.single & 1) != 0;
			assert_int_equal(count, locks ? 1 : shifts ? 2 : 0);
			if (count == 0)
				continue;
			struct nj_writer w = nj_writer_of(utf8, sizeof(utf8));
			nj_gsm7_decode(tables, nj_view_of(septets, count), &w);
			assert_int_equal(nj_utf8_decode(nj_view_of(utf8, w.pos), &code), w.pos);
			assert_int_equal(code, reach->code);
		}
	}
}

static void decodes_to(struct nj_gsm7_tables tables, const char *septets, const char *want)
{
	char utf8[64] = "";
	struct nj_writer w = nj_writer_of(utf8, sizeof(utf8) - 1);
	nj_gsm7_decode(tables, nj_view_str(septets), &w);
	utf8[w.pos] = '\0';
	assert_string_equal(utf8, want);
}

static void what_no_table_defines(void **state)
{
	struct nj_gsm7_tables plain = { 0, 0 };
	struct nj_gsm7_tables unknown = { 14, 255 };
	struct nj_gsm7_tables bengali = { NJ_GSM7_BENGALI, NJ_GSM7_BENGALI };
	decodes_to(plain,
		   "a\x1b"
		   "e",
		   "a€");
	decodes_to(plain,
		   "a\x1b"
		   "b",
		   "ab"); /* a receiver shows the character of the main table */
	decodes_to(plain,
		   "a\x1b\x1b"
		   "b",
		   "a b"); /* reserved for an extension table */
	decodes_to(plain, "a\x1b", "a ");
	decodes_to(unknown, "[\x1b<", "Ä[");
	decodes_to(bengali, "\x0c", "\xef\xbf\xbd");
	decodes_to(bengali, "\x1b\x60\x1b\x1a", "\xe0\xa7\x8e\xe0\xa7\xa7");
}

static void tags(void **state)
{
	enum nj_gsm7_language language;
	for (unsigned i = 0; i < NJ_GSM7_LANGUAGES; i++) {
		assert_int_equal(nj_gsm7_language_of(nj_view_str(nj_gsm7_language_tag(i)), &language), NJ_OK);
		assert_int_equal(language, i);
	}
	assert_int_equal(nj_gsm7_language_of(nj_view_str("de"), &language), NJ_ERR_NOT_FOUND);
	assert_string_equal(nj_gsm7_language_tag(NJ_GSM7_LANGUAGES), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_the_printed_ones),
		cmocka_unit_test(the_index_says_what_the_tables_say),
		cmocka_unit_test(every_pair_of_tables_writes_and_reads),
		cmocka_unit_test(what_no_table_defines),
		cmocka_unit_test(tags),
	};
	return cmocka_run_group_tests(tests, read_vectors, NULL);
}
