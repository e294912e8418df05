#include "cli/option.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

#define MAX_OPTIONS 32

/* The command line as it is eaten. */
struct words {
	int argc;
	const char *const *argv;
	int at;
};

static const struct nj_option *option_named(const struct nj_option_set *set, const char *name, size_t len)
{
	for (size_t i = 0; i < set->option_count; i++) {
		if (strlen(set->options[i].name) == len && strncmp(set->options[i].name, name, len) == 0)
			return &set->options[i];
	}
	return NULL;
}

static enum nj_err fail_unknown(const struct nj_option_set *set, const char *name, size_t len, struct nj_why *why)
{
	const char *names[MAX_OPTIONS + 1];
	char given[64];
	const char *nearest;
	size_t count = set->option_count < MAX_OPTIONS ? set->option_count : MAX_OPTIONS;

	snprintf(given, sizeof(given), "%.*s", (int)(len < 63 ? len : 63), name);
	for (size_t i = 0; i < count; i++)
		names[i] = set->options[i].name;
	names[count++] = "help";
	nearest = nj_text_nearest(given, names, count);
	if (nearest != NULL)
		return nj_why(why, NJ_ERR_USAGE, "there is no option --%s; did you mean --%s?", given, nearest);
	return nj_why(why, NJ_ERR_USAGE, "there is no option --%s", given);
}

static bool is_given(const struct nj_args *args, const struct nj_option *option)
{
	for (size_t i = 0; i < args->given_count; i++) {
		if (args->given[i].option == option)
			return true;
	}
	return false;
}

static enum nj_err add_given(struct nj_args *args, const struct nj_option *option, const char *text, struct nj_why *why)
{
	struct nj_given *given = &args->given[args->given_count];

	if (!option->repeatable && is_given(args, option))
		return nj_why(why, NJ_ERR_USAGE, "--%s is given twice", option->name);
	if (args->given_count == NJ_ARGS_MAX_GIVEN)
		return nj_why(why, NJ_ERR_USAGE, "more than %d options", NJ_ARGS_MAX_GIVEN);
	*given = (struct nj_given){ .option = option, .text = text };
	if (option->type == NJ_OPTION_NUMBER && nj_number_parse(text, 0, option->max, &given->number) != NJ_OK)
		return nj_why(why, NJ_ERR_USAGE, "--%s wants a whole number from 0 to %" PRIu64 ", not \"%.64s\"",
			      option->name, option->max, text);
	args->given_count++;
	return NJ_OK;
}

/* The value of an option: after its '=', or the next word. */
static enum nj_err take_value(struct words *words, const struct nj_option *option, const char *inlined,
			      const char **out_value, struct nj_why *why)
{
	if (inlined != NULL) {
		*out_value = inlined;
		return NJ_OK;
	}
	if (words->at == words->argc)
		return nj_why(why, NJ_ERR_USAGE, "--%s wants %s", option->name, option->argument);
	*out_value = words->argv[words->at++];
	return NJ_OK;
}

static enum nj_err take_rest(struct nj_args *args, struct words *words, const struct nj_option *option,
			     const char *inlined, struct nj_why *why)
{
	if (inlined != NULL)
		return nj_why(why, NJ_ERR_USAGE, "--%s takes the words that follow it: write --%s %s", option->name,
			      option->name, option->argument);
	if (words->at == words->argc)
		return nj_why(why, NJ_ERR_USAGE, "--%s wants %s", option->name, option->argument);
	args->rest = &words->argv[words->at];
	words->at = words->argc;
	return add_given(args, option, NULL, why);
}

static enum nj_err take_option(const struct nj_option_set *set, struct nj_args *args, struct words *words,
			       const char *word, struct nj_why *why)
{
	const char *equals = strchr(word, '=');
	size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
	const char *inlined = equals != NULL ? equals + 1 : NULL;
	const struct nj_option *option = option_named(set, word, len);
	const char *value = NULL;

	if (option == NULL && len == 4 && inlined == NULL && strncmp(word, "help", 4) == 0) {
		args->help = true;
		return NJ_OK;
	}
	if (option == NULL)
		return fail_unknown(set, word, len, why);
	switch (option->type) {
	case NJ_OPTION_FLAG:
		if (inlined != NULL)
			return nj_why(why, NJ_ERR_USAGE, "--%s takes no value", option->name);
		return add_given(args, option, NULL, why);
	case NJ_OPTION_REST:
		return take_rest(args, words, option, inlined, why);
	case NJ_OPTION_TEXT:
	case NJ_OPTION_FILE:
	case NJ_OPTION_FOLDER:
	case NJ_OPTION_NUMBER:
		break;
	}
	NJ_TRY(take_value(words, option, inlined, &value, why));
	return add_given(args, option, value, why);
}

static enum nj_err take_operand(const struct nj_option_set *set, struct nj_args *args, const char *word,
				struct nj_why *why)
{
	if (args->operand_count == set->max_operands || args->operand_count == NJ_ARGS_MAX_OPERANDS)
		return nj_why(why, NJ_ERR_USAGE, "\"%.64s\" is one word too many", word);
	args->operands[args->operand_count++] = word;
	return NJ_OK;
}

static enum nj_err check_present(const struct nj_option_set *set, const struct nj_args *args, struct nj_why *why)
{
	for (size_t i = 0; i < set->option_count; i++) {
		const struct nj_option *option = &set->options[i];

		if (option->required && !is_given(args, option))
			return nj_why(why, NJ_ERR_USAGE, "--%s %s is missing", option->name, option->argument);
	}
	if (args->operand_count < set->min_operands)
		return nj_why(why, NJ_ERR_USAGE, "%s is missing", set->operands);
	return NJ_OK;
}

enum nj_err nj_args_parse(const struct nj_option_set *set, int argc, const char *const *argv, struct nj_args *out_args,
			  struct nj_why *why)
{
	struct words words = { .argc = argc, .argv = argv };
	bool only_operands = false;

	memset(out_args, 0, sizeof(*out_args));
	while (words.at < argc) {
		const char *word = argv[words.at++];

		if (only_operands || word[0] != '-' || word[1] == '\0') {
			NJ_TRY(take_operand(set, out_args, word, why));
		} else if (strcmp(word, "--") == 0) {
			only_operands = true;
		} else if (word[1] == '-') {
			NJ_TRY(take_option(set, out_args, &words, word + 2, why));
		} else if (strcmp(word, "-h") == 0) {
			out_args->help = true;
		} else {
			return nj_why(why, NJ_ERR_USAGE, "there is no option %.64s: options begin with two dashes",
				      word);
		}
	}
	return out_args->help ? NJ_OK : check_present(set, out_args, why);
}

const char *nj_args_next(const struct nj_args *args, const char *name, size_t *cursor)
{
	for (; *cursor < args->given_count; (*cursor)++) {
		const struct nj_given *given = &args->given[*cursor];

		if (strcmp(given->option->name, name) == 0) {
			(*cursor)++;
			return given->text;
		}
	}
	return NULL;
}

static const struct nj_given *given_named(const struct nj_args *args, const char *name)
{
	for (size_t i = 0; i < args->given_count; i++) {
		if (strcmp(args->given[i].option->name, name) == 0)
			return &args->given[i];
	}
	return NULL;
}

const char *nj_args_text(const struct nj_args *args, const char *name)
{
	const struct nj_given *given = given_named(args, name);

	return given != NULL ? given->text : NULL;
}

uint64_t nj_args_number(const struct nj_args *args, const char *name, uint64_t fallback)
{
	const struct nj_given *given = given_named(args, name);

	return given != NULL ? given->number : fallback;
}

bool nj_args_flag(const struct nj_args *args, const char *name)
{
	return given_named(args, name) != NULL;
}
