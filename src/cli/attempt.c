#include "cli/attempt.h"

#include "base/random.h"
#include "base/text.h"
#include "crypto/crypto.h"

static const char guard_scheme[] = "guard:";

bool nj_attempt_is_guard(const struct nj_attempt *attempt)
{
	return attempt->service >= NJ_SERVICE_GUARD_MIN;
}

/* "ssh", or "300" where the configuration gives the id. */
static enum nj_err read_guard(struct nj_attempt *attempt, const char *name)
{
	uint64_t id;

	if (nj_number_parse(name, NJ_SERVICE_GUARD_MIN, UINT16_MAX, &id) == NJ_OK)
		attempt->service = (uint16_t)id;
	else if (nj_name_valid(name))
		attempt->service = nj_service_guard_id(name);
	else
		return nj_why(&attempt->cli->why, NJ_ERR_USAGE, "\"%.64s\" names no guarded service", name);
	return NJ_OK;
}

static enum nj_err read_service(struct nj_attempt *attempt)
{
	const char *name = nj_args_text(attempt->cli->args, "service");
	const char *names[NJ_SERVICE_END];
	const char *nearest;
	size_t count = 0;

	if (name != NULL && strncmp(name, guard_scheme, sizeof(guard_scheme) - 1) == 0)
		return read_guard(attempt, name + sizeof(guard_scheme) - 1);
	attempt->service = nj_service_from_name(name != NULL ? name : "mqtts");
	if (attempt->service != 0)
		return NJ_OK;
	for (uint16_t i = 1; i < NJ_SERVICE_END; i++)
		names[count++] = nj_service_name(i);
	nearest = nj_text_nearest(name, names, count);
	return nj_why(&attempt->cli->why, NJ_ERR_USAGE, "there is no service \"%.32s\"%s%s%s", name,
		      nearest != NULL ? "; did you mean " : "; there are mqtts, mqtt, smpps, smpp and https",
		      nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

enum nj_err nj_attempt_prepare(struct nj_attempt *attempt)
{
	struct nj_why *why = &attempt->cli->why;
	const char *to = nj_args_text(attempt->cli->args, "to");

	NJ_TRY(read_service(attempt));
	NJ_TRY(nj_credential_load(attempt->path, &attempt->file, why));
	if (!nj_attempt_is_guard(attempt) && attempt->file.port[attempt->service] == 0)
		return nj_why(why, NJ_ERR_UNSUPPORTED, "the gateway of these credentials does not offer %s",
			      nj_service_name(attempt->service));
	if (to == NULL && attempt->file.host[0] == '\0')
		return nj_why(why, NJ_ERR_USAGE, "say --to HOST: these credentials name no gateway");
	if (!nj_attempt_is_guard(attempt) &&
	    snprintf(attempt->port, sizeof(attempt->port), "%u", attempt->file.port[attempt->service]) < 0)
		return NJ_ERR_STATE;
	return nj_targets_resolve(to != NULL ? to : attempt->file.host, attempt->file.knock_port, &attempt->targets,
				  why);
}

/* ---- the datagram ---- */

static void derive_proof(struct nj_attempt *attempt, const struct nj_knock_keys *keys,
			 const uint8_t datagram[NJ_KNOCK_BYTES])
{
	uint8_t secret[32];

	if (nj_attempt_is_guard(attempt))
		return;
	if (nj_service_is_tls(attempt->service))
		nj_knock_psk(keys, datagram, secret);
	else
		nj_knock_password(keys, attempt->counter, datagram, attempt->service, secret);
	nj_hex_encode(datagram, NJ_KNOCK_HINT_BYTES, attempt->hint);
	nj_hex_encode(secret, sizeof(secret), attempt->secret);
	nj_wipe(secret, sizeof(secret));
}

static enum nj_err send_to(struct nj_attempt *attempt, const struct nj_knock_keys *keys, const struct nj_addr *target,
			   uint32_t wait_ms, enum nj_sent *out_sent)
{
	struct nj_knock_body body = { .version = NJ_KNOCK_VERSION, .service = attempt->service };
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES];
	uint8_t datagram[NJ_KNOCK_BYTES];

	memcpy(body.uid, attempt->file.uid, sizeof(body.uid));
	nj_random_fill(nj_random_system(), fresh, sizeof(fresh));
	nj_knock_seal(keys, attempt->counter, fresh, &body, datagram);
	NJ_TRY(nj_target_send(target, datagram, wait_ms, out_sent, &attempt->cli->why));
	derive_proof(attempt, keys, datagram);
	attempt->target = *target;
	nj_addr_host_text(target, attempt->host);
	return NJ_OK;
}

/* The first address that takes the datagram; one that says "port unreachable" makes room for the next. */
static enum nj_err send_knock(struct nj_attempt *attempt, uint32_t wait_ms)
{
	enum nj_err err = NJ_ERR_NOT_FOUND;
	enum nj_sent sent = NJ_SENT_SILENT;
	struct nj_knock_keys keys;
	char text[NJ_ADDR_TEXT_BYTES];

	nj_knock_derive(attempt->file.key, attempt->file.uid, &keys);
	for (size_t i = 0; i < attempt->targets.count; i++) {
		err = send_to(attempt, &keys, &attempt->targets.at[i], wait_ms, &sent);
		if (err == NJ_OK && sent == NJ_SENT_SILENT)
			break;
	}
	nj_wipe(&keys, sizeof(keys));
	if (err == NJ_OK && sent == NJ_SENT_REFUSED)
		return nj_why(&attempt->cli->why, NJ_ERR_CLOSED,
			      "%s answers \"port unreachable\": no gateway takes knocks there (is the port right?)",
			      nj_addr_text(&attempt->target, text));
	return err;
}

enum nj_err nj_attempt_send(struct nj_attempt *attempt, uint32_t wait_ms)
{
	NJ_TRY(nj_credential_take(attempt->path, &attempt->file, &attempt->counter, &attempt->cli->why));
	enum nj_err err = send_knock(attempt, wait_ms);
	nj_wipe(attempt->file.key, sizeof(attempt->file.key));
	nj_wipe(attempt->file.recovery, sizeof(attempt->file.recovery));
	return err;
}
