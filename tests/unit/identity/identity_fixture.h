/* A keeper's store with an open vault and log, in a folder of its own. Tests only. */
#ifndef NJ_TESTS_IDENTITY_FIXTURE_H
#define NJ_TESTS_IDENTITY_FIXTURE_H

#include "unit/store/store_fixture.h"

#include "crypto/crypto.h"
#include "identity/audit.h"
#include "identity/vault.h"

struct vault_fixture {
	struct fixture files;
	char key_file[96];
	char recovery[NJ_RECOVERY_TEXT_BYTES];
	struct nj_keeper_store *store;
	struct nj_vault *vault;
};

static inline int vault_setup(void **state)
{
	struct vault_fixture *f = calloc(1, sizeof(*f));
	struct fixture *files;
	struct nj_why why = { "" };
	void *inner;

	assert_int_equal(nj_crypto_init(), NJ_OK);
	fixture_setup(&inner);
	files = inner;
	f->files = *files;
	free(files);
	snprintf(f->key_file, sizeof(f->key_file), "%s/vault.key", f->files.folder);
	f->store = create_keeper(&f->files);
	if (nj_vault_create(f->store, f->key_file, nj_random_system(), &f->vault, f->recovery, &why) != NJ_OK)
		fail_msg("%s", why.text);
	*state = f;
	return 0;
}

static inline void vault_close(struct vault_fixture *f)
{
	nj_vault_free(f->vault);
	nj_keeper_store_close(f->store);
	f->vault = NULL;
	f->store = NULL;
}

static inline void vault_reopen(struct vault_fixture *f)
{
	struct nj_why why = { "" };

	vault_close(f);
	f->store = open_keeper(&f->files);
	if (nj_vault_unlock_file(f->store, f->key_file, nj_random_system(), &f->vault, NULL, &why) != NJ_OK)
		fail_msg("%s", why.text);
}

static inline int vault_teardown(void **state)
{
	struct vault_fixture *f = *state;

	vault_close(f);
	nftw(f->files.folder, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

#endif
