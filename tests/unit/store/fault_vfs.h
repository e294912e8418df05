/*
 * Disks that fail: a VFS shim over SQLite's own, which counts writes, truncations and syncs down and then fails one, or
 * all from it on, or ends the process. Tests only.
 */
#ifndef NJ_TESTS_STORE_FAULT_VFS_H
#define NJ_TESTS_STORE_FAULT_VFS_H

#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	int countdown; /* of writes and syncs; 0 = never fails */
	int code;
	int failed;
	bool once;  /* a disk that has failed works again; else it stays so */
	bool kills; /* instead: half of it is written, and the process dies */
	bool quick; /* nothing is waited for: what a dead process leaves is there all the same */
} fault;

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct shim_file *)(void *)file)->real;
}

static bool fault_now(void)
{
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	fault.failed++;
	fault.countdown = fault.once ? 0 : 1;
	return true;
}

static int shim_close(sqlite3_file *file)
{
	sqlite3_file *real = real_of(file);
	int code = real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;

	free(real);
	return code;
}
static int shim_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), data, len, at);
}
static int shim_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	sqlite3_file *real = real_of(file);

	if (!fault_now())
		return real->pMethods->xWrite(real, data, len, at);
	if (fault.kills) {
		(void)!real->pMethods->xWrite(real, data, len / 2, at);
		kill(getpid(), SIGKILL);
	}
	return fault.code;
}
static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	if (!fault_now())
		return real_of(file)->pMethods->xTruncate(real_of(file), size);
	if (fault.kills)
		kill(getpid(), SIGKILL);
	return SQLITE_IOERR_TRUNCATE;
}
static int shim_sync(sqlite3_file *file, int flags)
{
	if (!fault_now())
		return fault.quick ? SQLITE_OK : real_of(file)->pMethods->xSync(real_of(file), flags);
	if (fault.kills)
		kill(getpid(), SIGKILL);
	return SQLITE_IOERR_FSYNC;
}
static int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int shim_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}
static int shim_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
static int shim_reserved(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
static int shim_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}
static int shim_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int shim_characteristics(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* No methods for shared memory: with the exclusive lock the store needs none. */
static const sqlite3_io_methods shim_methods = {
	.iVersion = 1,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_reserved,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_characteristics,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct shim_file *shim = (struct shim_file *)(void *)file;
	int code;

	shim->real = calloc(1, (size_t)real_vfs->szOsFile);
	code = real_vfs->xOpen(real_vfs, name, shim->real, flags, out_flags);
	if (code != SQLITE_OK) {
		free(shim->real);
		file->pMethods = NULL;
		return code;
	}
	file->pMethods = &shim_methods;
	return SQLITE_OK;
}

static sqlite3_vfs shim_vfs;

static inline void fault_vfs_begin(void)
{
	if (real_vfs == NULL) {
		real_vfs = sqlite3_vfs_find(NULL);
		shim_vfs = *real_vfs;
		shim_vfs.zName = "nj-faults";
		shim_vfs.szOsFile = sizeof(struct shim_file);
		shim_vfs.xOpen = shim_open;
	}
	memset(&fault, 0, sizeof(fault));
	fault.code = SQLITE_IOERR_WRITE;
	sqlite3_vfs_register(&shim_vfs, 1);
}

static inline void fault_vfs_end(void)
{
	sqlite3_vfs_unregister(&shim_vfs);
}

#endif
