#include "identity/contract.h"

#include <stdlib.h>

#include "base/text.h"

const char *nj_breach_name(enum nj_breach breach)
{
	switch (breach) {
	case NJ_BREACH_NONE:
		return "none";
	case NJ_BREACH_TOPIC:
		return "topic";
	case NJ_BREACH_QOS:
		return "qos";
	case NJ_BREACH_RETAIN:
		return "retain";
	case NJ_BREACH_SIZE:
		return "size";
	case NJ_BREACH_RATE:
		return "rate";
	case NJ_BREACH_PAYLOAD:
		return "payload";
	}
	return "unknown";
}

/* ---- compiling ---- */

struct builder {
	struct nj_contract *contract;
	const json_t *json;
	struct nj_why *why;
};

static enum nj_err bad(const struct builder *b, const char *member, const char *fault)
{
	return nj_why(b->why, NJ_ERR_MALFORMED, "contract: \"%s\" %s", member, fault);
}

static enum nj_err whole(const struct builder *b, const char *member, const json_t *value, json_int_t min,
			 json_int_t max, const char *fault, uint32_t *out_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
		return bad(b, member, fault);
	*out_number = (uint32_t)json_integer_value(value);
	return NJ_OK;
}

static enum nj_err read_qos(struct builder *b, const char *member, const json_t *value)
{
	uint32_t qos = 0;

	NJ_TRY(whole(b, member, value, 0, 2, "is 0, 1 or 2", &qos));
	b->contract->max_qos = (uint8_t)qos;
	return NJ_OK;
}

static enum nj_err read_retain(struct builder *b, const char *member, const json_t *value)
{
	if (!json_is_boolean(value))
		return bad(b, member, "is true or false");
	b->contract->retain = json_is_true(value);
	return NJ_OK;
}

static enum nj_err read_bytes(struct builder *b, const char *member, const json_t *value)
{
	return whole(b, member, value, 0, 268435455, "is a whole number from 0 to 268435455", &b->contract->max_bytes);
}

static const struct {
	const char *suffix;
	uint64_t us;
} periods[] = {
	{ "/s", UINT64_C(1000000) },
	{ "/min", UINT64_C(60000000) },
	{ "/h", UINT64_C(3600000000) },
};

static enum nj_err read_rate(struct builder *b, const char *member, const json_t *value)
{
	const char *text = json_string_value(value);
	const char *slash = text != NULL ? strchr(text, '/') : NULL;
	char digits[16];
	uint64_t count;

	if (slash == NULL ||
	    nj_text_copy_view(digits, sizeof(digits), nj_view_of(text, (size_t)(slash - text))) != NJ_OK ||
	    nj_number_parse(digits, 1, 1000000, &count) != NJ_OK)
		return bad(b, member, "is N/s, N/min or N/h, with N from 1 to 1000000");
	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
		if (strcmp(periods[i].suffix, slash) != 0)
			continue;
		b->contract->interval_us = (uint32_t)(periods[i].us / count);
		b->contract->burst = (uint32_t)(UINT64_C(1000000) / b->contract->interval_us);
		if (b->contract->burst == 0)
			b->contract->burst = 1;
		return NJ_OK;
	}
	return bad(b, member, "is N/s, N/min or N/h, with N from 1 to 1000000");
}

static enum nj_err read_burst(struct builder *b, const char *member, const json_t *value)
{
	if (b->contract->interval_us == 0)
		return bad(b, member, "goes with \"rate\"");
	return whole(b, member, value, 1, 1000000, "is a whole number from 1 to 1000000", &b->contract->burst);
}

static enum nj_err read_schema(struct builder *b, const char *member, const json_t *value)
{
	enum nj_payload_format format = strcmp(member, "cbor") == 0 ? NJ_PAYLOAD_CBOR : NJ_PAYLOAD_JSON;

	if (b->contract->schema != NULL)
		return bad(b, member, "stands beside \"json\": a payload is one of them");
	return nj_schema_new(value, format, &b->contract->schema, b->why);
}

/* In the order in which they are read. */
static const struct {
	const char *name;
	bool subscribe; /* a subscribe rule may have it */
	enum nj_err (*read)(struct builder *b, const char *member, const json_t *value);
} members[] = {
	{ "max_qos", true, read_qos },  { "retain", true, read_retain }, { "max_bytes", true, read_bytes },
	{ "rate", false, read_rate },   { "burst", false, read_burst },  { "json", false, read_schema },
	{ "cbor", false, read_schema },
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static enum nj_err check_members(const struct builder *b, bool subscribe)
{
	const char *names[MEMBERS];
	const char *key;
	json_t *value;

	for (size_t i = 0; i < MEMBERS; i++)
		names[i] = members[i].name;
	json_object_foreach((json_t *)(uintptr_t)b->json, key, value)
	{
		const char *nearest = nj_text_nearest(key, names, MEMBERS);
		size_t i = 0;

		while (i < MEMBERS && strcmp(members[i].name, key) != 0)
			i++;
		if (i == MEMBERS)
			return nj_why(b->why, NJ_ERR_MALFORMED, "contract: \"%.64s\" is not known here%s%s%s", key,
				      nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
				      nearest != NULL ? "\"?" : "");
		if (subscribe && !members[i].subscribe)
			return bad(b, key, "is for rules about publishing");
	}
	return NJ_OK;
}

static enum nj_err compile(struct builder *b, bool subscribe)
{
	NJ_TRY(check_members(b, subscribe));
	for (size_t i = 0; i < MEMBERS; i++) {
		const json_t *value = json_object_get(b->json, members[i].name);

		if (value != NULL)
			NJ_TRY(members[i].read(b, members[i].name, value));
	}
	return NJ_OK;
}

enum nj_err nj_contract_new(const char *text, bool subscribe, struct nj_contract **out_contract, struct nj_why *why)
{
	struct builder b = { .why = why };
	json_t *json;
	enum nj_err err = NJ_ERR_NO_MEMORY;

	if (strlen(text) > NJ_CONTRACT_TEXT_MAX)
		return nj_why(why, NJ_ERR_LIMIT, "contract: more than %d bytes", NJ_CONTRACT_TEXT_MAX);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return nj_why(why, NJ_ERR_MALFORMED, "contract: not a JSON object");
	}
	b.json = json;
	b.contract = calloc(1, sizeof(*b.contract));
	if (b.contract != NULL) {
		*b.contract = (struct nj_contract){ .max_qos = 2, .retain = true, .max_bytes = UINT32_MAX };
		err = compile(&b, subscribe);
	}
	json_decref(json);
	if (err != NJ_OK) {
		nj_contract_free(b.contract);
		return err;
	}
	*out_contract = b.contract;
	return NJ_OK;
}

void nj_contract_free(struct nj_contract *contract)
{
	if (contract == NULL)
		return;
	nj_schema_free(contract->schema);
	free(contract);
}

/* ---- checking ---- */

/*
 * A token bucket in one number: the time up to which the rate is used (GCRA). What another rule left in the meter
 * counts for no more than a whole burst of this one from now on.
 */
static bool rate_allows(const struct nj_contract *contract, struct nj_meters *meters, uint64_t now_ms)
{
	atomic_uint_least64_t *due = &meters->due_us[contract->meter];
	const uint64_t now_us = now_ms * 1000;
	const uint64_t most_us = now_us + (uint64_t)contract->burst * contract->interval_us;
	uint64_t seen = atomic_load_explicit(due, memory_order_relaxed);
	uint64_t next;
	bool allowed;

	do {
		next = (seen < now_us ? now_us : seen) + contract->interval_us;
		allowed = next <= most_us;
		if (!allowed && seen <= most_us)
			return false;
		if (!allowed)
			next = most_us;
	} while (!atomic_compare_exchange_weak_explicit(due, &seen, next, memory_order_relaxed, memory_order_relaxed));
	return allowed;
}

static enum nj_breach breach(enum nj_breach what, const char *text, char *out_fault)
{
	snprintf(out_fault, NJ_SCHEMA_FAULT_BYTES, "%s", text);
	return what;
}

/* The payload last: what comes too fast is not looked into. */
enum nj_breach nj_contract_check(const struct nj_contract *contract, const struct nj_offer *offer,
				 char out_fault[NJ_SCHEMA_FAULT_BYTES])
{
	bool removal = offer->retain && offer->payload.len == 0;

	out_fault[0] = '\0';
	if (offer->qos > contract->max_qos)
		return breach(NJ_BREACH_QOS, "a higher QoS than the rule allows", out_fault);
	if (offer->retain && !contract->retain)
		return breach(NJ_BREACH_RETAIN, "the rule allows no retained messages", out_fault);
	if (offer->payload.len > contract->max_bytes)
		return breach(NJ_BREACH_SIZE, "a larger payload than the rule allows", out_fault);
	if (contract->interval_us > 0 && offer->meters != NULL && !rate_allows(contract, offer->meters, offer->now_ms))
		return breach(NJ_BREACH_RATE, "more messages than the rule's rate allows", out_fault);
	if (contract->schema != NULL && !removal && !nj_schema_check(contract->schema, offer->payload, out_fault))
		return NJ_BREACH_PAYLOAD;
	return NJ_BREACH_NONE;
}
