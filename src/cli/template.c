#include "cli/template.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

const char *nj_placeholder_name(enum nj_placeholder placeholder)
{
	static const char *const names[NJ_PLACEHOLDER_COUNT] = {
#define PLACEHOLDER_NAME(member) #member,
		NJ_PLACEHOLDER_TABLE(PLACEHOLDER_NAME)
#undef PLACEHOLDER_NAME
	};

	return names[placeholder];
}

/* The placeholder that begins at `text`, and the length with its braces; 0 for none. */
static size_t placeholder_at(const char *text, enum nj_placeholder *out_placeholder)
{
	if (text[0] != '{')
		return 0;
	for (int i = 0; i < NJ_PLACEHOLDER_COUNT; i++) {
		const char *name = nj_placeholder_name((enum nj_placeholder)i);
		size_t len = strlen(name);

		if (strncmp(text + 1, name, len) == 0 && text[1 + len] == '}') {
			*out_placeholder = (enum nj_placeholder)i;
			return len + 2;
		}
	}
	return 0;
}

bool nj_template_uses(const char *const *words, enum nj_placeholder placeholder)
{
	for (; *words != NULL; words++) {
		for (const char *at = *words; *at != '\0'; at++) {
			enum nj_placeholder found;

			if (placeholder_at(at, &found) > 0 && found == placeholder)
				return true;
		}
	}
	return false;
}

/* Writes the expanded word to `out` (NULL: counts only) and gives its length without the end. */
static enum nj_err expand_word(const char *word, const struct nj_placeholders *values, char *out, size_t *out_len,
			       struct nj_why *why)
{
	size_t len = 0;

	while (*word != '\0') {
		enum nj_placeholder placeholder;
		size_t skip = placeholder_at(word, &placeholder);
		const char *part = word;
		size_t part_len = 1;

		if (skip > 0) {
			part = values->value[placeholder];
			if (part == NULL)
				return nj_why(
				    why, NJ_ERR_USAGE, "{%s} has no value: %s", nj_placeholder_name(placeholder),
				    values->lacks[placeholder] != NULL ? values->lacks[placeholder] : "not available");
			part_len = strlen(part);
		}
		if (out != NULL)
			memcpy(out + len, part, part_len);
		len += part_len;
		word += skip > 0 ? skip : 1;
	}
	if (out != NULL)
		out[len] = '\0';
	*out_len = len;
	return NJ_OK;
}

enum nj_err nj_template_expand(const char *const *words, const struct nj_placeholders *values, char ***out_words,
			       struct nj_why *why)
{
	size_t count = 0;
	char **expanded;

	while (words[count] != NULL)
		count++;
	expanded = calloc(count + 1, sizeof(*expanded));
	if (expanded == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		size_t len = 0;
		enum nj_err err = expand_word(words[i], values, NULL, &len, why);

		if (err == NJ_OK) {
			expanded[i] = calloc(1, len + 1);
			err = expanded[i] != NULL ? expand_word(words[i], values, expanded[i], &len, why)
						  : nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
		}
		if (err != NJ_OK) {
			nj_template_free(expanded);
			return err;
		}
	}
	*out_words = expanded;
	return NJ_OK;
}

void nj_template_free(char **words)
{
	if (words == NULL)
		return;
	for (char **word = words; *word != NULL; word++) {
		nj_wipe(*word, strlen(*word));
		free(*word);
	}
	free(words);
}
