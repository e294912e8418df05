#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/handles.h"
#include "net/channel.h"

static struct nj_handle handle(uint8_t kind, uint16_t service)
{
	struct nj_handle h = { .kind = kind, .service = service, .fd = open("/dev/null", O_RDONLY | O_CLOEXEC) };

	assert_true(h.fd >= 0);
	return h;
}

static void fill(struct nj_handles *handles)
{
	handles->count = 0;
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_CONFIG, 0)), NJ_OK);
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_LISTENER, 1)), NJ_OK);
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_HOLD, 1)), NJ_OK);
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_KNOCK, 0)), NJ_OK);
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_CLOAK, 0)), NJ_OK);
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_PROGRAM, 0)), NJ_OK);
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_KEEPER_SOCK, 0)), NJ_OK);
	assert_int_equal(nj_handles_add(handles, handle(NJ_HANDLE_ADMIN_SOCK, 0)), NJ_OK);
}

static void pass(const struct nj_handles *from, int role, struct nj_handles *to)
{
	int pair[2];

	assert_int_equal(nj_channel_pair(pair), NJ_OK);
	assert_int_equal(nj_handles_send(pair[0], from, role), NJ_OK);
	assert_int_equal(nj_handles_receive(pair[1], to), NJ_OK);
	close(pair[0]);
	close(pair[1]);
}

/* What each role is entitled to, and nothing else: the gateway gets no map, no knock socket, no program. */
static void test_roles(void **state)
{
	struct nj_handles all = { 0 };
	struct nj_handles got = { 0 };

	(void)state;
	fill(&all);
	pass(&all, NJ_ROLE_GATEWAY, &got);
	assert_int_equal(got.count, 3);
	assert_true(nj_handles_find(&got, NJ_HANDLE_CONFIG) >= 0);
	assert_true(nj_handles_find(&got, NJ_HANDLE_LISTENER) >= 0);
	assert_true(nj_handles_find(&got, NJ_HANDLE_ADMIN_SOCK) >= 0);
	nj_handles_close(&got);

	pass(&all, NJ_ROLE_KEEPER, &got);
	assert_int_equal(got.count, 4);
	assert_true(nj_handles_find(&got, NJ_HANDLE_KNOCK) >= 0);
	assert_true(nj_handles_find(&got, NJ_HANDLE_CLOAK) >= 0);
	assert_true(nj_handles_find(&got, NJ_HANDLE_KEEPER_SOCK) >= 0);
	assert_int_equal(nj_handles_find(&got, NJ_HANDLE_LISTENER), -1);
	assert_int_equal(nj_handles_find(&got, NJ_HANDLE_PROGRAM), -1);
	nj_handles_close(&got);

	pass(&all, 0, &got);
	assert_int_equal(got.count, all.count);
	nj_handles_close(&got);
	nj_handles_close(&all);
}

static void test_facts_survive(void **state)
{
	struct nj_handles all = { 0 };
	struct nj_handles got = { 0 };
	struct nj_handle h = handle(NJ_HANDLE_LISTENER, 1);

	(void)state;
	assert_int_equal(nj_addr_parse("[2001:db8::1]:8883", &h.addr), NJ_OK);
	h.index = 3;
	assert_int_equal(nj_handles_add(&all, h), NJ_OK);
	pass(&all, 0, &got);
	assert_int_equal(got.at[0].index, 3);
	assert_int_equal(got.at[0].service, 1);
	assert_true(nj_addr_same_host(&got.at[0].addr, &h.addr));
	assert_int_equal(got.at[0].addr.port, 8883);
	nj_handles_close(&got);
	nj_handles_close(&all);
}

static void test_limit(void **state)
{
	struct nj_handles all = { 0 };

	(void)state;
	for (size_t i = 0; i < NJ_HANDLES_MAX; i++)
		assert_int_equal(nj_handles_add(&all, handle(NJ_HANDLE_LISTENER, 1)), NJ_OK);
	struct nj_handle one_more = handle(NJ_HANDLE_LISTENER, 1);
	assert_int_equal(nj_handles_add(&all, one_more), NJ_ERR_LIMIT);
	assert_int_equal(fcntl(one_more.fd, F_GETFD), -1);
	struct nj_handles got = { 0 };
	pass(&all, 0, &got);
	assert_int_equal(got.count, NJ_HANDLES_MAX);
	nj_handles_close(&got);
	nj_handles_close(&all);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[27];
		size_t len;
	} rows[] = {
		{ "unknown kind", { 99 }, 26 },
		{ "kind 0", { 0 }, 26 },
		{ "cut short", { NJ_HANDLE_LISTENER }, 25 },
		{ "trailing byte", { NJ_HANDLE_LISTENER }, 27 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_handle h = handle(NJ_HANDLE_LISTENER, 1);
		struct nj_handles got = { 0 };
		int pair[2];
		assert_int_equal(nj_channel_pair(pair), NJ_OK);
		assert_int_equal(nj_channel_send_fds(pair[0], nj_view_of(rows[i].bytes, rows[i].len), &h.fd, 1), NJ_OK);
		if (nj_handles_receive(pair[1], &got) == NJ_OK)
			fail_msg("%s: was accepted", rows[i].what);
		assert_int_equal(got.count, 0);
		close(pair[0]);
		close(pair[1]);
		close(h.fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_facts_survive),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
