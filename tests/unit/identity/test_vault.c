/* The vault: slots that open, slots that are damaged, records that cannot be exchanged; the printed recovery key. */
#include "unit/identity/identity_fixture.h"

#include <sqlite3.h>

#include "base/file.h"

static void edit(struct vault_fixture *f, const char *sql)
{
	sqlite3 *db;

	vault_close(f);
	assert_int_equal(sqlite3_open(f->files.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	f->store = open_keeper(&f->files);
}

static void both_slots_open_the_same_vault(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault_report report;
	struct nj_vault *again = NULL;
	uint8_t first[NJ_KEY_BYTES];
	uint8_t second[NJ_KEY_BYTES];
	struct stat status;

	assert_int_equal(stat(f->key_file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_size, NJ_KEY_BYTES);
	nj_vault_derive(f->vault, "x", first);
	vault_reopen(f);
	nj_vault_derive(f->vault, "x", second);
	assert_memory_equal(first, second, sizeof(first));
	nj_vault_derive(f->vault, "y", second);
	assert_memory_not_equal(first, second, sizeof(first));
	assert_int_equal(nj_vault_unlock_recovery(f->store, f->recovery, nj_random_system(), &again, &report, NULL),
			 NJ_OK);
	assert_int_equal(report.slots, 2);
	assert_int_equal(report.opened, 2);
	assert_int_equal(report.degraded, 0);
	nj_vault_derive(again, "x", second);
	assert_memory_equal(first, second, sizeof(first));
	nj_vault_free(again);
}

static void not_made_twice(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault *vault = NULL;
	char recovery[NJ_RECOVERY_TEXT_BYTES];
	char other[128];

	snprintf(other, sizeof(other), "%s/other.key", f->files.folder);
	assert_int_equal(nj_vault_create(f->store, other, nj_random_system(), &vault, recovery, NULL), NJ_ERR_EXISTS);
	assert_int_equal(access(other, F_OK), -1);
}

static void keys_that_do_not_fit(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault_report report;
	struct nj_vault *vault = NULL;
	struct nj_why why;
	uint8_t key[NJ_KEY_BYTES] = { 1 };
	char text[NJ_RECOVERY_TEXT_BYTES];
	char path[128];

	snprintf(path, sizeof(path), "%s/other.key", f->files.folder);
	assert_int_equal(nj_vault_unlock_file(f->store, path, nj_random_system(), &vault, &report, &why),
			 NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_file_create(path, key, sizeof(key), 0600, NULL), NJ_OK);
	assert_int_equal(nj_vault_unlock_file(f->store, path, nj_random_system(), &vault, &report, &why),
			 NJ_ERR_FORGED);
	assert_int_equal(report.degraded, 1);
	assert_int_equal(report.degraded_ids[0], 1);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(nj_vault_unlock_file(f->store, path, nj_random_system(), &vault, &report, &why),
			 NJ_ERR_DENIED);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(nj_vault_unlock_file(f->store, path, nj_random_system(), &vault, &report, &why),
			 NJ_ERR_MALFORMED);
	assert_int_equal(truncate(path, 33), 0);
	assert_int_not_equal(nj_vault_unlock_file(f->store, path, nj_random_system(), &vault, &report, &why), NJ_OK);
	nj_recovery_format(key, text);
	assert_int_equal(nj_vault_unlock_recovery(f->store, text, nj_random_system(), &vault, &report, &why),
			 NJ_ERR_FORGED);
	assert_int_equal(report.degraded_ids[0], 2);
	assert_null(vault);
}

static void a_damaged_slot_is_reported_and_the_next_one_opens(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_vault_report report;
	struct nj_vault *vault = NULL;
	char second[128];

	/* The same key in two slots: the first is damaged. */
	edit(f, "INSERT INTO slots SELECT 3, kind, key_check, sealed, params FROM slots WHERE id = 1;"
		"UPDATE slots SET sealed = zeroblob(72) WHERE id = 1");
	assert_int_equal(nj_vault_unlock_file(f->store, f->key_file, nj_random_system(), &vault, &report, NULL), NJ_OK);
	assert_int_equal(report.opened, 3);
	assert_int_equal(report.degraded, 1);
	assert_int_equal(report.degraded_ids[0], 1);
	nj_vault_free(vault);
	edit(f, "DELETE FROM slots WHERE id = 3");
	assert_int_equal(nj_vault_unlock_file(f->store, f->key_file, nj_random_system(), &vault, &report, NULL),
			 NJ_ERR_CORRUPT);
	assert_int_equal(report.degraded, 1);
	/* All but the printed key is gone: it opens the vault, and a new key file is made. */
	edit(f, "UPDATE slots SET sealed = x'00' WHERE id = 1");
	assert_int_equal(nj_vault_slots(f->store, &report), NJ_OK);
	assert_int_equal(report.degraded, 1);
	assert_int_equal(nj_vault_unlock_recovery(f->store, f->recovery, nj_random_system(), &f->vault, &report, NULL),
			 NJ_OK);
	snprintf(second, sizeof(second), "%s/second.key", f->files.folder);
	assert_int_equal(nj_vault_add_key_file(f->vault, f->key_file, NULL), NJ_ERR_EXISTS);
	assert_int_equal(nj_vault_add_key_file(f->vault, second, NULL), NJ_OK);
	assert_int_equal(nj_vault_unlock_file(f->store, second, nj_random_system(), &vault, &report, NULL), NJ_OK);
	nj_vault_free(vault);
}

static void records(void **state)
{
	struct vault_fixture *f = *state;
	struct nj_secret *secret = NULL;

	assert_int_equal(nj_vault_get(f->vault, "a", &secret), NJ_ERR_NOT_FOUND);
	assert_int_equal(nj_vault_put(f->vault, "a", nj_view_str("first")), NJ_OK);
	assert_int_equal(nj_vault_put(f->vault, "a", nj_view_str("second")), NJ_OK);
	assert_int_equal(nj_vault_put(f->vault, "b", nj_view_str("third")), NJ_OK);
	vault_reopen(f);
	assert_int_equal(nj_vault_get(f->vault, "a", &secret), NJ_OK);
	assert_int_equal(nj_secret_len(secret), 6);
	assert_memory_equal(nj_secret_bytes(secret), "second", 6);
	nj_secret_free(secret);
}

static void a_record_cannot_take_anothers_place(void **state)
{
	static const char *const edits[] = {
		"UPDATE records SET sealed = (SELECT sealed FROM records WHERE id = 'b') WHERE id = 'a'",
		"UPDATE records SET version = 2 WHERE id = 'a'",
		"UPDATE records SET sealed = x'00' WHERE id = 'a'",
		"UPDATE records SET sealed = zeroblob(length(sealed)) WHERE id = 'a'",
	};
	struct vault_fixture *f = *state;
	struct nj_secret *secret = NULL;

	assert_int_equal(nj_vault_put(f->vault, "b", nj_view_str("same size")), NJ_OK);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		assert_int_equal(nj_vault_put(f->vault, "a", nj_view_str("same_size")), NJ_OK);
		edit(f, edits[i]);
		vault_reopen(f);
		assert_int_equal(nj_vault_get(f->vault, "a", &secret), NJ_ERR_CORRUPT);
		edit(f, "DELETE FROM records WHERE id = 'a'");
		vault_reopen(f);
	}
}

static void root_keys(void **state)
{
	struct vault_fixture *f = *state;
	uint8_t uid[16] = { 1 };
	uint8_t key[NJ_KEY_BYTES] = { 7 };
	uint8_t out[NJ_KEY_BYTES];
	uint8_t sealed[NJ_KEY_BYTES + NJ_VAULT_OVERHEAD];

	nj_vault_seal_root_key(f->vault, uid, 1, key, sealed);
	assert_int_equal(nj_vault_open_root_key(f->vault, uid, 1, nj_view_of(sealed, sizeof(sealed)), out), NJ_OK);
	assert_memory_equal(key, out, sizeof(key));
	assert_int_equal(nj_vault_open_root_key(f->vault, uid, 2, nj_view_of(sealed, sizeof(sealed)), out),
			 NJ_ERR_FORGED);
	assert_int_equal(nj_vault_open_root_key(f->vault, uid, 1, nj_view_of(sealed, sizeof(sealed) - 1), out),
			 NJ_ERR_TRUNCATED);
	uid[15] = 1;
	assert_int_equal(nj_vault_open_root_key(f->vault, uid, 1, nj_view_of(sealed, sizeof(sealed)), out),
			 NJ_ERR_FORGED);
}

/* ---- the printed form ---- */

static void recovery_round_trip(void **state)
{
	struct nj_random_fake fake;
	uint8_t key[NJ_KEY_BYTES];
	uint8_t out[NJ_KEY_BYTES];
	char text[NJ_RECOVERY_TEXT_BYTES];

	assert_int_equal(nj_crypto_init(), NJ_OK);
	nj_random_fake_init(&fake, 1);
	for (int i = 0; i < 1000; i++) {
		nj_random_fill(&fake.random, key, sizeof(key));
		nj_recovery_format(key, text);
		assert_int_equal(strlen(text), NJ_RECOVERY_TEXT_BYTES - 1);
		assert_int_equal(nj_recovery_parse(nj_view_str(text), out), NJ_OK);
		assert_memory_equal(key, out, sizeof(key));
	}
	memset(key, 0, sizeof(key));
	nj_recovery_format(key, text);
	assert_memory_equal(text, "0000000-0000000-0000000-0000000-0000000-0000000-0000000-000", 59);
}

static void recovery_is_forgiving_about_form(void **state)
{
	uint8_t key[NJ_KEY_BYTES];
	uint8_t out[NJ_KEY_BYTES];
	char text[NJ_RECOVERY_TEXT_BYTES];
	char sloppy[2 * NJ_RECOVERY_TEXT_BYTES];
	size_t at = 0;

	memset(key, 0x08, sizeof(key)); /* many zeros and ones */
	nj_recovery_format(key, text);
	for (size_t i = 0; text[i] != '\0'; i++) {
		if (text[i] == '-')
			continue;
		sloppy[at++] = text[i] == '0' ? 'o' : text[i] == '1' ? (i % 2 == 0 ? 'l' : 'I') : text[i];
		if (i % 5 == 0)
			sloppy[at++] = ' ';
	}
	assert_int_equal(nj_recovery_parse(nj_view_of(sloppy, at), out), NJ_OK);
	assert_memory_equal(key, out, sizeof(key));
}

static void recovery_catches_slips(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint8_t key[NJ_KEY_BYTES];
	uint8_t out[NJ_KEY_BYTES];
	char text[NJ_RECOVERY_TEXT_BYTES];
	struct nj_random_fake fake;

	nj_random_fake_init(&fake, 2);
	nj_random_fill(&fake.random, key, sizeof(key));
	nj_recovery_format(key, text);
	/* Every other character in every place. */
	for (size_t i = 0; i < strlen(text); i++) {
		char right = text[i];

		for (size_t c = 0; c < 32 && right != '-'; c++) {
			text[i] = alphabet[c];
			if (alphabet[c] != right)
				assert_int_equal(nj_recovery_parse(nj_view_str(text), out), NJ_ERR_FORGED);
		}
		text[i] = right;
	}
	/* Every two neighbours exchanged. */
	for (size_t i = 0; i + 1 < strlen(text); i++) {
		char right = text[i];

		if (right == text[i + 1] || right == '-' || text[i + 1] == '-')
			continue;
		text[i] = text[i + 1];
		text[i + 1] = right;
		assert_int_equal(nj_recovery_parse(nj_view_str(text), out), NJ_ERR_FORGED);
		text[i + 1] = text[i];
		text[i] = right;
	}
	assert_int_equal(nj_recovery_parse(nj_view_of(text, strlen(text) - 1), out), NJ_ERR_TRUNCATED);
	assert_int_equal(nj_recovery_parse(nj_view_of(text, 0), out), NJ_ERR_TRUNCATED);
	text[0] = 'U';
	assert_int_equal(nj_recovery_parse(nj_view_str(text), out), NJ_ERR_MALFORMED);
	text[0] = '\0';
	assert_int_equal(nj_recovery_parse(nj_view_of(text, sizeof(text) - 1), out), NJ_ERR_MALFORMED);
	memset(text, '0', sizeof(text));
	assert_int_equal(nj_recovery_parse(nj_view_of(text, 57), out), NJ_ERR_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vault_setup, vault_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_slots_open_the_same_vault),
		TEST(not_made_twice),
		TEST(keys_that_do_not_fit),
		TEST(a_damaged_slot_is_reported_and_the_next_one_opens),
		TEST(records),
		TEST(a_record_cannot_take_anothers_place),
		TEST(root_keys),
		cmocka_unit_test(recovery_round_trip),
		cmocka_unit_test(recovery_is_forgiving_about_form),
		cmocka_unit_test(recovery_catches_slips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
