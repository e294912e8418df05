/*
 * Contracts and payloads from outside: up to a zero byte a schema, then a payload that is read as JSON and as CBOR.
 * Properties: a schema that asks for nothing takes whatever jansson takes as JSON (but for depth and numbers that no
 * double holds); a fault is one line of well-formed text; a verdict depends on nothing but its input.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "identity/contract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check(const struct nj_schema *schema, struct nj_view payload)
{
	char fault[NJ_SCHEMA_FAULT_BYTES];
	char again[NJ_SCHEMA_FAULT_BYTES];
	bool sound = nj_schema_check(schema, payload, fault);

	assert(sound == (fault[0] == '\0'));
	assert(nj_utf8_valid(nj_view_str(fault)) && strchr(fault, '\n') == NULL);
	assert(nj_schema_check(schema, payload, again) == sound && strcmp(fault, again) == 0);
	return sound;
}

static struct nj_schema *compiled(const char *text, enum nj_payload_format format)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	struct nj_schema *schema = NULL;
	struct nj_why why = { "" };

	if (json == NULL)
		return NULL;
	if (nj_schema_new(json, format, &schema, &why) != NJ_OK) {
		assert(why.text[0] != '\0');
		schema = NULL;
	}
	json_decref(json);
	return schema;
}

/* What this reader takes as JSON is JSON for another reader too. */
static void check_against_jansson(struct nj_view payload)
{
	struct nj_schema *any = compiled("{}", NJ_PAYLOAD_JSON);
	json_t *json;

	if (any == NULL)
		abort();
	if (check(any, payload)) {
		json_error_t error;

		json = json_loadb((const char *)payload.data, payload.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
		/* A whole number that 64 bits do not hold is no fault of the text. */
		assert(json != NULL || strstr(error.text, "too big") != NULL || strstr(error.text, "overflow") != NULL);
		json_decref(json);
	}
	nj_schema_free(any);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
	struct nj_view payload;

	if (end == NULL)
		return 0;
	payload = nj_view_of(end + 1, size - (size_t)(end - data) - 1);
	for (int format = NJ_PAYLOAD_JSON; format <= NJ_PAYLOAD_CBOR; format++) {
		struct nj_schema *schema = compiled((const char *)data, (enum nj_payload_format)format);

		if (schema != NULL)
			(void)check(schema, payload);
		nj_schema_free(schema);
	}
	struct nj_contract *contract = NULL;
	if (nj_contract_new((const char *)data, false, &contract, NULL) == NJ_OK)
		nj_contract_free(contract);
	check_against_jansson(payload);
	return 0;
}
