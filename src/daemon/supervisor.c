#include "daemon/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "bus/control.h"
#include "daemon/bridge_files.h"
#include "daemon/dialler.h"
#include "daemon/reload.h"
#include "daemon/settle.h"
#include "daemon/warden.h"
#include "keeper/cloak/cbpf.h"

#define RESTART_FIRST_MS 50
#define RESTART_MAX_MS 1000   /* the bar for being back is 2 s */
#define STABLE_AFTER_MS 10000 /* a child that lived this long starts again at once */
#define STOP_WAIT_MS 5000     /* for the gateway, then for the keeper; then it is killed */
#define CHANNEL_QUEUE_BYTES 4096
#define CONTROL_TEXT_BYTES 2048
#define CHILDREN 4

struct child {
	struct supervisor *owner;
	enum nj_role role;
	pid_t pid; /* 0: not running */
	bool ready;
	bool replaced;       /* was told to stop, as the configuration is another */
	uint32_t quick_ends; /* in a row */
	uint64_t started_ms;
	struct nj_channel channel;
	struct nj_timer restart;
};

struct supervisor {
	const struct nj_supervisor_config *config;
	struct nj_reactor *reactor;
	struct nj_io signals;
	struct nj_timer stop_limit;
	struct child keeper;
	struct child gateway;
	struct child warden;
	struct child dialler;
	bool warden_wanted; /* else it waits until somebody calls */
	bool dialler_wanted;
	struct nj_io calls; /* at its socket, while it does not run */
	bool announced;     /* "ready" was said */
	bool stopping;
	int exit_code;
};

static struct child *each_child(struct supervisor *s, size_t i)
{
	struct child *const all[CHILDREN] = { &s->gateway, &s->keeper, &s->warden, &s->dialler };

	return all[i];
}

static void say_ready(struct supervisor *s)
{
	static const char line[] = "ready\n";

	if (s->announced || !s->keeper.ready || !s->gateway.ready || (s->warden_wanted && !s->warden.ready))
		return;
	s->announced = true;
	nj_settle();
	(void)!write(STDOUT_FILENO, line, sizeof(line) - 1);
}

static void kill_child(const struct child *child, const char *reason)
{
	if (child->pid == 0)
		return;
	NJ_LOG(NJ_LOG_ERROR, "process.killed", NJ_S("role", nj_role_name(child->role)), NJ_S("reason", reason));
	(void)kill(child->pid, SIGKILL);
}

static void control(struct child *child, enum nj_control type, const int *fd)
{
	uint8_t byte = (uint8_t)type;

	if (child->pid == 0)
		return;
	enum nj_err err = nj_channel_send_fds(child->channel.io.fd, nj_view_of(&byte, 1), fd, fd == NULL ? 0 : 1);
	/* A child that is dying is handled at its exit. One that reads nothing would miss its peer, or its stop. */
	if (err == NJ_ERR_AGAIN)
		kill_child(child, "does not read what it is told");
}

/* A keeper that is ready and a gateway that runs get a fresh channel to each other. */
static void introduce(struct supervisor *s)
{
	int pair[2];

	if (!s->keeper.ready || s->gateway.pid == 0)
		return;
	if (nj_channel_pair(pair) != NJ_OK) {
		NJ_LOG(NJ_LOG_ERROR, "process.channel", NJ_S("reason", strerror(errno)));
		return;
	}
	control(&s->keeper, NJ_CONTROL_PEER, &pair[0]);
	control(&s->gateway, NJ_CONTROL_PEER, &pair[1]);
	close(pair[0]);
	close(pair[1]);
}

/* The same for gateway and dialler. */
static void introduce_dialler(struct supervisor *s)
{
	int pair[2];

	if (!s->dialler.ready || s->gateway.pid == 0)
		return;
	if (nj_channel_pair(pair) != NJ_OK) {
		NJ_LOG(NJ_LOG_ERROR, "process.channel", NJ_S("reason", strerror(errno)));
		return;
	}
	control(&s->dialler, NJ_CONTROL_PEER, &pair[0]);
	control(&s->gateway, NJ_CONTROL_DIALLER, &pair[1]);
	close(pair[0]);
	close(pair[1]);
}

/* The same for keeper and warden. */
static void introduce_warden(struct supervisor *s)
{
	int pair[2];

	if (!s->keeper.ready || !s->warden.ready)
		return;
	if (nj_channel_pair(pair) != NJ_OK) {
		NJ_LOG(NJ_LOG_ERROR, "process.channel", NJ_S("reason", strerror(errno)));
		return;
	}
	control(&s->keeper, NJ_CONTROL_WARDEN, &pair[0]);
	control(&s->warden, NJ_CONTROL_PEER, &pair[1]);
	close(pair[0]);
	close(pair[1]);
}

/* The keeper's word against the gateway: a fresh one takes its place. The other way round there is no such message. */
static void end_gateway(struct supervisor *s)
{
	if (!s->stopping)
		kill_child(&s->gateway, "it broke the rules of its channel to the keeper");
}

static void say_started(struct child *child)
{
	if (child->ready)
		return;
	child->ready = true;
	NJ_LOG(NJ_LOG_INFO, "process.ready", NJ_S("role", nj_role_name(child->role)), NJ_I("pid", child->pid),
	       NJ_U("after_ms", nj_reactor_now_ms(child->owner->reactor) - child->started_ms));
	if (child->role == NJ_ROLE_KEEPER)
		introduce(child->owner);
	if (child->role == NJ_ROLE_DIALLER)
		introduce_dialler(child->owner);
	if (child->role == NJ_ROLE_KEEPER || child->role == NJ_ROLE_WARDEN)
		introduce_warden(child->owner);
	say_ready(child->owner);
}

/* ---- the configuration, read again ---- */

/* One byte and a text, and descriptors. */
static void control_text(struct child *child, enum nj_control type, const char *text, const int *fds, size_t fd_count)
{
	uint8_t message[CONTROL_TEXT_BYTES];
	struct nj_writer w = nj_writer_of(message, sizeof(message));
	size_t len;

	nj_write_u8(&w, (uint8_t)type);
	nj_write_bytes(&w, text, strlen(text));
	if (child->pid != 0 && nj_writer_end(&w, &len) == NJ_OK)
		(void)!nj_channel_send_fds(child->channel.io.fd, nj_view_of(message, len), fds, fd_count);
}

/* Children that start later get it too: the text takes the place of the one that they would have got. */
static enum nj_err replace_one(struct supervisor *s, enum nj_handle_kind kind, int fresh, struct nj_why *why)
{
	if (dup3(fresh, nj_handles_find(s->config->handles, kind), O_CLOEXEC) < 0)
		return nj_why(why, nj_err_from_errno(errno), "the configuration cannot be handed on: %s",
			      strerror(errno));
	return NJ_OK;
}

static enum nj_err replace_config(struct supervisor *s, const struct nj_settings *settings, struct nj_why *why)
{
	NJ_CLEANUP_FD int config = -1;
	NJ_CLEANUP_FD int bridges = -1;
	NJ_CLEANUP_FD int peers = -1;

	NJ_TRY(nj_config_fd_new(settings, &config, why));
	NJ_TRY(nj_bridges_fd_new(settings, &bridges, why));
	NJ_TRY(nj_bridges_peers_fd_new(settings, &peers, why));
	NJ_TRY(replace_one(s, NJ_HANDLE_CONFIG, config, why));
	NJ_TRY(replace_one(s, NJ_HANDLE_BRIDGES, bridges, why));
	return replace_one(s, NJ_HANDLE_PEERS, peers, why);
}

static enum nj_err take_config(struct supervisor *s, struct nj_settings *wanted, struct nj_settings_changes *changes,
			       struct nj_why *why)
{
	struct nj_settings mixed;

	NJ_TRY(s->config->load(s->config->load_arg, wanted, why));
	nj_settings_changes(s->config->settings, wanted, changes);
	NJ_TRY(nj_settings_merge(s->config->settings, wanted, &mixed, why));
	NJ_TRY(replace_config(s, &mixed, why));
	*s->config->settings = mixed;
	return NJ_OK;
}

static void start_child(struct child *child);

/* It knows a configuration by its start alone: what runs makes way. */
static void renew_dialler(struct supervisor *s)
{
	struct child *dialler = &s->dialler;

	s->dialler_wanted = nj_dialler_wanted(s->config->settings);
	nj_timer_cancel(&dialler->restart);
	if (dialler->pid != 0) {
		dialler->replaced = true;
		control(dialler, NJ_CONTROL_STOP, NULL);
	} else if (s->dialler_wanted) {
		start_child(dialler);
	}
}

/* Whole or not at all: a refused file leaves everything as it runs. */
static void reload(struct supervisor *s)
{
	struct nj_settings_changes changes = { "", "" };
	struct nj_settings *wanted = calloc(1, sizeof(*wanted));
	struct nj_why why = { "" };
	char text[CONTROL_TEXT_BYTES];
	enum nj_err err = wanted == NULL ? NJ_ERR_NO_MEMORY : take_config(s, wanted, &changes, &why);
	const int held[] = { nj_handles_find(s->config->handles, NJ_HANDLE_CONFIG),
			     nj_handles_find(s->config->handles, NJ_HANDLE_BRIDGES) };

	free(wanted);
	if (err != NJ_OK) {
		const char *reason = why.text[0] != '\0' ? why.text : nj_err_text(err);

		NJ_LOG(NJ_LOG_ERROR, "reload.refused", NJ_S("reason", reason));
		control_text(&s->keeper, NJ_CONTROL_CONFIG_REFUSED, reason, NULL, 0);
		return;
	}
	nj_log_setup(s->config->settings->log.level, s->config->settings->log.format, "supervisor");
	NJ_LOG(NJ_LOG_INFO, "reload", NJ_S("changed", changes.live), NJ_S("after_restart", changes.restart));
	(void)!nj_text_format(text, sizeof(text), "%s\n%s", changes.live, changes.restart);
	renew_dialler(s);
	control_text(&s->gateway, NJ_CONTROL_CONFIG, text, held, 2);
	control_text(&s->keeper, NJ_CONTROL_CONFIG, text, held, 1);
}

static void on_message(struct nj_channel *channel, struct nj_view message, int *fds, size_t fd_count)
{
	struct child *child = channel->user;
	uint8_t type = message.len == 1 ? message.data[0] : 0;

	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (type == NJ_CONTROL_READY)
		say_started(child);
	else if (type == NJ_CONTROL_PEER_BROKE && child->role == NJ_ROLE_KEEPER)
		end_gateway(child->owner);
	else if (type == NJ_CONTROL_RELOAD && child->role == NJ_ROLE_KEEPER && !child->owner->stopping)
		reload(child->owner);
}

/* The process's end is what counts, not its channel's. */
static void on_channel_closed(struct nj_channel *channel)
{
	(void)channel;
}

static void on_restart(struct nj_timer *timer)
{
	start_child(NJ_CONTAINER(timer, struct child, restart));
}

static void restart_later(struct child *child)
{
	uint64_t lived_ms = nj_reactor_now_ms(child->owner->reactor) - child->started_ms;
	uint64_t delay_ms = 0;

	if (child->ready && lived_ms >= STABLE_AFTER_MS)
		child->quick_ends = 0;
	else
		child->quick_ends++;
	if (child->quick_ends > 1) {
		uint32_t doublings = child->quick_ends - 2 < 8 ? child->quick_ends - 2 : 8;
		delay_ms = (uint64_t)RESTART_FIRST_MS << doublings;
	}
	if (delay_ms > RESTART_MAX_MS)
		delay_ms = RESTART_MAX_MS;
	NJ_LOG(NJ_LOG_WARN, "process.restart", NJ_S("role", nj_role_name(child->role)), NJ_U("in_ms", delay_ms),
	       NJ_U("lived_ms", lived_ms));
	child->restart.on_timer = on_restart;
	nj_timer_arm(child->owner->reactor, &child->restart, delay_ms);
}

static void start_child(struct child *child)
{
	struct supervisor *s = child->owner;
	struct nj_child_start start = {
		.role = child->role,
		.separate_users = s->config->users->separate,
		.owner_uid = getuid(),
	};
	struct nj_why why = { "" };
	int fd = -1;

	memcpy(start.dir, s->config->paths->dir, sizeof(start.dir));
	child->ready = false;
	child->started_ms = nj_clock_boot_ns(nj_clock_system()) / 1000000;
	enum nj_err err = nj_child_spawn(&start, s->config->users, s->config->handles, &child->pid, &fd, &why);
	if (err == NJ_OK) {
		child->channel = (struct nj_channel){
			.on_message = on_message,
			.on_closed = on_channel_closed,
			.user = child,
		};
		err = nj_channel_start(s->reactor, &child->channel, fd, CHANNEL_QUEUE_BYTES);
	}
	/* It runs already: its end, which is seen as any other's, starts the next one. */
	if (err != NJ_OK && child->pid != 0) {
		kill_child(child, "it cannot be spoken to");
		return;
	}
	if (err != NJ_OK) {
		NJ_LOG(NJ_LOG_ERROR, "process.start", NJ_S("role", nj_role_name(child->role)),
		       NJ_S("reason", why.text[0] ? why.text : nj_err_text(err)));
		restart_later(child);
		return;
	}
	if (child->role == NJ_ROLE_GATEWAY) {
		introduce(s);
		introduce_dialler(s);
	}
}

/* ---- a warden that nobody needs yet ---- */

static void on_call(struct nj_io *io, uint32_t events)
{
	struct supervisor *s = NJ_CONTAINER(io, struct supervisor, calls);

	nj_io_remove(&s->calls);
	start_child(&s->warden);
}

static void await_call(struct supervisor *s)
{
	s->calls =
	    (struct nj_io){ .fd = nj_handles_find(s->config->handles, NJ_HANDLE_WARDEN_SOCK), .on_event = on_call };
	enum nj_err err = nj_io_add(s->reactor, &s->calls, EPOLLIN);
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "warden.unreachable", NJ_E(err));
}

/* ---- the end ---- */

/* The gateway first, whose last audit records still reach the keeper; the warden last, whom the keeper tells to shut.
 */
static void stop_next(struct supervisor *s)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (each_child(s, i)->pid != 0) {
			control(each_child(s, i), NJ_CONTROL_STOP, NULL);
			return;
		}
	nj_reactor_stop(s->reactor);
}

static void on_stop_limit(struct nj_timer *timer)
{
	struct supervisor *s = NJ_CONTAINER(timer, struct supervisor, stop_limit);

	/* A gateway that hangs must not cost the keeper its last checkpoint: each has its own time from here. */
	for (size_t i = 0; i < CHILDREN; i++)
		if (each_child(s, i)->pid != 0) {
			kill_child(each_child(s, i), "did not stop in time");
			break;
		}
	nj_timer_arm(s->reactor, timer, STOP_WAIT_MS);
}

static void stop_all(struct supervisor *s, int exit_code)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->exit_code = exit_code;
	nj_timer_cancel(&s->keeper.restart);
	nj_timer_cancel(&s->gateway.restart);
	nj_timer_cancel(&s->warden.restart);
	nj_timer_cancel(&s->dialler.restart);
	nj_io_remove(&s->calls);
	s->stop_limit.on_timer = on_stop_limit;
	nj_timer_arm(s->reactor, &s->stop_limit, STOP_WAIT_MS);
	stop_next(s);
}

/* A child that fails before it ever served would fail again: its reason is the gateway's. */
static bool hopeless(const struct supervisor *s, int status)
{
	return !s->announced && WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

/* Classic filters know no time: where their warden is gone, they must shut. */
static void shut_doors(const struct supervisor *s)
{
	const struct nj_handles *handles = s->config->handles;
	struct nj_why why = { "" };

	for (size_t i = 0; i < handles->count; i++)
		if (handles->at[i].kind == NJ_HANDLE_FILTERED && nj_cloak_cbpf_shut(handles->at[i].fd, &why) != NJ_OK)
			NJ_LOG(NJ_LOG_ERROR, "cloak.failed", NJ_S("reason", why.text));
}

static void child_ended(struct supervisor *s, struct child *child, int status)
{
	nj_channel_stop(&child->channel);
	if (child->role == NJ_ROLE_WARDEN)
		shut_doors(s);
	if (!s->stopping && !child->replaced)
		NJ_LOG(NJ_LOG_ERROR, "process.ended", NJ_S("role", nj_role_name(child->role)), NJ_I("pid", child->pid),
		       NJ_I(WIFSIGNALED(status) ? "signal" : "status",
			    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
	child->pid = 0;
	if (s->stopping) {
		stop_next(s);
	} else if (child->role == NJ_ROLE_DIALLER && !s->dialler_wanted) {
		child->replaced = false;
	} else if (child->replaced) {
		child->replaced = false;
		start_child(child);
	} else if (hopeless(s, status)) {
		stop_all(s, WEXITSTATUS(status));
	} else if (child->role == NJ_ROLE_WARDEN && !s->warden_wanted) {
		await_call(s);
	} else {
		restart_later(child);
	}
	child->ready = false;
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < CHILDREN; i++)
			if (each_child(s, i)->pid == pid)
				child_ended(s, each_child(s, i), status);
}

static void on_signal(struct nj_io *io, uint32_t events)
{
	struct supervisor *s = NJ_CONTAINER(io, struct supervisor, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			reap(s);
		} else if (info.ssi_signo == SIGHUP) {
			if (!s->stopping)
				reload(s);
		} else {
			NJ_LOG(NJ_LOG_INFO, "stopping", NJ_S("signal", strsignal((int)info.ssi_signo)));
			stop_all(s, 0);
		}
	}
}

static enum nj_err watch_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return NJ_ERR_IO;
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return nj_err_from_errno(errno);
	s->signals = (struct nj_io){ .fd = fd, .on_event = on_signal };
	return nj_io_add(s->reactor, &s->signals, EPOLLIN);
}

enum nj_err nj_supervisor_run(const struct nj_supervisor_config *config, int *out_exit_code, struct nj_why *why)
{
	static struct supervisor s;

	s = (struct supervisor){ .config = config, .signals.fd = -1 };
	s.keeper = (struct child){ .owner = &s, .role = NJ_ROLE_KEEPER };
	s.gateway = (struct child){ .owner = &s, .role = NJ_ROLE_GATEWAY };
	s.warden = (struct child){ .owner = &s, .role = NJ_ROLE_WARDEN };
	s.dialler = (struct child){ .owner = &s, .role = NJ_ROLE_DIALLER };
	s.dialler_wanted = nj_dialler_wanted(config->settings);
	s.warden_wanted = nj_warden_wanted(config->settings);
	enum nj_err err = nj_reactor_new(nj_clock_system(), &s.reactor);
	if (err == NJ_OK)
		err = watch_signals(&s);
	if (err != NJ_OK)
		return nj_why(why, err, "the supervisor's loop cannot start: %s", nj_err_text(err));
	start_child(&s.keeper);
	start_child(&s.gateway);
	if (s.dialler_wanted)
		start_child(&s.dialler);
	if (s.warden_wanted)
		start_child(&s.warden);
	else
		await_call(&s);
	err = nj_reactor_run(s.reactor);
	nj_io_remove(&s.signals);
	nj_io_remove(&s.calls);
	close(s.signals.fd);
	nj_reactor_free(s.reactor);
	*out_exit_code = s.exit_code;
	return err;
}
