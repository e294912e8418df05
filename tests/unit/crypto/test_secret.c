#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "crypto/secret.h"

static void test_sizes(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t lens[] = { 1, 31, 32, 33, page - 1, page, page + 1 };
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
		assert_int_equal(nj_secret_new(lens[i], &secret), NJ_OK);
		assert_int_equal(nj_secret_len(secret), lens[i]);
		for (size_t at = 0; at < lens[i]; at++)
			assert_int_equal(nj_secret_bytes(secret)[at], 0);
		memset(nj_secret_bytes(secret), 0x5a, lens[i]);
	}
	struct nj_secret *none = NULL;
	assert_int_equal(nj_secret_new(0, &none), NJ_ERR_RANGE);
	assert_int_equal(nj_secret_new(SIZE_MAX, &none), NJ_ERR_RANGE);
	assert_null(none);
	nj_secret_free(NULL);
}

/* Runs `touch` in a child; true when a signal ended it. */
static bool dies(void (*touch)(struct nj_secret *), struct nj_secret *secret)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		touch(secret);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status);
}

static void read_inherited(struct nj_secret *secret)
{
	*(volatile uint8_t *)nj_secret_bytes(secret);
}

static void write_past_end(struct nj_secret *ignored)
{
	struct nj_secret *secret = NULL;
	if (nj_secret_new(32, &secret) == NJ_OK)
		((volatile uint8_t *)nj_secret_bytes(secret))[nj_secret_len(secret)] = 1;
}

static void write_in_child(struct nj_secret *ignored)
{
	struct nj_secret *secret = NULL;
	if (nj_secret_new(32, &secret) == NJ_OK)
		((volatile uint8_t *)nj_secret_bytes(secret))[31] = 1;
}

static void test_guarded(void **state)
{
	NJ_CLEANUP_SECRET struct nj_secret *secret = NULL;
	assert_int_equal(nj_secret_new(32, &secret), NJ_OK);
	assert_false(dies(write_in_child, secret));
	assert_true(dies(write_past_end, secret));
	assert_true(dies(read_inherited, secret));
	nj_secret_bytes(secret)[0] = 1; /* still ours after the children */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_guarded),
	};
	if (nj_crypto_init() != NJ_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
