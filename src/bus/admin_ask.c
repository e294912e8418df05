/* The blocking caller of a running process's administration socket. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "bus/admin_call.h"

#define READ_STEP_BYTES (64 * 1024)

struct ask {
	int fd;
	uint64_t deadline_ms;
	struct nj_buf in;
	size_t scanned; /* bytes of `in` that hold no line feed */
	struct nj_why *why;
};

static enum nj_err wait_for(struct ask *ask, short events)
{
	for (;;) {
		uint64_t now = nj_clock_boot_ms(nj_clock_system());
		struct pollfd entry = { .fd = ask->fd, .events = events };
		int ready;

		if (now >= ask->deadline_ms)
			return nj_why(ask->why, NJ_ERR_TIMEOUT, "the gateway did not answer in time");
		ready = poll(&entry, 1, (int)(ask->deadline_ms - now));
		if (ready > 0)
			return NJ_OK;
		if (ready < 0 && errno != EINTR)
			return nj_why(ask->why, NJ_ERR_IO, "cannot wait for the gateway: %m");
	}
}

static enum nj_err connect_to(struct ask *ask, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sa.sun_path))
		return nj_why(ask->why, NJ_ERR_TOO_LARGE,
			      "the path %s is too long for a socket (at most %zu bytes): choose a shorter --dir", path,
			      sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path));
	ask->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ask->fd < 0)
		return nj_why(ask->why, nj_err_from_errno(errno), "cannot make a socket: %m");
	if (connect(ask->fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return NJ_OK;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return nj_why(ask->why, NJ_ERR_NOT_FOUND, "no gateway answers at %s", path);
	if (errno == EACCES || errno == EPERM)
		return nj_why(ask->why, NJ_ERR_DENIED, "you may not use %s: run this as root or as the gateway's user",
			      path);
	if (errno == EAGAIN)
		return nj_why(ask->why, NJ_ERR_AGAIN, "the gateway is busy: too many callers wait at %s", path);
	return nj_why(ask->why, NJ_ERR_IO, "cannot connect to %s: %m", path);
}

bool nj_admin_serves(const char *path)
{
	struct ask ask = { .fd = -1 };
	enum nj_err err = connect_to(&ask, path);

	nj_file_close_fd(&ask.fd);
	return err != NJ_ERR_NOT_FOUND && err != NJ_ERR_TOO_LARGE;
}

static enum nj_err send_all(struct ask *ask, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(ask->fd, data, len, MSG_NOSIGNAL);

		if (sent >= 0) {
			data += sent;
			len -= (size_t)sent;
		} else if (errno == EAGAIN) {
			NJ_TRY(wait_for(ask, POLLOUT));
		} else if (errno == EPIPE || errno == ECONNRESET) {
			/* It may have said why before it closed. */
			return NJ_OK;
		} else if (errno != EINTR) {
			return nj_why(ask->why, NJ_ERR_IO, "cannot send to the gateway: %m");
		}
	}
	return NJ_OK;
}

static enum nj_err send_request(struct ask *ask, const char *verb, const json_t *args)
{
	json_t *request = json_pack("{s:s, s:O*}", "verb", verb, "args", args);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;
	enum nj_err err;

	json_decref(request);
	if (text == NULL)
		return nj_why(ask->why, NJ_ERR_NO_MEMORY, "out of memory, or text that is not UTF-8");
	if (len + 1 > NJ_ADMIN_LINE_MAX) {
		nj_admin_free_text(text, len);
		return nj_why(ask->why, NJ_ERR_TOO_LARGE, "the request is larger than %u bytes", NJ_ADMIN_LINE_MAX);
	}
	text[len] = '\n'; /* in place of the end: the length is known */
	err = send_all(ask, text, len + 1);
	nj_admin_free_text(text, len);
	return err;
}

static enum nj_err read_more(struct ask *ask)
{
	uint8_t *at;
	size_t room;
	ssize_t got;

	if (nj_buf_len(&ask->in) >= NJ_ADMIN_LINE_MAX)
		return nj_why(ask->why, NJ_ERR_TOO_LARGE, "the gateway's answer has a line over %u bytes",
			      NJ_ADMIN_LINE_MAX);
	NJ_TRY(wait_for(ask, POLLIN));
	NJ_TRY(nj_buf_reserve(&ask->in, READ_STEP_BYTES, &at, &room));
	got = recv(ask->fd, at, room, 0);
	if (got > 0)
		nj_buf_commit(&ask->in, (size_t)got);
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return nj_why(ask->why, NJ_ERR_CLOSED, "the gateway closed the connection before it answered");
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		return nj_why(ask->why, NJ_ERR_IO, "cannot read the gateway's answer: %m");
	return NJ_OK;
}

/* One line as an object, a new reference. */
static enum nj_err next_answer(struct ask *ask, json_t **out_answer)
{
	for (;;) {
		struct nj_view have = nj_buf_view(&ask->in);
		size_t left = have.len - ask->scanned;
		const uint8_t *end = left > 0 ? memchr(have.data + ask->scanned, '\n', left) : NULL;

		if (end != NULL) {
			size_t len = (size_t)(end - have.data);
			json_t *answer = json_loadb((const char *)have.data, len, JSON_REJECT_DUPLICATES, NULL);

			nj_buf_eat(&ask->in, len + 1);
			ask->scanned = 0;
			if (answer == NULL)
				return nj_why(ask->why, NJ_ERR_MALFORMED, "the gateway's answer is not JSON");
			*out_answer = answer;
			return NJ_OK;
		}
		ask->scanned = have.len;
		NJ_TRY(read_more(ask));
	}
}

static enum nj_err read_error(struct ask *ask, const json_t *error)
{
	const char *name = json_string_value(json_object_get(error, "name"));
	const char *text = json_string_value(json_object_get(error, "text"));
	enum nj_err err = name != NULL ? nj_admin_err_from_name(name) : NJ_ERR_STATE;

	return nj_why(ask->why, err, "%s", text != NULL ? text : nj_err_text(err));
}

static enum nj_err read_answers(struct ask *ask, nj_admin_item_fn on_item, void *item_arg, json_t **out_ok)
{
	for (;;) {
		json_t *answer = NULL;
		json_t *part;
		enum nj_err err;

		NJ_TRY(next_answer(ask, &answer));
		if ((part = json_object_get(answer, "item")) != NULL) {
			if (on_item != NULL)
				on_item(item_arg, part);
			json_decref(answer);
			continue;
		}
		if ((part = json_object_get(answer, "ok")) != NULL) {
			if (out_ok != NULL)
				*out_ok = json_incref(part);
			err = NJ_OK;
		} else if ((part = json_object_get(answer, "error")) != NULL) {
			err = read_error(ask, part);
		} else {
			err = nj_why(ask->why, NJ_ERR_MALFORMED, "the gateway's answer is neither item, ok nor error");
		}
		json_decref(answer);
		return err;
	}
}

enum nj_err nj_admin_ask(const char *path, const char *verb, const json_t *args, uint32_t timeout_ms,
			 nj_admin_item_fn on_item, void *item_arg, json_t **out_ok, struct nj_why *why)
{
	struct ask ask = { .fd = -1, .why = why };
	enum nj_err err;

	ask.deadline_ms = nj_clock_boot_ms(nj_clock_system()) + timeout_ms;
	nj_buf_init(&ask.in, NJ_ADMIN_LINE_MAX + READ_STEP_BYTES);
	nj_buf_wipes(&ask.in);
	err = connect_to(&ask, path);
	if (err == NJ_OK)
		err = send_request(&ask, verb, args);
	if (err == NJ_OK)
		err = read_answers(&ask, on_item, item_arg, out_ok);
	nj_buf_done(&ask.in);
	nj_file_close_fd(&ask.fd);
	return err;
}
