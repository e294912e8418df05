/* A folder of its own for each test, and rows to put into the stores. Tests only. */
#ifndef NJ_TESTS_STORE_FIXTURE_H
#define NJ_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/gateway_store.h"
#include "store/keeper_store.h"

struct fixture {
	char folder[64];
	char path[96];
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/nj-store-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/test.db", f->folder);
	*state = f;
	return 0;
}

/* Each takes the keeper's store one version back, to what the release before it wrote. */
#define UNDO_VERSION_3                                                                       \
	"DROP TABLE certificates; DROP TABLE trusts; ALTER TABLE policies DROP COLUMN bind;" \
	"ALTER TABLE policies DROP COLUMN tls12;"
#define UNDO_VERSION_4 "DROP TABLE restored;"
#define UNDO_VERSION_5                                                                           \
	"DROP INDEX devices_cloned; DROP INDEX devices_pending; DROP TABLE tombstones;"          \
	"ALTER TABLE devices DROP COLUMN rekeyed_ms; ALTER TABLE devices DROP COLUMN cloned_ms;" \
	"ALTER TABLE devices DROP COLUMN sealed_pending;"                                        \
	"ALTER TABLE devices DROP COLUMN sealed_recovery;"
#define UNDO_VERSION_6 "ALTER TABLE policies DROP COLUMN bind_ms;"
#define UNDO_VERSION_7 "DROP TABLE tombstone_hints; DROP INDEX tombstones_unproven;"
#define UNDO_VERSION_8 "ALTER TABLE devices DROP COLUMN sealed_offer; ALTER TABLE devices DROP COLUMN recovery_floor;"

static inline int fixture_remove(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	return remove(path);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->folder, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static inline struct nj_keeper_store *create_keeper(struct fixture *f)
{
	struct nj_keeper_store *store = NULL;
	struct nj_why why = { "" };

	if (nj_keeper_store_open(f->path, NJ_STORE_CREATE, &store, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return store;
}

static inline struct nj_keeper_store *open_keeper(struct fixture *f)
{
	struct nj_keeper_store *store = NULL;
	struct nj_why why = { "" };

	if (nj_keeper_store_open(f->path, NJ_STORE_OPEN, &store, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return store;
}

static inline struct nj_keeper_device device_row(uint32_t number)
{
	struct nj_keeper_device device = {
		.kind = 1,
		.state = NJ_DEVICE_LIVE,
		.sealed_key_len = 72,
		.epoch = 1,
		.created_ms = 1000,
		.customer = "acme",
		.profile = "sensor",
	};

	memcpy(device.uid, &number, sizeof(number));
	snprintf(device.name, sizeof(device.name), "dev-%06u", number);
	memset(device.sealed_key, (int)number, 72);
	return device;
}

#endif
