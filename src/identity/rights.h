/*
 * What a profile lets its parties do with topics: allow and deny patterns for publishing and subscribing, default deny,
 * deny before allow, and among those the first that covers the topic decides. Patterns are MQTT topic filters in which
 * `{customer}` and `{device}` (or `{name}`) stand for the party's own names; a variable never matches another party and
 * never a wildcard. An allow rule may have a contract (identity/contract.h). Compiled once, immutable and
 * reference-counted. Any thread.
 */
#ifndef NJ_IDENTITY_RIGHTS_H
#define NJ_IDENTITY_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wire.h"
#include "identity/contract.h"

enum nj_direction { NJ_PUBLISH, NJ_SUBSCRIBE };

#define NJ_RIGHTS_MAX_PATTERNS 64 /* of one kind in one profile */
#define NJ_PATTERN_MAX_BYTES 256

struct nj_rights;

/* The names that fill a pattern's variables. */
struct nj_names {
	const char *customer;
	const char *name;
};

struct nj_rights_rule {
	enum nj_direction direction;
	bool deny;
	const char *pattern;
	const char *contract; /* JSON; NULL or "": none */
};

struct nj_verdict {
	bool allowed;
	bool partly; /* subscribe: allowed, but a deny rule covers part of it: check every topic when delivering */
	const char *pattern;                /* the rule that decided, as written; NULL: no rule allows it */
	const struct nj_contract *contract; /* of the rule that allows it, borrowed from the rights; NULL: none */
	enum nj_breach breach;              /* of what is denied */
	const char *fault;                  /* the breach in words, borrowed; NULL: none but the topic */
};

/* Compiles rules. NJ_ERR_MALFORMED names the pattern and the fault in `why`. Starts with one reference. */
NJ_MUST_USE enum nj_err nj_rights_new(const struct nj_rights_rule *rules, size_t count, struct nj_rights **out_rights,
				      struct nj_why *why);
void nj_rights_unref(struct nj_rights *rights);
size_t nj_rights_count(const struct nj_rights *rights);
struct nj_rights_rule nj_rights_at(const struct nj_rights *rights, size_t index);

/* Publish: `topic` is a topic name. Subscribe: a topic filter, allowed when one allow pattern covers all of it and no
 * deny pattern covers all of it. */
struct nj_verdict nj_rights_check(const struct nj_rights *rights, const struct nj_names *names,
				  enum nj_direction direction, struct nj_view topic);
/* Delivery of one message under a subscription right: the topic name against the subscribe rules. */
struct nj_verdict nj_rights_check_delivery(const struct nj_rights *rights, const struct nj_names *names,
					   struct nj_view topic);

/* MQTT 5.0 4.7: a well-formed topic name, or filter. UTF-8 is checked by the caller's parser. */
bool nj_topic_name_valid(struct nj_view topic);
bool nj_topic_filter_valid(struct nj_view filter);
/* 4.7.1: does the filter match the topic name? `$` topics are not matched by a leading wildcard. */
bool nj_topic_matches(struct nj_view filter, struct nj_view topic);

#endif
