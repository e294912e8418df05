/* The answering side of an administration socket, on the reactor of the process that serves. */
#include <inttypes.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "bus/admin_call.h"
#include "net/conn.h"

#define MAX_CLIENTS 32
#define MAX_OUT_BYTES (4 * NJ_ADMIN_LINE_MAX)
#define IDLE_MS 60000
#define CALLER_BYTES 96

/* A caller's user name, looked up once: the sandbox may forbid reading the user database later. */
struct known_user {
	uid_t uid;
	char text[CALLER_BYTES];
};

enum { USER_ROOT, USER_SELF, USER_OWNER, USER_COUNT };

struct nj_admin_server {
	struct nj_reactor *reactor;
	struct nj_listener listener;
	int listen_fd;
	const struct nj_admin_verb *verbs;
	size_t verb_count;
	void *arg;
	struct nj_list clients;
	size_t client_count;
	struct known_user users[USER_COUNT];
};

struct client {
	struct nj_list link;
	struct nj_admin_server *server; /* NULL once the server is gone */
	struct nj_conn *conn;
	struct nj_timer idle;
	struct server_call *pending; /* waits for its handler's answer */
	size_t scanned;              /* bytes of unread input that hold no line feed */
	bool cut;                    /* does not read its answers: no more requests of its */
	char caller[CALLER_BYTES];
};

struct server_call {
	struct nj_admin_call call; /* first */
	struct client *client;     /* NULL once it is gone: the answer has nowhere to go */
	json_t *request;
	bool dispatching; /* the handler has not returned yet */
	char caller[CALLER_BYTES];
};

/* ---- answers ---- */

/* Queues one line {"<key>":value}. A client that does not read its answers is cut off. */
static void send_line(struct client *client, const char *key, const json_t *value)
{
	json_t *line = json_pack("{s:O}", key, value);
	char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;
	enum nj_err err = NJ_ERR_NO_MEMORY;

	json_decref(line);
	if (text != NULL) {
		text[len] = '\n'; /* in place of the end: the length is known */
		err = nj_conn_send(client->conn, text, len + 1);
		nj_admin_free_text(text, len);
	}
	if (err != NJ_OK) {
		client->cut = true;
		nj_conn_abort(client->conn, NJ_CLOSE_OVERFLOW);
	}
}

static void send_error(struct client *client, enum nj_err err, const char *text)
{
	json_t *value = json_pack("{s:s, s:s}", "name", nj_err_name(err), "text", text);

	/* Text that is not UTF-8 came in by a path or a peer; the fact is told without it. */
	if (value == NULL)
		value = json_pack("{s:s, s:s}", "name", nj_err_name(err), "text", nj_err_text(err));
	if (value == NULL) {
		nj_conn_abort(client->conn, NJ_CLOSE_OVERFLOW);
		return;
	}
	send_line(client, "error", value);
	json_decref(value);
}

static void free_call(struct server_call *call)
{
	json_decref(call->call.args);
	json_decref(call->request);
	free(call);
}

static void on_item(struct nj_admin_call *base, const json_t *value)
{
	struct server_call *call = (struct server_call *)base;

	if (call->client != NULL)
		send_line(call->client, "item", value);
}

static void on_done(struct nj_admin_call *base, const json_t *value, enum nj_err err, const char *text)
{
	struct server_call *call = (struct server_call *)base;
	struct client *client = call->client;

	if (client != NULL) {
		if (err == NJ_OK)
			send_line(client, "ok", value);
		else
			send_error(client, err, text);
		client->pending = NULL;
		nj_timer_arm(client->server->reactor, &client->idle, IDLE_MS);
		if (!call->dispatching)
			nj_conn_pause(client->conn, false);
	}
	if (!call->dispatching)
		free_call(call);
}

/* ---- requests ---- */

static void serve_line(struct client *client, struct nj_view line)
{
	static const struct nj_admin_sink sink = { .item = on_item, .done = on_done };
	struct server_call *call = calloc(1, sizeof(*call));
	struct nj_why why = { 0 };
	const char *verb;
	enum nj_err err;

	if (call == NULL) {
		send_error(client, NJ_ERR_NO_MEMORY, "out of memory");
		return;
	}
	err = nj_admin_request_read(line, &call->request, &verb, &call->call.args, &why);
	if (err != NJ_OK) {
		send_error(client, err, why.text);
		free(call);
		return;
	}
	memcpy(call->caller, client->caller, sizeof(call->caller));
	call->call.sink = &sink;
	call->call.caller = call->caller;
	call->client = client;
	call->dispatching = true;
	client->pending = call;
	nj_timer_cancel(&client->idle);
	nj_admin_dispatch(client->server->verbs, client->server->verb_count, client->server->arg, verb, &call->call);
	call->dispatching = false;
	if (call->call.answered)
		free_call(call);
	else
		nj_conn_pause(client->conn, true);
}

static size_t on_data(struct nj_conn *conn, struct nj_view in)
{
	struct client *client = nj_conn_user(conn);
	size_t eaten = 0;

	while (client->server != NULL && !client->cut && client->pending == NULL && eaten < in.len) {
		size_t from = eaten + client->scanned;
		const uint8_t *end = from < in.len ? memchr(in.data + from, '\n', in.len - from) : NULL;

		if (end == NULL) {
			client->scanned = in.len - eaten;
			break;
		}
		client->scanned = 0;
		serve_line(client, nj_view_of(in.data + eaten, (size_t)(end - in.data) - eaten));
		eaten = (size_t)(end - in.data) + 1;
	}
	return eaten;
}

static void on_open(struct nj_conn *conn)
{
	(void)conn;
}

static void forget_call(struct client *client)
{
	if (client->pending != NULL) {
		client->pending->client = NULL;
		client->pending->call.gone = true;
	}
	client->pending = NULL;
}

static void on_close(struct nj_conn *conn, enum nj_close why)
{
	struct client *client = nj_conn_user(conn);

	(void)why;
	forget_call(client);
	nj_timer_cancel(&client->idle);
	nj_list_remove(&client->link);
	if (client->server != NULL)
		client->server->client_count--;
	free(client);
}

static void on_idle(struct nj_timer *timer)
{
	struct client *client = NJ_CONTAINER(timer, struct client, idle);

	nj_conn_finish(client->conn, NJ_CLOSE_IDLE);
}

static const struct nj_conn_ops conn_ops = { .on_open = on_open, .on_data = on_data, .on_close = on_close };

/* ---- clients ---- */

static void known_user_set(struct known_user *user, uid_t uid)
{
	FILE *file = fopen("/etc/passwd", "re");

	user->uid = uid;
	snprintf(user->text, sizeof(user->text), "uid %lu", (unsigned long)uid);
	if (file == NULL)
		return;
	for (struct passwd *entry = fgetpwent(file); entry != NULL; entry = fgetpwent(file)) {
		if (entry->pw_uid != uid)
			continue;
		snprintf(user->text, sizeof(user->text), "uid %lu (%.64s)", (unsigned long)uid, entry->pw_name);
		break;
	}
	fclose(file);
}

/* NULL: not entitled. */
static const char *entitled_caller(const struct nj_admin_server *server, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return NULL;
	for (size_t i = 0; i < USER_COUNT; i++) {
		if (server->users[i].uid == peer.uid)
			return server->users[i].text;
	}
	return NULL;
}

static void refuse(int fd, const char *line)
{
	/* The socket's buffer is empty: one line fits, or the caller is gone. */
	(void)!send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void on_accept(struct nj_listener *listener, int fd, const struct nj_addr *peer)
{
	struct nj_admin_server *server = listener->user;
	const char *caller = entitled_caller(server, fd);
	struct nj_conn_config config = { .fd = fd,
					 .peer = *peer,
					 .max_in_bytes = NJ_ADMIN_LINE_MAX,
					 .max_out_bytes = MAX_OUT_BYTES,
					 .secret = true,
					 .ops = &conn_ops };
	struct client *client;

	if (caller == NULL) {
		refuse(fd,
		       "{\"error\":{\"name\":\"denied\",\"text\":\"run this as root or as the gateway's user\"}}\n");
		return;
	}
	if (server->client_count >= MAX_CLIENTS) {
		refuse(fd, "{\"error\":{\"name\":\"limit\",\"text\":\"too many administration clients at once\"}}\n");
		return;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		close(fd);
		return;
	}
	config.user = client;
	client->server = server;
	client->idle.on_timer = on_idle;
	snprintf(client->caller, sizeof(client->caller), "%s", caller);
	if (nj_conn_new(server->reactor, &config, &client->conn) != NJ_OK) {
		free(client);
		return;
	}
	nj_list_push_back(&server->clients, &client->link);
	server->client_count++;
	nj_timer_arm(server->reactor, &client->idle, IDLE_MS);
}

enum nj_err nj_admin_server_new(struct nj_reactor *reactor, int listen_fd, uid_t owner_uid,
				const struct nj_admin_verb *verbs, size_t verb_count, void *arg,
				struct nj_admin_server **out_server)
{
	struct nj_admin_server *server = calloc(1, sizeof(*server));
	enum nj_err err;

	if (server == NULL) {
		close(listen_fd);
		return NJ_ERR_NO_MEMORY;
	}
	nj_admin_wipe_json();
	server->reactor = reactor;
	server->listen_fd = listen_fd;
	server->verbs = verbs;
	server->verb_count = verb_count;
	server->arg = arg;
	server->listener.on_accept = on_accept;
	server->listener.user = server;
	nj_list_init(&server->clients);
	known_user_set(&server->users[USER_ROOT], 0);
	known_user_set(&server->users[USER_SELF], geteuid());
	known_user_set(&server->users[USER_OWNER], owner_uid);
	err = nj_listener_start(reactor, &server->listener, listen_fd);
	if (err != NJ_OK) {
		close(listen_fd);
		free(server);
		return err;
	}
	*out_server = server;
	return NJ_OK;
}

void nj_admin_server_set_verbs(struct nj_admin_server *server, const struct nj_admin_verb *verbs, size_t verb_count)
{
	server->verbs = verbs;
	server->verb_count = verb_count;
}

void nj_admin_server_free(struct nj_admin_server *server)
{
	if (server == NULL)
		return;
	nj_listener_stop(&server->listener);
	close(server->listen_fd);
	/* Connections end at the end of the turn, when the server is gone. */
	NJ_LIST_EACH (&server->clients, link) {
		struct client *client = NJ_CONTAINER(link, struct client, link);

		nj_list_remove(&client->link);
		client->server = NULL;
		forget_call(client);
		nj_timer_cancel(&client->idle);
		nj_conn_abort(client->conn, NJ_CLOSE_SHUTDOWN);
	}
	free(server);
}
