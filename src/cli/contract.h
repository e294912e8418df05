/*
 * Files of topic contracts (profile set --contract): YAML or JSON, an object with the lists of a profile's rules. What
 * is in a rule is the gateway's to check. Main thread.
 */
#ifndef NJ_CLI_CONTRACT_H
#define NJ_CLI_CONTRACT_H

#include <jansson.h>

#include "base/err.h"

#define NJ_CONTRACT_FILE_MAX (256 * 1024)

/* Puts the file's rules before those that `request` has in its lists ("publish", …). */
NJ_MUST_USE enum nj_err nj_contract_file_add(const char *path, json_t *request, struct nj_why *why);
/* Rules as a line each for people: "dev/{device}/t  QoS ≤ 1, no retain, ≤ 256 bytes, 10/s, JSON". Changes the lists of
 * `profile`, its own copy. */
void nj_contract_words(json_t *profile);

#endif
