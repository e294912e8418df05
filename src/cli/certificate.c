/* A new certificate for a party that has one, or whose profile asks for one by now: into its credentials file, or as
 * PEM. The private key is made here and stays here. */
#include <inttypes.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/credential.h"
#include "cli/print.h"
#include "crypto/crypto.h"
#include "crypto/x509.h"

#define CSR_MAX_BYTES 16384
#define VERB_BYTES 64
#define FILE_MODE 0600

static bool is_device(const struct nj_cli *cli)
{
	return strncmp(cli->command->path, "device", 6) == 0;
}

/* Where it goes is known, and can be written, before anything is issued. */
static enum nj_err check_target(struct nj_cli *cli)
{
	const struct nj_args *args = cli->args;
	const char *credentials = nj_args_text(args, "credentials");
	const char *out = nj_args_text(args, "out");

	if ((credentials != NULL) == (out != NULL))
		return nj_why(&cli->why, NJ_ERR_USAGE, "say either --credentials FILE or --out FILE");
	if (credentials == NULL)
		return NJ_OK;
	if (nj_args_text(args, "csr") != NULL)
		return nj_why(&cli->why, NJ_ERR_USAGE,
			      "--csr goes with --out: the key of a credentials file lies in that file");
	return nj_credential_is_of(credentials, is_device(cli) ? NJ_CREDFILE_DEVICE : NJ_CREDFILE_APPLICATION,
				   nj_args_text(args, "customer"), args->operands[0], &cli->why);
}

/* The party's own request, or one for a key that is made now. */
static enum nj_err take_request(struct nj_cli *cli, struct nj_x509_pair *out_pair)
{
	const char *csr = nj_args_text(cli->args, "csr");
	size_t len = 0;
	enum nj_err err;

	if (csr != NULL)
		return nj_file_read(csr, CSR_MAX_BYTES, &out_pair->cert_pem, &len, &cli->why);
	err = nj_x509_make_request(cli->args->operands[0], out_pair);
	if (err != NJ_OK)
		return nj_why(&cli->why, err, "no certificate request can be made: %s", nj_err_text(err));
	return NJ_OK;
}

static enum nj_err ask(struct nj_cli *cli, const char *request, json_t **out_ok)
{
	const char *verb = is_device(cli) ? "device.certificate" : "application.certificate";
	json_t *args =
	    json_pack("{s:s, s:s, s:b, s:s*}", "name", cli->args->operands[0], "csr", request, "revoke_old",
		      nj_args_flag(cli->args, "revoke-old"), "customer", nj_args_text(cli->args, "customer"));

	if (args == NULL)
		return nj_why(&cli->why, NJ_ERR_USAGE, "the words and the request must be UTF-8 text");
	return nj_session_ask(&cli->session, NJ_SIDE_KEEPER, verb, args, NULL, NULL, out_ok, &cli->why);
}

/* The key first, as most programs read it; it may be NULL. */
static enum nj_err write_pem(struct nj_cli *cli, const char *key, const char *cert)
{
	const char *path = nj_args_text(cli->args, "out");
	char text[NJ_CREDFILE_CERT_BYTES + NJ_CREDFILE_CERT_KEY_BYTES];
	enum nj_err err = nj_text_format(text, sizeof(text), "%s%s", key == NULL ? "" : key, cert);

	if (err != NJ_OK)
		err = nj_why(&cli->why, err, "the certificate is too large");
	else if (nj_args_flag(cli->args, "force"))
		err = nj_file_write(path, text, strlen(text), FILE_MODE, &cli->why);
	else
		err = nj_file_create(path, text, strlen(text), FILE_MODE, &cli->why);
	nj_wipe(text, sizeof(text));
	return err;
}

static void tell(const struct nj_cli *cli, const json_t *ok, const char *path)
{
	json_int_t revoked = json_integer_value(json_object_get(ok, "revoked"));

	if (cli->json) {
		json_t *told =
		    json_pack("{s:O*, s:O*, s:O*, s:O*, s:O*, s:O*, s:s}", "name", json_object_get(ok, "name"),
			      "customer", json_object_get(ok, "customer"), "uid", json_object_get(ok, "uid"), "serial",
			      json_object_get(ok, "serial"), "not_after_ms", json_object_get(ok, "not_after_ms"),
			      "revoked", json_object_get(ok, "revoked"), "file", path);

		nj_print_json(told);
		json_decref(told);
		return;
	}
	printf("%s \"%s\" has a new certificate, in %s", is_device(cli) ? "device" : "application",
	       cli->args->operands[0], path);
	if (revoked > 0)
		printf("; %" JSON_INTEGER_FORMAT " old one%s revoked", revoked, revoked == 1 ? " is" : "s are");
	printf("\n");
}

static enum nj_err put_away(struct nj_cli *cli, const json_t *ok, const struct nj_x509_pair *request)
{
	const char *credentials = nj_args_text(cli->args, "credentials");
	const char *cert = json_string_value(json_object_get(ok, "cert"));
	enum nj_err err;

	if (cert == NULL)
		return nj_why(&cli->why, NJ_ERR_MALFORMED, "the gateway's answer holds no certificate");
	err = credentials != NULL ? nj_credential_certify(credentials, cert, request->key_pem, &cli->why)
				  : write_pem(cli, request->key_pem, cert);
	if (err == NJ_OK)
		tell(cli, ok, credentials != NULL ? credentials : nj_args_text(cli->args, "out"));
	else
		fprintf(stderr,
			"nightjar: the certificate was issued, and is lost: mend what is wrong, run this again\n");
	return err;
}

enum nj_err nj_run_party_certificate(struct nj_cli *cli)
{
	struct nj_x509_pair request = { 0 };
	json_t *ok = NULL;
	enum nj_err err = check_target(cli);

	if (err == NJ_OK)
		err = take_request(cli, &request);
	if (err == NJ_OK)
		err = ask(cli, request.cert_pem, &ok);
	if (err == NJ_OK)
		err = put_away(cli, ok, &request);
	nj_x509_pair_done(&request);
	json_decref(ok);
	return err;
}
