/* Topic patterns: against tables, and exhaustively against the definition in a small model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/rights.h"

static const struct nj_names d1 = { .customer = "acme", .name = "d1" };

static struct nj_rights *compile(const struct nj_rights_rule *rules, size_t count)
{
	struct nj_rights *rights = NULL;
	struct nj_why why = { "" };

	if (nj_rights_new(rules, count, &rights, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return rights;
}

/* MQTT 5.0 4.7.1, 4.7.2 */
static void topic_matches(void **state)
{
	static const struct {
		const char *filter;
		const char *topic;
		bool want;
	} rows[] = {
		{ "sport/tennis/player1/#", "sport/tennis/player1", true },
		{ "sport/tennis/player1/#", "sport/tennis/player1/ranking", true },
		{ "sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true },
		{ "sport/tennis/player1/#", "sport/tennis/player10", false },
		{ "sport/#", "sport", true },
		{ "#", "a/b/c", true },
		{ "#", "/", true },
		{ "sport/tennis/+", "sport/tennis/player1", true },
		{ "sport/tennis/+", "sport/tennis/player1/ranking", false },
		{ "sport/+", "sport", false },
		{ "sport/+", "sport/", true },
		{ "+/+", "/finance", true },
		{ "/+", "/finance", true },
		{ "+", "/finance", false },
		{ "#", "$SYS/x", false },
		{ "+/monitor/Clients", "$SYS/monitor/Clients", false },
		{ "$SYS/#", "$SYS/monitor", true },
		{ "$SYS/monitor/+", "$SYS/monitor/Clients", true },
		{ "a/#", "a/$x", true },
		{ "a/b", "a/b/", false },
		{ "a", "A", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (nj_topic_matches(nj_view_str(rows[i].filter), nj_view_str(rows[i].topic)) != rows[i].want)
			fail_msg("%s against %s", rows[i].filter, rows[i].topic);
}

static void well_formed(void **state)
{
	static const struct {
		const char *text;
		bool name;
		bool filter;
	} rows[] = {
		{ "", false, false },     { "a", true, true },      { "/", true, true },      { "a//b", true, true },
		{ "+", false, true },     { "#", false, true },     { "a/+/#", false, true }, { "a/#/b", false, false },
		{ "a#", false, false },   { "a+/b", false, false }, { "++", false, false },   { "#/", false, false },
		{ "+/a/+", false, true }, { " ", true, true },      { "a/##", false, false },
	};
	static char longest[65536];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(nj_topic_name_valid(nj_view_str(rows[i].text)), rows[i].name);
		assert_int_equal(nj_topic_filter_valid(nj_view_str(rows[i].text)), rows[i].filter);
	}
	memset(longest, 'a', sizeof(longest));
	assert_true(nj_topic_name_valid(nj_view_of(longest, 65535)));
	assert_false(nj_topic_name_valid(nj_view_of(longest, 65536)));
	assert_false(nj_topic_name_valid(nj_view_of("a\0b", 3)));
	assert_false(nj_topic_filter_valid(nj_view_of("a\0b", 3)));
}

static const struct nj_rights_rule rules[] = {
	{ NJ_PUBLISH, false, "dev/{device}/#" },     { NJ_PUBLISH, false, "{customer}/x-{name}-y" },
	{ NJ_PUBLISH, true, "dev/{device}/secret" }, { NJ_SUBSCRIBE, false, "cmd/{device}/#" },
	{ NJ_SUBSCRIBE, false, "all/+/news" },       { NJ_SUBSCRIBE, true, "cmd/+/hidden/#" },
	{ NJ_PUBLISH, false, "$SYS/{name}" },
};

static void verdicts(void **state)
{
	static const struct {
		enum nj_direction direction;
		const char *topic;
		bool allowed;
		bool partly;
		int rule; /* −1: none */
	} rows[] = {
		{ NJ_PUBLISH, "dev/d1", true, false, 0 },
		{ NJ_PUBLISH, "dev/d1/temp", true, false, 0 },
		{ NJ_PUBLISH, "dev/d1/secret", false, false, 2 },
		{ NJ_PUBLISH, "dev/d1/secret/x", true, false, 0 },
		{ NJ_PUBLISH, "dev/d2/temp", false, false, -1 },
		{ NJ_PUBLISH, "dev/d11/temp", false, false, -1 },
		{ NJ_PUBLISH, "dev/d/temp", false, false, -1 },
		{ NJ_PUBLISH, "dev/+/temp", false, false, -1 },
		{ NJ_PUBLISH, "dev/d1/#", false, false, -1 },
		{ NJ_PUBLISH, "acme/x-d1-y", true, false, 1 },
		{ NJ_PUBLISH, "acme/x-d1-yy", false, false, -1 },
		{ NJ_PUBLISH, "acme/x--y", false, false, -1 },
		{ NJ_PUBLISH, "acm/x-d1-y", false, false, -1 },
		{ NJ_PUBLISH, "$SYS/d1", true, false, 6 },
		{ NJ_PUBLISH, "cmd/d1/x", false, false, -1 },
		{ NJ_SUBSCRIBE, "cmd/d1/#", true, true, 3 },
		{ NJ_SUBSCRIBE, "cmd/d1/+", true, true, 3 },
		{ NJ_SUBSCRIBE, "cmd/d1/open", true, false, 3 },
		{ NJ_SUBSCRIBE, "cmd/d1/open/#", true, false, 3 },
		{ NJ_SUBSCRIBE, "cmd/d1/hidden", false, false, 5 },
		{ NJ_SUBSCRIBE, "cmd/d1/hidden/+", false, false, 5 },
		{ NJ_SUBSCRIBE, "cmd/+/hidden/#", false, false, 5 },
		{ NJ_SUBSCRIBE, "cmd/+/open", false, false, -1 },
		{ NJ_SUBSCRIBE, "cmd/#", false, false, -1 },
		{ NJ_SUBSCRIBE, "#", false, false, -1 },
		{ NJ_SUBSCRIBE, "all/+/news", true, false, 4 },
		{ NJ_SUBSCRIBE, "all/a/news", true, false, 4 },
		{ NJ_SUBSCRIBE, "all/#", false, false, -1 },
		{ NJ_SUBSCRIBE, "all/a#", false, false, -1 },
	};
	struct nj_rights *rights = compile(rules, sizeof(rules) / sizeof(rules[0]));

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_verdict verdict = nj_rights_check(rights, &d1, rows[i].direction, nj_view_str(rows[i].topic));
		const char *want = rows[i].rule < 0 ? NULL : rules[rows[i].rule].pattern;

		if (verdict.allowed != rows[i].allowed || verdict.partly != rows[i].partly ||
		    (want == NULL) != (verdict.pattern == NULL) || (want != NULL && strcmp(want, verdict.pattern) != 0))
			fail_msg("%s: %d %d %s", rows[i].topic, verdict.allowed, verdict.partly,
				 verdict.pattern == NULL ? "-" : verdict.pattern);
	}
	assert_true(nj_rights_check_delivery(rights, &d1, nj_view_str("cmd/d1/open")).allowed);
	assert_false(nj_rights_check_delivery(rights, &d1, nj_view_str("cmd/d1/hidden/x")).allowed);
	assert_false(nj_rights_check_delivery(rights, &d1, nj_view_str("cmd/d1/#")).allowed);
	assert_false(nj_rights_check_delivery(rights, &d1, nj_view_str("dev/d1/temp")).allowed);
	assert_int_equal(nj_rights_count(rights), 7);
	assert_string_equal(nj_rights_at(rights, 3).pattern, "cmd/{device}/#");
	nj_rights_unref(rights);
}

/* A name is bytes: it never acts as a wildcard, and without a name nothing matches. */
static void names_are_not_patterns(void **state)
{
	static const struct nj_rights_rule rule = { NJ_SUBSCRIBE, false, "cmd/{device}/x" };
	static const struct {
		const char *name;
		const char *filter;
	} rows[] = { { "+", "cmd/+/x" },
		     { "+", "cmd/a/x" },
		     { "#", "cmd/#" },
		     { "a/x", "cmd/a/x" },
		     { "", "cmd//x" },
		     { NULL, "cmd//x" },
		     { "{device}", "cmd/{name}/x" } };
	struct nj_rights *rights = compile(&rule, 1);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_names names = { .customer = "acme", .name = rows[i].name };

		assert_false(nj_rights_check(rights, &names, NJ_SUBSCRIBE, nj_view_str(rows[i].filter)).allowed);
	}
	nj_rights_unref(rights);
}

static void malformed_patterns(void **state)
{
	static const struct {
		const char *pattern;
		const char *words;
	} rows[] = {
		{ "", "empty" },
		{ "a/#/b", "whole level" },
		{ "a+", "whole level" },
		{ "a/{devcie}/b", "braces" },
		{ "a/{device/b", "braces" },
		{ "a/device}/b", "braces" },
		{ "{", "braces" },
		{ "}{", "braces" },
		{ "{{device}}", "braces" },
		{ "a\xff", "UTF-8" },
		{ "a/{device}#", "whole level" },
	};
	struct nj_rights *rights = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_rights_rule rule = { NJ_PUBLISH, false, rows[i].pattern };
		struct nj_why why = { "" };

		assert_int_equal(nj_rights_new(&rule, 1, &rights, &why), NJ_ERR_MALFORMED);
		assert_non_null(strstr(why.text, rows[i].words));
	}
	assert_null(rights);
}

static void limits(void **state)
{
	static struct nj_rights_rule many[4 * NJ_RIGHTS_MAX_PATTERNS + 1];
	char pattern[NJ_PATTERN_MAX_BYTES + 2];
	struct nj_rights *rights;

	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		many[i] = (struct nj_rights_rule){ NJ_PUBLISH, false, "a" };
	assert_int_equal(nj_rights_new(many, NJ_RIGHTS_MAX_PATTERNS, &rights, NULL), NJ_OK);
	nj_rights_unref(rights);
	assert_int_equal(nj_rights_new(many, NJ_RIGHTS_MAX_PATTERNS + 1, &rights, NULL), NJ_ERR_LIMIT);
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		many[i] = (struct nj_rights_rule){ i & 1 ? NJ_SUBSCRIBE : NJ_PUBLISH, (i & 2) != 0, "a" };
	assert_int_equal(nj_rights_new(many, 4 * NJ_RIGHTS_MAX_PATTERNS, &rights, NULL), NJ_OK);
	nj_rights_unref(rights);
	assert_int_equal(nj_rights_new(many, 4 * NJ_RIGHTS_MAX_PATTERNS + 1, &rights, NULL), NJ_ERR_LIMIT);
	assert_int_equal(nj_rights_new(NULL, 0, &rights, NULL), NJ_OK);
	assert_false(nj_rights_check(rights, &d1, NJ_PUBLISH, nj_view_str("a")).allowed);
	nj_rights_unref(rights);

	memset(pattern, '/', sizeof(pattern));
	pattern[NJ_PATTERN_MAX_BYTES] = '\0';
	many[0] = (struct nj_rights_rule){ NJ_PUBLISH, false, pattern };
	assert_int_equal(nj_rights_new(many, 1, &rights, NULL), NJ_OK);
	nj_rights_unref(rights);
	pattern[NJ_PATTERN_MAX_BYTES] = '/';
	pattern[NJ_PATTERN_MAX_BYTES + 1] = '\0';
	assert_int_equal(nj_rights_new(many, 1, &rights, NULL), NJ_ERR_MALFORMED);
}

/* ---- the small model ---- */

#define TEXT 24
#define MAX_ITEMS 1024

struct items {
	char text[MAX_ITEMS][TEXT];
	size_t count;
};

static void add(struct items *items, const char *text)
{
	assert_true(items->count < MAX_ITEMS);
	snprintf(items->text[items->count++], TEXT, "%s", text);
}

/* All sequences of up to `depth` levels; "$a" only at the front, "#" (where it is a word) only at the end. */
static void generate(struct items *items, const char *prefix, const char *const *words, size_t depth, bool first)
{
	char text[TEXT];

	for (size_t i = 0; words[i] != NULL; i++) {
		if (!first && words[i][0] == '$')
			continue;
		snprintf(text, sizeof(text), "%s%s%s", prefix, first ? "" : "/", words[i]);
		add(items, text);
		if (depth > 1 && words[i][0] != '#')
			generate(items, text, words, depth - 1, false);
	}
}

/* What the definition says, over every topic of up to 4 levels and a letter that no filter names. */
static void compare(const struct items *topics, const char *f, const char *g)
{
	const struct nj_rights_rule alone = { NJ_SUBSCRIBE, false, f };
	const struct nj_rights_rule denied[] = { { NJ_SUBSCRIBE, false, g }, { NJ_SUBSCRIBE, true, f } };
	struct nj_rights *allow = compile(&alone, 1);
	struct nj_rights *deny = compile(denied, 2);
	struct nj_verdict verdict = nj_rights_check(allow, &d1, NJ_SUBSCRIBE, nj_view_str(g));
	struct nj_verdict other = nj_rights_check(deny, &d1, NJ_SUBSCRIBE, nj_view_str(g));
	bool covers = true;
	bool meets = false;

	for (size_t i = 0; i < topics->count; i++) {
		struct nj_view topic = nj_view_str(topics->text[i]);
		bool in_f = nj_topic_matches(nj_view_str(f), topic);
		bool in_g = nj_topic_matches(nj_view_str(g), topic);

		covers = covers && (!in_g || in_f);
		meets = meets || (in_g && in_f);
	}
	if (verdict.allowed != covers)
		fail_msg("allow %s covers %s: %d, should be %d", f, g, verdict.allowed, covers);
	if (other.allowed != !covers)
		fail_msg("deny %s covers %s: allowed %d", f, g, other.allowed);
	if (other.allowed && other.partly != meets)
		fail_msg("deny %s meets %s: %d, should be %d", f, g, other.partly, meets);
	nj_rights_unref(allow);
	nj_rights_unref(deny);
}

static void every_small_filter_against_every_other(void **state)
{
	static const char *const filter_words[] = { "a", "b", "+", "#", "$a", NULL };
	static const char *const topic_words[] = { "a", "b", "z", "$a", "$z", NULL };
	static struct items filters;
	static struct items topics;

	generate(&filters, "", filter_words, 3, true);
	generate(&topics, "", topic_words, 4, true);
	for (size_t i = 0; i < filters.count; i++)
		for (size_t j = 0; j < filters.count; j++)
			compare(&topics, filters.text[i], filters.text[j]);
}

/* A rule that is a filter says of a topic name what the matcher says. */
static void every_small_filter_against_every_topic(void **state)
{
	static const char *const filter_words[] = { "a", "", "+", "#", "$a", NULL };
	static const char *const topic_words[] = { "a", "", "z", "$a", NULL };
	static struct items filters;
	static struct items topics;

	generate(&filters, "", filter_words, 3, true);
	generate(&topics, "", topic_words, 4, true);
	for (size_t i = 0; i < filters.count; i++) {
		const struct nj_rights_rule rule = { NJ_PUBLISH, false, filters.text[i] };
		struct nj_rights *rights;

		if (filters.text[i][0] == '\0')
			continue;
		rights = compile(&rule, 1);
		for (size_t j = 0; j < topics.count; j++) {
			struct nj_view topic = nj_view_str(topics.text[j]);
			bool want = topic.len > 0 && nj_topic_matches(nj_view_str(filters.text[i]), topic);

			if (nj_rights_check(rights, &d1, NJ_PUBLISH, topic).allowed != want)
				fail_msg("%s against %s", filters.text[i], topics.text[j]);
		}
		nj_rights_unref(rights);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topic_matches),
		cmocka_unit_test(well_formed),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(names_are_not_patterns),
		cmocka_unit_test(malformed_patterns),
		cmocka_unit_test(limits),
		cmocka_unit_test(every_small_filter_against_every_other),
		cmocka_unit_test(every_small_filter_against_every_topic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
