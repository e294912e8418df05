#include "daemon/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

/* Newer ABIs than the build machine's headers know; the kernel is asked which it has. */
#define ACCESS_FS_REFER (UINT64_C(1) << 13)     /* ABI 2 */
#define ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3 */
#define ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define ACCESS_NET_BIND_TCP (UINT64_C(1) << 0)  /* ABI 4 */
#define ACCESS_NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* ABI 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

#define ACCESS_FS_ABI_1 ((UINT64_C(1) << 13) - 1)
#define DATA_DIR_ACCESS                                                                               \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | ACCESS_FS_TRUNCATE)

/* struct landlock_ruleset_attr of ABI 6. */
struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct abi_step {
	int abi;
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
	size_t attr_bytes;
};

static const struct abi_step abi_steps[] = {
	{ 1, ACCESS_FS_ABI_1, 0, 0, 8 },      { 2, ACCESS_FS_REFER, 0, 0, 8 },
	{ 3, ACCESS_FS_TRUNCATE, 0, 0, 8 },   { 4, 0, ACCESS_NET_BIND_TCP | ACCESS_NET_CONNECT_TCP, 0, 16 },
	{ 5, ACCESS_FS_IOCTL_DEV, 0, 0, 16 }, { 6, 0, 0, SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL, 24 },
};

static enum nj_err failed(struct nj_why *why, const char *what)
{
	int saved = errno;

	return nj_why(why, nj_err_from_errno(saved), "Landlock: %s: %s", what, strerror(saved));
}

static struct ruleset_attr attr_for(int abi, size_t *out_bytes)
{
	struct ruleset_attr attr = { 0 };

	for (size_t i = 0; i < sizeof(abi_steps) / sizeof(abi_steps[0]) && abi_steps[i].abi <= abi; i++) {
		attr.handled_access_fs |= abi_steps[i].fs;
		attr.handled_access_net |= abi_steps[i].net;
		attr.scoped |= abi_steps[i].scoped;
		*out_bytes = abi_steps[i].attr_bytes;
	}
	return attr;
}

static enum nj_err allow_folder(int ruleset, const struct ruleset_attr *attr, const char *data_dir, struct nj_why *why)
{
	NJ_CLEANUP_FD int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return failed(why, data_dir);
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = DATA_DIR_ACCESS & attr->handled_access_fs,
		.parent_fd = dir,
	};
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
		return failed(why, "rule");
	return NJ_OK;
}

/* What the resolver looks up while it runs. What is not there is left out; one that is replaced is out of reach until
 * the process starts again. */
static enum nj_err allow_resolver(int ruleset, struct nj_why *why)
{
	static const char *const paths[] = { "/etc/resolv.conf", "/etc/hosts",         "/etc/nsswitch.conf",
					     "/etc/host.conf",   "/etc/gai.conf",      "/run/systemd/resolve",
					     "/run/resolvconf",  "/run/NetworkManager" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		NJ_CLEANUP_FD int fd = open(paths[i], O_PATH | O_CLOEXEC);
		struct landlock_path_beneath_attr beneath = { .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
							      .parent_fd = fd };
		if (fd >= 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
			return failed(why, paths[i]);
	}
	return NJ_OK;
}

enum nj_err nj_landlock_enter(const char *data_dir, bool dials, struct nj_why *why)
{
	size_t attr_bytes = 0;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1)
		return nj_why(why, NJ_ERR_UNSUPPORTED,
			      "this kernel offers no Landlock (Linux 5.13 or newer with landlock in `lsm=` is needed)");
	struct ruleset_attr attr = attr_for(abi, &attr_bytes);
	if (dials)
		attr.handled_access_net &= ~ACCESS_NET_CONNECT_TCP;
	NJ_CLEANUP_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_bytes, 0);
	if (ruleset < 0)
		return failed(why, "rule set");

	if (data_dir != NULL)
		NJ_TRY(allow_folder(ruleset, &attr, data_dir, why));
	if (dials)
		NJ_TRY(allow_resolver(ruleset, why));
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return failed(why, "restrict");
	return NJ_OK;
}
