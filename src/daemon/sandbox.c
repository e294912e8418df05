#include "daemon/sandbox.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemon/landlock.h"
#include "daemon/syscalls.h"

static enum nj_err failed(struct nj_why *why, const char *what)
{
	int saved = errno;

	return nj_why(why, nj_err_from_errno(saved), "the sandbox cannot be entered: %s: %s", what, strerror(saved));
}

enum nj_err nj_sandbox_harden(struct nj_why *why)
{
	const struct rlimit no_core = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		return failed(why, "no core dumps");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return failed(why, "not traceable");
	return NJ_OK;
}

static bool kept(int cap, const int *keep, size_t keep_count)
{
	for (size_t i = 0; i < keep_count; i++)
		if (keep[i] == cap)
			return true;
	return false;
}

/* Dropping from the bounding set needs CAP_SETPCAP; a process without it gains nothing by exec under no_new_privs. */
static void drop_bounding(const int *keep, size_t keep_count)
{
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!kept(cap, keep, keep_count))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

enum nj_err nj_sandbox_drop_capabilities(const int *keep, size_t keep_count, struct nj_why *why)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed(why, "no new privileges");
	drop_bounding(keep, keep_count);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return failed(why, "ambient capabilities");

	cap_t now = cap_get_proc();
	cap_t want = cap_init();
	if (now == NULL || want == NULL) {
		cap_free(now);
		cap_free(want);
		return failed(why, "capabilities");
	}
	for (size_t i = 0; i < keep_count; i++) {
		cap_value_t cap = keep[i];
		cap_flag_value_t has = CAP_CLEAR;
		(void)cap_get_flag(now, cap, CAP_PERMITTED, &has);
		if (has == CAP_SET) {
			(void)cap_set_flag(want, CAP_PERMITTED, 1, &cap, CAP_SET);
			(void)cap_set_flag(want, CAP_EFFECTIVE, 1, &cap, CAP_SET);
		}
	}
	int result = cap_set_proc(want);
	cap_free(now);
	cap_free(want);
	return result == 0 ? NJ_OK : failed(why, "capabilities");
}

enum nj_err nj_sandbox_enter(const struct nj_sandbox *sandbox, struct nj_why *why)
{
	static const int to_filter = CAP_NET_ADMIN;

	NJ_TRY(nj_sandbox_harden(why));
	NJ_TRY(nj_sandbox_drop_capabilities(&to_filter, sandbox->role == NJ_ROLE_WARDEN ? 1 : 0, why));
	NJ_TRY(nj_landlock_enter(sandbox->data_dir, sandbox->role == NJ_ROLE_DIALLER, why));
	if (sandbox->start_threads != NULL)
		NJ_TRY(sandbox->start_threads(sandbox->arg, why));
	return nj_syscalls_enter(sandbox->role, why);
}
