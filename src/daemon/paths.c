#include "daemon/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "store/copy.h"

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct place {
	size_t offset;
	const char *below_dir; /* with --dir */
	const char *packaged;
};

#define PLACE(member, below, where)                                 \
	{                                                           \
		offsetof(struct nj_paths, member), (below), (where) \
	}

static const struct place places[] = {
	PLACE(config, "nightjar.yaml", "/etc/nightjar/nightjar.yaml"),
	PLACE(keeper_dir, "keeper", "/var/lib/nightjar/keeper"),
	PLACE(keeper_db, "keeper/keeper.db", "/var/lib/nightjar/keeper/keeper.db"),
	PLACE(gateway_dir, "gateway", "/var/lib/nightjar/gateway"),
	PLACE(gateway_db, "gateway/gateway.db", "/var/lib/nightjar/gateway/gateway.db"),
	PLACE(messages_db, "gateway/messages.db", "/var/lib/nightjar/gateway/messages.db"),
	PLACE(keys_dir, "keys", "/var/lib/nightjar/keys"),
	PLACE(key_file, "keys/vault.key", "/var/lib/nightjar/keys/vault.key"),
	PLACE(run_dir, "run", "/run/nightjar"),
	PLACE(keeper_sock, "run/keeper.sock", "/run/nightjar/keeper.sock"),
	PLACE(admin_sock, "run/admin.sock", "/run/nightjar/admin.sock"),
	PLACE(warden_sock, "run/warden.sock", "/run/nightjar/warden.sock"),
	PLACE(guards_mark, "run/guards", "/run/nightjar/guards"),
	PLACE(lock, "lock", "/var/lib/nightjar/lock"),
};

static enum nj_err absolute(const char *dir, char out[NJ_PATH_BYTES], struct nj_why *why)
{
	char here[NJ_PATH_BYTES];
	enum nj_err err;

	if (dir[0] == '\0')
		return nj_why(why, NJ_ERR_USAGE, "--dir is empty");
	if (dir[0] == '/') {
		err = nj_text_copy(out, NJ_PATH_BYTES, dir);
	} else {
		if (getcwd(here, sizeof(here)) == NULL)
			return nj_why(why, nj_err_from_errno(errno), "the current folder's path is too long");
		err = nj_text_format(out, NJ_PATH_BYTES, "%s/%s", here, dir);
	}
	if (err != NJ_OK)
		return nj_why(why, err, "the path of --dir is too long");
	for (size_t len = strlen(out); len > 1 && out[len - 1] == '/'; len--)
		out[len - 1] = '\0';
	return NJ_OK;
}

enum nj_err nj_paths_for(const char *dir, struct nj_paths *out_paths, struct nj_why *why)
{
	struct nj_paths paths = { 0 };

	if (dir != NULL)
		NJ_TRY(absolute(dir, paths.dir, why));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *at = (char *)&paths + places[i].offset;
		enum nj_err err = dir != NULL
				      ? nj_text_format(at, NJ_PATH_BYTES, "%s/%s", paths.dir, places[i].below_dir)
				      : nj_text_copy(at, NJ_PATH_BYTES, places[i].packaged);
		if (err != NJ_OK)
			return nj_why(why, err, "the path of --dir is too long");
	}
	if (strlen(paths.keeper_sock) > SOCKET_PATH_MAX || strlen(paths.admin_sock) > SOCKET_PATH_MAX)
		return nj_why(why, NJ_ERR_TOO_LARGE,
			      "the path '%s' is too long for a Unix socket (at most %zu bytes): use a shorter --dir",
			      paths.keeper_sock, SOCKET_PATH_MAX);
	*out_paths = paths;
	return NJ_OK;
}

enum nj_err nj_paths_make(const struct nj_paths *paths, struct nj_why *why)
{
	if (paths->dir[0] != '\0') {
		NJ_TRY(nj_dir_make(paths->dir, 0711, why));
	} else {
		NJ_TRY(nj_dir_make("/etc/nightjar", 0755, why));
		NJ_TRY(nj_dir_make("/var/lib/nightjar", 0711, why));
	}
	NJ_TRY(nj_dir_make(paths->keeper_dir, 0700, why));
	NJ_TRY(nj_dir_make(paths->gateway_dir, 0700, why));
	NJ_TRY(nj_dir_make(paths->keys_dir, 0700, why));
	return nj_dir_make(paths->run_dir, 0711, why);
}

enum nj_err nj_paths_lock(const struct nj_paths *paths, int *out_fd, struct nj_why *why)
{
	NJ_CLEANUP_FD int fd = open(paths->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		int saved = errno;
		return nj_why(why, nj_err_from_errno(saved), "cannot open %s: %s%s", paths->lock, strerror(saved),
			      saved == ENOENT ? " (is this a gateway's folder? `nightjar init` makes one)" : "");
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return nj_why(why, errno == EWOULDBLOCK ? NJ_ERR_BUSY : nj_err_from_errno(errno),
			      "%s is held by a running gateway or another command", paths->lock);
	*out_fd = fd;
	fd = -1;
	return NJ_OK;
}

void nj_paths_tidy(const struct nj_paths *paths)
{
	const char *const stores[] = { paths->keeper_db, paths->gateway_db };
	char copy[NJ_PATH_BYTES + 16];

	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
		if (nj_text_format(copy, sizeof(copy), "%s" NJ_STORE_COPY_SUFFIX, stores[i]) == NJ_OK)
			(void)unlink(copy);
}
