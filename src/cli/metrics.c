/* What a running gateway counts: the text of both processes as it is, or a line of JSON for each sample of it. */
#include "base/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/wire.h"
#include "cli/command.h"
#include "cli/print.h"

/* ---- our own text as JSON ---- */

/* The family that samples belong to. */
struct family {
	struct nj_view name, type;
};

/* Up to `end`, which is taken too; what is left where there is none. */
static struct nj_view take_until(struct nj_view *rest, char end)
{
	const uint8_t *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;
	size_t len = at != NULL ? (size_t)(at - rest->data) : rest->len;
	size_t taken = at != NULL ? len + 1 : len;
	struct nj_view part = nj_view_of(rest->data, len);

	*rest = nj_view_of(rest->data + taken, rest->len - taken);
	return part;
}

static json_t *text_of(struct nj_view view)
{
	return json_stringn((const char *)view.data, view.len);
}

/* name="value",… */
static json_t *labels_of(struct nj_view rest)
{
	json_t *labels = json_object();

	while (rest.len > 0) {
		struct nj_view name = take_until(&rest, '=');
		char key[64];

		(void)take_until(&rest, '"');
		if (nj_text_copy_view(key, sizeof(key), name) == NJ_OK)
			(void)json_object_set_new(labels, key, text_of(take_until(&rest, '"')));
		(void)take_until(&rest, ',');
	}
	return labels;
}

static void print_sample(const struct family *family, struct nj_view line)
{
	struct nj_view number = line;
	struct nj_view sample = take_until(&number, ' ');
	struct nj_view labels = sample;
	char digits[24] = "";

	(void)take_until(&labels, '{');
	labels = take_until(&labels, '}');
	if (nj_text_copy_view(digits, sizeof(digits), number) != NJ_OK)
		return;
	json_t *item = json_pack("{s:o, s:o, s:o, s:I}", "name", text_of(family->name), "type", text_of(family->type),
				 "labels", labels_of(labels), "value", (json_int_t)strtoull(digits, NULL, 10));
	nj_print_json(item);
	json_decref(item);
}

static void print_as_json(const char *text)
{
	struct nj_view rest = nj_view_str(text);
	struct family family = { .name = nj_view_of(NULL, 0) };

	while (rest.len > 0) {
		struct nj_view line = take_until(&rest, '\n');
		struct nj_view word = line;

		if (line.len == 0 || line.data[0] != '#') {
			print_sample(&family, line);
			continue;
		}
		(void)take_until(&word, ' ');
		if (!nj_view_equal(take_until(&word, ' '), nj_view_str("TYPE")))
			continue;
		family.name = take_until(&word, ' ');
		family.type = word;
	}
}

/* ---- */

static enum nj_err print_part(struct nj_cli *cli, enum nj_side side, const char *verb)
{
	json_t *ok = NULL;
	const char *text;

	NJ_TRY(nj_session_ask(&cli->session, side, verb, json_object(), NULL, NULL, &ok, &cli->why));
	text = json_string_value(json_object_get(ok, "text"));
	if (text != NULL && cli->json)
		print_as_json(text);
	else if (text != NULL)
		fputs(text, stdout);
	json_decref(ok);
	return NJ_OK;
}

enum nj_err nj_run_metrics(struct nj_cli *cli)
{
	if (!nj_session_running(&cli->session))
		return nj_why(&cli->why, NJ_ERR_NOT_FOUND, "no gateway is running here");
	NJ_TRY(print_part(cli, NJ_SIDE_GATEWAY, "gateway.metrics"));
	NJ_TRY(print_part(cli, NJ_SIDE_KEEPER, "keeper.metrics"));
	if (!cli->json)
		nj_metrics_end(stdout);
	return NJ_OK;
}
