#include "base/config/perimeter.h"

#include <string.h>

#include "base/config/settings.h"
#include "base/service.h"

/* ---- the allow-list ---- */

/* "ADDRESS", "ADDRESS/n" or "any". */
static enum nj_err parse_source(const char *text, struct nj_allow *allow)
{
	struct nj_net net;

	if (strcmp(text, "any") == 0)
		return NJ_OK;
	NJ_TRY(nj_net_parse(text, &net));
	allow->source = net.addr;
	allow->prefix = net.prefix;
	return NJ_OK;
}

/* "tcp/22" */
static enum nj_err parse_port(const char *text, struct nj_allow *allow)
{
	uint64_t port;

	if (strncmp(text, "tcp/", 4) == 0)
		allow->protocol = NJ_PROTOCOL_TCP;
	else if (strncmp(text, "udp/", 4) == 0)
		allow->protocol = NJ_PROTOCOL_UDP;
	else
		return NJ_ERR_MALFORMED;
	NJ_TRY(nj_number_parse(text + 4, 1, UINT16_MAX, &port));
	allow->port = (uint16_t)port;
	return NJ_OK;
}

enum nj_err nj_allow_parse(const char *text, struct nj_allow *out_allow)
{
	struct nj_allow allow = { .prefix = 0 };
	char copy[NJ_ALLOW_TEXT_BYTES];

	if (nj_text_copy(copy, sizeof(copy), text) != NJ_OK)
		return NJ_ERR_MALFORMED;
	char *space = strchr(copy, ' ');
	if (space != NULL) {
		*space = '\0';
		if (parse_port(space + 1, &allow) != NJ_OK)
			return NJ_ERR_MALFORMED;
	}
	NJ_TRY(parse_source(copy, &allow));
	if (allow.prefix == 0 && allow.port == 0)
		return NJ_ERR_MALFORMED;
	*out_allow = allow;
	return NJ_OK;
}

bool nj_allow_covers(const struct nj_allow *rows, size_t count, const struct nj_addr *source, uint8_t protocol,
		     uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (nj_net_has(&(struct nj_net){ rows[i].source, rows[i].prefix }, source) &&
		    (rows[i].protocol == 0 || rows[i].protocol == protocol) &&
		    (rows[i].port == 0 || rows[i].port == port))
			return true;
	return false;
}

enum nj_err nj_allow_parse_all(const struct nj_settings_perimeter *perimeter, struct nj_allow out_rows[NJ_ALLOW_MAX],
			       struct nj_why *why)
{
	struct nj_allow rows[NJ_ALLOW_MAX];

	for (size_t i = 0; i < perimeter->allow_count; i++)
		if (nj_allow_parse(perimeter->allow[i], &rows[i]) != NJ_OK)
			return nj_why(
			    why, NJ_ERR_CONFIG,
			    "perimeter: allow: '%s' is not 'ADDRESS', 'ADDRESS/BITS', 'ADDRESS/BITS tcp/PORT' "
			    "or 'any tcp/PORT' (udp too; no bits beyond the prefix)",
			    perimeter->allow[i]);
	memcpy(out_rows, rows, perimeter->allow_count * sizeof(rows[0]));
	return NJ_OK;
}

/* ---- guards ---- */

static bool party_valid(const char *text)
{
	const char *slash = strchr(text, '/');
	char customer[NJ_NAME_BYTES];

	if (slash == NULL)
		return nj_name_valid(text);
	return nj_text_copy_view(customer, sizeof(customer), nj_view_of(text, (size_t)(slash - text))) == NJ_OK &&
	       nj_name_valid(customer) && nj_name_valid(slash + 1);
}

static enum nj_err check_who(const struct nj_settings_guard *guard, struct nj_why *why)
{
	if (guard->profile_count + guard->party_count == 0)
		return nj_why(why, NJ_ERR_CONFIG, "guard: %s: name the profiles or parties that may knock for it",
			      guard->name);
	for (size_t i = 0; i < guard->profile_count; i++)
		if (!nj_name_valid(guard->profiles[i]))
			return nj_why(why, NJ_ERR_CONFIG, "guard: %s: profiles: '%s' is not a valid name", guard->name,
				      guard->profiles[i]);
	for (size_t i = 0; i < guard->party_count; i++)
		if (!party_valid(guard->parties[i]))
			return nj_why(why, NJ_ERR_CONFIG, "guard: %s: parties: '%s' is neither NAME nor CUSTOMER/NAME",
				      guard->name, guard->parties[i]);
	return NJ_OK;
}

static bool is_own_port(const struct nj_settings *s, const struct nj_settings_guard *guard)
{
	if (guard->protocol == NJ_SETTINGS_GUARD_UDP)
		return guard->port == s->ports.knock;
	return guard->port == s->ports.mqtts || guard->port == s->ports.mqtt || guard->port == s->ports.smpp ||
	       guard->port == s->ports.smpps || guard->port == s->ports.https || guard->port == s->ports.enrolment;
}

static enum nj_err check_pair(const struct nj_settings_guard *a, const struct nj_settings_guard *b, struct nj_why *why)
{
	if (strcmp(a->name, b->name) == 0)
		return nj_why(why, NJ_ERR_CONFIG, "guard: '%s' is there twice", a->name);
	if (a->port == b->port && a->protocol == b->protocol)
		return nj_why(why, NJ_ERR_CONFIG, "guard: %s and %s are the same port", a->name, b->name);
	if (a->id == b->id)
		return nj_why(why, NJ_ERR_CONFIG, "guard: %s and %s have the same id %u: give one an `id` of its own",
			      a->name, b->name, a->id);
	return NJ_OK;
}

static enum nj_err check_guards(struct nj_settings *s, struct nj_why *why)
{
	for (size_t i = 0; i < s->guard_count; i++) {
		struct nj_settings_guard *guard = &s->guard[i];

		if (!nj_name_valid(guard->name))
			return nj_why(why, NJ_ERR_CONFIG, "guard: name: '%s' is not a valid name", guard->name);
		uint16_t named = nj_service_guard_id(guard->name);
		if (guard->id == 0)
			guard->id = named;
		if (guard->id != named && (guard->id < NJ_SERVICE_GUARD_MIN || guard->id >= NJ_SERVICE_GUARD_NAMED))
			return nj_why(why, NJ_ERR_CONFIG, "guard: %s: id: %u is not from %u to %u", guard->name,
				      guard->id, NJ_SERVICE_GUARD_MIN, NJ_SERVICE_GUARD_NAMED - 1);
		if (is_own_port(s, guard))
			return nj_why(why, NJ_ERR_CONFIG, "guard: %s: %u is a port of Nightjar's own", guard->name,
				      guard->port);
		NJ_TRY(check_who(guard, why));
		for (size_t j = 0; j < i; j++)
			NJ_TRY(check_pair(&s->guard[j], guard, why));
	}
	return NJ_OK;
}

enum nj_err nj_settings_check_perimeter(struct nj_settings *settings, struct nj_why *why)
{
	struct nj_allow rows[NJ_ALLOW_MAX];

	NJ_TRY(nj_allow_parse_all(&settings->perimeter, rows, why));
	return check_guards(settings, why);
}
