/* Payload contracts: what compiles, and JSON and CBOR payloads against them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "identity/schema.h"

static enum nj_err make(const char *text, enum nj_payload_format format, struct nj_schema **out, struct nj_why *why)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	enum nj_err err;

	assert_non_null(json);
	err = nj_schema_new(json, format, out, why);
	json_decref(json);
	return err;
}

static struct nj_schema *compiled(const char *text, enum nj_payload_format format)
{
	struct nj_schema *schema = NULL;
	struct nj_why why = { "" };

	if (make(text, format, &schema, &why) != NJ_OK)
		fail_msg("%s: %s", text, why.text);
	return schema;
}

static void what_compiles(void **state)
{
	static const struct {
		const char *text;
		const char *says; /* in the refusal; NULL: it compiles */
	} rows[] = {
		{ "{}", NULL },
		{ "[]", "an object" },
		{ "{\"type\":\"number\",\"minimum\":-40,\"maximum\":125,\"unit\":\"Cel\"}", NULL },
		{ "{\"type\":[\"number\",\"null\"]}", NULL },
		{ "{\"type\":[]}", "empty list" },
		{ "{\"type\":\"float\"}", "\"type\" is null" },
		{ "{\"type\":\"bytes\"}", "CBOR alone" },
		{ "{\"minimun\":1}", "did you mean \"minimum\"" },
		{ "{\"pattern\":\"a\"}", "\"pattern\" is not known" },
		{ "{\"minimum\":\"1\"}", "\"minimum\" is a number" },
		{ "{\"minimum\":2,\"maximum\":1}", "below \"minimum\"" },
		{ "{\"minimum\":2,\"exclusiveMinimum\":1}", "its other form" },
		{ "{\"minLength\":-1}", "whole number" },
		{ "{\"maxLength\":4294967295}", NULL },
		{ "{\"maxLength\":4294967296}", "whole number" },
		{ "{\"minItems\":2,\"maxItems\":1}", "never be met" },
		{ "{\"enum\":[]}", "1 to 256" },
		{ "{\"enum\":[1,\"a\",null,true]}", NULL },
		{ "{\"enum\":[{}]}", "lists texts" },
		{ "{\"enum\":[1],\"const\":1}", "its other form" },
		{ "{\"required\":[\"t\"]}", "names what is not among" },
		{ "{\"required\":[\"t\"],\"properties\":{\"t\":{}}}", NULL },
		{ "{\"properties\":{\"t\":{\"maximum\":true}}}", "property t" },
		{ "{\"additionalProperties\":{}}", "true or false" },
		{ "{\"unit\":\"12345678901234567\"}", "16 bytes" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_schema *schema = NULL;
		struct nj_why why = { "" };
		enum nj_err err = make(rows[i].text, NJ_PAYLOAD_JSON, &schema, &why);

		if (err == NJ_OK)
			nj_schema_free(schema);
		if ((err == NJ_OK) != (rows[i].says == NULL))
			fail_msg("%s: %s", rows[i].text, why.text);
		if (err != NJ_OK && strstr(why.text, rows[i].says) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].text, why.text, rows[i].says);
	}
}

/* Nested `depth` deep as "items"; the limit is on the nodes of a chain. */
static enum nj_err nested(unsigned depth)
{
	char text[1024] = "";
	struct nj_schema *schema = NULL;
	struct nj_why why;
	size_t len = 0;
	enum nj_err err;

	for (unsigned i = 1; i < depth; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "{\"items\":");
	len += (size_t)snprintf(text + len, sizeof(text) - len, "{}");
	for (unsigned i = 1; i < depth; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "}");
	err = make(text, NJ_PAYLOAD_JSON, &schema, &why);
	if (err == NJ_OK)
		nj_schema_free(schema);
	return err;
}

static enum nj_err with_properties(unsigned count)
{
	json_t *properties = json_object();
	json_t *json = json_pack("{s:o}", "properties", properties);
	struct nj_schema *schema = NULL;
	struct nj_why why;
	enum nj_err err;

	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		json_object_set_new(properties, name, json_object());
	}
	err = nj_schema_new(json, NJ_PAYLOAD_JSON, &schema, &why);
	if (err == NJ_OK)
		nj_schema_free(schema);
	json_decref(json);
	return err;
}

static void limits_of_a_schema(void **state)
{
	assert_int_equal(nested(NJ_SCHEMA_DEPTH_MAX), NJ_OK);
	assert_int_equal(nested(NJ_SCHEMA_DEPTH_MAX + 1), NJ_ERR_LIMIT);
	assert_int_equal(with_properties(NJ_SCHEMA_PROPERTIES_MAX), NJ_OK);
	assert_int_equal(with_properties(NJ_SCHEMA_PROPERTIES_MAX + 1), NJ_ERR_MALFORMED);
}

static const char reading[] =
    "{\"type\":\"object\",\"required\":[\"t\"],\"additionalProperties\":false,\"properties\":{"
    "\"t\":{\"type\":\"number\",\"minimum\":-40,\"maximum\":125,\"unit\":\"Cel\"},"
    "\"n\":{\"type\":\"integer\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":10},"
    "\"s\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3},"
    "\"e\":{\"enum\":[\"on\",\"off\",1,null]},"
    "\"b\":{\"type\":\"boolean\"},"
    "\"l\":{\"type\":\"array\",\"maxItems\":2,\"minItems\":1,\"items\":{\"maximum\":5}},"
    "\"o\":{\"maxProperties\":2,\"minProperties\":1},"
    "\"x\":{}}}";

static void json_against_a_schema(void **state)
{
	static const struct {
		const char *payload;
		const char *fault; /* NULL: sound */
	} rows[] = {
		{ "{\"t\":21.5}", NULL },
		{ " {\t\"t\" :\r\n21.5 } ", NULL },
		{ "{\"t\":-40}", NULL },
		{ "{\"t\":-40.01}", "/t: below -40 Cel" },
		{ "{\"t\":125}", NULL },
		{ "{\"t\":125.5}", "/t: above 125 Cel" },
		{ "{\"t\":1.25e2}", NULL },
		{ "{\"t\":\"21\"}", "/t: a text stands" },
		{ "{\"t\":null}", "/t: null stands" },
		{ "{}", "/t: is missing" },
		{ "[]", "the payload: an array stands" },
		{ "21", "the payload: a number stands" },
		{ "{\"t\":1,\"u\":1}", "the payload: a property that the contract does not name" },
		{ "{\"t\":1,\"t\":2}", "/t: stands twice" },
		{ "{\"\\u0074\":1}", NULL },
		{ "{\"t\":1,\"\\u0074\":2}", "/t: stands twice" },
		{ "{\"t\":1,\"n\":1}", NULL },
		{ "{\"t\":1,\"n\":0}", "/n: not above 0" },
		{ "{\"t\":1,\"n\":9}", NULL },
		{ "{\"t\":1,\"n\":10}", "/n: not below 10" },
		{ "{\"t\":1,\"n\":5.0}", NULL },
		{ "{\"t\":1,\"n\":5.5}", "/n: not a whole number" },
		{ "{\"t\":1,\"s\":\"\"}", "/s: shorter" },
		{ "{\"t\":1,\"s\":\"a\"}", NULL },
		{ "{\"t\":1,\"s\":\"äöü\"}", NULL },
		{ "{\"t\":1,\"s\":\"\\u00e4\\n\\ud83d\\ude00\"}", NULL },
		{ "{\"t\":1,\"s\":\"abcd\"}", "/s: longer" },
		{ "{\"t\":1,\"e\":\"on\"}", NULL },
		{ "{\"t\":1,\"e\":\"\\u006fn\"}", NULL },
		{ "{\"t\":1,\"e\":\"onn\"}", "/e: none of the values" },
		{ "{\"t\":1,\"e\":1.0}", NULL },
		{ "{\"t\":1,\"e\":2}", "/e: none of the values" },
		{ "{\"t\":1,\"e\":null}", NULL },
		{ "{\"t\":1,\"e\":true}", "/e: none of the values" },
		{ "{\"t\":1,\"e\":[]}", "/e: none of the values" },
		{ "{\"t\":1,\"e\":{}}", "/e: none of the values" },
		{ "{\"t\":1,\"b\":false}", NULL },
		{ "{\"t\":1,\"b\":0}", "/b: a number stands" },
		{ "{\"t\":1,\"l\":[]}", "/l: fewer items" },
		{ "{\"t\":1,\"l\":[5]}", NULL },
		{ "{\"t\":1,\"l\":[1,2]}", NULL },
		{ "{\"t\":1,\"l\":[1,2,3]}", "/l: more items" },
		{ "{\"t\":1,\"l\":[6]}", "/l/[]: above 5" },
		{ "{\"t\":1,\"o\":{}}", "/o: fewer" },
		{ "{\"t\":1,\"o\":{\"a\":{\"b\":[1]}}}", NULL },
		{ "{\"t\":1,\"o\":{\"a\":1,\"b\":2}}", NULL },
		{ "{\"t\":1,\"o\":{\"a\":1,\"b\":2,\"c\":3}}", "/o: more" },
		{ "{\"t\":1}x", "not well-formed" },
		{ "{\"t\":1,}", "not well-formed" },
		{ "{,\"t\":1}", "not well-formed" },
		{ "{\"t\" 1}", "not well-formed" },
		{ "{\"t\":1", "not well-formed" },
		{ "{\"t\":01}", "not well-formed" },
		{ "{\"t\":+1}", "not well-formed" },
		{ "{\"t\":1.}", "not well-formed" },
		{ "{\"t\":.5}", "not well-formed" },
		{ "{\"t\":1e}", "not well-formed" },
		{ "{\"t\":-}", "not well-formed" },
		{ "{\"t\":1e999}", "/t: a number that is infinite" },
		{ "{\"t\":NaN}", "not well-formed" },
		{ "{\"t\":tru}", "not well-formed" },
		{ "{\"x\":\"\\ud800\",\"t\":1}", "not well-formed" },
		{ "{\"x\":\"\\udc00\",\"t\":1}", "not well-formed" },
		{ "{\"x\":\"\\ud800\\u0041\",\"t\":1}", "not well-formed" },
		{ "{\"x\":\"\\q\",\"t\":1}", "not well-formed" },
		{ "{\"x\":\"\xff\",\"t\":1}", "not well-formed" },
		{ "{\"x\":\"a\nb\",\"t\":1}", "not well-formed" },
		{ "{\"x\":\"a", "not well-formed" },
		{ "{\"x\":\"\\u0000\",\"t\":1}", NULL },
		{ "", "not well-formed" },
		{ "  ", "not well-formed" },
		{ "'a'", "not well-formed" },
	};
	struct nj_schema *schema = compiled(reading, NJ_PAYLOAD_JSON);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char fault[NJ_SCHEMA_FAULT_BYTES];
		bool sound = nj_schema_check(schema, nj_view_str(rows[i].payload), fault);

		if (sound != (rows[i].fault == NULL) || (!sound && strstr(fault, rows[i].fault) == NULL))
			fail_msg("%s: %s", rows[i].payload, sound ? "sound" : fault);
	}
	nj_schema_free(schema);
}

/* A number is what strtod makes of it, to the last bit: against a bound that is that number. */
static void numbers_are_exact(void **state)
{
	static const char *const numbers[] = {
		"0",
		"-0",
		"0.1",
		"-40.01",
		"123456789012345",
		"999999999999999",
		"1000000000000000",
		"9007199254740993",
		"0.00000000000001",
		"12345.6789012345",
		"99999999.9999999",
		"0.3",
		"1.7976931348623157",
		"5e-324",
		"1e22",
		"1.5e3",
		"314159.265358979",
		"-0.000000000000123",
		"18446744073709551615",
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		json_t *json = json_pack("{s:f}", "const", strtod(numbers[i], NULL));
		struct nj_schema *schema = NULL;
		struct nj_why why;
		char fault[NJ_SCHEMA_FAULT_BYTES];

		assert_int_equal(nj_schema_new(json, NJ_PAYLOAD_JSON, &schema, &why), NJ_OK);
		if (!nj_schema_check(schema, nj_view_str(numbers[i]), fault))
			fail_msg("%s", numbers[i]);
		nj_schema_free(schema);
		json_decref(json);
	}
}

static bool deep(const char *open, const char *close, unsigned depth)
{
	struct nj_schema *schema = compiled("{}", NJ_PAYLOAD_JSON);
	char fault[NJ_SCHEMA_FAULT_BYTES];
	char text[512];
	size_t len = 0;
	bool sound;

	for (unsigned i = 0; i < depth; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", open);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "1");
	for (unsigned i = 0; i < depth; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", close);
	sound = nj_schema_check(schema, nj_view_of(text, len), fault);
	nj_schema_free(schema);
	return sound;
}

static void depth_of_a_payload(void **state)
{
	assert_true(deep("[", "]", NJ_SCHEMA_DEPTH_MAX));
	assert_false(deep("[", "]", NJ_SCHEMA_DEPTH_MAX + 1));
	assert_true(deep("{\"a\":", "}", NJ_SCHEMA_DEPTH_MAX));
	assert_false(deep("{\"a\":", "}", NJ_SCHEMA_DEPTH_MAX + 1));
}

static const char map[] = "{\"type\":\"object\",\"required\":[\"1\",\"n\"],\"properties\":{"
			  "\"1\":{\"type\":\"number\",\"minimum\":-1,\"maximum\":70000,\"unit\":\"V\"},"
			  "\"-2\":{\"type\":\"integer\"},"
			  "\"n\":{\"type\":\"string\",\"maxLength\":3},"
			  "\"b\":{\"type\":\"bytes\",\"minLength\":2},"
			  "\"a\":{\"items\":{\"enum\":[\"on\",true]}}}}";

/* 8949: appendix A's encodings where there is one. */
static void cbor_against_a_schema(void **state)
{
	static const struct {
		const char *hex;
		const char *fault; /* NULL: sound */
	} rows[] = {
		{ "a20105616e6161", NULL },   /* {1: 5, "n": "a"} */
		{ "a2616e61610105", NULL },   /* the other order */
		{ "bf0105616e6161ff", NULL }, /* indefinite */
		{ "a2012061"
		  "6e6161",
		  NULL },                                          /* −1 */
		{ "a20121616e6161", "/1: below -1 V" },            /* −2 */
		{ "a2011a00011170616e6161", NULL },                /* 70000 */
		{ "a2011a00011171616e6161", "/1: above 70000 V" }, /* 70001 */
		{ "a201f93c00616e6161", NULL },                    /* 1.0, half */
		{ "a201f9c000616e6161", "/1: below -1 V" },        /* −2.0, half */
		{ "a201f90001616e6161", NULL },                    /* 5.960464477539063e-8 */
		{ "a201f97bff616e6161", NULL },                    /* 65504.0 */
		{ "a201f97c00616e6161", "/1: a number that is infinite" },
		{ "a201f97e00616e6161", "/1: a number that is infinite or none" },
		{ "a201fa47c35000616e6161", "/1: above 70000 V" }, /* 100000.0 */
		{ "a201fb3ff199999999999a616e6161", NULL },        /* 1.1 */
		{ "a30105616e6161", "not well-formed" },           /* three announced */
		{ "a30105616e6161ff", "not well-formed" },         /* a break is no item there */
		{ "a3010521f93c00616e6161", NULL },                /* −2: 1.0 is whole */
		{ "a3010521f93e00616e6161", "/-2: not a whole" },  /* 1.5 */
		{ "a301056131f4616e6161", NULL },                  /* "1" as a text is another key */
		{ "a20105616e64f09f9880", NULL },                  /* one character of four bytes */
		{ "a20105616e7f61616162ff", NULL },                /* in pieces */
		{ "a20105616e7f61616162616361"
		  "64ff",
		  "/n: longer" },
		{ "a20105616e7f4161ff", "not well-formed" }, /* bytes among the pieces of a text */
		{ "a20105616e61ff", "not well-formed" },     /* no UTF-8 */
		{ "a20105616e4161", "/n: bytes stand" },
		{ "a30105616e616161624101", "/b: shorter" },
		{ "a30105616e61616162420102", NULL },
		{ "a30105616e6161616182626f6ef5", NULL },
		{ "a30105616e616161618163666f6f", "/a/[]: none of the values" },
		{ "a30105616e61616161"
		  "9f626f6eff",
		  NULL },
		{ "a20105", "not well-formed" },
		{ "a10105", "/n: is missing" },
		{ "a301050106616e6161", "/1: stands twice" },
		{ "a20105616e616100", "not well-formed" },       /* something after it */
		{ "a2c10105616e6161", "a key that is neither" }, /* a tagged key */
		{ "a201c105616e6161", NULL },                    /* a tagged value */
		{ "a3010580f5616e6161", "a key that is neither" },
		{ "a201f8ff616e6161", "simple value" },
		{ "a201f6616e6161", "/1: null stands" },
		{ "a2011c616e6161", "not well-formed" }, /* reserved length */
		{ "a2011f616e6161", "not well-formed" }, /* a number of indefinite length */
		{ "ff", "not well-formed" },
		{ "", "not well-formed" },
		{ "bb7fffffffffffffff0105", "not well-formed" }, /* more announced than there can be */
		{ "5b7fffffffffffffff00", "not well-formed" },
		{ "82", "the payload: an array stands" },
	};
	struct nj_schema *schema = compiled(map, NJ_PAYLOAD_CBOR);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[64];
		size_t len = strlen(rows[i].hex) / 2;
		char fault[NJ_SCHEMA_FAULT_BYTES];

		assert_int_equal(nj_hex_decode(nj_view_str(rows[i].hex), bytes, len), NJ_OK);
		bool sound = nj_schema_check(schema, nj_view_of(bytes, len), fault);
		if (sound != (rows[i].fault == NULL) || (!sound && strstr(fault, rows[i].fault) == NULL))
			fail_msg("%s: %s", rows[i].hex, sound ? "sound" : fault);
	}
	nj_schema_free(schema);
}

/* A tag costs a level, as a container does. */
static void depth_of_cbor(void **state)
{
	struct nj_schema *schema = compiled("{}", NJ_PAYLOAD_CBOR);
	char fault[NJ_SCHEMA_FAULT_BYTES];
	uint8_t bytes[NJ_SCHEMA_DEPTH_MAX + 2];

	for (int tag = 0; tag < 2; tag++) {
		memset(bytes, tag ? 0xc1 : 0x81, sizeof(bytes));
		bytes[NJ_SCHEMA_DEPTH_MAX] = 0x01;
		assert_true(nj_schema_check(schema, nj_view_of(bytes, NJ_SCHEMA_DEPTH_MAX + 1), fault));
		memset(bytes, tag ? 0xc1 : 0x81, sizeof(bytes));
		bytes[NJ_SCHEMA_DEPTH_MAX + 1] = 0x01;
		assert_false(nj_schema_check(schema, nj_view_of(bytes, NJ_SCHEMA_DEPTH_MAX + 2), fault));
		assert_non_null(strstr(fault, "too deep"));
	}
	nj_schema_free(schema);
}

/* However long names and paths are, a fault is a line of well-formed text. */
static void faults_stay_text(void **state)
{
	static const char umlauts[] = "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää";
	char text[2048];
	struct nj_schema *schema;
	char fault[NJ_SCHEMA_FAULT_BYTES];

	for (int pad = 0; pad < 3; pad++) {
		snprintf(text, sizeof(text),
			 "{\"properties\":{\"%.*s%s\":{\"properties\":{\"%s\":{\"maximum\":1,\"unit\":\"ä\"}}}}}", pad,
			 "xx", umlauts, umlauts);
		schema = compiled(text, NJ_PAYLOAD_JSON);
		snprintf(text, sizeof(text), "{\"%.*s%s\":{\"%s\":2}}", pad, "xx", umlauts, umlauts);
		assert_false(nj_schema_check(schema, nj_view_str(text), fault));
		assert_true(nj_utf8_valid(nj_view_str(fault)));
		assert_non_null(strstr(fault, ": above 1 ä"));
		nj_schema_free(schema);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_compiles),         cmocka_unit_test(limits_of_a_schema),
		cmocka_unit_test(json_against_a_schema), cmocka_unit_test(depth_of_a_payload),
		cmocka_unit_test(cbor_against_a_schema), cmocka_unit_test(depth_of_cbor),
		cmocka_unit_test(faults_stay_text),      cmocka_unit_test(numbers_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
