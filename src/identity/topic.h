/* Levels of a topic name or filter: one step at a time, nothing is copied. Only identity includes this. Any thread. */
#ifndef NJ_IDENTITY_TOPIC_H
#define NJ_IDENTITY_TOPIC_H

#include <stdbool.h>

#include "base/wire.h"

struct nj_level_cursor {
	struct nj_view rest;
	bool ended;
};

struct nj_level_cursor nj_levels_of(struct nj_view topic);
/* The next level, which may be empty; false when there is none. */
bool nj_level_next(struct nj_level_cursor *cursor, struct nj_view *out_level);

static inline bool nj_level_is(struct nj_view level, char wildcard)
{
	return level.len == 1 && level.data[0] == (uint8_t)wildcard;
}

static inline bool nj_level_dollar(struct nj_view level)
{
	return level.len > 0 && level.data[0] == '$';
}

#endif
