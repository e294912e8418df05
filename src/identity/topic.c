#include "identity/topic.h"

#include "identity/rights.h"

#define TOPIC_MAX_BYTES 65535

struct nj_level_cursor nj_levels_of(struct nj_view topic)
{
	return (struct nj_level_cursor){ .rest = topic };
}

bool nj_level_next(struct nj_level_cursor *cursor, struct nj_view *out_level)
{
	struct nj_view rest = cursor->rest;
	const uint8_t *slash;
	size_t len;

	if (cursor->ended)
		return false;
	slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
	len = slash == NULL ? rest.len : (size_t)(slash - rest.data);
	*out_level = nj_view_of(rest.data, len);
	if (slash == NULL)
		cursor->ended = true;
	else
		cursor->rest = nj_view_of(slash + 1, rest.len - len - 1);
	return true;
}

static bool bytes_valid(struct nj_view text)
{
	return text.len > 0 && text.len <= TOPIC_MAX_BYTES && memchr(text.data, '\0', text.len) == NULL;
}

static bool has_wildcard(struct nj_view level)
{
	return level.len > 0 &&
	       (memchr(level.data, '+', level.len) != NULL || memchr(level.data, '#', level.len) != NULL);
}

bool nj_topic_name_valid(struct nj_view topic)
{
	return bytes_valid(topic) && !has_wildcard(topic);
}

bool nj_topic_filter_valid(struct nj_view filter)
{
	struct nj_level_cursor levels = nj_levels_of(filter);
	struct nj_view level;

	if (!bytes_valid(filter))
		return false;
	while (nj_level_next(&levels, &level)) {
		if (nj_level_is(level, '#'))
			return levels.ended;
		if (has_wildcard(level) && !nj_level_is(level, '+'))
			return false;
	}
	return true;
}

bool nj_topic_matches(struct nj_view filter, struct nj_view topic)
{
	struct nj_level_cursor filters = nj_levels_of(filter);
	struct nj_level_cursor topics = nj_levels_of(topic);
	struct nj_view want;
	struct nj_view have;
	bool first = true;

	while (nj_level_next(&filters, &want)) {
		bool wild = nj_level_is(want, '+');
		bool rest = nj_level_is(want, '#');
		bool more = nj_level_next(&topics, &have);

		if (first && (wild || rest) && nj_level_dollar(have))
			return false;
		if (rest)
			return true;
		if (!more || (!wild && !nj_view_equal(want, have)))
			return false;
		first = false;
	}
	return topics.ended;
}
