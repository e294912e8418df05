/* `nightjar status`: one page for people, one object for programs. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/print.h"

#define SPAN_BYTES 32

static const json_t *at(const json_t *object, const char *outer, const char *key)
{
	const json_t *inside = json_object_get(object, outer);

	return json_object_get(inside, key);
}

static json_int_t number(const json_t *value)
{
	return json_integer_value(value);
}

static void line(const char *title)
{
	printf("%s%-11s%s ", nj_tone(stdout, NJ_TONE_BOLD), title, nj_tone_end(stdout));
}

static void toned(enum nj_tone tone, const char *text)
{
	printf("%s%s%s", nj_tone(stdout, tone), text, nj_tone_end(stdout));
}

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "?";
}

/* "1 device", "2 devices" */
static void counted(const json_t *value, const char *noun, const char *after)
{
	printf("%" JSON_INTEGER_FORMAT " %s%s%s", number(value), noun, number(value) == 1 ? "" : "s", after);
}

static const char *span_since(json_int_t started_ms, char out[SPAN_BYTES])
{
	uint64_t now_ms = nj_clock_wall_ms(nj_clock_system());
	uint64_t seconds = started_ms > 0 && now_ms > (uint64_t)started_ms ? (now_ms - (uint64_t)started_ms) / 1000 : 0;

	if (seconds < 120)
		snprintf(out, SPAN_BYTES, "%" PRIu64 " s", seconds);
	else if (seconds < 7200)
		snprintf(out, SPAN_BYTES, "%" PRIu64 " min", seconds / 60);
	else if (seconds < 172800)
		snprintf(out, SPAN_BYTES, "%" PRIu64 " h", seconds / 3600);
	else
		snprintf(out, SPAN_BYTES, "%" PRIu64 " days", seconds / 86400);
	return out;
}

static void tell_gateway(const struct nj_cli *cli, bool running, const json_t *keeper)
{
	char span[SPAN_BYTES];

	line("gateway");
	if (running && json_is_true(at(keeper, "vault", "locked"))) {
		toned(NJ_TONE_BAD, "locked");
		printf("; nightjar vault unlock%s%s opens the vault, every port stays dark until then\n",
		       cli->session.paths.dir[0] != '\0' ? " --dir " : "", cli->session.paths.dir);
	} else if (running) {
		toned(NJ_TONE_GOOD, "running");
		printf(" for %s\n", span_since(number(json_object_get(keeper, "started_ms")), span));
	} else {
		toned(NJ_TONE_WARN, "stopped");
		printf("; nightjar serve%s%s starts it\n", cli->session.paths.dir[0] != '\0' ? " --dir " : "",
		       cli->session.paths.dir);
	}
	line("parties");
	counted(json_object_get(keeper, "devices"), "device", ", ");
	counted(json_object_get(keeper, "applications"), "application", "\n");
	if (number(json_object_get(keeper, "restored_left")) > 0) {
		line("restored");
		printf("%" JSON_INTEGER_FORMAT " of them not seen since the backup was put back\n",
		       number(json_object_get(keeper, "restored_left")));
	}
}

static void tell_recovery(const json_t *keeper)
{
	const json_t *window = json_object_get(keeper, "recovery");
	char ends[NJ_DATE_BYTES];

	if (!json_is_true(json_object_get(window, "open")))
		return;
	line("recovery");
	toned(NJ_TONE_WARN, "open");
	printf(" until %s for %" JSON_INTEGER_FORMAT " by their recovery keys, %" JSON_INTEGER_FORMAT " came in\n",
	       nj_date_text(number(json_object_get(window, "ends_ms")), ends),
	       number(json_object_get(window, "waiting")), number(json_object_get(window, "recovered")));
}

static void tell_doors(const json_t *keeper)
{
	bool dark = json_is_true(at(keeper, "cloak", "dark"));
	const char *name = json_string_value(at(keeper, "cloak", "name"));

	line("cloak");
	toned(dark ? NJ_TONE_GOOD : NJ_TONE_BAD, dark ? "dark" : "not dark");
	printf(" (%s)\n", name != NULL ? name : "none");
	line("knocks");
	printf("%" JSON_INTEGER_FORMAT " accepted, %" JSON_INTEGER_FORMAT " refused, %" JSON_INTEGER_FORMAT
	       " replayed, %" JSON_INTEGER_FORMAT " forged, %" JSON_INTEGER_FORMAT " unknown; ",
	       number(at(keeper, "knocks", "accepted")), number(at(keeper, "knocks", "refused")),
	       number(at(keeper, "knocks", "replayed")), number(at(keeper, "knocks", "forged")),
	       number(at(keeper, "knocks", "unknown")));
	counted(json_object_get(keeper, "grants"), "door", " open now\n");
}

static void tell_guards(const json_t *keeper)
{
	size_t index;
	json_t *row;

	json_array_foreach(json_object_get(keeper, "guards"), index, row)
	{
		line(index == 0 ? "guards" : "");
		printf("%s  %s/%" JSON_INTEGER_FORMAT ", service %" JSON_INTEGER_FORMAT "\n", text_in(row, "name"),
		       text_in(row, "protocol"), number(json_object_get(row, "port")),
		       number(json_object_get(row, "id")));
	}
}

static void tell_proxies(const json_t *row)
{
	char plain[64];
	size_t index;
	json_t *proxy;

	json_array_foreach(json_object_get(row, "proxies"), index, proxy)
	{
		printf("%s%s", index == 0 ? ", by proxies " : " ",
		       nj_plain_text(json_string_value(proxy), plain, sizeof(plain)));
	}
}

static void tell_listener(const json_t *row)
{
	const char *service = text_in(row, "service");
	const char *address = text_in(row, "address");
	const char *kind = text_in(row, "kind");
	const char *as = json_string_value(json_object_get(row, "as"));
	char plain[160];

	printf("%-9s %s  %s", service, nj_plain_text(address, plain, sizeof(plain)), kind);
	if (as != NULL)
		printf(", as \"%s\"", nj_plain_text(as, plain, sizeof(plain)));
	tell_proxies(row);
	if (json_is_true(json_object_get(row, "exposed")))
		toned(NJ_TONE_BAD, "  exposed");
	if (json_is_false(json_object_get(row, "listening")))
		toned(NJ_TONE_BAD, "  not listening");
	putchar('\n');
}

static void tell_traffic(const json_t *gateway)
{
	size_t index;
	json_t *row;

	line("mqtt");
	counted(at(gateway, "mqtt", "connections"), "connection", ", ");
	counted(at(gateway, "mqtt", "sessions"), "session", ", ");
	counted(at(gateway, "mqtt", "messages_in"), "message", " in, ");
	printf("%" JSON_INTEGER_FORMAT " out\n", number(at(gateway, "mqtt", "messages_out")));
	json_array_foreach(json_object_get(gateway, "listeners"), index, row)
	{
		line(index == 0 ? "listeners" : "");
		tell_listener(row);
	}
}

static void warn(bool wrong, const char *text)
{
	if (wrong) {
		toned(NJ_TONE_WARN, "warning");
		printf("     %s\n", text);
	}
}

static bool any_slot(const json_t *keeper, const char *state)
{
	size_t index;
	json_t *slot;

	json_array_foreach((json_t *)at(keeper, "vault", "slots"), index, slot)
	{
		const char *is = json_string_value(json_object_get(slot, "state"));

		if (is != NULL && strcmp(is, state) == 0)
			return true;
	}
	return false;
}

static void tell_cannot(const json_t *keeper)
{
	size_t index;
	json_t *text;

	json_array_foreach((json_t *)at(keeper, "cloak", "cannot"), index, text)
	{
		toned(NJ_TONE_WARN, "cannot");
		printf("      %s\n", json_string_value(text));
	}
}

static bool any_listener(const json_t *gateway, const char *kind, const char *key)
{
	size_t index;
	json_t *row;

	json_array_foreach(json_object_get(gateway, "listeners"), index, row)
	{
		if (json_object_get(row, key) != NULL && strcmp(text_in(row, "kind"), kind) == 0)
			return true;
	}
	return false;
}

/* What is weaker than it could be, in plain words. */
static void tell_warnings(bool running, const json_t *keeper, const json_t *gateway)
{
	warn(any_slot(keeper, "damaged"), "a slot of the vault is damaged: make a new recovery key soon");
	warn(any_slot(keeper, "degraded"), "a slot of the vault did not open it: nightjar vault slot list");
	warn(number(at(keeper, "keys", "cloned")) > 0,
	     "credentials of a device were copied: nightjar audit tail --event key.cloned names it; revoke it");
	warn(number(at(keeper, "keys", "damaged")) > 0,
	     "what is kept of replaced or offered keys is damaged in part: their use would not be seen");
	warn(json_is_false(json_object_get(keeper, "store_works")),
	     "the keeper's store refuses writes (disk full?): no knock is accepted");
	if (!running || json_is_true(at(keeper, "vault", "locked")))
		return;
	tell_cannot(keeper);
	warn(!json_is_true(at(keeper, "cloak", "dark")),
	     "every port answers strangers: the cloak is not bpf, or could not be put up");
	warn(json_is_true(at(keeper, "cloak", "dark")) && json_is_false(json_object_get(gateway, "separate_users")),
	     "cloak not enforced against the gateway: keeper and gateway run as the same user (users: in the "
	     "configuration)");
	warn(any_listener(gateway, "local", "exposed"),
	     "a listener without a cloak can be reached by other machines: whoever reaches it is its application");
	warn(any_listener(gateway, "cloaked", "proxies"),
	     "listed proxies reach cloaked services without a knock: who is behind them must have knocked");
	warn(gateway == NULL, "the gateway process does not answer; devices cannot connect at the moment");
	warn(gateway != NULL && json_is_false(json_object_get(gateway, "keeper_connected")),
	     "the keeper is away: no door opens until it is back");
}

enum nj_err nj_run_status(struct nj_cli *cli)
{
	json_t *keeper = NULL;
	json_t *gateway = NULL;
	struct nj_why ignored;
	bool running;

	NJ_TRY(nj_session_ask(&cli->session, NJ_SIDE_KEEPER, "status", json_object(), NULL, NULL, &keeper, &cli->why));
	running = cli->session.asked_running;
	/* A gateway process that is down is news to show, not a failure to show it. */
	if (running && nj_session_ask(&cli->session, NJ_SIDE_GATEWAY, "gateway.status", json_object(), NULL, NULL,
				      &gateway, &ignored) != NJ_OK)
		gateway = NULL;
	if (cli->json) {
		json_t *told = json_pack("{s:b, s:O, s:O?}", "running", running, "keeper", keeper, "gateway", gateway);

		nj_print_json(told);
		json_decref(told);
	} else {
		tell_gateway(cli, running, keeper);
		if (running && !json_is_true(at(keeper, "vault", "locked")))
			tell_doors(keeper);
		tell_recovery(keeper);
		tell_guards(keeper);
		if (gateway != NULL)
			tell_traffic(gateway);
		line("audit");
		printf("last record %" JSON_INTEGER_FORMAT "\n", number(at(keeper, "audit", "last_seq")));
		tell_warnings(running, keeper, gateway);
	}
	json_decref(keeper);
	json_decref(gateway);
	return NJ_OK;
}
