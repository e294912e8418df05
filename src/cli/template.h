/*
 * Words of a command with {placeholders}: {host} {port} {identity} {key} {username} {password} {cert} {certkey} {ca}.
 * Anything else in braces stays as it is, so that JSON passes through. Expanded words may hold keys: the caller frees
 * them with nj_template_free, which wipes. Any thread.
 */
#ifndef NJ_CLI_TEMPLATE_H
#define NJ_CLI_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* X(member): the word between the braces */
#define NJ_PLACEHOLDER_TABLE(X) X(host) X(port) X(identity) X(key) X(username) X(password) X(cert) X(certkey) X(ca)

enum nj_placeholder {
#define NJ_PLACEHOLDER_ENUM(member) NJ_PLACEHOLDER_##member,
	NJ_PLACEHOLDER_TABLE(NJ_PLACEHOLDER_ENUM)
#undef NJ_PLACEHOLDER_ENUM
	    NJ_PLACEHOLDER_COUNT
};

const char *nj_placeholder_name(enum nj_placeholder placeholder);

struct nj_placeholders {
	const char *value[NJ_PLACEHOLDER_COUNT]; /* borrowed; NULL: not available */
	const char *lacks[NJ_PLACEHOLDER_COUNT]; /* why not, for the error */
};

/* Is the placeholder in any word? */
bool nj_template_uses(const char *const *words, enum nj_placeholder placeholder);
/* A new, NULL-ended array. NJ_ERR_USAGE names a placeholder that has no value, and why. */
NJ_MUST_USE enum nj_err nj_template_expand(const char *const *words, const struct nj_placeholders *values,
					   char ***out_words, struct nj_why *why);
/* Wipes and frees; NULL is fine. */
void nj_template_free(char **words);

#endif
