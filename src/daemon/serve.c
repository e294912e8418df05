#include "daemon/serve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/sandbox.h"
#include "daemon/setup.h"
#include "daemon/supervisor.h"

#define SPARE_DESCRIPTORS 128 /* stores, channels, listeners */

struct serve {
	const struct nj_serve_options *options;
	struct nj_settings settings;
	struct nj_paths paths;
	struct nj_users users;
	struct nj_handles handles;
	int lock;
	struct nj_why why;
};

static const struct {
	const char *name;
	enum nj_settings_local_service service;
} local_services[] = {
	{ "mqtt", NJ_SETTINGS_LOCAL_MQTT },
	{ "mqtts", NJ_SETTINGS_LOCAL_MQTTS },
	{ "smpp", NJ_SETTINGS_LOCAL_SMPP },
	{ "https", NJ_SETTINGS_LOCAL_HTTPS },
};

static enum nj_err local_service(struct nj_view name, enum nj_settings_local_service *out_service)
{
	for (size_t i = 0; i < sizeof(local_services) / sizeof(local_services[0]); i++)
		if (nj_view_equal(name, nj_view_str(local_services[i].name))) {
			*out_service = local_services[i].service;
			return NJ_OK;
		}
	return NJ_ERR_USAGE;
}

/* "SERVICE=ADDRESS,as=NAME" */
static enum nj_err parse_local(const char *text, struct nj_settings_local *out_local)
{
	const char *equals = strchr(text, '=');
	const char *comma = equals == NULL ? NULL : strstr(equals, ",as=");
	struct nj_settings_local local = { 0 };

	if (comma == NULL)
		return NJ_ERR_USAGE;
	NJ_TRY(local_service(nj_view_of(text, (size_t)(equals - text)), &local.service));
	NJ_TRY(nj_text_copy_view(local.address, sizeof(local.address),
				 nj_view_of(equals + 1, (size_t)(comma - equals - 1))));
	NJ_TRY(nj_text_copy(local.as, sizeof(local.as), comma + 4));
	*out_local = local;
	return NJ_OK;
}

static enum nj_err add_locals(struct nj_settings *settings, const struct nj_serve_options *options, struct nj_why *why)
{

	for (size_t i = 0; i < options->local_count; i++) {
		if (settings->local_count >= NJ_SETTINGS_LOCAL_MAX)
			return nj_why(why, NJ_ERR_LIMIT, "at most %d local listeners", NJ_SETTINGS_LOCAL_MAX);
		enum nj_err err = parse_local(options->locals[i], &settings->local[settings->local_count]);
		if (err != NJ_OK)
			return nj_why(why, err, "--local %s: it must read mqtt=ADDRESS:PORT,as=APPLICATION",
				      options->locals[i]);
		settings->local_count++;
	}
	return nj_settings_check(settings, why);
}

/* The file's word and the command's, at start and at each reload. */
static enum nj_err load_settings(void *arg, struct nj_settings *out_settings, struct nj_why *why)
{
	const struct serve *serve = arg;
	struct nj_settings *settings = calloc(1, sizeof(*settings));
	enum nj_err err = settings == NULL ? NJ_ERR_NO_MEMORY : nj_settings_load(serve->paths.config, settings, why);

	if (err == NJ_OK)
		err = add_locals(settings, serve->options, why);
	if (err == NJ_OK)
		*out_settings = *settings;
	free(settings);
	return err;
}

/* ---- ownership of the stores under users of their own ---- */

/* One entry of an opened folder. Only what no other folder holds too: whoever owned the folder until now might have put
 * a name of somebody else's file into it. */
static enum nj_err give_entry(int folder, const char *name, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? NJ_OK : nj_err_from_errno(errno);
	if ((st.st_uid == uid && st.st_gid == gid) || !S_ISREG(st.st_mode))
		return NJ_OK;
	if (st.st_nlink != 1) {
		errno = EMLINK;
		return NJ_ERR_DENIED;
	}
	return fchownat(folder, name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0 ? NJ_OK : nj_err_from_errno(errno);
}

/* The folder and the files in it, by descriptor: a path could lead elsewhere by the time it is used. */
static enum nj_err give_all(const char *path, uid_t uid, gid_t gid)
{
	NJ_CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(dup(fd));
	enum nj_err err = entries == NULL ? nj_err_from_errno(errno) : NJ_OK;
	const struct dirent *entry;

	while (err == NJ_OK && (entry = readdir(entries)) != NULL)
		err = give_entry(fd, entry->d_name, uid, gid);
	if (err == NJ_OK && fchown(fd, uid, gid) != 0)
		err = nj_err_from_errno(errno);
	if (entries != NULL) {
		int saved = errno;
		closedir(entries);
		errno = saved;
	}
	return err;
}

static enum nj_err give(const char *dir, uid_t uid, gid_t gid, struct nj_why *why)
{
	enum nj_err err = give_all(dir, uid, gid);

	return err == NJ_OK ? NJ_OK
			    : nj_why(why, err, "%s cannot be given to uid %u: %s", dir, (unsigned)uid, strerror(errno));
}

static enum nj_err give_folders(struct serve *serve)
{
	const struct nj_users *users = &serve->users;

	if (geteuid() != 0)
		return NJ_OK;
	NJ_TRY(give(serve->paths.keeper_dir, users->keeper_uid, users->keeper_gid, &serve->why));
	NJ_TRY(give(serve->paths.keys_dir, users->keeper_uid, users->keeper_gid, &serve->why));
	return give(serve->paths.gateway_dir, users->gateway_uid, users->gateway_gid, &serve->why);
}

/* ---- limits of the process ---- */

/* As many descriptors and as much locked memory as the system lets us have: children inherit it. */
static void raise_limits(void)
{
	static const int which[] = { RLIMIT_NOFILE, RLIMIT_MEMLOCK };
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++)
		if (getrlimit((__rlimit_resource_t)which[i], &limit) == 0) {
			limit.rlim_cur = limit.rlim_max;
			(void)setrlimit((__rlimit_resource_t)which[i], &limit);
		}
}

/* What the configuration promises and the system does not give is said at start, not when it fails. */
static void warn_of_limits(const struct nj_settings *settings)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < settings->limits.connections + SPARE_DESCRIPTORS)
		NJ_LOG(NJ_LOG_WARN, "limit.descriptors", NJ_U("have", limit.rlim_cur),
		       NJ_U("want", settings->limits.connections + SPARE_DESCRIPTORS),
		       NJ_S("meaning", "fewer connections than limits.connections; raise LimitNOFILE or ulimit -n"));
}

/* ---- the order of things ---- */

static enum nj_err prepare(struct serve *serve, const struct nj_serve_options *options)
{
	NJ_TRY(nj_paths_for(options->dir, &serve->paths, &serve->why));
	serve->options = options;
	NJ_TRY(load_settings(serve, &serve->settings, &serve->why));
	nj_log_setup(serve->settings.log.level, serve->settings.log.format, "supervisor");
	raise_limits();
	warn_of_limits(&serve->settings);
	NJ_TRY(nj_paths_lock(&serve->paths, &serve->lock, &serve->why));
	NJ_TRY(nj_paths_make(&serve->paths, &serve->why));
	nj_paths_tidy(&serve->paths);
	NJ_TRY(nj_users_resolve(&serve->settings, &serve->users, &serve->why));
	NJ_TRY(give_folders(serve));
	return nj_setup_run(&serve->settings, &serve->paths, &serve->users, &serve->handles, &serve->why);
}

/* Starting, and in need killing, children of other users, and giving the warden its power, is all that is left. */
static enum nj_err confine(struct serve *serve)
{
	static const int kept[] = { CAP_NET_ADMIN, CAP_SETUID, CAP_SETGID, CAP_KILL };
	bool others = serve->users.keeper_uid != getuid() || serve->users.gateway_uid != getuid();

	NJ_TRY(nj_sandbox_harden(&serve->why));
	return nj_sandbox_drop_capabilities(kept, others ? 4 : 1, &serve->why);
}

int nj_daemon_serve(const struct nj_serve_options *options)
{
	static struct serve serve;
	int exit_code = EX_OK;

	serve.lock = -1;
	nj_log_setup(NJ_LOG_INFO, NJ_LOG_LOGFMT, "supervisor");
	(void)prctl(PR_SET_NAME, "nightjar", 0, 0, 0);
	/* The end of whoever reads the log is not the end of the gateway. */
	(void)signal(SIGPIPE, SIG_IGN);
	enum nj_err err = prepare(&serve, options);
	if (err == NJ_OK)
		err = confine(&serve);
	if (err == NJ_OK) {
		struct nj_supervisor_config config = {
			.settings = &serve.settings,
			.paths = &serve.paths,
			.users = &serve.users,
			.handles = &serve.handles,
			.load = load_settings,
			.load_arg = &serve,
		};
		if (serve.settings.cloak == NJ_SETTINGS_CLOAK_FAKE)
			NJ_LOG(NJ_LOG_WARN, "cloak.fake", NJ_S("meaning", "the ports are NOT dark: for trials only"));
		err = nj_supervisor_run(&config, &exit_code, &serve.why);
	}
	if (err != NJ_OK) {
		NJ_LOG(NJ_LOG_ERROR, "serve.failed",
		       NJ_S("reason", serve.why.text[0] ? serve.why.text : nj_err_text(err)));
		exit_code = nj_err_exit_code(err);
	}
	nj_handles_close(&serve.handles);
	if (serve.lock >= 0)
		close(serve.lock);
	return exit_code;
}
