/* The classic cloak on real sockets of the loopback: no privilege is needed for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "keeper/cloak/cbpf.h"

#define SECOND UINT64_C(1000000000)

struct world {
	struct nj_cloak_listener listeners[2]; /* IPv4, IPv6 */
	size_t count;
	struct nj_cloak *cloak;
};

static bool listen_on(const char *text, struct nj_cloak_listener *out)
{
	struct sockaddr_storage sa;
	struct nj_why why;
	socklen_t len;

	assert_int_equal(nj_addr_parse(text, &out->addr), NJ_OK);
	len = nj_addr_to_sockaddr(&out->addr, &sa);
	out->fd = socket(sa.ss_family, SOCK_STREAM, 0);
	if (out->fd < 0 || bind(out->fd, (struct sockaddr *)&sa, len) != 0)
		return false;
	len = sizeof(sa);
	assert_int_equal(getsockname(out->fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, len, &out->addr), NJ_OK);
	assert_int_equal(nj_cloak_cbpf_shut(out->fd, &why), NJ_OK);
	assert_int_equal(listen(out->fd, 16), 0);
	return true;
}

static int setup(void **state)
{
	static struct world w;

	w = (struct world){ 0 };
	assert_true(listen_on("127.0.0.1", &w.listeners[w.count++]));
	if (listen_on("::1", &w.listeners[w.count]))
		w.count++;
	assert_int_equal(nj_cloak_cbpf_new(w.listeners, w.count, &w.cloak), NJ_OK);
	assert_int_equal(w.cloak->ops->clear(w.cloak), NJ_OK);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < w->count; i++)
		close(w->listeners[i].fd);
	w->cloak->ops->free(w->cloak);
	return 0;
}

/* A connection from `from`, or -1 when nothing answers. */
static int enter(const struct nj_cloak_listener *to, const char *from)
{
	struct sockaddr_storage sa;
	struct nj_addr source;
	struct pollfd entry;
	socklen_t len;

	assert_int_equal(nj_addr_parse(from, &source), NJ_OK);
	len = nj_addr_to_sockaddr(&source, &sa);
	entry = (struct pollfd){ .fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0), .events = POLLOUT };
	assert_int_equal(bind(entry.fd, (struct sockaddr *)&sa, len), 0);
	len = nj_addr_to_sockaddr(&to->addr, &sa);
	if (connect(entry.fd, (struct sockaddr *)&sa, len) == 0 ||
	    (errno == EINPROGRESS && poll(&entry, 1, 60) == 1 && (entry.revents & POLLERR) == 0))
		return entry.fd;
	close(entry.fd);
	return -1;
}

static bool may_enter(const struct nj_cloak_listener *to, const char *from)
{
	int fd = enter(to, from);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static enum nj_err grant(struct world *w, const char *from, uint8_t prefix, uint16_t port, uint64_t expires)
{
	struct nj_addr source;

	assert_int_equal(nj_addr_parse(from, &source), NJ_OK);
	return w->cloak->ops->open(w->cloak, &source, prefix, port, expires);
}

static enum nj_err end_grant(struct world *w, const char *from, uint8_t prefix, uint16_t port)
{
	struct nj_addr source;

	assert_int_equal(nj_addr_parse(from, &source), NJ_OK);
	return w->cloak->ops->shut(w->cloak, &source, prefix, port);
}

static void test_a_grant_opens_for_its_source_alone(void **state)
{
	struct world *w = *state;
	const struct nj_cloak_listener *v4 = &w->listeners[0];

	assert_false(may_enter(v4, "127.0.0.2"));
	assert_int_equal(grant(w, "127.0.0.2", 128, v4->addr.port, SECOND), NJ_OK);
	assert_true(may_enter(v4, "127.0.0.2"));
	assert_false(may_enter(v4, "127.0.0.3"));
	assert_int_equal(end_grant(w, "127.0.0.2", 128, v4->addr.port), NJ_OK);
	assert_false(may_enter(v4, "127.0.0.2"));
}

static void test_a_grant_of_another_port_does_not_count(void **state)
{
	struct world *w = *state;
	const struct nj_cloak_listener *v4 = &w->listeners[0];

	assert_int_equal(grant(w, "127.0.0.2", 128, (uint16_t)(v4->addr.port ^ 1), SECOND), NJ_OK);
	assert_false(may_enter(v4, "127.0.0.2"));
}

static void test_prefixes(void **state)
{
	struct world *w = *state;
	const struct nj_cloak_listener *v4 = &w->listeners[0];

	assert_int_equal(grant(w, "127.0.1.9", 96 + 23, v4->addr.port, SECOND), NJ_OK);
	assert_true(may_enter(v4, "127.0.0.0"));
	assert_true(may_enter(v4, "127.0.1.255"));
	assert_false(may_enter(v4, "127.0.2.0"));
	assert_int_equal(grant(w, "127.0.1.9", 96, v4->addr.port, SECOND), NJ_ERR_RANGE);
}

static void test_ipv6(void **state)
{
	struct world *w = *state;

	if (w->count < 2)
		skip();
	const struct nj_cloak_listener *v6 = &w->listeners[1];
	assert_false(may_enter(v6, "::1"));
	assert_int_equal(grant(w, "::2", 128, v6->addr.port, SECOND), NJ_OK);
	assert_false(may_enter(v6, "::1"));
	assert_int_equal(grant(w, "::3", 126, v6->addr.port, SECOND), NJ_OK);
	assert_true(may_enter(v6, "::1"));
	assert_int_equal(end_grant(w, "::3", 126, v6->addr.port), NJ_OK);
	assert_int_equal(grant(w, "1::1", 128, v6->addr.port, SECOND), NJ_OK);
	assert_false(may_enter(v6, "::1"));
	assert_int_equal(grant(w, "::1", 128, v6->addr.port, SECOND), NJ_OK);
	assert_true(may_enter(v6, "::1"));
}

static void test_an_accepted_connection_is_never_cut(void **state)
{
	struct world *w = *state;
	const struct nj_cloak_listener *v4 = &w->listeners[0];
	char byte = 'x';

	assert_int_equal(grant(w, "127.0.0.2", 128, v4->addr.port, SECOND), NJ_OK);
	int fd = enter(v4, "127.0.0.2");
	assert_true(fd >= 0);
	int accepted = accept(v4->fd, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(w->cloak->ops->clear(w->cloak), NJ_OK);
	assert_int_equal(send(fd, &byte, 1, 0), 1);
	struct pollfd entry = { .fd = accepted, .events = POLLIN };
	assert_int_equal(poll(&entry, 1, 1000), 1);
	assert_int_equal(recv(accepted, &byte, 1, 0), 1);
	close(fd);
	close(accepted);
}

static void test_time_ends_a_grant_at_the_next_renewal(void **state)
{
	struct world *w = *state;
	const struct nj_cloak_listener *v4 = &w->listeners[0];

	assert_int_equal(grant(w, "127.0.0.2", 128, v4->addr.port, SECOND), NJ_OK);
	assert_int_equal(grant(w, "127.0.0.3", 128, v4->addr.port, 2 * SECOND), NJ_OK);
	assert_int_equal(w->cloak->ops->renew(w->cloak, SECOND - 1), NJ_OK);
	assert_true(may_enter(v4, "127.0.0.2"));
	assert_int_equal(w->cloak->ops->renew(w->cloak, SECOND), NJ_OK);
	assert_false(may_enter(v4, "127.0.0.2"));
	assert_true(may_enter(v4, "127.0.0.3"));
	/* A repeated grant counts by its last expiry. */
	assert_int_equal(grant(w, "127.0.0.3", 128, v4->addr.port, 3 * SECOND), NJ_OK);
	assert_int_equal(w->cloak->ops->renew(w->cloak, 2 * SECOND), NJ_OK);
	assert_true(may_enter(v4, "127.0.0.3"));
}

static void test_the_table_is_full_at_256(void **state)
{
	struct world *w = *state;
	const struct nj_cloak_listener *v4 = &w->listeners[0];
	char source[32];

	for (int i = 0; i < NJ_CLOAK_CBPF_GRANTS_MAX; i++) {
		(void)snprintf(source, sizeof(source), "127.1.%d.%d", i / 200, 1 + i % 200);
		assert_int_equal(grant(w, source, 128, v4->addr.port, SECOND), NJ_OK);
	}
	assert_int_equal(grant(w, "127.0.0.2", 128, v4->addr.port, SECOND), NJ_ERR_LIMIT);
	assert_false(may_enter(v4, "127.0.0.2"));
	assert_true(may_enter(v4, "127.1.0.1"));
	assert_true(may_enter(v4, source));
	assert_int_equal(end_grant(w, "127.1.0.1", 128, v4->addr.port), NJ_OK);
	assert_int_equal(grant(w, "127.0.0.2", 128, v4->addr.port, SECOND), NJ_OK);
	assert_true(may_enter(v4, "127.0.0.2"));
	assert_false(may_enter(v4, "127.1.0.1"));
	assert_true(may_enter(v4, source));
}

static void test_it_says_what_it_cannot_do(void **state)
{
	struct world *w = *state;

	assert_string_equal(w->cloak->ops->name, "cbpf");
	assert_true(w->cloak->ops->dark);
	assert_non_null(w->cloak->ops->cannot[0]);
}

/* While its filter cannot be set a door stays as it was; the next renewal sets it. */
static void test_a_filter_that_could_not_be_set_is_set_later(void **state)
{
	struct world *w = *state;
	const int listener = w->listeners[0].fd;
	const uint16_t port = w->listeners[0].addr.port;
	const int kept = dup(listener);
	const int other = open("/dev/null", O_RDWR);

	assert_true(kept >= 0 && other >= 0);
	assert_int_equal(grant(w, "127.0.0.1", 128, port, 5 * SECOND), NJ_OK);
	assert_true(may_enter(&w->listeners[0], "127.0.0.1"));
	assert_int_equal(dup2(other, listener), listener);
	assert_int_not_equal(end_grant(w, "127.0.0.1", 128, port), NJ_OK);
	assert_int_not_equal(w->cloak->ops->renew(w->cloak, SECOND), NJ_OK);
	assert_int_equal(dup2(kept, listener), listener);
	assert_true(may_enter(&w->listeners[0], "127.0.0.1"));
	assert_int_equal(w->cloak->ops->renew(w->cloak, SECOND), NJ_OK);
	assert_false(may_enter(&w->listeners[0], "127.0.0.1"));
	close(kept);
	close(other);
}

static void test_a_knock_socket_takes_one_length_and_is_locked(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int from = socket(AF_INET, SOCK_DGRAM, 0);
	char bytes[113] = { 0 };
	struct nj_why why;

	assert_int_equal(nj_cloak_cbpf_knock(fd, &why), NJ_OK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	for (size_t size = 111; size <= 113; size++) {
		assert_int_equal(sendto(from, bytes, size, 0, (struct sockaddr *)&sa, len), size);
		assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), size == 112 ? 112 : -1);
	}
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, bytes, sizeof(int)), -1);
	assert_int_equal(errno, EPERM);
	close(fd);
	close(from);
}

/* A kernel that keeps filters of TCP sockets for CAP_NET_ADMIN. */
static bool denied(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct nj_why why;
	enum nj_err err = nj_cloak_cbpf_shut(fd, &why);

	close(fd);
	return err == NJ_ERR_DENIED;
}

int main(void)
{
	if (denied()) {
		(void)printf("skipped: this kernel wants CAP_NET_ADMIN\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_grant_opens_for_its_source_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_grant_of_another_port_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefixes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_accepted_connection_is_never_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_ends_a_grant_at_the_next_renewal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_table_is_full_at_256, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_says_what_it_cannot_do, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_filter_that_could_not_be_set_is_set_later, setup, teardown),
		cmocka_unit_test(test_a_knock_socket_takes_one_length_and_is_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
