/*
 * Options of a subcommand as rows, and the command line read against them: one row says all there is to know about an
 * option, and parsing, help, manual page and completion read it. Parsed arguments borrow argv. Main thread.
 */
#ifndef NJ_CLI_OPTION_H
#define NJ_CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum nj_option_type {
	NJ_OPTION_FLAG,
	NJ_OPTION_TEXT,
	NJ_OPTION_FILE,   /* text that completes to a path */
	NJ_OPTION_FOLDER, /* text that completes to a folder */
	NJ_OPTION_NUMBER,
	NJ_OPTION_REST, /* takes the whole rest of the command line, at least one word */
};

struct nj_option {
	const char *name;     /* without the dashes */
	const char *argument; /* its name in help; NULL for flags */
	const char *help;
	enum nj_option_type type;
	bool repeatable;
	bool required;

	uint64_t max; /* numbers: the largest */
};

/* What a command accepts. `operands` names them in help: "NAME", "[COMMAND…]", or "". */
struct nj_option_set {
	const struct nj_option *options;
	size_t option_count;
	const char *operands;
	size_t min_operands;
	size_t max_operands;
};

#define NJ_ARGS_MAX_GIVEN 512
#define NJ_ARGS_MAX_OPERANDS 8

struct nj_given {
	const struct nj_option *option;
	const char *text; /* NULL for flags */
	uint64_t number;
};

struct nj_args {
	struct nj_given given[NJ_ARGS_MAX_GIVEN];
	size_t given_count;
	const char *operands[NJ_ARGS_MAX_OPERANDS];
	size_t operand_count;
	const char *const *rest; /* of an NJ_OPTION_REST, ended by NULL as argv is; NULL when not given */
	bool help;               /* --help or -h: nothing was checked for presence */
};

/* Reads `--opt value`, `--opt=value`, `--` and operands, in any order. NJ_ERR_USAGE with what to write instead. */
NJ_MUST_USE enum nj_err nj_args_parse(const struct nj_option_set *set, int argc, const char *const *argv,
				      struct nj_args *out_args, struct nj_why *why);

/* The value of an option given once; NULL when it was not given. */
const char *nj_args_text(const struct nj_args *args, const char *name);
uint64_t nj_args_number(const struct nj_args *args, const char *name, uint64_t fallback);
bool nj_args_flag(const struct nj_args *args, const char *name);
/* Values of a repeatable option in order: start with *cursor = 0; NULL at the end. */
const char *nj_args_next(const struct nj_args *args, const char *name, size_t *cursor);

#endif
