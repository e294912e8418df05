#include "crypto/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypto/crypto.h"

struct nj_secret {
	uint8_t *bytes;
	size_t len;
	uint8_t *map; /* guard page, pages, guard page; NULL when sodium_malloc made the memory */
	size_t map_len;
};

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Pages of memfd_secret(2) between two that cannot be touched; the secret ends at the upper one. */
static enum nj_err map_secret(struct nj_secret *secret)
{
	size_t page = page_bytes();
	size_t inner = (secret->len + page - 1) / page * page;
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	if (fd < 0)
		return NJ_ERR_UNSUPPORTED;
	enum nj_err err = NJ_ERR_UNSUPPORTED;
	size_t map_len = inner + 2 * page;
	uint8_t *map = mmap(NULL, map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		goto out;
	if (ftruncate(fd, (off_t)inner) != 0 ||
	    mmap(map + page, inner, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		munmap(map, map_len);
		goto out;
	}
	secret->map = map;
	secret->map_len = map_len;
	secret->bytes = map + page + inner - secret->len;
	err = NJ_OK;
out:
	close(fd);
	return err;
}

static enum nj_err allocate(struct nj_secret *secret)
{
	secret->bytes = sodium_malloc(secret->len);
	if (!secret->bytes)
		return NJ_ERR_NO_MEMORY;
	/* sodium_malloc goes on when the lock fails; a second lock of locked pages only tells whether it did. */
	if (sodium_mlock(secret->bytes, secret->len) != 0) {
		sodium_free(secret->bytes);
		return NJ_ERR_NO_MEMORY;
	}
	sodium_memzero(secret->bytes, secret->len);
	return NJ_OK;
}

/* A copy over fork would be shared pages with one backend and private ones with the other: neither inherits. */
static bool keep_from_children(const struct nj_secret *secret)
{
	size_t page = page_bytes();
	uintptr_t start = (uintptr_t)secret->bytes / page * page;
	uintptr_t end = ((uintptr_t)secret->bytes + secret->len + page - 1) / page * page;
	return madvise((void *)start, end - start, MADV_DONTFORK) == 0;
}

enum nj_err nj_secret_new(size_t len, struct nj_secret **out_secret)
{
	if (len == 0 || len > SIZE_MAX / 2)
		return NJ_ERR_RANGE;
	struct nj_secret *secret = calloc(1, sizeof(*secret));
	if (!secret)
		return NJ_ERR_NO_MEMORY;
	secret->len = len;
	if (map_secret(secret) != NJ_OK) {
		enum nj_err err = allocate(secret);
		if (err != NJ_OK) {
			free(secret);
			return err;
		}
	}
	if (!keep_from_children(secret)) {
		nj_secret_free(secret);
		return NJ_ERR_NO_MEMORY;
	}
	*out_secret = secret;
	return NJ_OK;
}

void nj_secret_free(struct nj_secret *secret)
{
	if (!secret)
		return;
	if (secret->map) {
		nj_wipe(secret->bytes, secret->len);
		munmap(secret->map, secret->map_len);
	} else {
		sodium_free(secret->bytes);
	}
	free(secret);
}

uint8_t *nj_secret_bytes(struct nj_secret *secret)
{
	return secret->bytes;
}

size_t nj_secret_len(const struct nj_secret *secret)
{
	return secret->len;
}

void nj_secret_cleanup(struct nj_secret **secret)
{
	nj_secret_free(*secret);
	*secret = NULL;
}
