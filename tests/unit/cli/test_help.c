/* What is written from the table of subcommands, and that the table keeps its own rules. */
#include "cli/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

static char *written(void (*write)(FILE *out))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	write(out);
	fclose(out);
	return text;
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < nj_command_count; i++) {
		const struct nj_command *command = &nj_commands[i];

		assert_non_null(command->run);
		for (size_t j = 0; j < command->set.option_count; j++) {
			const struct nj_option *option = &command->set.options[j];

			assert_int_equal(option->argument == NULL, option->type == NJ_OPTION_FLAG);
			assert_int_equal(option->max > 0, option->type == NJ_OPTION_NUMBER);
			for (size_t k = 0; k < j; k++)
				assert_string_not_equal(command->set.options[k].name, option->name);
		}
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(nj_commands[k].path, command->path);
	}
}

static void test_pages_are_narrow(void **state)
{
	(void)state;
	for (size_t i = 0; i < nj_command_count; i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);

		nj_help_command(out, &nj_commands[i]);
		fclose(out);
		for (const char *line = strchr(text, '\n'); line != NULL; line = strchr(line + 1, '\n'))
			assert_true(strcspn(line + 1, "\n") <= 84); /* columns; a few characters take three bytes */
		free(text);
	}
}

/* packaging/nightjar.1 is what `nightjar help --man` writes: run it again when this fails. */
static void test_manual_is_current(void **state)
{
	char *text = written(nj_help_manual);
	NJ_CLEANUP_FREE char *packaged = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(nj_file_read(NJ_TEST_DIR "/../packaging/nightjar.1", 1 << 20, &packaged, &len, NULL), NJ_OK);
	assert_string_equal(text, packaged);
	free(text);
}

static void test_completion(void **state)
{
	char *text = written(nj_help_bash);

	(void)state;
	for (size_t i = 0; i < nj_command_count; i++) {
		char row[128];

		snprintf(row, sizeof(row), "\t\"%s\") words=\"--help", nj_commands[i].path);
		assert_non_null(strstr(text, row));
	}
	free(text);
}

static void test_wrap(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	nj_help_wrap(out, "one two three\n\nfour", 2, 9);
	fclose(out);
	assert_string_equal(text, "  one two\n  three\n\n  four\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_pages_are_narrow),
		cmocka_unit_test(test_manual_is_current),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
