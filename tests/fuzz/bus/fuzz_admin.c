/* Bytes of a client, in pieces that the input chooses, against a server with every kind of handler. Few requests an
 * input: each is answered, and the answers would take all the time. */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/admin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(void *arg, struct nj_admin_call *call)
{
	const char *text;
	uint64_t number;
	bool flag;

	(void)arg;
	if (!nj_admin_text(call, "t", true, &text) || !nj_admin_uint(call, "n", 1, 9, &number) ||
	    !nj_admin_flag(call, "f", &flag))
		return;
	nj_admin_item(call, json_string(text));
	nj_admin_ok(call, json_pack("{s:I, s:b}", "n", (json_int_t)number, "f", flag));
}

#define REQUESTS_MAX 4

static size_t requests_in(const uint8_t *data, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += data[i] == '\n';
	return count;
}

static struct nj_admin_call *kept;

static void keep(void *arg, struct nj_admin_call *call)
{
	(void)arg;
	kept = call;
}

static const struct nj_admin_verb verbs[] = { { "answer", answer }, { "keep", keep } };

static void turn(struct nj_reactor *reactor)
{
	if (nj_reactor_turn(reactor, 0) != NJ_OK)
		abort();
}

/* What a turn leads to in the next ones. */
static void settle(struct nj_reactor *reactor)
{
	for (int i = 0; i < 3; i++)
		turn(reactor);
}

static char path[64];

static void remove_path(void)
{
	(void)unlink(path);
}

static int dial(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		abort();
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nj_reactor *reactor;
	static struct nj_admin_server *server;
	int fd;
	int listener;

	if (reactor == NULL) {
		snprintf(path, sizeof(path), "/tmp/nj-fuzz-admin-%d", (int)getpid());
		if (nj_reactor_new(nj_clock_system(), &reactor) != NJ_OK ||
		    nj_socket_unix(path, 0600, &listener, NULL) != NJ_OK ||
		    nj_admin_server_new(reactor, listener, geteuid(), verbs, 2, NULL, &server) != NJ_OK)
			abort();
		(void)atexit(remove_path);
	}
	if (requests_in(data, size) > REQUESTS_MAX)
		return 0;
	fd = dial();
	turn(reactor);
	while (size > 0) {
		size_t piece = data[0] < size ? data[0] + 1u : size;

		(void)!send(fd, data, piece, MSG_NOSIGNAL);
		data += piece;
		size -= piece;
		turn(reactor);
		if (kept != NULL && piece % 2 == 0) {
			struct nj_admin_call *call = kept;

			kept = NULL;
			nj_admin_ok(call, json_object());
		}
	}
	close(fd);
	settle(reactor);
	if (kept != NULL) {
		nj_admin_fail(kept, NJ_ERR_TIMEOUT, "late");
		kept = NULL;
	}
	settle(reactor);
	return 0;
}
