/* Names for an import: read from CSV or counted, checked, without repetition. Bounded; one owner. */
#ifndef NJ_CLI_NAMES_H
#define NJ_CLI_NAMES_H

#include "base/map.h"
#include "base/text.h"

#define NJ_NAMES_MAX 1000000

struct nj_name_entry {
	char text[NJ_NAME_BYTES];
	uint32_t line; /* where it was read; 0 when counted */
};

struct nj_names {
	struct nj_name_entry **at; /* in order */
	size_t count;
	size_t cap;
	struct nj_map by_text;
};

void nj_names_init(struct nj_names *names);
void nj_names_done(struct nj_names *names);
/* NJ_ERR_EXISTS, NJ_ERR_MALFORMED, NJ_ERR_LIMIT past NJ_NAMES_MAX. */
NJ_MUST_USE enum nj_err nj_names_add(struct nj_names *names, const char *text, uint32_t line);
bool nj_names_has(const struct nj_names *names, const char *text);
/* The first column of each record; a first record "name", "device" or "id" is a header. `why` names the line. */
NJ_MUST_USE enum nj_err nj_names_from_csv(struct nj_names *names, struct nj_view text, struct nj_why *why);
/* "<prefix>1" to "<prefix><count>". */
NJ_MUST_USE enum nj_err nj_names_from_count(struct nj_names *names, const char *prefix, uint64_t count,
					    struct nj_why *why);

#endif
