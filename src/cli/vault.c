/* The vault: its slots, unlocking, new keys, and the way back when the key file is lost. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/secret_input.h"
#include "daemon/vault_ops.h"
#include "identity/passphrase.h"

#define MIB_KIB 1024

static const struct nj_column slot_columns[] = {
	{ "SLOT", "id", NJ_COLUMN_TEXT },       { "KIND", "kind", NJ_COLUMN_TEXT },
	{ "STATE", "state", NJ_COLUMN_STATE },  { "MEMORY KIB", "memory_kib", NJ_COLUMN_TEXT },
	{ "PASSES", "passes", NJ_COLUMN_TEXT },
};

enum nj_err nj_run_slot_list(struct nj_cli *cli)
{
	struct nj_table table;
	enum nj_err err;

	nj_table_init(&table, slot_columns, sizeof(slot_columns) / sizeof(slot_columns[0]), cli->json);
	err = nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "vault.slot.list", json_object(), nj_table_add, &table,
			     NULL, &cli->why);
	nj_table_flush(&table);
	nj_table_done(&table);
	return err;
}

/* ---- adding ---- */

static enum nj_err own_passphrase(char out[NJ_PASSPHRASE_MAX_BYTES + 1], struct nj_why *why)
{
	enum nj_err err;

	NJ_TRY(nj_secret_ask("Passphrase", out, NJ_PASSPHRASE_MAX_BYTES + 1, why));
	err = nj_passphrase_check(out);
	if (err == NJ_OK)
		return NJ_OK;
	nj_wipe(out, NJ_PASSPHRASE_MAX_BYTES + 1);
	return nj_why(why, err, "a passphrase of your own has at least %d characters: without --own a good one is made",
		      NJ_PASSPHRASE_MIN_CHARACTERS);
}

/* The request holds the slot's key, never the passphrase. */
static enum nj_err add_request(const struct nj_args *args, const char *passphrase, json_t **out_request,
			       struct nj_why *why)
{
	struct nj_passphrase_params params;
	uint8_t key[NJ_KEY_BYTES];
	char key_hex[NJ_KEY_BYTES * 2 + 1];
	char salt_hex[NJ_ARGON2_SALT_BYTES * 2 + 1];
	enum nj_err err;

	nj_passphrase_params_new(nj_random_system(), (uint32_t)nj_args_number(args, "memory-mib", 0) * MIB_KIB,
				 (uint32_t)nj_args_number(args, "passes", 0), &params);
	if (nj_passphrase_params_check(&params) != NJ_OK)
		return nj_why(why, NJ_ERR_USAGE, "--memory-mib is from %u to %u, --passes from 1 to %d",
			      NJ_PASSPHRASE_MEMORY_MIN_KIB / MIB_KIB, NJ_PASSPHRASE_MEMORY_MAX_KIB / MIB_KIB,
			      NJ_PASSPHRASE_PASSES_MAX);
	err = nj_passphrase_key(&params, passphrase, key);
	if (err != NJ_OK)
		return nj_why(why, err, "the passphrase's key cannot be made with %u MiB of memory: %s",
			      params.memory_kib / MIB_KIB, nj_err_text(err));
	nj_hex_encode(key, sizeof(key), key_hex);
	nj_hex_encode(params.salt, sizeof(params.salt), salt_hex);
	*out_request = json_pack("{s:s, s:s, s:I, s:I}", "key", key_hex, "salt", salt_hex, "memory_kib",
				 (json_int_t)params.memory_kib, "passes", (json_int_t)params.passes);
	nj_wipe(key, sizeof(key));
	nj_wipe(key_hex, sizeof(key_hex));
	return *out_request != NULL ? NJ_OK : NJ_ERR_NO_MEMORY;
}

static void tell_slot(const struct nj_cli *cli, json_int_t id, const char *made)
{
	if (cli->json) {
		json_t *told = json_pack("{s:I, s:s*}", "id", id, "passphrase", made);

		nj_print_json(told);
		json_decref(told);
		return;
	}
	printf("slot %" JSON_INTEGER_FORMAT " is added.\n", id);
	if (made != NULL)
		printf("\n  passphrase   %s%s%s\n\n%sShown this once and kept nowhere.%s Write it down and lock it "
		       "away.\n",
		       nj_tone(stdout, NJ_TONE_BOLD), made, nj_tone_end(stdout), nj_tone(stdout, NJ_TONE_WARN),
		       nj_tone_end(stdout));
}

enum nj_err nj_run_slot_add(struct nj_cli *cli)
{
	char passphrase[NJ_PASSPHRASE_MAX_BYTES + 1];
	bool own = nj_args_flag(cli->args, "own");
	json_t *request = NULL;
	json_t *ok = NULL;
	enum nj_err err = NJ_OK;

	if (own)
		err = own_passphrase(passphrase, &cli->why);
	else
		nj_passphrase_make(nj_random_system(), passphrase);
	if (err == NJ_OK)
		err = add_request(cli->args, passphrase, &request, &cli->why);
	if (err == NJ_OK)
		err = nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "vault.slot.add", request, NULL, NULL, &ok,
				     &cli->why);
	if (err == NJ_OK)
		tell_slot(cli, json_integer_value(json_object_get(ok, "id")), own ? NULL : passphrase);
	json_decref(ok);
	nj_wipe(passphrase, sizeof(passphrase));
	return err;
}

enum nj_err nj_run_slot_remove(struct nj_cli *cli)
{
	uint64_t id = 0;
	json_t *ok = NULL;

	if (nj_number_parse(cli->args->operands[0], 1, UINT32_MAX, &id) != NJ_OK)
		return nj_why(&cli->why, NJ_ERR_USAGE, "SLOT is a number: nightjar vault slot list shows it");
	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "vault.slot.remove",
			      json_pack("{s:I}", "id", (json_int_t)id), NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		printf("slot %" PRIu64 " (%s) is removed.\n", id, json_string_value(json_object_get(ok, "kind")));
	json_decref(ok);
	return NJ_OK;
}

/* ---- unlocking ---- */

#define SLOTS_MAX 16

struct ways {
	struct way {
		json_int_t id;
		struct nj_passphrase_params params;
	} at[SLOTS_MAX];
	size_t count;
};

static void way_add(void *arg, const json_t *item)
{
	struct ways *ways = arg;
	const char *salt = json_string_value(json_object_get(item, "salt"));
	struct way way = { .id = json_integer_value(json_object_get(item, "id")) };

	if (salt == NULL || ways->count == SLOTS_MAX ||
	    nj_hex_decode(nj_view_str(salt), way.params.salt, sizeof(way.params.salt)) != NJ_OK)
		return;
	way.params.memory_kib = (uint32_t)json_integer_value(json_object_get(item, "memory_kib"));
	way.params.passes = (uint32_t)json_integer_value(json_object_get(item, "passes"));
	ways->at[ways->count++] = way;
}

static enum nj_err add_try(json_t *tries, const struct way *way, const char *passphrase, struct nj_why *why)
{
	uint8_t key[NJ_KEY_BYTES];
	char key_hex[NJ_KEY_BYTES * 2 + 1];
	enum nj_err err = nj_passphrase_key(&way->params, passphrase, key);

	if (err != NJ_OK)
		return nj_why(why, err, "the passphrase's key cannot be made: %s", nj_err_text(err));
	nj_hex_encode(key, sizeof(key), key_hex);
	if (json_array_append_new(tries, json_pack("{s:I, s:s}", "id", way->id, "key", key_hex)) != 0)
		err = NJ_ERR_NO_MEMORY;
	nj_wipe(key, sizeof(key));
	nj_wipe(key_hex, sizeof(key_hex));
	return err;
}

static enum nj_err find_ways(struct nj_cli *cli, struct ways *ways)
{
	json_t *ok = NULL;
	bool locked;

	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "vault.slot.list", json_object(), way_add, ways, &ok,
			      &cli->why));
	locked = json_is_true(json_object_get(ok, "locked"));
	json_decref(ok);
	if (!locked)
		return nj_why(&cli->why, NJ_ERR_STATE, "the vault is open");
	if (ways->count == 0)
		return nj_why(&cli->why, NJ_ERR_NOT_FOUND, "the vault has no passphrase slot");
	return NJ_OK;
}

enum nj_err nj_run_unlock(struct nj_cli *cli)
{
	struct ways ways = { .count = 0 };
	char passphrase[NJ_PASSPHRASE_MAX_BYTES + 1];
	json_t *tries;
	enum nj_err err;

	NJ_TRY(find_ways(cli, &ways));
	NJ_TRY(nj_secret_ask("Passphrase", passphrase, sizeof(passphrase), &cli->why));
	tries = json_array();
	err = NJ_OK;
	for (size_t i = 0; i < ways.count && err == NJ_OK; i++)
		err = add_try(tries, &ways.at[i], passphrase, &cli->why);
	nj_wipe(passphrase, sizeof(passphrase));
	if (err == NJ_OK)
		err = nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "vault.unlock", json_pack("{s:O}", "tries", tries),
				     NULL, NULL, NULL, &cli->why);
	json_decref(tries);
	if (err == NJ_OK)
		puts(cli->json ? "{\"unlocked\":true}" : "The vault is open; the gateway begins to serve.");
	return err;
}

/* ---- new keys ---- */

static void tell_rekeyed(const struct nj_cli *cli, const struct nj_vault_rekey_result *done)
{
	const struct nj_vault_rekeyed *vault = &done->vault;

	if (cli->json) {
		json_t *told = json_pack("{s:I, s:I, s:I, s:I, s:s}", "sealed", (json_int_t)vault->sealed, "kept",
					 (json_int_t)done->kept, "dropped", (json_int_t)vault->dropped, "recovery_left",
					 (json_int_t)vault->recovery_left, "recovery_key", vault->recovery);

		nj_print_json(told);
		json_decref(told);
		return;
	}
	printf("The vault has a new key: %" PRIu64 " secrets are sealed anew, the key file is replaced.\n\n"
	       "  recovery key   %s%s%s\n\n%sShown this once and kept nowhere; the old recovery key opens the vault no "
	       "more.%s\n",
	       vault->sealed, nj_tone(stdout, NJ_TONE_BOLD), vault->recovery, nj_tone_end(stdout),
	       nj_tone(stdout, NJ_TONE_WARN), nj_tone_end(stdout));
	if (vault->recovery_left > 0)
		printf("%sKeep the old one all the same:%s the recovery keys of %" PRIu64
		       " devices and applications are still sealed to it,\n"
		       "and nightjar recovery open takes it for them. (vault rekey --recovery seals them to the new "
		       "one.)\n",
		       nj_tone(stdout, NJ_TONE_WARN), nj_tone_end(stdout), vault->recovery_left);
	if (done->kept > 0)
		printf("%u passphrases open the vault as before.\n", done->kept);
	if (vault->dropped > 0)
		printf("%u passphrase slots went with the old key: nightjar vault slot add makes new ones.\n",
		       vault->dropped);
	printf("Backups made before now open with the old key file or recovery key only: make a new one.\n");
}

static enum nj_err ask_kept(void *arg, uint32_t slot, char out[NJ_PASSPHRASE_MAX_BYTES + 1], struct nj_why *why)
{
	char prompt[48];

	(void)arg;
	(void)!nj_text_format(prompt, sizeof(prompt), "Passphrase of slot %u", slot);
	return nj_secret_ask(prompt, out, NJ_PASSPHRASE_MAX_BYTES + 1, why);
}

enum nj_err nj_run_vault_rekey(struct nj_cli *cli)
{
	char recovery[NJ_RECOVERY_TEXT_BYTES * 2];
	struct nj_vault_rekey_options options = {
		.keep = nj_args_flag(cli->args, "keep"),
		.drop = nj_args_flag(cli->args, "drop"),
		.ask = ask_kept,
	};
	struct nj_vault_rekey_result done = { .kept = 0 };

	if (options.keep && options.drop)
		return nj_why(&cli->why, NJ_ERR_USAGE, "--keep or --drop, not both");
	if (nj_args_flag(cli->args, "recovery")) {
		NJ_TRY(nj_secret_ask("Recovery key until now", recovery, sizeof(recovery), &cli->why));
		options.recovery = recovery;
	}
	enum nj_err err = nj_daemon_vault_rekey(&cli->session.paths, &options, &done, &cli->why);
	nj_wipe(recovery, sizeof(recovery));
	/* Also when the file could not take its name: the keys are the new ones all the same. */
	if (done.vault.recovery[0] != '\0')
		tell_rekeyed(cli, &done);
	nj_wipe(&done, sizeof(done));
	return err;
}

static void tell_recovered(const struct nj_cli *cli, const struct nj_recovered *done)
{
	if (cli->json) {
		json_t *told = json_pack("{s:s, s:s, s:I, s:I, s:I}", "key_file", done->key_file, "set_aside",
					 done->set_aside, "replaced", (json_int_t)done->replaced, "devices",
					 (json_int_t)done->devices, "damaged", (json_int_t)done->damaged);

		nj_print_json(told);
		json_decref(told);
		return;
	}
	printf("The recovery key opens the vault; the keys of %" PRIu64 " devices and applications open with it.\n"
	       "  new key file   %s\n",
	       done->devices, done->key_file);
	if (done->set_aside[0] != '\0')
		printf("  moved aside    %s\n", done->set_aside);
	if (done->damaged > 0)
		printf("%sThe keys of %" PRIu64
		       " are damaged and do not open, %s first:%s the gateway does not start until "
		       "they are revoked.\n",
		       nj_tone(stdout, NJ_TONE_WARN), done->damaged, done->damaged_name, nj_tone_end(stdout));
	printf("%u slots of lost key files were taken out: a lost file opens nothing any more, if it turns up.\n"
	       "Did somebody else hold the lost file? Then nightjar vault rekey makes every key anew.\n"
	       "With users: of their own and another place than the state's, give the file to the keeper's user.\n",
	       done->replaced);
}

enum nj_err nj_run_recover(struct nj_cli *cli)
{
	char text[NJ_RECOVERY_TEXT_BYTES * 2];
	struct nj_recovered done;
	enum nj_err err;

	if (nj_session_running(&cli->session))
		return nj_why(&cli->why, NJ_ERR_BUSY, "the gateway runs: stop it first");
	NJ_TRY(nj_secret_ask("Recovery key", text, sizeof(text), &cli->why));
	err = nj_daemon_recover(&cli->session.paths, text, &done, &cli->why);
	nj_wipe(text, sizeof(text));
	if (err == NJ_OK)
		tell_recovered(cli, &done);
	return err;
}
