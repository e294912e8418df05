#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

#include <errno.h>

static void every_fact_has_text_name_and_exit_code(void **state)
{
	for (int err = NJ_OK; err <= NJ_ERR_CRYPTO; err++) {
		const char *name = nj_err_name((enum nj_err)err);

		assert_true(strlen(nj_err_text((enum nj_err)err)) > 0);
		assert_true(strlen(name) > 0 && strlen(name) < 23);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		assert_int_equal(nj_err_exit_code((enum nj_err)err) == 0, err == NJ_OK);
	}
	assert_string_equal(nj_err_name(NJ_OK), "ok");
	assert_string_equal(nj_err_name(NJ_ERR_TOO_LARGE), "too-large");
	assert_string_equal(nj_err_name(NJ_ERR_CRYPTO), "crypto");
	assert_int_equal(nj_err_exit_code(NJ_ERR_CONFIG), EX_CONFIG);
}

static void what_is_no_fact_is_answered_all_the_same(void **state)
{
	enum nj_err beyond = (enum nj_err)(NJ_ERR_CRYPTO + 1);

	assert_string_equal(nj_err_name(beyond), "unknown");
	assert_string_equal(nj_err_text(beyond), "an unknown error");
	assert_int_equal(nj_err_exit_code(beyond), EX_SOFTWARE);
}

static void errnos(void **state)
{
	static const struct {
		int value;
		enum nj_err want;
	} rows[] = {
		{ 0, NJ_OK },
		{ ENOENT, NJ_ERR_NOT_FOUND },
		{ ENOSPC, NJ_ERR_FULL },
		{ EACCES, NJ_ERR_DENIED },
		{ EEXIST, NJ_ERR_EXISTS },
		{ EAGAIN, NJ_ERR_AGAIN },
		{ ENOMEM, NJ_ERR_NO_MEMORY },
		{ EIO, NJ_ERR_IO },
		{ 99999, NJ_ERR_IO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_err_from_errno(rows[i].value), rows[i].want);
}

static void why_is_cut_and_terminated(void **state)
{
	struct nj_why why;
	char longest[600];

	memset(longest, 'x', sizeof(longest));
	longest[599] = '\0';
	assert_int_equal(nj_why(NULL, NJ_ERR_IO, "%s", longest), NJ_ERR_IO);
	assert_int_equal(nj_why(&why, NJ_ERR_RANGE, "line %d", 7), NJ_ERR_RANGE);
	assert_string_equal(why.text, "line 7");
	assert_int_equal(nj_why(&why, NJ_ERR_RANGE, "%s", longest), NJ_ERR_RANGE);
	assert_int_equal(strlen(why.text), sizeof(why.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fact_has_text_name_and_exit_code),
		cmocka_unit_test(what_is_no_fact_is_answered_all_the_same),
		cmocka_unit_test(errnos),
		cmocka_unit_test(why_is_cut_and_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
