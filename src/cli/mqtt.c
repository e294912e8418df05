/* Commands about MQTT. */
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/secret_input.h"
#include "identity/scram.h"

#define PASSWORD_BYTES 256

enum nj_err nj_run_mqtt_verifier(struct nj_cli *cli)
{
	struct nj_scram_verifier verifier;
	uint8_t salt[NJ_SCRAM_SALT_BYTES];
	char password[PASSWORD_BYTES];
	char text[NJ_SCRAM_TEXT_BYTES];
	enum nj_err err;

	NJ_TRY(nj_crypto_init());
	NJ_TRY(nj_secret_ask("Password", password, sizeof(password), &cli->why));
	nj_random_fill(nj_random_system(), salt, sizeof(salt));
	err = nj_scram_verifier_make(nj_view_str(password), salt, NJ_SCRAM_ITERATIONS, &verifier);
	nj_wipe(password, sizeof(password));
	if (err != NJ_OK)
		return nj_why(&cli->why, NJ_ERR_USAGE, "a password is printable ASCII");
	nj_scram_verifier_text(&verifier, text);
	if (cli->json) {
		json_t *told = json_pack("{s:s}", "verifier", text);

		nj_print_json(told);
		json_decref(told);
	} else {
		printf("%s\n", text);
	}
	return NJ_OK;
}
