/* Backup and restore. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/print.h"
#include "daemon/restore.h"
#include "store/copy.h"

#define PATH_BYTES (NJ_PATH_BYTES + sizeof(NJ_STORE_COPY_SUFFIX))

/* Asks one process for a copy of its store; it is ours to remove. Where it lies follows from the store's place: whoever
 * runs this may read and remove any file, and a process that was taken over would name one. */
static enum nj_err ask_copy(struct nj_cli *cli, enum nj_side side, const char *verb, const char *store,
			    char out_path[PATH_BYTES])
{
	NJ_TRY(nj_session_ask(&cli->session, side, verb, json_object(), NULL, NULL, NULL, &cli->why));
	return nj_text_format(out_path, PATH_BYTES, "%s" NJ_STORE_COPY_SUFFIX, store);
}

static enum nj_err write_archive(struct nj_cli *cli, const char *keeper, const char *gateway, const char *out)
{
	struct nj_archive archive = {
		.created_ms = nj_clock_wall_ms(nj_clock_system()),
		.version = NJ_VERSION,
		.count = 3,
		.entries = { { .name = NJ_BACKUP_CONFIG, .source = cli->session.paths.config },
			     { .name = NJ_BACKUP_KEEPER, .source = keeper, .untrusted = true },
			     { .name = NJ_BACKUP_GATEWAY, .source = gateway, .untrusted = true } },
	};
	uint64_t bytes = 0;

	NJ_TRY(nj_archive_write(&archive, out, nj_args_flag(cli->args, "force"), &cli->why));
	for (size_t i = 0; i < archive.count; i++)
		bytes += archive.entries[i].size;
	if (cli->json) {
		json_t *told = json_pack("{s:s, s:I, s:I}", "file", out, "bytes", (json_int_t)bytes, "created_ms",
					 (json_int_t)archive.created_ms);

		nj_print_json(told);
		json_decref(told);
		return NJ_OK;
	}
	printf(
	    "%s is written: configuration and both stores, %" PRIu64 " KiB, mode 0600.\n"
	    "The vault's key file is not in it: without that (or a passphrase, or the recovery key) it opens nothing.\n"
	    "Keep them apart.\n",
	    out, bytes / 1024);
	return NJ_OK;
}

enum nj_err nj_run_backup(struct nj_cli *cli)
{
	const char *out = nj_args_text(cli->args, "out");
	char keeper[PATH_BYTES] = "";
	char gateway[PATH_BYTES] = "";
	enum nj_err err;

	if (!nj_args_flag(cli->args, "force") && access(out, F_OK) == 0)
		return nj_why(&cli->why, NJ_ERR_EXISTS, "%s is there already: --force replaces it", out);
	err = ask_copy(cli, NJ_SIDE_KEEPER, "backup.copy", cli->session.paths.keeper_db, keeper);
	if (err == NJ_OK)
		err = ask_copy(cli, NJ_SIDE_GATEWAY, "gateway.copy", cli->session.paths.gateway_db, gateway);
	if (err == NJ_OK)
		err = write_archive(cli, keeper, gateway, out);
	if (keeper[0] != '\0')
		(void)unlink(keeper);
	if (gateway[0] != '\0')
		(void)unlink(gateway);
	return err;
}

static json_t *since_json(const struct nj_since *since)
{
	if (!since->known)
		return json_pack("{s:b, s:I}", "known", 0, "may_rekey", (json_int_t)since->may_rekey);
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "known", 1, "rekeyed", (json_int_t)since->rekeyed, "revoked",
			 (json_int_t)since->revoked, "added", (json_int_t)since->added, "moved_most",
			 (json_int_t)since->moved_most, "may_rekey", (json_int_t)since->may_rekey);
}

static void tell_since(const struct nj_since *since)
{
	if (!since->known) {
		printf("What happened since the backup is not known here. %" PRIu64
		       " of them had changed their root key before it,\n"
		       "and may have since: who did comes back by nightjar recovery open.\n",
		       since->may_rekey);
		return;
	}
	printf("By the store that was here: %" PRIu64
	       " devices changed their root key since%s; the busiest used %" PRIu64 " counters;\n"
	       "%" PRIu64 " were added and are unknown again; %" PRIu64 " were revoked%s.\n"
	       "Its counters are taken over: no knock that was accepted since is accepted again.\n",
	       since->rekeyed, since->rekeyed > 0 ? " and come back by nightjar recovery open" : "", since->moved_most,
	       since->added, since->revoked, since->revoked > 0 ? " and live again: revoke them again" : "");
}

static void tell_restored(const struct nj_cli *cli, const struct nj_restored *done, uint64_t raise)
{
	char date[NJ_DATE_BYTES];

	if (cli->json) {
		json_t *told =
		    json_pack("{s:o, s:I, s:I, s:I, s:I, s:s, s:b, s:s}", "since", since_json(&done->since),
			      "created_ms", (json_int_t)done->created_ms, "devices", (json_int_t)done->devices, "raise",
			      (json_int_t)raise, "unmatched", (json_int_t)done->unmatched, "key_file", done->key_file,
			      "key_there", (int)done->key_there, "aside", done->aside);

		nj_print_json(told);
		json_decref(told);
		return;
	}
	printf("Restored: the gateway of %s.\n", nj_date_text((json_int_t)done->created_ms, date));
	if (done->aside[0] != '\0')
		printf("What was here is beside it, with names that end in %s.\n", done->aside);
	printf("%" PRIu64 " devices and applications may have knocked since: their counters are raised by %" PRIu64
	       ",\n"
	       "so that no knock recorded since is accepted again, and each gets in by its attempts. nightjar status\n"
	       "counts who is still expected. Has one of them knocked more often since? nightjar device raise moves it "
	       "on.\n",
	       done->devices, raise);
	tell_since(&done->since);
	if (done->unmatched > 0)
		printf("%" PRIu64 " parties were added or revoked while the backup was made, and are taken out.\n",
		       done->unmatched);
	if (!done->key_there)
		printf("%sThe vault's key file %s is not here:%s put it back, or nightjar recover makes a new one.\n",
		       nj_tone(stdout, NJ_TONE_WARN), done->key_file, nj_tone_end(stdout));
}

enum nj_err nj_run_restore(struct nj_cli *cli)
{
	const struct nj_restore_options options = {
		.from = nj_args_text(cli->args, "from"),
		.replace = nj_args_flag(cli->args, "replace"),
		.raise = nj_args_number(cli->args, "raise", NJ_RESTORE_RAISE),
		.strict = nj_args_flag(cli->args, "strict"),
	};
	struct nj_restored done = { 0 };

	if (nj_session_running(&cli->session))
		return nj_why(&cli->why, NJ_ERR_BUSY, "the gateway runs: stop it first");
	NJ_TRY(nj_daemon_restore(&cli->session.paths, &options, &done, &cli->why));
	tell_restored(cli, &done, options.raise);
	return NJ_OK;
}
