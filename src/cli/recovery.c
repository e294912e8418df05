/* The operator's window, in which devices get new root keys by their recovery keys. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/secret_input.h"
#include "identity/vault_recovery.h"

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void tell_window(const json_t *window)
{
	char ends[NJ_DATE_BYTES];

	if (!json_is_true(json_object_get(window, "open"))) {
		puts("The recovery window is shut.");
		return;
	}
	printf("The recovery window is %sopen%s until %s.\n%" JSON_INTEGER_FORMAT
	       " devices and applications may come in by their recovery keys, %" JSON_INTEGER_FORMAT " have.\n",
	       nj_tone(stdout, NJ_TONE_WARN), nj_tone_end(stdout), nj_date_text(number(window, "ends_ms"), ends),
	       number(window, "waiting"), number(window, "recovered"));
	if (json_is_true(json_object_get(window, "filling")))
		puts("More of them are being let in.");
	if (number(window, "left_out") > 0)
		printf("%" JSON_INTEGER_FORMAT
		       " are left out: their recovery keys are of another printed key, or there is "
		       "none.\n",
		       number(window, "left_out"));
}

static enum nj_err tell(struct nj_cli *cli, json_t *window)
{
	if (cli->json)
		nj_print_json(window);
	else
		tell_window(window);
	json_decref(window);
	return NJ_OK;
}

/* The printed key stays here: what is sent opens recovery keys, and not the vault. */
static enum nj_err private_hex(char out_hex[NJ_KEY_BYTES * 2 + 1], struct nj_why *why)
{
	char text[NJ_RECOVERY_TEXT_BYTES * 2];
	uint8_t key[NJ_KEY_BYTES];
	enum nj_err err;

	NJ_TRY(nj_secret_ask("Recovery key", text, sizeof(text), why));
	err = nj_recovery_private(nj_view_str(text), key);
	nj_wipe(text, sizeof(text));
	if (err != NJ_OK)
		return nj_why(why, err,
			      "the recovery key is 56 letters and digits in groups of seven; please check it");
	nj_hex_encode(key, sizeof(key), out_hex);
	nj_wipe(key, sizeof(key));
	return NJ_OK;
}

static json_t *request_of(const struct nj_args *args, const char *key_hex)
{
	static const char *const names[] = { "device", "application", "customer" };
	json_t *request = json_pack("{s:s, s:b, s:I}", "private", key_hex, "all", (int)nj_args_flag(args, "all"),
				    "minutes", (json_int_t)nj_args_number(args, "minutes", 0));

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (nj_args_text(args, names[i]) != NULL)
			json_object_set_new(request, names[i], json_string(nj_args_text(args, names[i])));
	return request;
}

enum nj_err nj_run_recovery_open(struct nj_cli *cli)
{
	char key_hex[NJ_KEY_BYTES * 2 + 1];
	unsigned whom = nj_args_flag(cli->args, "all") + (nj_args_text(cli->args, "device") != NULL) +
			(nj_args_text(cli->args, "application") != NULL);
	json_t *window = NULL;

	if (whom > 1)
		return nj_why(&cli->why, NJ_ERR_USAGE, "one of --device, --application and --all");
	if (!nj_session_running(&cli->session))
		return nj_why(&cli->why, NJ_ERR_STATE,
			      "the gateway must run: the window lives in its keeper's memory alone");
	NJ_TRY(private_hex(key_hex, &cli->why));
	json_t *request = request_of(cli->args, key_hex);
	enum nj_err err =
	    nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "recovery.open", request, NULL, NULL, &window, &cli->why);
	nj_wipe(key_hex, sizeof(key_hex));
	return err == NJ_OK ? tell(cli, window) : err;
}

enum nj_err nj_run_recovery_close(struct nj_cli *cli)
{
	json_t *ok = NULL;

	NJ_TRY(
	    nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "recovery.close", json_object(), NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else if (json_is_true(json_object_get(ok, "was_open")))
		printf("The recovery window is shut; %" JSON_INTEGER_FORMAT " came in by it.\n",
		       number(ok, "recovered"));
	else
		puts("The recovery window was shut already.");
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_recovery_status(struct nj_cli *cli)
{
	json_t *window = NULL;

	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "recovery.status", json_object(), NULL, NULL, &window,
			      &cli->why));
	return tell(cli, window);
}
