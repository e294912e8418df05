#include "base/file.h"
#include "identity/profile.h"
#include "keeper/cloak/abi.h"
#include "keeper/internal.h"

/*
 * A profile lies in both stores: the keeper keeps the door's policy and the text as it was given, the gateway the topic
 * rules. By order: the keeper notes what is wanted, the gateway stores it, the keeper makes it its own. One at a time.
 */

#define KEY_PENDING "profile.pending"
#define KEY_PROFILE "profile.%s"
#define RULES_MAX (NJ_RIGHTS_MAX_PATTERNS * 4)
#define TEXTS_MAX_BYTES (48 * 1024)
_Static_assert(TEXTS_MAX_BYTES + RULES_MAX * 8 + 1024 < NJ_IPC_MAX_BYTES, "a profile fits a message");

/* The lists of a profile's JSON, in the order in which people read them. */
static const struct {
	const char *key;
	enum nj_direction direction;
	bool deny;
} lists[] = {
	{ "publish", NJ_PUBLISH, false },
	{ "subscribe", NJ_SUBSCRIBE, false },
	{ "deny_publish", NJ_PUBLISH, true },
	{ "deny_subscribe", NJ_SUBSCRIBE, true },
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

/* A profile as it was asked for; texts are borrowed from `json`. */
struct wanted {
	json_t *json; /* owned: name, customer, services, plain, grant_seconds and the lists */
	const char *name;
	const char *customer;
	uint32_t services;
	uint32_t grant_ms;
	bool plain;
	uint8_t bind;
	bool tls12;
	uint8_t source_bits_v4;
	uint8_t source_bits_v6;
	uint32_t bind_ms; /* 0: the gateway's */
	size_t rule_count;
	struct nj_rights_rule rules[RULES_MAX];
	char *contracts[RULES_MAX]; /* of the rules, owned; NULL: none */
};

/* ---- reading ---- */

/* What a rule asks beside its topic, as a text of its own; NULL in `out_text` when nothing. */
static enum nj_err read_contract(const json_t *item, char **out_text, struct nj_why *why)
{
	json_t *rest = json_is_object(item) ? json_copy((json_t *)(uintptr_t)item) : NULL;
	char *text = NULL;

	if (!json_is_object(item))
		return NJ_OK;
	if (rest != NULL && json_object_del(rest, "topic") == 0)
		text = json_dumps(rest, JSON_COMPACT);
	bool empty = rest != NULL && json_object_size(rest) == 0;
	json_decref(rest);
	if (text == NULL)
		return NJ_ERR_NO_MEMORY;
	if (strlen(text) > NJ_CONTRACT_TEXT_MAX) {
		free(text);
		return nj_why(why, NJ_ERR_LIMIT, "a contract has at most %d bytes of JSON", NJ_CONTRACT_TEXT_MAX);
	}
	if (empty) {
		free(text);
		text = NULL;
	}
	*out_text = text;
	return NJ_OK;
}

/* A rule is a topic pattern, or an object: the topic, and its contract. */
static enum nj_err read_rule(struct wanted *wanted, size_t list, const json_t *item, struct nj_why *why)
{
	const json_t *topic = json_is_object(item) ? json_object_get(item, "topic") : item;
	size_t at = wanted->rule_count;

	if (!json_is_string(topic) || strlen(json_string_value(topic)) != json_string_length(topic))
		return nj_why(why, NJ_ERR_USAGE,
			      "\"%s\" must be a list of topic patterns, or of objects with a \"topic\"",
			      lists[list].key);
	if (at == RULES_MAX)
		return nj_why(why, NJ_ERR_LIMIT, "a profile has at most %d patterns", RULES_MAX);
	NJ_TRY(read_contract(item, &wanted->contracts[at], why));
	wanted->rules[at] = (struct nj_rights_rule){
		.direction = lists[list].direction,
		.deny = lists[list].deny,
		.pattern = json_string_value(topic),
		.contract = wanted->contracts[at],
	};
	wanted->rule_count++;
	return NJ_OK;
}

static enum nj_err read_list(struct wanted *wanted, size_t list, struct nj_why *why)
{
	json_t *array = json_object_get(wanted->json, lists[list].key);
	json_t *item;
	size_t i;

	if (array != NULL && !json_is_array(array))
		return nj_why(why, NJ_ERR_USAGE, "\"%s\" must be a list of topic patterns", lists[list].key);
	json_array_foreach(array, i, item)
	{
		NJ_TRY(read_rule(wanted, list, item, why));
	}
	return NJ_OK;
}

/* What the gateway process is sent goes into one message. */
static enum nj_err check_size(const struct wanted *wanted, struct nj_why *why)
{
	size_t bytes = 0;

	for (size_t i = 0; i < wanted->rule_count; i++)
		bytes += strlen(wanted->rules[i].pattern) +
			 (wanted->contracts[i] != NULL ? strlen(wanted->contracts[i]) : 0);
	if (bytes > TEXTS_MAX_BYTES)
		return nj_why(why, NJ_ERR_LIMIT, "the patterns and contracts of a profile have %zu bytes, at most %d",
			      bytes, TEXTS_MAX_BYTES);
	return NJ_OK;
}

static enum nj_err read_services(struct wanted *wanted, struct nj_why *why)
{
	json_t *array = json_object_get(wanted->json, "services");
	json_t *item;
	size_t i;

	if (!json_is_array(array))
		return nj_why(why, NJ_ERR_USAGE, "\"services\" must be a list of service names");
	json_array_foreach(array, i, item)
	{
		const char *name = json_string_value(item);
		uint16_t service = name == NULL ? 0 : nj_service_from_name(name);

		if (service == 0)
			return nj_why(why, NJ_ERR_USAGE, "there is no service \"%.32s\"", name == NULL ? "" : name);
		wanted->services |= NJ_SERVICE_BIT(service);
	}
	return NJ_OK;
}

static enum nj_err read_grant(struct wanted *wanted, struct nj_why *why)
{
	json_int_t seconds = json_integer_value(json_object_get(wanted->json, "grant_seconds"));

	if (seconds < NJ_PROFILE_GRANT_MS_MIN / 1000 || seconds > NJ_PROFILE_GRANT_MS_MAX / 1000)
		return nj_why(why, NJ_ERR_RANGE, "grant_seconds must be from %d to %d", NJ_PROFILE_GRANT_MS_MIN / 1000,
			      NJ_PROFILE_GRANT_MS_MAX / 1000);
	wanted->grant_ms = (uint32_t)seconds * 1000;
	return NJ_OK;
}

#define BIND_SECONDS_MAX 300

/* For links on which a handshake takes longer than the configuration's limits.bind_timeout. */
static enum nj_err read_patience(struct wanted *wanted, struct nj_why *why)
{
	const json_t *value = json_object_get(wanted->json, "bind_seconds");
	json_int_t seconds = json_integer_value(value);

	if (value == NULL || json_is_null(value)) {
		(void)json_object_del(wanted->json, "bind_seconds");
		return NJ_OK;
	}
	if (seconds < 1 || seconds > BIND_SECONDS_MAX)
		return nj_why(why, NJ_ERR_RANGE, "bind_seconds must be from 1 to %d", BIND_SECONDS_MAX);
	wanted->bind_ms = (uint32_t)seconds * 1000;
	return NJ_OK;
}

/* The policies about the proof: by what a TLS connection binds, and from how near to the knock's source. */
static const struct {
	const char *name;
	uint8_t bind;
} binds[] = {
	{ "psk", NJ_BINDING_PSK },
	{ "certificate", NJ_BINDING_CERTIFICATE },
	{ "either", NJ_BINDING_PSK | NJ_BINDING_CERTIFICATE },
};

static enum nj_err read_bind(struct wanted *wanted, struct nj_why *why)
{
	const char *name = json_string_value(json_object_get(wanted->json, "bind"));
	const char *floor = json_string_value(json_object_get(wanted->json, "tls_floor"));

	for (size_t i = 0; name != NULL && i < sizeof(binds) / sizeof(binds[0]); i++)
		if (strcmp(binds[i].name, name) == 0)
			wanted->bind = binds[i].bind;
	if (wanted->bind == 0)
		return nj_why(why, NJ_ERR_USAGE, "\"bind\" must be psk, certificate or either");
	if (floor == NULL || (strcmp(floor, "1.3") != 0 && strcmp(floor, "1.2") != 0))
		return nj_why(why, NJ_ERR_USAGE, "\"tls_floor\" must be 1.3 or 1.2");
	wanted->tls12 = strcmp(floor, "1.2") == 0;
	if (wanted->tls12 && (wanted->bind & NJ_BINDING_CERTIFICATE) == 0)
		return nj_why(why, NJ_ERR_USAGE,
			      "TLS 1.2 is for certificates alone: with a \"tls_floor\" of 1.2, \"bind\" must be "
			      "certificate or either");
	return NJ_OK;
}

#define SOURCE_V4_MIN 8 /* a wider net is no source at all */
#define SOURCE_V6_MIN 32

/* "exact", or how many leading bits must agree. */
static enum nj_err read_source(struct wanted *wanted, const char *key, unsigned min, unsigned max, uint8_t *out_bits,
			       struct nj_why *why)
{
	const char *text = json_string_value(json_object_get(wanted->json, key));
	uint64_t bits = max;

	if (text != NULL && strcmp(text, "exact") == 0) {
		*out_bits = (uint8_t)max;
		return NJ_OK;
	}
	if (text == NULL || text[0] != '/' || nj_number_parse(text + 1, min, max, &bits) != NJ_OK)
		return nj_why(why, NJ_ERR_USAGE, "\"%s\" must be exact, or /%u to /%u", key, min, max);
	*out_bits = (uint8_t)bits;
	return NJ_OK;
}

static enum nj_err read_proof(struct wanted *wanted, struct nj_why *why)
{
	NJ_TRY(read_bind(wanted, why));
	NJ_TRY(read_patience(wanted, why));
	NJ_TRY(read_source(wanted, "source", SOURCE_V4_MIN, 32, &wanted->source_bits_v4, why));
	return read_source(wanted, "source6", SOURCE_V6_MIN, 128, &wanted->source_bits_v6, why);
}

static void set_default(json_t *json, const char *key, json_t *value)
{
	if (json_is_null(json_object_get(json, key)) || json_object_get(json, key) == NULL)
		json_object_set(json, key, value);
	json_decref(value);
}

/* Takes over `json`; the caller calls wanted_done also on failure. */
static enum nj_err wanted_read(struct wanted *wanted, json_t *json, uint32_t default_grant_ms, struct nj_why *why)
{
	struct nj_profile_spec spec = { .rules = wanted->rules };

	*wanted = (struct wanted){ .json = json };
	set_default(json, "customer", json_string(NJ_CUSTOMER_DEFAULT));
	set_default(json, "services", json_pack("[s]", "mqtts"));
	set_default(json, "plain", json_false());
	set_default(json, "grant_seconds", json_integer(default_grant_ms / 1000));
	set_default(json, "bind", json_string("psk"));
	set_default(json, "tls_floor", json_string("1.3"));
	set_default(json, "source", json_string("exact"));
	set_default(json, "source6", json_string("exact"));
	wanted->name = json_string_value(json_object_get(json, "name"));
	wanted->customer = json_string_value(json_object_get(json, "customer"));
	wanted->plain = json_is_true(json_object_get(json, "plain"));
	if (!json_is_boolean(json_object_get(json, "plain")))
		return nj_why(why, NJ_ERR_USAGE, "\"plain\" must be true or false");
	if (wanted->name == NULL || !nj_name_valid(wanted->name) || wanted->customer == NULL ||
	    !nj_name_valid(wanted->customer))
		return nj_why(why, NJ_ERR_USAGE, "\"name\" or \"customer\" is not a valid name");
	NJ_TRY(read_services(wanted, why));
	NJ_TRY(read_grant(wanted, why));
	NJ_TRY(read_proof(wanted, why));
	for (size_t i = 0; i < LISTS; i++) {
		set_default(json, lists[i].key, json_array());
		NJ_TRY(read_list(wanted, i, why));
	}
	spec.name = wanted->name;
	spec.services = wanted->services;
	spec.grant_ms = wanted->grant_ms;
	spec.plain = wanted->plain;
	spec.rule_count = wanted->rule_count;
	NJ_TRY(check_size(wanted, why));
	return nj_profile_check(&spec, why);
}

static void wanted_done(struct wanted *wanted)
{
	for (size_t i = 0; i < RULES_MAX; i++)
		free(wanted->contracts[i]);
	json_decref(wanted->json);
}

/* ---- storing ---- */

static enum nj_err meta_json(struct nj_keeper *keeper, const char *key, json_t **out_json)
{
	NJ_CLEANUP_FREE char *text = malloc(NJ_KEEPER_PROFILE_JSON_MAX);
	json_t *json;

	if (text == NULL)
		return NJ_ERR_NO_MEMORY;
	NJ_TRY(nj_keeper_store_meta_get(keeper->store, key, text, NJ_KEEPER_PROFILE_JSON_MAX));
	if (text[0] == '\0')
		return NJ_ERR_NOT_FOUND;
	json = json_loads(text, 0, NULL);
	if (json == NULL)
		return NJ_ERR_CORRUPT;
	*out_json = json;
	return NJ_OK;
}

static enum nj_err meta_put_json(struct nj_keeper *keeper, const char *key, const json_t *json)
{
	NJ_CLEANUP_FREE char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

	if (text == NULL)
		return NJ_ERR_NO_MEMORY;
	if (strlen(text) >= NJ_KEEPER_PROFILE_JSON_MAX)
		return NJ_ERR_TOO_LARGE;
	return nj_keeper_store_meta_put(keeper->store, key, text);
}

static enum nj_err make_own_rows(struct nj_keeper *keeper, const struct wanted *wanted,
				 const struct nj_door_policy *policy, const char *caller)
{
	char key[NJ_NAME_BYTES + sizeof(KEY_PROFILE)];

	NJ_TRY(nj_text_format(key, sizeof(key), KEY_PROFILE, wanted->name));
	NJ_TRY(nj_keeper_store_policy_put(keeper->store, policy));
	NJ_TRY(meta_put_json(keeper, key, wanted->json));
	NJ_TRY(nj_keeper_store_meta_put(keeper->store, KEY_PENDING, ""));
	return nj_audit_append(keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_PROFILE_SET,
									 .customer = wanted->customer,
									 .subject = wanted->name,
									 .source = caller });
}

/* Third step: policy, text and audit record in one commit. */
static enum nj_err make_own(struct nj_keeper *keeper, const struct wanted *wanted, const char *caller)
{
	struct nj_door_policy policy = {
		.services = wanted->services,
		.plain = wanted->plain,
		.grant_ms = wanted->grant_ms,
		.source_bits_v4 = wanted->source_bits_v4,
		.source_bits_v6 = wanted->source_bits_v6,
		.bind = wanted->bind,
		.tls12 = wanted->tls12,
		.bind_ms = wanted->bind_ms,
	};
	enum nj_err err;

	NJ_TRY(nj_text_copy(policy.profile, sizeof(policy.profile), wanted->name));
	NJ_TRY(nj_keeper_begin(keeper));
	err = nj_keeper_end(keeper, make_own_rows(keeper, wanted, &policy, caller));
	return err == NJ_OK ? nj_keeper_policy_set(keeper, &policy) : err;
}

static void send_profile(struct nj_keeper *keeper, const struct wanted *wanted, nj_link_done_fn done, void *arg)
{
	struct nj_ipc message = { .type = NJ_IPC_PROFILE_PUT };
	struct nj_ipc_profile *profile = &message.as.profile;

	profile->customer = nj_view_str(wanted->customer);
	profile->name = nj_view_str(wanted->name);
	profile->services = wanted->services;
	profile->plain = wanted->plain;
	profile->rule_count = (uint16_t)wanted->rule_count;
	for (size_t i = 0; i < wanted->rule_count; i++)
		profile->rules[i] = (struct nj_ipc_rule){
			.direction = (uint8_t)wanted->rules[i].direction,
			.deny = wanted->rules[i].deny,
			.pattern = nj_view_str(wanted->rules[i].pattern),
			.contract = nj_view_str(wanted->contracts[i] != NULL ? wanted->contracts[i] : ""),
		};
	keeper->link->ops->request(keeper->link, &message, done, arg);
}

/* ---- profile.set ---- */

struct setting {
	struct nj_keeper *keeper;
	struct nj_admin_call *call; /* NULL: resumed after a crash */
	struct wanted wanted;
};

/* The gateway said no for good: forget that it was wanted. */
static void drop_pending(struct nj_keeper *keeper)
{
	/* Left behind, it is sent, and refused, once more at the next start: no harm. */
	(void)!nj_keeper_store_meta_put(keeper->store, KEY_PENDING, "");
}

static void setting_end(struct setting *setting, enum nj_err err, const char *text)
{
	struct nj_admin_call *call = setting->call;

	setting->keeper->profile_busy = false;
	if (call != NULL && err != NJ_OK)
		nj_admin_fail(call, err, "%s", text[0] != '\0' ? text : nj_err_text(err));
	wanted_done(&setting->wanted);
	free(setting);
}

static void on_stored(void *arg, enum nj_err err, const char *text)
{
	struct setting *setting = arg;
	struct nj_keeper *keeper = setting->keeper;
	const char *name = setting->wanted.name;
	bool created = nj_keeper_policy(keeper, name) == NULL;

	if (err != NJ_OK) {
		if (err != NJ_ERR_CLOSED && err != NJ_ERR_TIMEOUT)
			drop_pending(keeper);
		setting_end(setting, err, text);
		return;
	}
	err = make_own(keeper, &setting->wanted, setting->call != NULL ? nj_admin_caller(setting->call) : "keeper");
	if (err == NJ_OK && setting->call != NULL)
		nj_admin_ok(setting->call, json_pack("{s:s, s:b}", "name", name, "created", (int)created));
	if (err == NJ_OK && setting->call == NULL && keeper->watch.reconciled != NULL)
		keeper->watch.reconciled(keeper->watch.arg, name, "profile stored");
	setting_end(setting, err, "");
}

/* The lengths of nets, as bits of the 128, that policies ask for: the kernel's filter tries NJ_CLOAK_GRANT_PREFIXES. */
struct lengths {
	uint8_t bits[NJ_CLOAK_GRANT_PREFIXES];
	size_t count; /* one more than there is room for: too many */
};

static void length_add(struct lengths *lengths, unsigned bits)
{
	size_t i = 0;

	if (bits == 128)
		return;
	while (i < lengths->count && i < NJ_CLOAK_GRANT_PREFIXES && lengths->bits[i] != bits)
		i++;
	if (i < NJ_CLOAK_GRANT_PREFIXES)
		lengths->bits[i] = (uint8_t)bits;
	if (i == lengths->count)
		lengths->count++;
}

static enum nj_err lengths_check(const struct nj_keeper *keeper, const struct wanted *wanted, struct nj_why *why)
{
	const struct nj_keeper_policy *policy;
	struct lengths lengths = { .count = 0 };
	size_t cursor = 0;

	length_add(&lengths, 96u + wanted->source_bits_v4);
	length_add(&lengths, wanted->source_bits_v6);
	while ((policy = nj_map_next(&keeper->policies, &cursor)) != NULL && lengths.count <= NJ_CLOAK_GRANT_PREFIXES) {
		if (strcmp(policy->door.profile, wanted->name) == 0)
			continue;
		length_add(&lengths, 96u + policy->door.source_bits_v4);
		length_add(&lengths, policy->door.source_bits_v6);
	}
	if (lengths.count <= NJ_CLOAK_GRANT_PREFIXES)
		return NJ_OK;
	return nj_why(why, NJ_ERR_LIMIT,
		      "all profiles together may have %d lengths of nets in \"source\" and \"source6\" (an IPv4 /n "
		      "counts as an IPv6 /96+n): use one that another profile has, or exact",
		      NJ_CLOAK_GRANT_PREFIXES);
}

static enum nj_err setting_check(struct setting *setting, struct nj_why *why)
{
	struct nj_keeper *keeper = setting->keeper;
	json_t *args = json_copy((json_t *)(uintptr_t)nj_admin_args(setting->call));

	if (args == NULL)
		return NJ_ERR_NO_MEMORY;
	NJ_TRY(wanted_read(&setting->wanted, args, keeper->grant_ms, why));
	NJ_TRY(lengths_check(keeper, &setting->wanted, why));
	if (!keeper->link->ops->connected(keeper->link))
		return nj_why(why, NJ_ERR_AGAIN, "the gateway process is not up, try again in a moment");
	return meta_put_json(keeper, KEY_PENDING, setting->wanted.json);
}

void nj_keeper_verb_profile_set(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	struct nj_why why = { "" };
	struct setting *setting;
	enum nj_err err;

	if (keeper->profile_busy) {
		nj_admin_fail(call, NJ_ERR_BUSY, "another profile is being stored, try again");
		return;
	}
	setting = calloc(1, sizeof(*setting));
	if (setting == NULL) {
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory");
		return;
	}
	setting->keeper = keeper;
	setting->call = call;
	keeper->profile_busy = true;
	err = setting_check(setting, &why);
	if (err == NJ_OK)
		send_profile(keeper, &setting->wanted, on_stored, setting);
	else
		setting_end(setting, err, why.text);
}

void nj_keeper_profile_resume(struct nj_keeper *keeper)
{
	struct setting *setting;
	struct nj_why why;
	json_t *json;

	if (keeper->profile_busy || meta_json(keeper, KEY_PENDING, &json) != NJ_OK)
		return;
	setting = calloc(1, sizeof(*setting));
	if (setting == NULL) {
		json_decref(json);
		return;
	}
	setting->keeper = keeper;
	keeper->profile_busy = true;
	if (wanted_read(&setting->wanted, json, keeper->grant_ms, &why) == NJ_OK)
		send_profile(keeper, &setting->wanted, on_stored, setting);
	else
		setting_end(setting, NJ_ERR_CORRUPT, "");
}

/* ---- profile.list, profile.show ---- */

static enum nj_err profile_json(struct nj_keeper *keeper, const char *name, json_t **out_json)
{
	char key[NJ_NAME_BYTES + sizeof(KEY_PROFILE)];

	NJ_TRY(nj_text_format(key, sizeof(key), KEY_PROFILE, name));
	return meta_json(keeper, key, out_json);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void nj_keeper_verb_profile_list(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	const struct nj_keeper_policy *policy;
	size_t cursor = 0;
	size_t count = 0;
	const char **names = calloc(keeper->policies.count + 1, sizeof(*names));
	enum nj_err err = names == NULL ? NJ_ERR_NO_MEMORY : NJ_OK;

	while (err == NJ_OK && (policy = nj_map_next(&keeper->policies, &cursor)) != NULL)
		names[count++] = policy->door.profile;
	if (count > 0)
		qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; err == NJ_OK && i < count; i++) {
		json_t *json;

		err = profile_json(keeper, names[i], &json);
		if (err == NJ_OK)
			nj_admin_item(call, json);
	}
	if (err == NJ_OK)
		nj_admin_ok(call, json_object());
	else
		nj_admin_fail(call, err, "the profiles cannot be read: %s", nj_err_text(err));
	free(names);
}

void nj_keeper_verb_profile_show(void *arg, struct nj_admin_call *call)
{
	struct nj_keeper *keeper = arg;
	const char *name;
	json_t *json;
	enum nj_err err;

	if (!nj_admin_text(call, "name", true, &name))
		return;
	err = nj_name_valid(name) ? profile_json(keeper, name, &json) : NJ_ERR_NOT_FOUND;
	if (err == NJ_OK)
		nj_admin_ok(call, json);
	else
		nj_admin_fail(call, err, "profile %.64s: %s", name, nj_err_text(err));
}
