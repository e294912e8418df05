/*
 * Patterns and topics from outside: rules are lines of the input, the last line is the topic. Properties: a compiled
 * pattern gives back its text; a filter rule without variables covers itself; what is covered is delivered.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "identity/rights.h"

#define MAX_LINES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Splits a copy into zero-terminated lines. */
static size_t split(char *text, size_t len, char **out_lines)
{
	size_t count = 0;
	char *at = text;

	for (size_t i = 0; i <= len && count < MAX_LINES; i++) {
		if (i < len && text[i] != '\n')
			continue;
		text[i] = '\0';
		out_lines[count++] = at;
		at = text + i + 1;
	}
	return count;
}

static void check(const struct nj_rights *rights, struct nj_view topic)
{
	const struct nj_names names = { .customer = "acme", .name = "d1" };
	struct nj_verdict publish = nj_rights_check(rights, &names, NJ_PUBLISH, topic);
	struct nj_verdict subscribe = nj_rights_check(rights, &names, NJ_SUBSCRIBE, topic);
	struct nj_verdict delivery = nj_rights_check_delivery(rights, &names, topic);

	assert(!publish.allowed || (publish.pattern != NULL && nj_topic_name_valid(topic)));
	assert(!subscribe.allowed || (subscribe.pattern != NULL && nj_topic_filter_valid(topic)));
	assert(!subscribe.partly || subscribe.allowed);
	/* A topic name as a filter matches itself alone: both questions have one answer, and nothing is partly denied.
	 */
	if (nj_topic_name_valid(topic))
		assert(delivery.allowed == subscribe.allowed && !subscribe.partly);
	if (nj_topic_name_valid(topic) && delivery.pattern != NULL && strchr(delivery.pattern, '{') == NULL)
		assert(nj_topic_matches(nj_view_str(delivery.pattern), topic));
}

static void check_self(const struct nj_rights_rule *rule)
{
	const struct nj_names names = { .customer = "acme", .name = "d1" };
	struct nj_rights_rule alone = { NJ_SUBSCRIBE, false, rule->pattern };
	struct nj_rights *rights;

	if (strchr(rule->pattern, '{') != NULL || nj_rights_new(&alone, 1, &rights, NULL) != NJ_OK)
		return;
	assert(nj_rights_check(rights, &names, NJ_SUBSCRIBE, nj_view_str(rule->pattern)).allowed);
	nj_rights_unref(rights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_rights_rule rules[MAX_LINES];
	char *lines[MAX_LINES];
	char *text = malloc(size + 1);
	struct nj_rights *rights;
	struct nj_why why;
	size_t count;

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	count = split(text, size, lines) - 1;
	for (size_t i = 0; i < count; i++) {
		unsigned char kind = (unsigned char)lines[i][0];

		rules[i] = (struct nj_rights_rule){ kind & 1 ? NJ_PUBLISH : NJ_SUBSCRIBE, (kind & 2) != 0,
						    lines[i] + (kind != 0) };
		check_self(&rules[i]);
	}
	if (nj_rights_new(rules, count, &rights, &why) == NJ_OK) {
		assert(nj_rights_count(rights) == count);
		for (size_t i = 0; i < count; i++)
			assert(strcmp(nj_rights_at(rights, i).pattern, rules[i].pattern) == 0);
		check(rights, nj_view_str(lines[count]));
		nj_rights_unref(rights);
	}
	free(text);
	return 0;
}
