/*
 * Configuration from YAML through tables: one row says all there is to know about a key (type, place in the struct,
 * limits, default, help), and the reader, the checks, the error texts and the reference page all read it.
 * Owns no state; any thread. A target struct holds its texts and lists in itself: nothing to free, copied by `=`.
 * It is built aside and written only when the whole file is right. A file nests no deeper than its schema. Never reads
 * a key that no row names, never accepts anchors, aliases, tags, directives or a second document.
 */
#ifndef NJ_BASE_CONFIG_CONFIG_H
#define NJ_BASE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define NJ_CONFIG_MAX_BYTES (1024 * 1024) /* of a file */
#define NJ_CONFIG_MAX_KEYS 64             /* rows of one section */

enum nj_config_type {
	NJ_CONFIG_STRING,   /* char[size]; min and max are its length in bytes */
	NJ_CONFIG_BOOL,     /* bool */
	NJ_CONFIG_UINT,     /* unsigned integer of `size` bytes; min and max are its value */
	NJ_CONFIG_DURATION, /* the same, in milliseconds; "30s", "10min" */
	NJ_CONFIG_BYTES,    /* the same, in bytes; "64KiB" */
	NJ_CONFIG_ENUM,     /* enum: the index of the text in `names` */
	NJ_CONFIG_STRINGS,  /* char[max_count][size] and a size_t that counts them */
	NJ_CONFIG_SECTION,  /* a struct, filled by `section` */
	NJ_CONFIG_SECTIONS  /* struct[max_count] and a size_t that counts them */
};

struct nj_config_section;

struct nj_config_row {
	const char *key;
	const char *help; /* a sentence or two */
	const char *text; /* default as one would write it ("30s"); items of a list parted by spaces; NULL: none */
	const char *example;
	const char *const *names; /* ENUM: ends with NULL */
	const struct nj_config_section *section;
	enum nj_config_type type;
	bool required; /* an error where it is missing */
	bool live;     /* a reload takes it over; else it waits for the next start */
	size_t offset; /* of the member in the struct of its section */
	size_t size;   /* of the member; of one item in a list */
	uint64_t min;
	uint64_t max;
	size_t count_offset; /* lists */
	size_t max_count;
};

struct nj_config_section {
	const struct nj_config_row *rows;
	size_t count;
	size_t bytes; /* of the struct */
};

#define NJ_CONFIG_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define NJ_CONFIG_LIST_AT(type, member, counter)                                   \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member[0]),  \
	.max_count = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0]), \
	.count_offset = offsetof(type, counter)
#define NJ_CONFIG_SECTION_OF(type, table)                                 \
	{                                                                 \
		(table), sizeof(table) / sizeof((table)[0]), sizeof(type) \
	}

/* Defaults of every key; what has none is zero or empty. */
void nj_config_defaults(const struct nj_config_section *schema, void *target);

/*
 * Parses a whole file over the defaults. `name` is what errors call the file. NJ_ERR_CONFIG (or NJ_ERR_NO_MEMORY) with
 * a sentence in `why` (may be NULL) that names the line; `out_target` is untouched then.
 */
NJ_MUST_USE enum nj_err nj_config_parse(const struct nj_config_section *schema, const char *name, const char *text,
					size_t len, void *out_target, struct nj_why *why);

/* nj_config_parse of a file; errors of nj_file_read besides. */
NJ_MUST_USE enum nj_err nj_config_load(const struct nj_config_section *schema, const char *path, void *out_target,
				       struct nj_why *why);

/* Called with the path of a key ("knock.grant"); a list counts as one key. */
typedef void (*nj_config_change_fn)(void *arg, const char *path, bool live);
/* Tells every key whose value differs, in the schema's order. */
void nj_config_changes(const struct nj_config_section *schema, const void *before, const void *after,
		       nj_config_change_fn fn, void *arg);
/* Whether two structs of this section have the same values. */
bool nj_config_same(const struct nj_config_section *section, const void *a, const void *b);
/* Copies the values of all live keys. */
void nj_config_take_live(const struct nj_config_section *schema, const void *from, void *to);

/*
 * Writes `target` as a commented YAML file that nj_config_parse reads back to the same values: each key with its help,
 * what is allowed and its default. Keys without a value are there as comments. Over defaults, this is the reference.
 */
void nj_config_print(const struct nj_config_section *schema, const void *target, FILE *out);

#endif
