#include "daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/dialler.h"
#include "daemon/gateway.h"
#include "daemon/keeper.h"
#include "daemon/reload.h"
#include "daemon/role.h"
#include "daemon/warden.h"

#define CHANNEL_FD 3
#define CHILD_OPTION "--process"
#define START_BYTES 512

/* ---- users ---- */

static enum nj_err resolve_one(const char *what, const char *name, uid_t *out_uid, gid_t *out_gid, struct nj_why *why)
{
	uint64_t number;

	if (name[0] == '\0') {
		*out_uid = getuid();
		*out_gid = getgid();
		return NJ_OK;
	}
	if (nj_number_parse(name, 1, UINT32_MAX - 1, &number) == NJ_OK) {
		*out_uid = (uid_t)number;
		*out_gid = (gid_t)number;
		return NJ_OK;
	}
	const struct passwd *entry = getpwnam(name);
	if (entry == NULL)
		return nj_why(why, NJ_ERR_CONFIG, "users.%s: there is no user '%s' on this machine", what, name);
	*out_uid = entry->pw_uid;
	*out_gid = entry->pw_gid;
	return NJ_OK;
}

enum nj_err nj_users_resolve(const struct nj_settings *settings, struct nj_users *out_users, struct nj_why *why)
{
	struct nj_users users;
	bool configured = settings->users.keeper[0] != '\0' || settings->users.gateway[0] != '\0';

	NJ_TRY(resolve_one("keeper", settings->users.keeper, &users.keeper_uid, &users.keeper_gid, why));
	NJ_TRY(resolve_one("gateway", settings->users.gateway, &users.gateway_uid, &users.gateway_gid, why));
	if (configured && geteuid() != 0)
		return nj_why(why, NJ_ERR_DENIED, "users: starting processes under other users needs root");
	users.separate = users.keeper_uid != users.gateway_uid && users.keeper_uid != 0 && users.gateway_uid != 0;
	*out_users = users;
	return NJ_OK;
}

/* ---- the supervisor's side ---- */

static enum nj_err send_start(int channel, const struct nj_child_start *start, const struct nj_handles *handles)
{
	uint8_t bytes[START_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	size_t len;

	nj_write_u8(&w, (uint8_t)start->role);
	nj_write_u8(&w, start->separate_users);
	nj_write_u32(&w, start->owner_uid);
	nj_write_view16(&w, nj_view_str(start->dir));
	NJ_TRY(nj_writer_end(&w, &len));
	NJ_TRY(nj_channel_send_fds(channel, nj_view_of(bytes, len), NULL, 0));
	return nj_handles_send(channel, handles, start->role);
}

static bool kept_variable(const char *variable)
{
	const char *equals = strchr(variable, '=');
	size_t len = equals == NULL ? 0 : (size_t)(equals - variable);

	return len > 11 && strncmp(variable + len - 11, "SAN_OPTIONS", 11) == 0;
}

/* Nothing of the caller's environment but what steers a sanitizer. */
static void clean_environment(char *kept[], size_t cap)
{
	size_t count = 0;

	for (char **at = environ; at != NULL && *at != NULL && count + 1 < cap; at++)
		if (kept_variable(*at))
			kept[count++] = *at;
	kept[count] = NULL;
}

/* What a child does not have when it is started, no_new_privs keeps it from ever having. */
static void leave_capabilities(enum nj_role role)
{
	const cap_value_t to_filter = CAP_NET_ADMIN;
	cap_flag_value_t has = CAP_CLEAR;
	cap_t now = cap_get_proc();
	cap_t left = cap_init();

	if (now == NULL || left == NULL)
		_exit(EX_OSERR);
	(void)cap_get_flag(now, to_filter, CAP_PERMITTED, &has);
	bool keeps = role == NJ_ROLE_WARDEN && has == CAP_SET;
	if (keeps && (cap_set_flag(left, CAP_PERMITTED, 1, &to_filter, CAP_SET) != 0 ||
		      cap_set_flag(left, CAP_EFFECTIVE, 1, &to_filter, CAP_SET) != 0 ||
		      cap_set_flag(left, CAP_INHERITABLE, 1, &to_filter, CAP_SET) != 0))
		_exit(EX_OSERR);
	if (cap_set_proc(left) != 0)
		_exit(EX_NOPERM);
	if (keeps && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) != 0)
		_exit(EX_NOPERM);
}

/* The warden stays who the supervisor is: its one power is the capability. */
static void become(const struct nj_users *users, enum nj_role role)
{
	uid_t uid = role == NJ_ROLE_KEEPER ? users->keeper_uid : users->gateway_uid;
	gid_t gid = role == NJ_ROLE_KEEPER ? users->keeper_gid : users->gateway_gid;

	if (role == NJ_ROLE_WARDEN || (uid == getuid() && gid == getgid()))
		return;
	if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
		_exit(EX_NOPERM);
}

static void run_child(const struct nj_child_start *start, const struct nj_users *users, int channel)
{
	char *env[16];
	char *argv[] = { (char *)"nightjar", (char *)CHILD_OPTION, (char *)nj_role_name(start->role), NULL };
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(channel, CHANNEL_FD) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(EX_OSERR);
	int devnull = open("/dev/null", O_RDWR);
	if (devnull < 0 || dup2(devnull, STDIN_FILENO) < 0)
		_exit(EX_OSERR);
	clean_environment(env, sizeof(env) / sizeof(env[0]));
	become(users, start->role);
	leave_capabilities(start->role);
	execve("/proc/self/exe", argv, env);
	_exit(EX_OSERR);
}

enum nj_err nj_child_spawn(const struct nj_child_start *start, const struct nj_users *users,
			   const struct nj_handles *handles, pid_t *out_pid, int *out_channel, struct nj_why *why)
{
	int pair[2];

	if (nj_channel_pair(pair) != NJ_OK)
		return nj_why(why, NJ_ERR_IO, "no channel for the %s: %s", nj_role_name(start->role), strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		run_child(start, users, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return nj_why(why, NJ_ERR_LIMIT, "the %s cannot be started: %s", nj_role_name(start->role),
			      strerror(errno));
	}
	/* A child that died meanwhile is seen by its exit; only what it was to get is lost. */
	(void)!send_start(pair[0], start, handles);
	/* From here on the supervisor never waits for a child. */
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*out_pid = pid;
	*out_channel = pair[0];
	return NJ_OK;
}

/* ---- the child's side ---- */

bool nj_child_is(int argc, char **argv)
{
	return argc == 3 && strcmp(argv[1], CHILD_OPTION) == 0;
}

static enum nj_err receive_start(struct nj_child_start *out_start, struct nj_handles *out_handles)
{
	uint8_t bytes[START_BYTES];
	size_t len = 0;
	size_t fd_count = 0;
	struct nj_child_start start = { 0 };

	NJ_TRY(nj_channel_receive_fds(CHANNEL_FD, bytes, sizeof(bytes), &len, NULL, 0, &fd_count));
	struct nj_reader r = nj_reader_of(bytes, len);
	start.role = nj_read_u8(&r);
	start.separate_users = nj_read_u8(&r) != 0;
	start.owner_uid = nj_read_u32(&r);
	struct nj_view dir = nj_read_view16(&r);
	NJ_TRY(nj_reader_end(&r));
	NJ_TRY(nj_text_copy_view(start.dir, sizeof(start.dir), dir));
	NJ_TRY(nj_handles_receive(CHANNEL_FD, out_handles));
	*out_start = start;
	return NJ_OK;
}

static enum nj_err prepare(struct nj_role_config *config, struct nj_why *why)
{
	struct nj_child_start start;
	enum nj_handle_kind kind;

	if (receive_start(&start, &config->handles) != NJ_OK)
		return nj_why(why, NJ_ERR_CLOSED, "the supervisor is gone");
	config->separate_users = start.separate_users;
	config->owner_uid = start.owner_uid;
	config->control_fd = CHANNEL_FD;
	NJ_TRY(nj_paths_for(start.dir[0] == '\0' ? NULL : start.dir, &config->paths, why));
	kind = start.role == NJ_ROLE_DIALLER ? NJ_HANDLE_PEERS : NJ_HANDLE_CONFIG;
	return nj_config_fd_read(nj_handles_find(&config->handles, kind), &config->settings, why);
}

struct role {
	enum nj_role role;
	const char *process_name;
	enum nj_err (*run)(struct nj_role_config *config, struct nj_why *why);
};

static const struct role *role_of(const char *name)
{
	static const struct role roles[] = {
		{ NJ_ROLE_KEEPER, "nj-keeper", nj_keeper_role_run },
		{ NJ_ROLE_WARDEN, "nj-warden", nj_warden_role_run },
		{ NJ_ROLE_DIALLER, "nj-dialler", nj_dialler_role_run },
		{ NJ_ROLE_GATEWAY, "nj-gateway", nj_gateway_role_run },
	};
	size_t i = 0;

	while (i + 1 < sizeof(roles) / sizeof(roles[0]) && strcmp(nj_role_name(roles[i].role), name) != 0)
		i++;
	return &roles[i];
}

int nj_child_main(int argc, char **argv, const struct nj_child_hooks *hooks)
{
	static struct nj_role_config config;
	struct nj_why why = { "" };
	const struct role *role = role_of(argc > 2 ? argv[2] : "");

	/* The supervisor's end is the leash: no child outlives it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NAME, role->process_name, 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	config.hooks = hooks;
	enum nj_err err = prepare(&config, &why);
	if (err == NJ_OK) {
		nj_log_setup(config.settings.log.level, config.settings.log.format, nj_role_name(role->role));
		err = role->run(&config, &why);
	}
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "process.failed", NJ_S("reason", why.text[0] ? why.text : nj_err_text(err)));
	return nj_err_exit_code(err);
}
