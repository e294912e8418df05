#include "identity/rights.h"

#include <stdatomic.h>

#include "base/text.h"
#include "identity/topic.h"

#define RULES_MAX (4 * NJ_RIGHTS_MAX_PATTERNS) /* publish and subscribe, allow and deny */

enum piece_kind { PIECE_TEXT, PIECE_CUSTOMER, PIECE_NAME };

/* A part of a level: text as written, or a variable. */
struct piece {
	uint8_t kind;
	struct nj_view text;
};

enum level_kind { LEVEL_TEXT, LEVEL_ONE, LEVEL_REST };

struct level {
	uint8_t kind;
	uint16_t piece_count;
	uint32_t first_piece;
};

struct rule {
	struct nj_rights_rule as_written; /* texts in rights->text */
	struct nj_contract *contract;     /* owned; NULL: none */
	uint32_t first_level;
	uint32_t level_count;
};

struct nj_rights {
	atomic_uint refs;
	size_t count;
	struct rule *rules;
	struct level *levels;
	struct piece *pieces;
	char *text;
};

/* Where compiling has got to. */
struct builder {
	struct nj_rights *rights;
	uint32_t levels;
	uint32_t pieces;
	size_t text;
	uint32_t of_kind[2][2];
	uint8_t meters;
	struct nj_why *why;
};

static const struct {
	const char *name;
	enum piece_kind kind;
} variables[] = {
	{ "{customer}", PIECE_CUSTOMER },
	{ "{device}", PIECE_NAME },
	{ "{name}", PIECE_NAME },
};

static enum nj_err bad(const struct builder *b, const char *pattern, const char *fault)
{
	return nj_why(b->why, NJ_ERR_MALFORMED, "topic pattern '%.*s': %s", NJ_PATTERN_MAX_BYTES, pattern, fault);
}

static void add_piece(struct builder *b, struct level *level, enum piece_kind kind, struct nj_view text)
{
	b->rights->pieces[b->pieces++] = (struct piece){ .kind = (uint8_t)kind, .text = text };
	level->piece_count++;
}

/* The length of the text before the next brace of either kind. */
static size_t plain_length(struct nj_view text)
{
	size_t len = 0;

	while (len < text.len && text.data[len] != '{' && text.data[len] != '}')
		len++;
	return len;
}

static bool variable_at(struct nj_view text, size_t *out_len, enum piece_kind *out_kind)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		size_t len = strlen(variables[i].name);

		if (text.len >= len && memcmp(text.data, variables[i].name, len) == 0) {
			*out_len = len;
			*out_kind = variables[i].kind;
			return true;
		}
	}
	return false;
}

static enum nj_err add_text_level(struct builder *b, const char *pattern, struct level *level, struct nj_view text)
{
	enum piece_kind kind;

	if (text.len == 0)
		add_piece(b, level, PIECE_TEXT, text);
	while (text.len > 0) {
		size_t len = plain_length(text);

		if (len > 0)
			add_piece(b, level, PIECE_TEXT, nj_view_of(text.data, len));
		else if (variable_at(text, &len, &kind))
			add_piece(b, level, kind, nj_view_of(text.data, len));
		else
			return bad(b, pattern, "braces enclose {customer}, {device} or {name}, nothing else");
		text = nj_view_of(text.data + len, text.len - len);
	}
	return NJ_OK;
}

static enum nj_err add_levels(struct builder *b, struct rule *rule)
{
	const char *pattern = rule->as_written.pattern;
	struct nj_level_cursor levels = nj_levels_of(nj_view_str(pattern));
	struct nj_view text;

	rule->first_level = b->levels;
	while (nj_level_next(&levels, &text)) {
		struct level *level = &b->rights->levels[b->levels++];

		level->first_piece = b->pieces;
		if (nj_level_is(text, '+'))
			level->kind = LEVEL_ONE;
		else if (nj_level_is(text, '#'))
			level->kind = LEVEL_REST;
		else
			NJ_TRY(add_text_level(b, pattern, level, text));
	}
	rule->level_count = b->levels - rule->first_level;
	return NJ_OK;
}

static enum nj_err check_pattern(struct builder *b, const struct nj_rights_rule *rule)
{
	struct nj_view text = nj_view_str(rule->pattern);

	if (text.len == 0)
		return bad(b, rule->pattern, "it is empty");
	if (text.len > NJ_PATTERN_MAX_BYTES)
		return bad(b, rule->pattern, "it is longer than 256 bytes");
	if (!nj_utf8_valid(text))
		return bad(b, rule->pattern, "it is not valid UTF-8");
	if (!nj_topic_filter_valid(text))
		return bad(b, rule->pattern, "'+' must fill a whole level, '#' the whole last level");
	if (++b->of_kind[rule->direction == NJ_SUBSCRIBE][rule->deny] > NJ_RIGHTS_MAX_PATTERNS)
		return nj_why(b->why, NJ_ERR_LIMIT, "more than %d patterns of one kind", NJ_RIGHTS_MAX_PATTERNS);
	return NJ_OK;
}

static const char *keep_text(struct builder *b, const char *text)
{
	char *copy = b->rights->text + b->text;
	size_t bytes = strlen(text) + 1;

	memcpy(copy, text, bytes);
	b->text += bytes;
	return copy;
}

static enum nj_err add_contract(struct builder *b, struct rule *rule)
{
	const char *pattern = rule->as_written.pattern;
	struct nj_why why = { "" };
	enum nj_err err;

	if (rule->as_written.deny)
		return bad(b, pattern, "an exception has no contract");
	err = nj_contract_new(rule->as_written.contract, rule->as_written.direction == NJ_SUBSCRIBE, &rule->contract,
			      &why);
	if (err != NJ_OK)
		return nj_why(b->why, err, "topic pattern '%.*s': %s", NJ_PATTERN_MAX_BYTES, pattern, why.text);
	if (rule->contract->interval_us == 0)
		return NJ_OK;
	if (b->meters == NJ_CONTRACT_METERS)
		return nj_why(b->why, NJ_ERR_LIMIT, "more than %d patterns with a rate", NJ_CONTRACT_METERS);
	rule->contract->meter = b->meters++;
	return NJ_OK;
}

static bool has_contract(const struct nj_rights_rule *rule)
{
	return rule->contract != NULL && rule->contract[0] != '\0';
}

static enum nj_err add_rule(struct builder *b, const struct nj_rights_rule *from)
{
	struct rule *rule = &b->rights->rules[b->rights->count];

	NJ_TRY(check_pattern(b, from));
	rule->as_written = *from;
	rule->as_written.pattern = keep_text(b, from->pattern);
	rule->as_written.contract = has_contract(from) ? keep_text(b, from->contract) : NULL;
	NJ_TRY(add_levels(b, rule));
	b->rights->count++;
	return has_contract(from) ? add_contract(b, rule) : NJ_OK;
}

static void free_rights(struct nj_rights *rights)
{
	for (size_t i = 0; rights->rules != NULL && i < rights->count; i++)
		nj_contract_free(rights->rules[i].contract);
	free(rights->rules);
	free(rights->levels);
	free(rights->pieces);
	free(rights->text);
	free(rights);
}

/* Room for the worst case of every pattern: each byte a level or a piece of its own. */
static struct nj_rights *allocate(const struct nj_rights_rule *rules, size_t count)
{
	struct nj_rights *rights = calloc(1, sizeof(*rights));
	size_t bytes = 1;
	size_t parts = 1;

	if (rights == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		bytes += strlen(rules[i].pattern) + 1 + (has_contract(&rules[i]) ? strlen(rules[i].contract) + 1 : 0);
		parts++;
		for (const char *at = rules[i].pattern; *at != '\0'; at++)
			parts += *at == '/' ? 1 : *at == '{' || *at == '}' ? 2 : 0;
	}
	rights->refs = 1;
	rights->rules = calloc(count + 1, sizeof(*rights->rules));
	rights->levels = calloc(parts, sizeof(*rights->levels));
	rights->pieces = calloc(parts, sizeof(*rights->pieces));
	rights->text = calloc(1, bytes);
	if (rights->rules != NULL && rights->levels != NULL && rights->pieces != NULL && rights->text != NULL)
		return rights;
	free_rights(rights);
	return NULL;
}

enum nj_err nj_rights_new(const struct nj_rights_rule *rules, size_t count, struct nj_rights **out_rights,
			  struct nj_why *why)
{
	struct builder b = { .why = why };

	if (count > RULES_MAX)
		return nj_why(why, NJ_ERR_LIMIT, "more than %d patterns of one kind", NJ_RIGHTS_MAX_PATTERNS);
	b.rights = allocate(rules, count);
	if (b.rights == NULL)
		return NJ_ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		enum nj_err err = add_rule(&b, &rules[i]);

		if (err != NJ_OK) {
			free_rights(b.rights);
			return err;
		}
	}
	*out_rights = b.rights;
	return NJ_OK;
}

void nj_rights_unref(struct nj_rights *rights)
{
	if (rights != NULL && atomic_fetch_sub_explicit(&rights->refs, 1, memory_order_acq_rel) == 1)
		free_rights(rights);
}

size_t nj_rights_count(const struct nj_rights *rights)
{
	return rights->count;
}

struct nj_rights_rule nj_rights_at(const struct nj_rights *rights, size_t index)
{
	return rights->rules[index].as_written;
}

/* ---- a pattern against a topic or a filter ---- */

/* One comparison: a rule's levels with the party's names filled in. */
struct subject {
	const struct nj_rights *rights;
	const struct rule *rule;
	const struct nj_names *names;
};

static struct nj_view piece_text(const struct piece *piece, const struct nj_names *names)
{
	const char *name = piece->kind == PIECE_CUSTOMER ? names->customer : names->name;

	if (piece->kind == PIECE_TEXT)
		return piece->text;
	return name == NULL ? nj_view_of(NULL, 0) : nj_view_str(name);
}

/* A variable without a value equals nothing. */
static bool level_equals(const struct subject *s, const struct level *level, struct nj_view text)
{
	for (uint16_t i = 0; i < level->piece_count; i++) {
		const struct piece *piece = &s->rights->pieces[level->first_piece + i];
		struct nj_view part = piece_text(piece, s->names);

		if (part.len == 0 && piece->kind != PIECE_TEXT)
			return false;
		if (text.len < part.len || !nj_view_equal(part, nj_view_of(text.data, part.len)))
			return false;
		if (part.len > 0)
			text = nj_view_of(text.data + part.len, text.len - part.len);
	}
	return text.len == 0;
}

static bool level_dollar(const struct subject *s, const struct level *level)
{
	return level->kind == LEVEL_TEXT &&
	       nj_level_dollar(piece_text(&s->rights->pieces[level->first_piece], s->names));
}

/* The rule's level i, NULL past the last. */
static const struct level *level_at(const struct subject *s, uint32_t i)
{
	return i < s->rule->level_count ? &s->rights->levels[s->rule->first_level + i] : NULL;
}

/* What a level of the other side is, so that topics and filters are told apart only here. */
static enum level_kind kind_of(struct nj_view level)
{
	if (nj_level_is(level, '#'))
		return LEVEL_REST;
	return nj_level_is(level, '+') ? LEVEL_ONE : LEVEL_TEXT;
}

/*
 * Does every topic that `filter` matches match the rule too? A topic name is a filter that matches itself alone, so
 * this also answers for topic names. "#" alone matches what "+" "/" "#" does, for a topic has at least one level.
 */
static bool covers(const struct subject *s, struct nj_view filter)
{
	struct nj_level_cursor levels = nj_levels_of(filter);
	struct nj_view text = { 0 };
	bool more = nj_level_next(&levels, &text);
	uint32_t i = 0;

	for (const struct level *have = level_at(s, 0); have != NULL; have = level_at(s, ++i)) {
		enum level_kind want = more ? kind_of(text) : LEVEL_TEXT;

		if (i == 0 && have->kind != LEVEL_TEXT && nj_level_dollar(text))
			return false;
		if (have->kind == LEVEL_REST)
			return true;
		if (!more)
			return false;
		if (want == LEVEL_REST && (i > 0 || have->kind != LEVEL_ONE))
			return false;
		if (want == LEVEL_ONE && have->kind != LEVEL_ONE)
			return false;
		if (want == LEVEL_TEXT && have->kind == LEVEL_TEXT && !level_equals(s, have, text))
			return false;
		/* The "+" of a leading "#" is done; its "#" remains. */
		if (want != LEVEL_REST)
			more = nj_level_next(&levels, &text);
	}
	return !more;
}

/* Is there a topic that both match? From a "#" on, the other side's remaining levels can always be filled. */
static bool meets(const struct subject *s, struct nj_view filter)
{
	struct nj_level_cursor levels = nj_levels_of(filter);
	struct nj_view text = { 0 };
	bool more = nj_level_next(&levels, &text);
	uint32_t i = 0;

	for (const struct level *have = level_at(s, 0); have != NULL; have = level_at(s, ++i)) {
		enum level_kind want = more ? kind_of(text) : LEVEL_TEXT;

		if (i == 0 && have->kind != LEVEL_TEXT && nj_level_dollar(text))
			return false;
		if (i == 0 && want != LEVEL_TEXT && level_dollar(s, have))
			return false;
		if (have->kind == LEVEL_REST || want == LEVEL_REST)
			return true;
		if (!more)
			return false;
		if (want == LEVEL_TEXT && have->kind == LEVEL_TEXT && !level_equals(s, have, text))
			return false;
		more = nj_level_next(&levels, &text);
	}
	return !more || kind_of(text) == LEVEL_REST;
}

/* The first rule of this kind for which `test` holds. */
static const struct rule *first_rule(const struct nj_rights *rights, const struct nj_names *names,
				     enum nj_direction direction, bool deny, struct nj_view topic,
				     bool (*test)(const struct subject *s, struct nj_view filter))
{
	for (size_t i = 0; i < rights->count; i++) {
		const struct rule *rule = &rights->rules[i];
		const struct subject s = { rights, rule, names };

		if (rule->as_written.direction == direction && rule->as_written.deny == deny && test(&s, topic))
			return rule;
	}
	return NULL;
}

static struct nj_verdict decide(const struct nj_rights *rights, const struct nj_names *names,
				enum nj_direction direction, struct nj_view topic)
{
	const struct rule *rule = first_rule(rights, names, direction, true, topic, covers);

	if (rule != NULL)
		return (struct nj_verdict){ .breach = NJ_BREACH_TOPIC, .pattern = rule->as_written.pattern };
	rule = first_rule(rights, names, direction, false, topic, covers);
	if (rule == NULL)
		return (struct nj_verdict){ .breach = NJ_BREACH_TOPIC };
	return (struct nj_verdict){ .allowed = true, .pattern = rule->as_written.pattern, .contract = rule->contract };
}

struct nj_verdict nj_rights_check(const struct nj_rights *rights, const struct nj_names *names,
				  enum nj_direction direction, struct nj_view topic)
{
	struct nj_verdict verdict = { .breach = NJ_BREACH_TOPIC };
	bool valid = direction == NJ_PUBLISH ? nj_topic_name_valid(topic) : nj_topic_filter_valid(topic);

	if (!valid)
		return verdict;
	verdict = decide(rights, names, direction, topic);
	if (direction == NJ_SUBSCRIBE && verdict.allowed)
		verdict.partly = first_rule(rights, names, NJ_SUBSCRIBE, true, topic, meets) != NULL;
	return verdict;
}

struct nj_verdict nj_rights_check_delivery(const struct nj_rights *rights, const struct nj_names *names,
					   struct nj_view topic)
{
	if (!nj_topic_name_valid(topic))
		return (struct nj_verdict){ .breach = NJ_BREACH_TOPIC };
	return decide(rights, names, NJ_SUBSCRIBE, topic);
}
