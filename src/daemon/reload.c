#include "daemon/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config/config.h"
#include "base/file.h"

enum nj_err nj_config_fd_new(const struct nj_settings *settings, int *out_fd, struct nj_why *why)
{
	NJ_CLEANUP_FD int fd = memfd_create("nightjar.yaml", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (fd < 0)
		return nj_why(why, nj_err_from_errno(errno), "memfd: %s", strerror(errno));
	if (out == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
	nj_settings_print(settings, out);
	if (fclose(out) != 0)
		return nj_why(why, NJ_ERR_IO, "the configuration cannot be copied");
	/* Every child reads this one file: what a gateway wrote to it, the next keeper would believe. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return nj_why(why, nj_err_from_errno(errno), "the configuration cannot be sealed: %s", strerror(errno));
	*out_fd = fd;
	fd = -1;
	return NJ_OK;
}

enum nj_err nj_config_fd_read(int fd, struct nj_settings *out_settings, struct nj_why *why)
{
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	NJ_CLEANUP_FREE char *text = NULL;

	if (size <= 0 || size > NJ_CONFIG_MAX_BYTES)
		return nj_why(why, NJ_ERR_CONFIG, "no configuration was handed over");
	text = malloc((size_t)size);
	if (text == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
	if (pread(fd, text, (size_t)size, 0) != size)
		return nj_why(why, NJ_ERR_IO, "the configuration cannot be read");
	return nj_settings_parse("nightjar.yaml", text, (size_t)size, out_settings, why);
}
