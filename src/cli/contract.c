#include "cli/contract.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/yaml_json.h"
#include "base/file.h"
#include "base/wire.h"

static const char *const lists[] = { "publish", "subscribe", "deny_publish", "deny_subscribe" };
#define LISTS (sizeof(lists) / sizeof(lists[0]))

static enum nj_err to_json(const char *path, struct nj_view file, char **out_text, struct nj_why *why)
{
	size_t len = 0;
	FILE *out = open_memstream(out_text, &len);
	enum nj_err err;

	if (out == NULL)
		return NJ_ERR_NO_MEMORY;
	err = nj_yaml_to_json(path, (const char *)file.data, file.len, out, why);
	if (fclose(out) != 0 && err == NJ_OK)
		err = NJ_ERR_NO_MEMORY;
	return err;
}

static enum nj_err read_file(const char *path, json_t **out_json, struct nj_why *why)
{
	NJ_CLEANUP_FREE char *text = NULL;
	NJ_CLEANUP_FREE char *file = NULL;
	size_t len = 0;
	json_error_t error;

	NJ_TRY(nj_file_read(path, NJ_CONTRACT_FILE_MAX, &file, &len, why));
	NJ_TRY(to_json(path, nj_view_of(file, len), &text, why));
	*out_json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (*out_json == NULL)
		return nj_why(why, NJ_ERR_CONFIG, "%s: %s", path, error.text);
	return NJ_OK;
}

static bool is_list(const char *key)
{
	for (size_t i = 0; i < LISTS; i++)
		if (strcmp(lists[i], key) == 0)
			return true;
	return false;
}

static enum nj_err check(const char *path, const json_t *json, struct nj_why *why)
{
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return nj_why(why, NJ_ERR_CONFIG, "%s: not an object with lists of rules", path);
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		if (!is_list(key) || !json_is_array(value))
			return nj_why(why, NJ_ERR_CONFIG,
				      "%s: \"%.64s\" is not one of the lists publish, subscribe, deny_publish and "
				      "deny_subscribe",
				      path, key);
	}
	return NJ_OK;
}

enum nj_err nj_contract_file_add(const char *path, json_t *request, struct nj_why *why)
{
	json_t *json = NULL;
	enum nj_err err;

	NJ_TRY(read_file(path, &json, why));
	err = check(path, json, why);
	for (size_t i = 0; i < LISTS && err == NJ_OK; i++) {
		json_t *rules = json_object_get(json, lists[i]);

		if (rules == NULL)
			continue;
		(void)json_array_extend(rules, json_object_get(request, lists[i]));
		(void)json_object_set(request, lists[i], rules);
	}
	json_decref(json);
	return err;
}

/* ---- for people ---- */

static void say(FILE *out, bool *any, const char *format, ...) NJ_PRINTF(3, 4);
static void say(FILE *out, bool *any, const char *format, ...)
{
	va_list args;

	fputs(*any ? ", " : " (", out);
	*any = true;
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
}

static void say_rule(FILE *out, const json_t *rule)
{
	const json_t *max_qos = json_object_get(rule, "max_qos");
	const json_t *max_bytes = json_object_get(rule, "max_bytes");
	const char *rate = json_string_value(json_object_get(rule, "rate"));
	const json_t *burst = json_object_get(rule, "burst");
	const char *topic = json_string_value(json_object_get(rule, "topic"));
	bool any = false;

	fputs(topic != NULL ? topic : "", out);
	if (max_qos != NULL)
		say(out, &any, "QoS up to %lld", (long long)json_integer_value(max_qos));
	if (json_is_false(json_object_get(rule, "retain")))
		say(out, &any, "not retained");
	if (max_bytes != NULL)
		say(out, &any, "up to %lld bytes", (long long)json_integer_value(max_bytes));
	if (rate != NULL)
		say(out, &any, "%s", rate);
	if (burst != NULL)
		say(out, &any, "%lld at once", (long long)json_integer_value(burst));
	if (json_object_get(rule, "json") != NULL || json_object_get(rule, "cbor") != NULL)
		say(out, &any, "%s by contract", json_object_get(rule, "json") != NULL ? "JSON" : "CBOR");
	if (any)
		putc(')', out);
}

static json_t *words_of(const json_t *rule)
{
	NJ_CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	say_rule(out, rule);
	return fclose(out) == 0 ? json_string(text) : NULL;
}

void nj_contract_words(json_t *profile)
{
	for (size_t list = 0; list < LISTS; list++) {
		json_t *rules = json_object_get(profile, lists[list]);

		for (size_t i = 0; i < json_array_size(rules); i++) {
			json_t *words =
			    json_is_object(json_array_get(rules, i)) ? words_of(json_array_get(rules, i)) : NULL;
			if (words != NULL)
				(void)json_array_set_new(rules, i, words);
		}
	}
}
