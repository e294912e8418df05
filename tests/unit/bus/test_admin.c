/* Administration over a socket and in place: requests, answers, limits, callers that leave too early. */
#include "bus/admin.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/admin_call.h"

struct fixture {
	struct nj_reactor *reactor;
	struct nj_admin_server *server;
	struct nj_clock_fake clock;
	struct nj_admin_call *kept;
	char dir[64];
	char path[96];
};

static void handle_echo(void *arg, struct nj_admin_call *call)
{
	const char *text;
	uint64_t count;
	bool flag;

	(void)arg;
	if (!nj_admin_text(call, "text", true, &text) || !nj_admin_uint(call, "count", 1, 1000, &count) ||
	    !nj_admin_flag(call, "flag", &flag))
		return;
	for (uint64_t i = 0; i < count; i++)
		nj_admin_item(call, json_pack("{s:s, s:I}", "text", text, "i", (json_int_t)i));
	nj_admin_ok(call, json_pack("{s:b, s:s}", "flag", flag, "caller", nj_admin_caller(call)));
}

static void handle_fail(void *arg, struct nj_admin_call *call)
{
	(void)arg;
	nj_admin_fail(call, NJ_ERR_EXISTS, "device \"%s\" exists already", "d1");
}

static void handle_keep(void *arg, struct nj_admin_call *call)
{
	((struct fixture *)arg)->kept = call;
}

static void handle_flood(void *arg, struct nj_admin_call *call)
{
	static char big[1 << 20];

	(void)arg;
	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < 40; i++)
		nj_admin_item(call, json_string(big));
	nj_admin_ok(call, json_object());
}

static const struct nj_admin_verb verbs[] = {
	{ "echo", handle_echo }, { "fail", handle_fail }, { "keep", handle_keep }, { "flood", handle_flood }
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	nj_clock_fake_init(&f->clock, 1000000000, 1700000000000);
	snprintf(f->dir, sizeof(f->dir), "/tmp/nj-admin-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	assert_int_equal(nj_reactor_new(&f->clock.clock, &f->reactor), NJ_OK);
	assert_int_equal(nj_socket_unix(f->path, 0600, &fd, NULL), NJ_OK);
	assert_int_equal(nj_admin_server_new(f->reactor, fd, geteuid(), verbs, VERB_COUNT, f, &f->server), NJ_OK);
	*state = f;
	return 0;
}

static void turns(struct fixture *f, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(nj_reactor_turn(f->reactor, 0), NJ_OK);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nj_admin_server_free(f->server);
	turns(f, 2);
	nj_reactor_free(f->reactor);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What has arrived by now; -1 errno EAGAIN = nothing, 0 = closed. */
static ssize_t take(int fd, char *out, size_t cap)
{
	ssize_t got = recv(fd, out, cap - 1, 0);

	out[got > 0 ? got : 0] = '\0';
	return got;
}

static void test_lines(void **state)
{
	static const struct {
		const char *what;
		const char *request;
		const char *want; /* begins so */
	} rows[] = {
		{ "items, then ok", "{\"verb\":\"echo\",\"args\":{\"text\":\"a\",\"count\":2,\"flag\":true}}\n",
		  "{\"item\":{\"text\":\"a\",\"i\":0}}\n{\"item\":{\"text\":\"a\",\"i\":1}}\n{\"ok\":{\"flag\":true," },
		{ "null is absent", "{\"verb\":\"echo\",\"args\":{\"text\":\"a\",\"count\":null}}\n",
		  "{\"item\":{\"text\":\"a\",\"i\":0}}\n{\"ok\":{\"flag\":false," },
		{ "error", "{\"verb\":\"fail\"}\n",
		  "{\"error\":{\"name\":\"exists\",\"text\":\"device \\\"d1\\\" exists already\"}}\n" },
		{ "nearest verb", "{\"verb\":\"ecko\"}\n",
		  "{\"error\":{\"name\":\"unsupported\",\"text\":\"there is no verb \\\"ecko\\\" here; did you mean "
		  "\\\"echo\\\"?\"}}\n" },
		{ "missing argument", "{\"verb\":\"echo\",\"args\":{}}\n",
		  "{\"error\":{\"name\":\"usage\",\"text\":\"the argument \\\"text\\\" is missing\"}}\n" },
		{ "text of another type", "{\"verb\":\"echo\",\"args\":{\"text\":1}}\n",
		  "{\"error\":{\"name\":\"usage\"" },
		{ "number at the limit", "{\"verb\":\"echo\",\"args\":{\"text\":\"a\",\"count\":0}}\n", "{\"ok\"" },
		{ "number past the limit", "{\"verb\":\"echo\",\"args\":{\"text\":\"a\",\"count\":1001}}\n",
		  "{\"error\":{\"name\":\"usage\"" },
		{ "negative number", "{\"verb\":\"echo\",\"args\":{\"text\":\"a\",\"count\":-1}}\n",
		  "{\"error\":{\"name\":\"usage\"" },
		{ "not a flag", "{\"verb\":\"echo\",\"args\":{\"text\":\"a\",\"flag\":1}}\n",
		  "{\"error\":{\"name\":\"usage\"" },
		{ "repeated key", "{\"verb\":\"fail\",\"verb\":\"echo\"}\n", "{\"error\":{\"name\":\"malformed\"" },
		{ "not JSON", "hello\n", "{\"error\":{\"name\":\"malformed\"" },
		{ "empty line", "\n", "{\"error\":{\"name\":\"malformed\"" },
		{ "no verb", "{}\n", "{\"error\":{\"name\":\"malformed\"" },
		{ "args not an object", "{\"verb\":\"fail\",\"args\":[]}\n", "{\"error\":{\"name\":\"malformed\"" },
	};
	struct fixture *f = *state;
	int fd = dial(f);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char answer[4096];

		put(fd, rows[i].request);
		turns(f, 4);
		if (take(fd, answer, sizeof(answer)) <= 0 || strncmp(answer, rows[i].want, strlen(rows[i].want)) != 0)
			fail_msg("%s: %s", rows[i].what, answer);
	}
	close(fd);
}

static void test_split_and_joined(void **state)
{
	static const char one[] = "{\"verb\":\"fail\"}\n";
	struct fixture *f = *state;
	char answer[4096];
	int fd = dial(f);

	for (size_t i = 0; i < sizeof(one) - 1; i++) {
		assert_int_equal(send(fd, one + i, 1, 0), 1);
		turns(f, 2);
	}
	assert_true(take(fd, answer, sizeof(answer)) > 0);
	put(fd, "{\"verb\":\"fail\"}\n{\"verb\":\"fail\"}\n{\"verb\":");
	turns(f, 3);
	assert_true(take(fd, answer, sizeof(answer)) > 0);
	assert_non_null(strchr(answer, '\n'));
	assert_string_equal(strchr(answer, '\n') + 1,
			    "{\"error\":{\"name\":\"exists\",\"text\":\"device \\\"d1\\\" exists already\"}}\n");
	close(fd);
}

static void test_later_answer(void **state)
{
	struct fixture *f = *state;
	char answer[4096];
	int fd = dial(f);

	put(fd, "{\"verb\":\"keep\"}\n{\"verb\":\"fail\"}\n");
	turns(f, 4);
	assert_non_null(f->kept);
	assert_int_equal(take(fd, answer, sizeof(answer)), -1);
	nj_clock_fake_advance_ms(&f->clock, 120000); /* a pending call is not idle */
	turns(f, 3);
	nj_admin_item(f->kept, json_integer(1));
	nj_admin_ok(f->kept, json_object());
	turns(f, 4);
	assert_true(take(fd, answer, sizeof(answer)) > 0);
	assert_ptr_equal(strstr(answer, "{\"item\":1}\n{\"ok\":{}}\n{\"error\":"), answer);
	close(fd);
}

static void test_client_leaves(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	put(fd, "{\"verb\":\"keep\"}\n");
	turns(f, 3);
	assert_non_null(f->kept);
	close(fd);
	turns(f, 4);
	nj_admin_item(f->kept, json_integer(1));
	nj_admin_fail(f->kept, NJ_ERR_TIMEOUT, "late");
	turns(f, 2);
}

static void test_server_leaves(void **state)
{
	struct fixture *f = *state;
	char answer[64];
	int fd = dial(f);

	put(fd, "{\"verb\":\"keep\"}\n");
	turns(f, 3);
	assert_non_null(f->kept);
	nj_admin_server_free(f->server);
	f->server = NULL;
	turns(f, 2);
	nj_admin_ok(f->kept, json_object());
	assert_true(take(fd, answer, sizeof(answer)) <= 0);
	close(fd);
}

static void test_idle(void **state)
{
	struct fixture *f = *state;
	char answer[64];
	int fd = dial(f);

	turns(f, 3);
	nj_clock_fake_advance_ms(&f->clock, 59000);
	turns(f, 2);
	assert_int_equal(take(fd, answer, sizeof(answer)), -1);
	nj_clock_fake_advance_ms(&f->clock, 2000);
	turns(f, 4);
	assert_int_equal(take(fd, answer, sizeof(answer)), 0);
	close(fd);
}

static void test_client_limit(void **state)
{
	struct fixture *f = *state;
	int fds[33];
	char answer[256];

	for (size_t i = 0; i < 33; i++) {
		fds[i] = dial(f);
		turns(f, 2);
	}
	assert_int_equal(take(fds[31], answer, sizeof(answer)), -1);
	assert_true(take(fds[32], answer, sizeof(answer)) > 0);
	assert_non_null(strstr(answer, "\"limit\""));
	for (size_t i = 0; i < 33; i++)
		close(fds[i]);
	turns(f, 3);
	fds[0] = dial(f);
	turns(f, 2);
	assert_int_equal(take(fds[0], answer, sizeof(answer)), -1);
	close(fds[0]);
}

static void test_flood_is_cut(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char chunk[65536];
	ssize_t got;
	size_t total = 0;

	put(fd, "{\"verb\":\"flood\"}\n");
	turns(f, 4);
	while ((got = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		total += (size_t)got;
	assert_true(got == 0 || errno == ECONNRESET);
	assert_true(total < 40u << 20);
	close(fd);
}

/* A line without an end is dropped at the limit, and not before. */
/* The text, that the test itself must not hold outside its stack. */
static void make_secret(char out[65])
{
	for (size_t i = 0; i < 64; i++)
		out[i] = "0123456789abcdef"[(i * 7 + i / 16 * 3) % 16];
	out[64] = '\0';
}

/* How often it stands in the memory that malloc gives out. */
static size_t in_heap(const char *secret)
{
	unsigned long from = 0;
	unsigned long to = 0;
	char line[256];
	size_t count = 0;
	FILE *maps = fopen("/proc/self/maps", "re");

	assert_non_null(maps);
	while (to == 0 && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "[heap]") != NULL) {
			char *end = NULL;
			from = strtoul(line, &end, 16);
			to = strtoul(end + 1, NULL, 16);
		}
	(void)fclose(maps);
	for (const char *at = (const char *)from; to != 0 && at != NULL; count += at != NULL) {
		at = memmem(at, to - (unsigned long)at, secret, strlen(secret));
		at = at == NULL ? NULL : at + 1;
	}
	return count;
}

/* The private half of a recovery key comes by here, and devices' root keys leave. */
static void test_nothing_of_a_request_is_left(void **state)
{
	struct fixture *f = *state;
	char secret[65];
	char answer[4096];
	int fd = dial(f);
	char *copy;

	make_secret(secret);
	/* A sanitizer's memory lies elsewhere. */
	copy = strdup(secret);
	bool seen = in_heap(secret) > 0;
	explicit_bzero(copy, sizeof(secret));
	free(copy);
	if (!seen) {
		close(fd);
		return;
	}
	turns(f, 2);
	/* In two parts, so that one lies in the connection's own buffer. */
	put(fd, "{\"verb\":\"echo\",\"args\":{\"text\":\"");
	put(fd, secret);
	turns(f, 2);
	assert_true(in_heap(secret) > 0);
	put(fd, "\",\"count\":3}}\n");
	turns(f, 2);
	assert_true(take(fd, answer, sizeof(answer)) > 0);
	assert_non_null(strstr(answer, secret));
	put(fd, "{\"verb\":\"echo\",\"args\":{\"text\":\"");
	put(fd, secret);
	put(fd, "\"}}\n");
	turns(f, 2);
	assert_true(take(fd, answer, sizeof(answer)) > 0);
	close(fd);
	turns(f, 3);
	explicit_bzero(answer, sizeof(answer));
	assert_int_equal(in_heap(secret), 0);
}

static void test_line_limit(void **state)
{
	struct fixture *f = *state;
	static char chunk[65536];
	size_t total = 0;
	int fd = dial(f);
	ssize_t sent;

	memset(chunk, ' ', sizeof(chunk));
	for (int i = 0; i < 10000; i++) {
		sent = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
		if (sent > 0)
			total += (size_t)sent;
		else if (errno != EAGAIN)
			break;
		turns(f, 1);
	}
	assert_true(total >= NJ_ADMIN_LINE_MAX);
	assert_true(total < NJ_ADMIN_LINE_MAX + (2u << 20));
	close(fd);
}

/* ---- the blocking caller, against a server on a thread of its own ---- */

static void *serve(void *arg)
{
	struct nj_reactor *reactor = arg;

	return nj_reactor_run(reactor) == NJ_OK ? NULL : arg;
}

static void count_item(void *arg, const json_t *item)
{
	(void)item;
	(*(int *)arg)++;
}

static void test_ask(void **state)
{
	struct fixture *f = *state;
	struct nj_why why = { 0 };
	json_t *args = json_pack("{s:s, s:i}", "text", "x", "count", 1000);
	json_t *ok = NULL;
	json_t *untouched = (json_t *)(void *)&why;
	int items = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, serve, f->reactor), 0);
	assert_true(nj_admin_serves(f->path));
	assert_false(nj_admin_serves("/tmp/nj-admin-nobody"));
	assert_int_equal(nj_admin_ask(f->path, "echo", args, 5000, count_item, &items, &ok, &why), NJ_OK);
	assert_int_equal(items, 1000);
	assert_non_null(strstr(json_string_value(json_object_get(ok, "caller")), "uid "));
	json_decref(ok);
	assert_int_equal(nj_admin_ask(f->path, "fail", NULL, 5000, NULL, NULL, &untouched, &why), NJ_ERR_EXISTS);
	assert_string_equal(why.text, "device \"d1\" exists already");
	assert_ptr_equal(untouched, &why);
	assert_int_equal(nj_admin_ask("/tmp/nj-admin-nobody", "fail", NULL, 5000, NULL, NULL, NULL, &why),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_admin_ask(f->path, "keep", NULL, 20, NULL, NULL, NULL, &why), NJ_ERR_TIMEOUT);
	nj_reactor_stop(f->reactor);
	assert_int_equal(pthread_join(thread, NULL), 0);
	nj_admin_ok(f->kept, json_object());
	json_decref(args);
}

static void test_ask_here(void **state)
{
	struct fixture *f = *state;
	struct nj_why why = { 0 };
	json_t *args = json_pack("{s:s, s:i}", "text", "x", "count", 3);
	json_t *ok = NULL;
	int items = 0;

	assert_int_equal(nj_admin_ask_here(verbs, VERB_COUNT, f, "echo", args, count_item, &items, &ok, &why), NJ_OK);
	assert_int_equal(items, 3);
	assert_string_equal(json_string_value(json_object_get(ok, "caller")), "local");
	json_decref(ok);
	json_decref(args);
	assert_int_equal(nj_admin_ask_here(verbs, VERB_COUNT, f, "fail", NULL, NULL, NULL, NULL, &why), NJ_ERR_EXISTS);
	assert_int_equal(nj_admin_ask_here(verbs, VERB_COUNT, f, "zzzzzz", NULL, NULL, NULL, NULL, &why),
			 NJ_ERR_UNSUPPORTED);
	assert_string_equal(why.text, "there is no verb \"zzzzzz\" here");
}

static void test_error_names(void **state)
{
	(void)state;
	assert_int_equal(nj_admin_err_from_name("too-large"), NJ_ERR_TOO_LARGE);
	assert_int_equal(nj_admin_err_from_name("crypto"), NJ_ERR_CRYPTO);
	/* A success cannot come as an error. */
	assert_int_equal(nj_admin_err_from_name("ok"), NJ_ERR_STATE);
	assert_int_equal(nj_admin_err_from_name("invented"), NJ_ERR_STATE);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_lines),
		WITH_SERVER(test_split_and_joined),
		WITH_SERVER(test_later_answer),
		WITH_SERVER(test_client_leaves),
		WITH_SERVER(test_server_leaves),
		WITH_SERVER(test_idle),
		WITH_SERVER(test_nothing_of_a_request_is_left),
		WITH_SERVER(test_client_limit),
		WITH_SERVER(test_flood_is_cut),
		WITH_SERVER(test_line_limit),
		WITH_SERVER(test_ask),
		WITH_SERVER(test_ask_here),
		cmocka_unit_test(test_error_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
