#include "bus/admin_call.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>

#include "base/text.h"

#define NEAREST_VERBS_MAX 64

/* Every constant of the table, so that a name can be found again. */
static const enum nj_err all_errors[] = {
#define ERROR_ROW(name, text, exit_code) name,
	NJ_ERR_TABLE(ERROR_ROW)
#undef ERROR_ROW
};

enum nj_err nj_admin_err_from_name(const char *name)
{
	for (size_t i = 1; i < sizeof(all_errors) / sizeof(all_errors[0]); i++) {
		if (strcmp(nj_err_name(all_errors[i]), name) == 0)
			return all_errors[i];
	}
	return NJ_ERR_STATE;
}

static void free_wiped(void *block)
{
	if (block != NULL)
		explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

void nj_admin_wipe_json(void)
{
	json_set_alloc_funcs(malloc, free_wiped);
}

void nj_admin_free_text(char *text, size_t len)
{
	explicit_bzero(text, len);
	free(text);
}

const json_t *nj_admin_args(const struct nj_admin_call *call)
{
	return call->args;
}

const char *nj_admin_caller(const struct nj_admin_call *call)
{
	return call->caller;
}

bool nj_admin_gone(const struct nj_admin_call *call)
{
	return call->gone;
}

void nj_admin_item(struct nj_admin_call *call, json_t *value)
{
	if (value != NULL && !call->answered)
		call->sink->item(call, value);
	json_decref(value);
}

void nj_admin_ok(struct nj_admin_call *call, json_t *value)
{
	if (value == NULL) {
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory while the answer was made");
		return;
	}
	call->answered = true;
	call->sink->done(call, value, NJ_OK, NULL);
	json_decref(value);
}

void nj_admin_fail(struct nj_admin_call *call, enum nj_err err, const char *format, ...)
{
	struct nj_why why;
	va_list args;

	va_start(args, format);
	vsnprintf(why.text, sizeof(why.text), format, args);
	va_end(args);
	call->answered = true;
	call->sink->done(call, NULL, err, why.text);
}

bool nj_admin_text(struct nj_admin_call *call, const char *key, bool required, const char **out_text)
{
	const json_t *value = json_object_get(call->args, key);

	if (value == NULL || json_is_null(value)) {
		if (required) {
			nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"%s\" is missing", key);
			return false;
		}
		*out_text = NULL;
		return true;
	}
	if (!json_is_string(value) || memchr(json_string_value(value), '\0', json_string_length(value)) != NULL) {
		nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"%s\" must be text without zero bytes", key);
		return false;
	}
	*out_text = json_string_value(value);
	return true;
}

bool nj_admin_uint(struct nj_admin_call *call, const char *key, uint64_t fallback, uint64_t max, uint64_t *out_value)
{
	const json_t *value = json_object_get(call->args, key);

	if (value == NULL || json_is_null(value)) {
		*out_value = fallback;
		return true;
	}
	if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max) {
		nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"%s\" must be a whole number from 0 to %" PRIu64, key,
			      max);
		return false;
	}
	*out_value = (uint64_t)json_integer_value(value);
	return true;
}

bool nj_admin_flag(struct nj_admin_call *call, const char *key, bool *out_value)
{
	const json_t *value = json_object_get(call->args, key);

	if (value == NULL || json_is_null(value)) {
		*out_value = false;
		return true;
	}
	if (!json_is_boolean(value)) {
		nj_admin_fail(call, NJ_ERR_USAGE, "the argument \"%s\" must be true or false", key);
		return false;
	}
	*out_value = json_is_true(value);
	return true;
}

enum nj_err nj_admin_request_read(struct nj_view line, json_t **out_request, const char **out_verb, json_t **out_args,
				  struct nj_why *why)
{
	json_error_t error;
	json_t *request = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &error);
	json_t *args;
	const char *verb;

	if (request == NULL)
		return nj_why(why, NJ_ERR_MALFORMED, "the request is not JSON: %s at byte %d", error.text,
			      error.position);
	verb = json_string_value(json_object_get(request, "verb"));
	args = json_object_get(request, "args");
	if (verb == NULL || (args != NULL && !json_is_object(args))) {
		json_decref(request);
		return nj_why(why, NJ_ERR_MALFORMED, "a request is {\"verb\":text,\"args\":object}");
	}
	args = args != NULL ? json_incref(args) : json_object();
	if (args == NULL) {
		json_decref(request);
		return nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
	}
	*out_request = request;
	*out_verb = verb;
	*out_args = args;
	return NJ_OK;
}

static void fail_unknown(const struct nj_admin_verb *verbs, size_t verb_count, const char *verb,
			 struct nj_admin_call *call)
{
	const char *names[NEAREST_VERBS_MAX];
	const char *nearest;
	size_t count = verb_count < NEAREST_VERBS_MAX ? verb_count : NEAREST_VERBS_MAX;

	for (size_t i = 0; i < count; i++)
		names[i] = verbs[i].name;
	nearest = nj_text_nearest(verb, names, count);
	if (nearest != NULL)
		nj_admin_fail(call, NJ_ERR_UNSUPPORTED, "there is no verb \"%.64s\" here; did you mean \"%s\"?", verb,
			      nearest);
	else
		nj_admin_fail(call, NJ_ERR_UNSUPPORTED, "there is no verb \"%.64s\" here", verb);
}

void nj_admin_dispatch(const struct nj_admin_verb *verbs, size_t verb_count, void *arg, const char *verb,
		       struct nj_admin_call *call)
{
	for (size_t i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].name, verb) == 0) {
			verbs[i].handle(arg, call);
			return;
		}
	}
	fail_unknown(verbs, verb_count, verb, call);
}

/* ---- in place ---- */

struct here {
	struct nj_admin_call call; /* first */
	nj_admin_item_fn on_item;
	void *item_arg;
	json_t *ok;
	enum nj_err err;
	struct nj_why *why;
};

static void here_item(struct nj_admin_call *call, const json_t *value)
{
	struct here *here = (struct here *)call;

	if (here->on_item != NULL)
		here->on_item(here->item_arg, value);
}

static void here_done(struct nj_admin_call *call, const json_t *value, enum nj_err err, const char *text)
{
	struct here *here = (struct here *)call;

	here->err = err == NJ_OK ? NJ_OK : nj_why(here->why, err, "%s", text);
	if (err == NJ_OK)
		here->ok = json_incref((json_t *)value);
}

enum nj_err nj_admin_ask_here(const struct nj_admin_verb *verbs, size_t verb_count, void *arg, const char *verb,
			      const json_t *args, nj_admin_item_fn on_item, void *item_arg, json_t **out_ok,
			      struct nj_why *why)
{
	static const struct nj_admin_sink sink = { .item = here_item, .done = here_done };
	struct here here = {
		.call = { .sink = &sink, .caller = "local" }, .on_item = on_item, .item_arg = item_arg, .why = why
	};

	here.call.args = args != NULL ? json_incref((json_t *)args) : json_object();
	if (here.call.args == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
	nj_admin_dispatch(verbs, verb_count, arg, verb, &here.call);
	json_decref(here.call.args);
	if (!here.call.answered)
		return nj_why(why, NJ_ERR_STATE, "\"%s\" needs the running gateway", verb);
	if (here.err != NJ_OK)
		return here.err;
	if (out_ok != NULL)
		*out_ok = here.ok;
	else
		json_decref(here.ok);
	return NJ_OK;
}
