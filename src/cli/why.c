/* The rule that allows or denies a topic to a device or application. */
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/print.h"

#define PAYLOAD_MAX_BYTES (256 * 1024)

/* The request, or NULL with `why`: exactly one party and exactly one topic. */
static json_t *request_of(const struct nj_args *args, struct nj_why *why)
{
	const char *device = nj_args_text(args, "device");
	const char *application = nj_args_text(args, "application");
	const char *publish = nj_args_text(args, "publish");
	const char *subscribe = nj_args_text(args, "subscribe");
	json_t *request;

	if ((device == NULL) == (application == NULL)) {
		(void)nj_why(why, NJ_ERR_USAGE, "name one --device or one --application");
		return NULL;
	}
	if ((publish == NULL) == (subscribe == NULL)) {
		(void)nj_why(why, NJ_ERR_USAGE, "name one topic with --publish or --subscribe");
		return NULL;
	}
	request = json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "name", device != NULL ? device : application, "kind",
			    device != NULL ? "device" : "application", "publish", publish, "subscribe", subscribe,
			    "customer", nj_args_text(args, "customer"));
	if (request == NULL)
		(void)nj_why(why, NJ_ERR_USAGE, "the words must be UTF-8 text");
	return request;
}

/* In hex: a payload is bytes. */
static enum nj_err add_payload(json_t *request, struct nj_view payload)
{
	NJ_CLEANUP_FREE char *hex = malloc(2 * payload.len + 1);

	if (hex == NULL)
		return NJ_ERR_NO_MEMORY;
	nj_hex_encode(payload.data, payload.len, hex);
	(void)json_object_set_new(request, "payload", json_string(hex));
	return NJ_OK;
}

static enum nj_err add_message(const struct nj_args *args, json_t *request, struct nj_why *why)
{
	const char *text = nj_args_text(args, "payload");
	const char *path = nj_args_text(args, "payload-file");
	NJ_CLEANUP_FREE char *bytes = NULL;
	size_t len = 0;

	(void)json_object_set_new(request, "qos", json_integer((json_int_t)nj_args_number(args, "qos", 0)));
	(void)json_object_set_new(request, "retain", json_boolean(nj_args_flag(args, "retain")));
	if (text != NULL)
		return add_payload(request, nj_view_str(text));
	if (path == NULL)
		return NJ_OK;
	NJ_TRY(nj_file_read(path, PAYLOAD_MAX_BYTES, &bytes, &len, why));
	return add_payload(request, nj_view_of(bytes, len));
}

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static void tell(const struct nj_args *args, const json_t *ok)
{
	bool allowed = json_is_true(json_object_get(ok, "allowed"));
	bool publish = nj_args_text(args, "publish") != NULL;
	const char *rule = json_string_value(json_object_get(ok, "rule"));
	char plain[512];

	printf("%s%-7s%s  %s %s\n", nj_tone(stdout, allowed ? NJ_TONE_GOOD : NJ_TONE_BAD),
	       allowed ? "allowed" : "denied", nj_tone_end(stdout), publish ? "publish" : "subscribe",
	       nj_plain_text(nj_args_text(args, publish ? "publish" : "subscribe"), plain, sizeof(plain)));
	printf("profile  %s\n", nj_plain_text(text_in(ok, "profile"), plain, sizeof(plain)));
	if (rule != NULL)
		printf("rule     %s\n", nj_plain_text(rule, plain, sizeof(plain)));
	else
		printf("rule     none allows it: what no rule allows is denied\n");
	if (json_object_get(ok, "contract") != NULL)
		printf("contract %s\n", nj_plain_text(text_in(ok, "contract"), plain, sizeof(plain)));
	if (json_object_get(ok, "fault") != NULL)
		printf("breach   %s: %s\n", text_in(ok, "breach"),
		       nj_plain_text(text_in(ok, "fault"), plain, sizeof(plain)));
	if (json_object_get(ok, "granted_qos") != NULL)
		printf("granted  QoS %lld\n", (long long)json_integer_value(json_object_get(ok, "granted_qos")));
	if (json_is_true(json_object_get(ok, "partly")))
		printf("note     a deny rule covers a part of it: those messages are not delivered\n");
}

enum nj_err nj_run_why(struct nj_cli *cli)
{
	json_t *request = request_of(cli->args, &cli->why);
	json_t *ok = NULL;

	if (request == NULL)
		return NJ_ERR_USAGE;
	enum nj_err err = add_message(cli->args, request, &cli->why);
	if (err != NJ_OK) {
		json_decref(request);
		return err;
	}
	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_GATEWAY, "why", request, NULL, NULL, &ok, &cli->why));
	if (cli->json)
		nj_print_json(ok);
	else
		tell(cli->args, ok);
	json_decref(ok);
	return NJ_OK;
}
