/* docs/configuration.md holds the reference that the program prints. With --write, this program brings it up to date.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config/settings.h"
#include "base/file.h"

#define DOCUMENT NJ_TEST_DIR "/../docs/configuration.md"
#define DOCUMENT_MAX (256 * 1024)
#define BEGIN "<!-- reference: begin -->\n```yaml\n"
#define END "```\n<!-- reference: end -->\n"

/* The document with the program's reference between the marks. A new block. */
static char *written_anew(const char *document)
{
	const char *begin = strstr(document, BEGIN);
	const char *end = begin == NULL ? NULL : strstr(begin, END);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_non_null(begin);
	assert_non_null(end);
	begin += strlen(BEGIN);
	assert_int_equal(fwrite(document, 1, (size_t)(begin - document), out), begin - document);
	nj_settings_print_reference(out);
	fputs(end, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *document(void)
{
	char *text = NULL;
	size_t len = 0;
	struct nj_why why = { "" };

	if (nj_file_read(DOCUMENT, DOCUMENT_MAX, &text, &len, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return text;
}

static void the_page_shows_what_the_program_reads(void **state)
{
	char *there = document();
	char *anew = written_anew(there);

	(void)state;
	assert_string_equal(there, anew);
	free(there);
	free(anew);
}

/* A page that says how to write a gateway's file had better show one that works. */
static void the_block_is_a_configuration(void **state)
{
	char *there = document();
	const char *begin = strstr(there, BEGIN) + strlen(BEGIN);
	const char *end = strstr(begin, END);
	struct nj_settings settings;
	struct nj_why why = { "" };

	(void)state;
	if (nj_settings_parse("block", begin, (size_t)(end - begin), &settings, &why) != NJ_OK)
		fail_msg("%s", why.text);
	free(there);
}

static void write_page(void **state)
{
	char *there = document();
	char *anew = written_anew(there);
	struct nj_why why = { "" };

	(void)state;
	if (nj_file_write(DOCUMENT, anew, strlen(anew), 0644, &why) != NJ_OK)
		fail_msg("%s", why.text);
	free(there);
	free(anew);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_shows_what_the_program_reads),
		cmocka_unit_test(the_block_is_a_configuration),
	};
	const struct CMUnitTest writing[] = {
		cmocka_unit_test(write_page),
	};

	if (argc == 2 && strcmp(argv[1], "--write") == 0)
		return cmocka_run_group_tests(writing, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
