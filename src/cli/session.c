#include "cli/session.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/offline.h"

/* How long a gateway may hold its lock before it answers (starting), or after it stopped answering (stopping). */
#define BUSY_WAIT_MS 3000
#define BUSY_STEP_MS 50
#define ANSWER_MS 60000

enum nj_err nj_session_open(const char *dir, struct nj_session *out_session, struct nj_why *why)
{
	struct nj_paths paths;

	NJ_TRY(nj_paths_for(dir, &paths, why));
	*out_session = (struct nj_session){ .paths = paths };
	return NJ_OK;
}

void nj_session_close(struct nj_session *session)
{
	nj_offline_close(session->offline);
	session->offline = NULL;
}

static const char *sock_of(const struct nj_session *session, enum nj_side side)
{
	return side == NJ_SIDE_KEEPER ? session->paths.keeper_sock : session->paths.admin_sock;
}

bool nj_session_running(const struct nj_session *session)
{
	return nj_admin_serves(session->paths.keeper_sock);
}

static void sleep_step(void)
{
	const struct timespec step = { .tv_nsec = BUSY_STEP_MS * 1000000L };

	(void)nanosleep(&step, NULL);
}

/* Finds who answers: NJ_OK with `session->offline` set (in place) or NULL (over the socket). */
static enum nj_err reach(struct nj_session *session, enum nj_side side, struct nj_why *why)
{
	uint64_t until_ms = nj_clock_boot_ms(nj_clock_system()) + BUSY_WAIT_MS;

	while (session->offline == NULL) {
		enum nj_err err;

		if (nj_admin_serves(sock_of(session, side)))
			return NJ_OK;
		err = nj_offline_open(&session->paths, &session->offline, why);
		if (err == NJ_ERR_NOT_FOUND && access(session->paths.config, F_OK) != 0)
			return nj_why(why, err,
				      "there is no gateway here (%s is missing): nightjar init makes one, "
				      "--dir names another",
				      session->paths.config);
		if (err != NJ_ERR_BUSY)
			return err;
		if (nj_clock_boot_ms(nj_clock_system()) >= until_ms)
			return nj_why(why, NJ_ERR_BUSY,
				      "the gateway's lock %s is held, but nothing answers at %s: it is starting, "
				      "stopping, or another nightjar command works on it; try again",
				      session->paths.lock, sock_of(session, side));
		sleep_step();
	}
	return NJ_OK;
}

enum nj_err nj_session_ask(struct nj_session *session, enum nj_side side, const char *verb, json_t *args,
			   nj_admin_item_fn on_item, void *item_arg, json_t **out_ok, struct nj_why *why)
{
	enum nj_err err =
	    args != NULL ? reach(session, side, why) : nj_why(why, NJ_ERR_USAGE, "the words must be UTF-8 text");

	if (err == NJ_OK && session->offline == NULL) {
		err = nj_admin_ask(sock_of(session, side), verb, args, ANSWER_MS, on_item, item_arg, out_ok, why);
		session->asked_running = true;
	} else if (err == NJ_OK) {
		err = nj_offline_ask(session->offline, verb, args, on_item, item_arg, out_ok, why);
		session->asked_running = false;
	}
	json_decref(args);
	return err;
}
