/* Passphrases and their slots; a new vault key; a vault of the first schema. */
#include "unit/identity/identity_fixture.h"

#include <sqlite3.h>

#include "base/file.h"
#include "identity/words.h"
#include "store/keeper_vault.h"

static void words_can_be_told_apart(void **state)
{
	for (size_t i = 0; i < NJ_WORD_COUNT; i++) {
		size_t len = strlen(nj_words[i]);

		assert_in_range(len, 4, 6);
		for (size_t j = 0; j < len; j++)
			assert_in_range(nj_words[i][j], 'a', 'z');
		if (i > 0)
			assert_true(strncmp(nj_words[i - 1], nj_words[i], 4) < 0);
	}
}

static void made_passphrases(void **state)
{
	char first[NJ_PASSPHRASE_MADE_BYTES];
	char second[NJ_PASSPHRASE_MADE_BYTES];
	size_t blanks = 0;

	nj_passphrase_make(nj_random_system(), first);
	nj_passphrase_make(nj_random_system(), second);
	assert_string_not_equal(first, second);
	for (const char *at = first; *at != '\0'; at++)
		blanks += *at == ' ';
	assert_int_equal(blanks, NJ_PASSPHRASE_WORDS - 1);
	assert_int_equal(nj_passphrase_check(first), NJ_OK);
}

static void own_passphrases(void **state)
{
	static char long_one[NJ_PASSPHRASE_MAX_BYTES + 2];

	assert_int_equal(nj_passphrase_check("123456789012345"), NJ_ERR_RANGE);
	assert_int_equal(nj_passphrase_check("1234567890123456"), NJ_OK);
	assert_int_equal(nj_passphrase_check("12345678901234567"), NJ_OK);
	/* Characters count, not bytes. */
	assert_int_equal(nj_passphrase_check("ääääääää"), NJ_ERR_RANGE);
	assert_int_equal(nj_passphrase_check("1234567890123456\xff"), NJ_ERR_MALFORMED);
	memset(long_one, 'a', NJ_PASSPHRASE_MAX_BYTES);
	assert_int_equal(nj_passphrase_check(long_one), NJ_OK);
	long_one[NJ_PASSPHRASE_MAX_BYTES] = 'a';
	assert_int_equal(nj_passphrase_check(long_one), NJ_ERR_RANGE);
}

static enum nj_err costs(uint32_t memory_kib, uint32_t passes)
{
	struct nj_passphrase_params params;
	struct nj_passphrase_params again;
	uint8_t bytes[NJ_PASSPHRASE_PARAMS_BYTES];
	enum nj_err err;

	nj_passphrase_params_new(nj_random_system(), memory_kib, passes, &params);
	nj_passphrase_params_write(&params, bytes);
	err = nj_passphrase_params_read(nj_view_of(bytes, sizeof(bytes)), &again);
	assert_int_equal(err, nj_passphrase_params_check(&params));
	if (err == NJ_OK)
		assert_memory_equal(&params, &again, sizeof(params));
	assert_int_equal(nj_passphrase_params_read(nj_view_of(bytes, sizeof(bytes) - 1), &again), NJ_ERR_TRUNCATED);
	return err;
}

static void costs_have_a_floor(void **state)
{
	struct nj_passphrase_params params;

	nj_passphrase_params_new(nj_random_system(), 0, 0, &params);
	assert_int_equal(params.memory_kib, 256 * 1024);
	assert_int_equal(params.passes, 3);
	assert_int_equal(costs(64 * 1024 - 1, 3), NJ_ERR_RANGE);
	assert_int_equal(costs(64 * 1024, 3), NJ_OK);
	assert_int_equal(costs(4096 * 1024, 1), NJ_OK);
	assert_int_equal(costs(4096 * 1024 + 1, 1), NJ_ERR_RANGE);
	assert_int_equal(costs(64 * 1024, 64), NJ_OK);
	assert_int_equal(costs(64 * 1024, 65), NJ_ERR_RANGE);
}

/* Lanes 1, version 19, 64 MiB, one pass; the value is the reference implementation's (argon2 -id -t 1 -k 65536 -p 1).
 */
static void known_answer(void **state)
{
	static const uint8_t salt[NJ_ARGON2_SALT_BYTES] = "0123456789abcdef";
	uint8_t key[NJ_KEY_BYTES];
	char hex[NJ_KEY_BYTES * 2 + 1];

	assert_int_equal(nj_argon2id(nj_view_str("password"), salt, 64 * 1024, 1, key), NJ_OK);
	nj_hex_encode(key, sizeof(key), hex);
	assert_string_equal(hex, "895b201eca8aa7383b53a74395ca8f9e14fbf5870d2722a18f856c4e9eed14c9");
	assert_int_equal(nj_argon2id(nj_view_str("password"), salt, 7, 1, key), NJ_ERR_RANGE);
	assert_int_equal(nj_argon2id(nj_view_str("password"), salt, 8, 0, key), NJ_ERR_RANGE);
}

static void blanks_do_not_count(void **state)
{
	struct nj_passphrase_params params;
	uint8_t first[NJ_KEY_BYTES];
	uint8_t second[NJ_KEY_BYTES];

	nj_passphrase_params_new(nj_random_system(), 64 * 1024, 1, &params);
	assert_int_equal(nj_passphrase_key(&params, "six words to be told", first), NJ_OK);
	assert_int_equal(nj_passphrase_key(&params, "  six words  to be\ttold ", second), NJ_OK);
	assert_memory_equal(first, second, sizeof(first));
	assert_int_equal(nj_passphrase_key(&params, "six words to be tolD", second), NJ_OK);
	assert_memory_not_equal(first, second, sizeof(first));
	params.memory_kib = 1024;
	assert_int_equal(nj_passphrase_key(&params, "six words to be told", second), NJ_ERR_RANGE);
}

/* ---- slots ---- */

static uint32_t add(struct vault_fixture *f, uint8_t key_byte)
{
	struct nj_passphrase_params params;
	uint8_t key[NJ_KEY_BYTES];
	uint32_t id = 0;

	memset(key, key_byte, sizeof(key));
	nj_passphrase_params_new(nj_random_system(), 0, 0, &params);
	assert_int_equal(nj_vault_add_passphrase(f->vault, &params, key, &id, NULL), NJ_OK);
	return id;
}

static enum nj_err open_with(struct vault_fixture *f, uint32_t id, uint8_t key_byte)
{
	struct nj_vault_report report;
	struct nj_vault *vault = NULL;
	uint8_t key[NJ_KEY_BYTES];
	uint8_t first[NJ_KEY_BYTES];
	uint8_t second[NJ_KEY_BYTES];
	enum nj_err err;

	memset(key, key_byte, sizeof(key));
	err = nj_vault_unlock_passphrase(f->store, id, key, nj_random_system(), &vault, &report, NULL);
	if (err != NJ_OK)
		return err;
	assert_int_equal(report.opened, id);
	nj_vault_derive(f->vault, "x", first);
	nj_vault_derive(vault, "x", second);
	assert_memory_equal(first, second, sizeof(first));
	nj_vault_free(vault);
	return NJ_OK;
}

static void a_passphrase_opens_its_slot_only(void **state)
{
	struct vault_fixture *f = *state;
	uint32_t first;
	uint32_t second;
	bool has = true;

	assert_int_equal(nj_vault_has_passphrase(f->store, &has), NJ_OK);
	assert_false(has);
	first = add(f, 1);
	second = add(f, 2);
	assert_int_equal(nj_vault_has_passphrase(f->store, &has), NJ_OK);
	assert_true(has);
	assert_int_equal(open_with(f, first, 1), NJ_OK);
	assert_int_equal(open_with(f, second, 2), NJ_OK);
	assert_int_equal(open_with(f, first, 2), NJ_ERR_FORGED);
	assert_int_equal(open_with(f, second, 1), NJ_ERR_FORGED);
	assert_int_equal(open_with(f, 99, 1), NJ_ERR_FORGED);
}

static void edit(struct vault_fixture *f, const char *sql)
{
	sqlite3 *db;

	nj_keeper_store_close(f->store);
	assert_int_equal(sqlite3_open(f->files.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	f->store = open_keeper(&f->files);
	nj_vault_free(f->vault);
	f->vault = NULL;
}

static void weaker_parameters_do_not_open_it(void **state)
{
	struct vault_fixture *f = *state;
	uint32_t id = add(f, 1);

	edit(f, "UPDATE slots SET params = x'000102030405060708090a0b0c0d0e0f0001000000000003' WHERE kind = 3");
	assert_int_equal(open_with(f, id, 1), NJ_ERR_CORRUPT);
}

static void slots_are_limited(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_passphrase_params params;
	uint8_t key[NJ_KEY_BYTES] = { 1 };

	for (int i = 2; i < 16; i++)
		(void)add(f, (uint8_t)i);
	nj_passphrase_params_new(nj_random_system(), 0, 0, &params);
	assert_int_equal(nj_vault_add_passphrase(f->vault, &params, key, NULL, NULL), NJ_ERR_LIMIT);
}

static void a_way_in_is_left(void **state)
{
	struct vault_fixture *f = *state;
	uint8_t kind = 0;

	assert_int_equal(nj_vault_remove_slot(f->vault, 9, &kind, NULL), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_vault_remove_slot(f->vault, 1, &kind, NULL), NJ_ERR_STATE);
	assert_int_equal(nj_vault_remove_slot(f->vault, 2, &kind, NULL), NJ_ERR_STATE);
	(void)add(f, 1);
	/* The key file may go: a passphrase starts the gateway, the recovery key is the second way. */
	assert_int_equal(nj_vault_remove_slot(f->vault, 1, &kind, NULL), NJ_OK);
	assert_int_equal(kind, NJ_SLOT_KEY_FILE);
	assert_int_equal(nj_vault_remove_slot(f->vault, 3, &kind, NULL), NJ_ERR_STATE);
	assert_int_equal(nj_vault_remove_slot(f->vault, 2, &kind, NULL), NJ_ERR_STATE);
}

static void the_first_schema_is_brought_forward(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault_report report;

	edit(f, UNDO_VERSION_8 UNDO_VERSION_7 UNDO_VERSION_6 UNDO_VERSION_5 UNDO_VERSION_4 UNDO_VERSION_3
	     "ALTER TABLE slots DROP COLUMN params; PRAGMA user_version = 1");
	assert_int_equal(nj_vault_unlock_file(f->store, f->key_file, nj_random_system(), &f->vault, &report, NULL),
			 NJ_OK);
	assert_int_equal(open_with(f, add(f, 7), 7), NJ_OK);
}

/* ---- a new key ---- */

static const uint8_t uid[16] = { 9 };
static const uint8_t root_key[NJ_KEY_BYTES] = { 5, 5 };

static void add_device(struct vault_fixture *f)
{
	struct nj_keeper_device row = { .kind = 1,
					.state = NJ_DEVICE_LIVE,
					.epoch = 3,
					.name = "pump",
					.customer = "main",
					.profile = "p",
					.sealed_key_len = NJ_KEY_BYTES + NJ_VAULT_OVERHEAD };

	memcpy(row.uid, uid, sizeof(uid));
	nj_vault_seal_root_key(f->vault, uid, 3, root_key, row.sealed_key);
	assert_int_equal(nj_keeper_store_device_insert(f->store, &row), NJ_OK);
}

static void expect_secrets(struct vault_fixture *f)
{
	struct nj_keeper_device row;
	struct nj_secret *secret = NULL;
	uint8_t key[NJ_KEY_BYTES];

	assert_int_equal(nj_keeper_store_device_get(f->store, uid, &row), NJ_OK);
	assert_int_equal(nj_vault_open_root_key(f->vault, uid, 3, nj_view_of(row.sealed_key, row.sealed_key_len), key),
			 NJ_OK);
	assert_memory_equal(key, root_key, sizeof(key));
	for (const char *id = "a"; id != NULL; id = id[0] == 'a' ? "b" : NULL) {
		assert_int_equal(nj_vault_get(f->vault, id, &secret), NJ_OK);
		assert_memory_equal(nj_secret_bytes(secret), id, 1);
		nj_secret_free(secret);
	}
}

static void rekey_setup(struct vault_fixture *f)
{
	add_device(f);
	assert_int_equal(nj_vault_put(f->vault, "a", nj_view_str("a")), NJ_OK);
	assert_int_equal(nj_vault_put(f->vault, "b", nj_view_str("b")), NJ_OK);
	(void)add(f, 1);
}

static void rekey_replaces_everything(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault_rekeyed rekeyed;
	struct nj_vault *old = NULL;
	uint8_t before[NJ_KEY_BYTES];
	uint8_t after[NJ_KEY_BYTES];
	char kept[128];

	rekey_setup(f);
	snprintf(kept, sizeof(kept), "%s/kept", f->files.folder);
	assert_int_equal(link(f->key_file, kept), 0);
	nj_vault_derive(f->vault, "x", before);
	assert_int_equal(nj_keeper_store_begin(f->store), NJ_OK);
	assert_int_equal(nj_vault_rekey(f->vault, f->key_file, NULL, &rekeyed, NULL), NJ_OK);
	assert_int_equal(nj_keeper_store_commit(f->store), NJ_OK);
	assert_int_equal(rekeyed.sealed, 4); /* with the record of the recovery pair */
	assert_int_equal(rekeyed.dropped, 1);
	nj_vault_derive(f->vault, "x", after);
	assert_memory_not_equal(before, after, sizeof(before));
	expect_secrets(f);
	/* Cut off here: the file has not taken its name yet. The next start finds it, and gives it its name. */
	vault_reopen(f);
	expect_secrets(f);
	assert_int_not_equal(nj_vault_unlock_file(f->store, kept, nj_random_system(), &old, NULL, NULL), NJ_OK);
	assert_int_not_equal(nj_vault_unlock_recovery(f->store, f->recovery, nj_random_system(), &old, NULL, NULL),
			     NJ_OK);
	assert_int_equal(nj_vault_unlock_recovery(f->store, rekeyed.recovery, nj_random_system(), &old, NULL, NULL),
			 NJ_OK);
	nj_vault_free(old);
	assert_int_not_equal(nj_vault_rekey_finish(f->key_file, NULL), NJ_OK);
}

static void a_rekey_that_is_not_committed_changes_nothing(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault_rekeyed rekeyed;

	rekey_setup(f);
	assert_int_equal(nj_keeper_store_begin(f->store), NJ_OK);
	assert_int_equal(nj_vault_rekey(f->vault, f->key_file, NULL, &rekeyed, NULL), NJ_OK);
	nj_keeper_store_rollback(f->store);
	vault_reopen(f);
	expect_secrets(f);
	/* And again, over the file that it left. */
	assert_int_equal(nj_keeper_store_begin(f->store), NJ_OK);
	assert_int_equal(nj_vault_rekey(f->vault, f->key_file, NULL, &rekeyed, NULL), NJ_OK);
	assert_int_equal(nj_keeper_store_commit(f->store), NJ_OK);
	assert_int_equal(nj_vault_rekey_finish(f->key_file, NULL), NJ_OK);
	vault_reopen(f);
	expect_secrets(f);
}

static void a_damaged_secret_stops_it(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault_rekeyed rekeyed;
	char successor[128];

	rekey_setup(f);
	edit(f, "UPDATE records SET sealed = zeroblob(60) WHERE id = 'b'");
	vault_reopen(f);
	assert_int_equal(nj_keeper_store_begin(f->store), NJ_OK);
	assert_int_equal(nj_vault_rekey(f->vault, f->key_file, NULL, &rekeyed, NULL), NJ_ERR_CORRUPT);
	nj_keeper_store_rollback(f->store);
	snprintf(successor, sizeof(successor), "%s" NJ_VAULT_SUCCESSOR, f->key_file);
	assert_int_equal(access(successor, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vault_setup, vault_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_can_be_told_apart),
		TEST(made_passphrases),
		cmocka_unit_test(own_passphrases),
		TEST(costs_have_a_floor),
		TEST(known_answer),
		TEST(blanks_do_not_count),
		TEST(a_passphrase_opens_its_slot_only),
		TEST(weaker_parameters_do_not_open_it),
		TEST(slots_are_limited),
		TEST(a_way_in_is_left),
		TEST(the_first_schema_is_brought_forward),
		TEST(rekey_replaces_everything),
		TEST(a_rekey_that_is_not_committed_changes_nothing),
		TEST(a_damaged_secret_stops_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
