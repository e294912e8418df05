#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "net/listener.h"

#define CLIENTS_MAX 200

static struct {
	struct nj_clock_fake clock;
	struct nj_reactor *reactor;
	struct nj_listener listener;
	int fd;
	int clients[CLIENTS_MAX];
	size_t client_count;
	int accepted[CLIENTS_MAX];
	size_t accepted_count;
	struct nj_addr last_peer;
	bool stops;
} f;

static void on_accept(struct nj_listener *listener, int fd, const struct nj_addr *peer)
{
	f.accepted[f.accepted_count++] = fd;
	f.last_peer = *peer;
	if (f.stops)
		nj_listener_stop(listener);
}

static int setup(void **state)
{
	memset(&f, 0, sizeof f);
	f.fd = -1;
	nj_clock_fake_init(&f.clock, 0, 0);
	f.listener.on_accept = on_accept;
	return nj_reactor_new(&f.clock.clock, &f.reactor) == NJ_OK ? 0 : -1;
}

static int teardown(void **state)
{
	if (f.listener.io.reactor != NULL)
		nj_listener_stop(&f.listener);
	for (size_t i = 0; i < f.client_count; i++)
		close(f.clients[i]);
	for (size_t i = 0; i < f.accepted_count; i++)
		close(f.accepted[i]);
	if (f.fd >= 0)
		close(f.fd);
	nj_reactor_free(f.reactor);
	return 0;
}

static void turn(void)
{
	assert_int_equal(nj_reactor_turn(f.reactor, 0), NJ_OK);
}

static void listen_on(const char *host)
{
	struct nj_addr addr;
	assert_int_equal(nj_addr_parse(host, &addr), NJ_OK);
	assert_int_equal(nj_socket_bind(NJ_SOCKET_TCP, &addr, &f.fd, NULL), NJ_OK);
	assert_int_equal(listen(f.fd, CLIENTS_MAX), 0);
	assert_int_equal(nj_listener_start(f.reactor, &f.listener, f.fd), NJ_OK);
}

static void connect_clients(size_t count)
{
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(&f.listener.local, &sa);
	for (size_t i = 0; i < count; i++) {
		int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
		f.clients[f.client_count++] = fd;
	}
}

static void assert_accepts(const char *host)
{
	char text[NJ_ADDR_TEXT_BYTES];
	listen_on(host);
	assert_true(f.listener.local.port != 0);
	connect_clients(1);
	turn();
	assert_int_equal(f.accepted_count, 1);
	assert_string_equal(nj_addr_host_text(&f.last_peer, text), host);
	assert_true(f.last_peer.port != 0);
	assert_true((fcntl(f.accepted[0], F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(f.accepted[0], F_GETFD) & FD_CLOEXEC) != 0);
}

static void accepts_ipv4(void **state)
{
	assert_accepts("127.0.0.1");
}

static void accepts_ipv6(void **state)
{
	assert_accepts("::1");
}

static int option(int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;
	assert_int_equal(getsockopt(f.fd, level, name, &value, &len), 0);
	return value;
}

/* Shared ports by SO_REUSEPORT alone: SO_REUSEADDR would let another user bind under us. */
static void socket_options(void **state)
{
	struct nj_addr addr;
	assert_int_equal(nj_addr_parse("::1", &addr), NJ_OK);
	assert_int_equal(nj_socket_bind(NJ_SOCKET_TCP, &addr, &f.fd, NULL), NJ_OK);
	assert_int_equal(option(SOL_SOCKET, SO_REUSEPORT), 1);
	assert_int_equal(option(SOL_SOCKET, SO_REUSEADDR), 0);
	assert_int_equal(option(IPPROTO_IPV6, IPV6_V6ONLY), 1);
	assert_int_equal(option(SOL_SOCKET, SO_ACCEPTCONN), 0);
	assert_true((fcntl(f.fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(f.fd, F_GETFD) & FD_CLOEXEC) != 0);
}

static void a_failed_bind_says_what(void **state)
{
	struct nj_addr addr;
	struct nj_why why = { 0 };
	int out = 77;
	/* TEST-NET-1 (RFC 5737) is nobody's own address. */
	assert_int_equal(nj_addr_parse("192.0.2.1:9", &addr), NJ_OK);
	assert_int_not_equal(nj_socket_bind(NJ_SOCKET_TCP, &addr, &out, &why), NJ_OK);
	assert_int_equal(out, 77);
	assert_non_null(strstr(why.text, "192.0.2.1:9"));
}

static void a_batch_is_bounded(void **state)
{
	listen_on("127.0.0.1");
	connect_clients(65);
	turn();
	assert_int_equal(f.accepted_count, 64);
	turn();
	assert_int_equal(f.accepted_count, 65);
}

static void stopping_in_the_callback(void **state)
{
	listen_on("127.0.0.1");
	f.stops = true;
	connect_clients(3);
	turn();
	turn();
	assert_int_equal(f.accepted_count, 1);
}

/* Without descriptors it pauses for 100 ms instead of spinning, and goes on by itself. */
static void out_of_descriptors_it_pauses(void **state)
{
	listen_on("127.0.0.1");
	connect_clients(1);
	struct rlimit was;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	int lowest = dup(0);
	close(lowest);
	const struct rlimit none = { .rlim_cur = (rlim_t)lowest, .rlim_max = was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	turn();
	nj_clock_fake_advance_ms(&f.clock, 99);
	turn();
	assert_int_equal(f.accepted_count, 0);
	nj_clock_fake_advance_ms(&f.clock, 1);
	turn();
	turn();
	assert_int_equal(f.accepted_count, 1);
}

static void stopped_while_pausing(void **state)
{
	listen_on("127.0.0.1");
	nj_timer_arm(f.reactor, &f.listener.pause, 100);
	nj_listener_stop(&f.listener);
	nj_clock_fake_advance_ms(&f.clock, 100);
	turn();
	assert_int_equal(f.accepted_count, 0);
}

/* --- Unix sockets --- */

static char dir[64];
static char path[80];

static int setup_unix(void **state)
{
	assert_int_equal(nj_text_copy(dir, sizeof dir, "/tmp/nj-listener-XXXXXX"), NJ_OK);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(nj_text_format(path, sizeof path, "%s/sock", dir), NJ_OK);
	return setup(state);
}

static int teardown_unix(void **state)
{
	unlink(path);
	rmdir(dir);
	return teardown(state);
}

static void unix_sockets_have_their_mode_and_no_peer(void **state)
{
	static const struct nj_addr none = { 0 };
	struct stat st;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	mode_t umask_was = umask(077);
	assert_int_equal(nj_socket_unix(path, 0660, &f.fd, NULL), NJ_OK);
	umask(umask_was);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(nj_listener_start(f.reactor, &f.listener, f.fd), NJ_OK);
	assert_int_equal(nj_text_copy(sa.sun_path, sizeof sa.sun_path, path), NJ_OK);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	f.clients[f.client_count++] = fd;
	turn();
	assert_int_equal(f.accepted_count, 1);
	assert_memory_equal(&f.last_peer, &none, sizeof none);
}

static void an_old_socket_is_replaced(void **state)
{
	int old;
	assert_int_equal(nj_socket_unix(path, 0600, &old, NULL), NJ_OK);
	close(old);
	assert_int_equal(nj_socket_unix(path, 0600, &f.fd, NULL), NJ_OK);
}

static void a_file_is_not_replaced(void **state)
{
	struct nj_why why = { 0 };
	int out = 77;
	int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(file);
	assert_int_equal(nj_socket_unix(path, 0600, &out, &why), NJ_ERR_EXISTS);
	assert_int_equal(out, 77);
	assert_non_null(strstr(why.text, path));
	assert_int_equal(access(path, F_OK), 0);
}

/* sun_path holds 108 bytes with its end. */
static void path_lengths(void **state)
{
	char name[200];
	struct nj_why why = { 0 };
	size_t len = strlen(dir);
	memset(name, 'x', sizeof name);
	memcpy(name, dir, len);
	name[len] = '/';
	name[108] = '\0';
	assert_int_equal(nj_socket_unix(name, 0600, &f.fd, &why), NJ_ERR_TOO_LARGE);
	name[107] = '\0';
	assert_int_equal(nj_socket_unix(name, 0600, &f.fd, &why), NJ_OK);
	unlink(name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define UNIX(name) cmocka_unit_test_setup_teardown(name, setup_unix, teardown_unix)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(accepts_ipv4),
		TEST(accepts_ipv6),
		TEST(socket_options),
		TEST(a_failed_bind_says_what),
		TEST(a_batch_is_bounded),
		TEST(stopping_in_the_callback),
		TEST(out_of_descriptors_it_pauses),
		TEST(stopped_while_pausing),
		UNIX(unix_sockets_have_their_mode_and_no_peer),
		UNIX(an_old_socket_is_replaced),
		UNIX(a_file_is_not_replaced),
		UNIX(path_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
