#include "cli/then.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static const int passed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
#define PASSED_ON_COUNT (sizeof(passed_on) / sizeof(passed_on[0]))

static void watched_signals(sigset_t *out_set)
{
	sigemptyset(out_set);
	sigaddset(out_set, SIGCHLD);
	for (size_t i = 0; i < PASSED_ON_COUNT; i++)
		sigaddset(out_set, passed_on[i]);
}

/* In the child: never returns. What went wrong goes up the pipe, which a successful start closes. */
static _Noreturn void start(const char *const *words, const sigset_t *mask, int report_fd)
{
	int failed;

	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	(void)execvp(words[0], (char *const *)words);
	failed = errno;
	(void)!write(report_fd, &failed, sizeof(failed));
	_exit(EX_UNAVAILABLE);
}

/* Until the child ends; a signal that the terminal sent reached the child by itself. */
static enum nj_err wait_for(pid_t child, const sigset_t *watched, int *out_status, struct nj_why *why)
{
	for (;;) {
		siginfo_t info;
		int status;
		pid_t ended = waitpid(child, &status, WNOHANG);

		if (ended == child) {
			*out_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			return NJ_OK;
		}
		if (ended < 0 && errno != EINTR)
			return nj_why(why, NJ_ERR_IO, "cannot wait for the command: %m");
		if (sigwaitinfo(watched, &info) > 0 && info.si_signo != SIGCHLD && info.si_code != SI_KERNEL)
			(void)kill(child, info.si_signo);
	}
}

static enum nj_err started(int report_fd, const char *word, struct nj_why *why)
{
	int failed = 0;
	ssize_t got;

	do
		got = read(report_fd, &failed, sizeof(failed));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return NJ_OK;
	errno = failed;
	return nj_why(why, failed == ENOENT ? NJ_ERR_NOT_FOUND : nj_err_from_errno(failed), "cannot start %s: %m",
		      word);
}

enum nj_err nj_then_run(const char *const *words, int *out_status, struct nj_why *why)
{
	NJ_CLEANUP_FD int report_in = -1;
	NJ_CLEANUP_FD int report_out = -1;
	sigset_t watched;
	sigset_t before;
	int pipe_fds[2];
	int status = 0;
	enum nj_err err;
	enum nj_err start_err;
	pid_t child;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return nj_why(why, nj_err_from_errno(errno), "cannot make a pipe: %m");
	report_in = pipe_fds[0];
	report_out = pipe_fds[1];
	watched_signals(&watched);
	if (sigprocmask(SIG_BLOCK, &watched, &before) != 0)
		return nj_why(why, NJ_ERR_IO, "cannot block signals: %m");
	child = fork();
	if (child == 0)
		start(words, &before, report_out);
	if (child < 0) {
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		return nj_why(why, nj_err_from_errno(errno), "cannot start a process: %m");
	}
	nj_file_close_fd(&report_out);
	start_err = started(report_in, words[0], why);
	err = wait_for(child, &watched, &status, why);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (start_err != NJ_OK)
		return start_err;
	NJ_TRY(err);
	*out_status = status;
	return NJ_OK;
}
