/* The process as a whole: the test is supervisor, gateway, device and administrator. */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "bus/control.h"
#include "keeper/process.h"
#include "net/listener.h"
#include "unit/keeper/keeper_fixture.h"

static struct {
	struct fixture f;
	pid_t child;
	int control;
	int gateway;
	struct nj_addr knock;
	char socket[96];
	uint8_t bytes[NJ_IPC_MAX_BYTES];
	struct nj_ipc message;
} t;

static void serve(int control, int admin, int knock)
{
	struct nj_keeper_process_config config = {
		.keeper = fixture_config(&t.f),
		.control_fd = control,
		.admin_fd = admin,
		.owner_uid = getuid(),
		.knock_fds = &knock,
		.knock_fd_count = 1,
	};
	struct nj_why why;

	config.keeper.clock = nj_clock_system();
	/* So that its certificate must be made, and stored, when the first gateway comes. */
	config.keeper.host = "moved.test";
	(void)signal(SIGXFSZ, SIG_IGN);
	nj_log_setup(NJ_LOG_ERROR, NJ_LOG_LOGFMT, "keeper");
	if (nj_cloak_fake_new(&config.cloak) != NJ_OK || nj_keeper_serve(&config, &why) != NJ_OK)
		_exit(1);
	_exit(0);
}

static void expect_control(uint8_t want)
{
	size_t len;
	size_t fd_count;

	assert_int_equal(nj_channel_receive_fds(t.control, t.bytes, 16, &len, NULL, 0, &fd_count), NJ_OK);
	assert_int_equal(len, 1);
	assert_int_equal(t.bytes[0], want);
}

static void send_control(uint8_t type, const int *fds, size_t count)
{
	assert_int_equal(nj_channel_send_fds(t.control, nj_view_of(&type, 1), fds, count), NJ_OK);
}

static void receive(enum nj_ipc_type want)
{
	size_t len;
	size_t fd_count;

	assert_int_equal(nj_channel_receive_fds(t.gateway, t.bytes, sizeof(t.bytes), &len, NULL, 0, &fd_count), NJ_OK);
	assert_int_equal(nj_ipc_decode(nj_view_of(t.bytes, len), &t.message), NJ_OK);
	assert_int_equal(t.message.type, want);
}

static void send_back(const struct nj_ipc *message)
{
	struct nj_writer w = nj_writer_of(t.bytes, sizeof(t.bytes));

	assert_int_equal(nj_ipc_encode(message, &w), NJ_OK);
	assert_int_equal(nj_channel_send_fds(t.gateway, nj_view_of(t.bytes, w.pos), NULL, 0), NJ_OK);
}

static void introduce_gateway(void)
{
	int fds[2];

	assert_int_equal(nj_channel_pair(fds), NJ_OK);
	send_control(NJ_CONTROL_PEER, &fds[1], 1);
	(void)close(fds[1]);
	if (t.gateway >= 0)
		(void)close(t.gateway);
	t.gateway = fds[0];
}

static void greeted(void)
{
	receive(NJ_IPC_HELLO);
	assert_true(t.message.as.hello.key_pem.len > 100);
	receive(NJ_IPC_TRUST_PUT);
	assert_int_equal(t.message.as.trust.customer.len, 0);
	assert_true(t.message.as.trust.list_pem.len > 100);
}

static void new_gateway(void)
{
	introduce_gateway();
	greeted();
}

static int set_up(void **state)
{
	struct nj_addr addr;
	struct sockaddr_storage sa;
	socklen_t sa_len = sizeof(sa);
	struct nj_why why;
	int control[2];
	int admin;
	int knock;

	memset(&t, 0, sizeof(t));
	t.gateway = -1;
	fixture_new(&t.f);
	(void)snprintf(t.socket, sizeof(t.socket), "%s/keeper.sock", t.f.dir);
	addr = address("127.0.0.1");
	assert_int_equal(nj_socket_unix(t.socket, 0600, &admin, &why), NJ_OK);
	assert_int_equal(nj_socket_bind(NJ_SOCKET_UDP, &addr, &knock, &why), NJ_OK);
	assert_int_equal(getsockname(knock, (struct sockaddr *)&sa, &sa_len), 0);
	assert_int_equal(nj_addr_from_sockaddr((struct sockaddr *)&sa, sa_len, &t.knock), NJ_OK);
	assert_int_equal(nj_channel_pair(control), NJ_OK);
	t.control = control[0];
	t.child = fork();
	if (t.child == 0) {
		(void)close(control[0]);
		serve(control[1], admin, knock);
	}
	(void)close(control[1]);
	(void)close(admin);
	(void)close(knock);
	expect_control(NJ_CONTROL_READY);
	return 0;
}

static int tear_down(void **state)
{
	if (t.control >= 0)
		(void)close(t.control);
	if (t.gateway >= 0)
		(void)close(t.gateway);
	(void)unlink(t.socket);
	fixture_free(&t.f);
	return 0;
}

static void wait_child(void)
{
	int status;

	assert_int_equal(waitpid(t.child, &status, 0), t.child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The verb's answer needs the gateway's, so somebody else must ask. */
static pid_t ask_apart(const char *verb, json_t *args, const char *out)
{
	pid_t child = fork();

	if (child == 0) {
		struct nj_why why;
		json_t *ok = NULL;

		if (nj_admin_ask(t.socket, verb, args, 10000, NULL, NULL, &ok, &why) != NJ_OK)
			_exit(1);
		_exit(json_dump_file(ok, out, 0));
	}
	json_decref(args);
	return child;
}

static json_t *ask_served(const char *verb, json_t *args, enum nj_ipc_type request)
{
	struct nj_ipc result = { .type = NJ_IPC_RESULT };
	char out[128];
	json_t *ok;
	pid_t child;
	int status;

	(void)snprintf(out, sizeof(out), "%s/out", t.f.dir);
	child = ask_apart(verb, args, out);
	receive(request);
	result.as.result.request = t.message.as.uid.request; /* the first member of every request */
	if (request == NJ_IPC_PROFILE_PUT)
		result.as.result.request = t.message.as.profile.request;
	send_back(&result);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	ok = json_load_file(out, 0, NULL);
	(void)unlink(out);
	return ok;
}

static void knock_udp(const struct device *device, uint64_t counter)
{
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(&t.knock, &sa);
	struct knock knock;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	knock_make(&t.f, device, counter, "127.0.0.1", &knock);
	assert_int_equal(sendto(fd, knock.bytes, sizeof(knock.bytes), 0, (struct sockaddr *)&sa, len), NJ_KNOCK_BYTES);
	(void)close(fd);
}

static void whole_way(void **state)
{
	struct nj_ipc ack = { .type = NJ_IPC_GRANT_ACK };
	struct nj_ipc bound = { .type = NJ_IPC_BOUND };
	struct device d;
	json_t *ok;

	new_gateway();
	json_decref(
	    ask_served("profile.set", json_pack("{s:s, s:[s]}", "name", "p", "publish", "a"), NJ_IPC_PROFILE_PUT));
	ok = ask_served("device.add", json_pack("{s:s, s:s}", "name", "d1", "profile", "p"), NJ_IPC_PARTIES_PUT);
	device_from(&d, ok);
	json_decref(ok);
	knock_udp(&d, 1);
	receive(NJ_IPC_GRANT);
	assert_memory_equal(t.message.as.grant.uid, d.uid, NJ_UID_BYTES);
	ack.as.grant_id = t.message.as.grant.id;
	bound.as.bound.grant_id = t.message.as.grant.id;
	bound.as.bound.peer = address("127.0.0.1");
	send_back(&ack);
	send_back(&bound);
	/* A gateway that dies is replaced, and knocks go on. */
	new_gateway();
	knock_udp(&d, 1);
	knock_udp(&d, 2);
	receive(NJ_IPC_GRANT);
	send_control(NJ_CONTROL_STOP, NULL, 0);
	wait_child();
	fixture_open(&t.f);
	assert_int_equal(ask(&t.f, "audit.verify", json_object(), &ok), NJ_OK);
	json_decref(ok);
}

static void no_writes(bool on)
{
	const struct rlimit limit = { on ? 0 : RLIM_INFINITY, RLIM_INFINITY };

	assert_int_equal(prlimit(t.child, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* What it is greeted with cannot be stored now, and can be later: it need not come twice. */
static void a_gateway_waits_for_its_greeting(void **state)
{
	struct pollfd none = { .events = POLLIN };

	no_writes(true);
	introduce_gateway();
	none.fd = t.gateway;
	assert_int_equal(poll(&none, 1, 300), 0);
	no_writes(false);
	greeted();
	send_control(NJ_CONTROL_STOP, NULL, 0);
	wait_child();
}

static void violation_ends_the_gateway(void **state)
{
	struct nj_ipc message = { .type = NJ_IPC_GRANT_END };
	size_t len;
	size_t fd_count;

	new_gateway();
	send_back(&message);
	assert_int_equal(nj_channel_receive_fds(t.gateway, t.bytes, sizeof(t.bytes), &len, NULL, 0, &fd_count),
			 NJ_ERR_CLOSED);
	expect_control(NJ_CONTROL_PEER_BROKE);
	(void)close(t.control);
	t.control = -1;
	wait_child();
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = { ROW(whole_way), ROW(a_gateway_waits_for_its_greeting),
					    ROW(violation_ends_the_gateway) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
