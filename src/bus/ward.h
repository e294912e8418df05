/*
 * What keeper and warden say to each other: fixed layouts, one message a datagram of net/channel.h. The keeper asks for
 * openings by number of a guard or port of a listener; it cannot ask for a rule. Views borrow the received datagram.
 * Pure; any thread.
 */
#ifndef NJ_BUS_WARD_H
#define NJ_BUS_WARD_H

#include "base/addr.h"
#include "base/wire.h"

#define NJ_WARD_MAX_BYTES 1024
#define NJ_WARD_TEXT_MAX 400

/* X(name, number, who sends it) */
#define NJ_WARD_MESSAGES(X)                                                                      \
	X(NJ_WARD_OPEN, 1, "keeper: lets a source in until a time; repeating replaces the time") \
	X(NJ_WARD_SHUT, 2, "keeper: no longer")                                                  \
	X(NJ_WARD_CLEAR, 3, "keeper: shuts all of one kind")                                     \
	X(NJ_WARD_RENEW, 4, "keeper: it lives; without this for a second the warden shuts all")  \
	X(NJ_WARD_FAILED, 16, "warden: an opening could not be made")                            \
	X(NJ_WARD_CHANGED, 17, "warden: somebody turned the perimeter; for the audit log")

enum nj_ward_type {
#define NJ_WARD_ENUM(name, number, text) name = number,
	NJ_WARD_MESSAGES(NJ_WARD_ENUM)
#undef NJ_WARD_ENUM
};

enum nj_ward_kind { NJ_WARD_GUARDS, NJ_WARD_LISTENERS, NJ_WARD_KINDS };

struct nj_ward {
	enum nj_ward_type type;
	uint8_t kind;  /* enum nj_ward_kind; OPEN, SHUT, CLEAR, FAILED */
	uint16_t port; /* a guard's id, or a listener's port; OPEN, SHUT, FAILED */
	struct nj_addr source;
	uint8_t prefix; /* of 128 bits */
	uint64_t expires_boot_ns;
	uint16_t err;                  /* enum nj_err; FAILED */
	struct nj_view caller, detail; /* CHANGED */
};

/* NJ_ERR_FULL when `w` is too small. */
NJ_MUST_USE enum nj_err nj_ward_encode(const struct nj_ward *message, struct nj_writer *w);
/* Refuses unknown types and kinds, values out of range, texts over NJ_WARD_TEXT_MAX and trailing bytes. */
NJ_MUST_USE enum nj_err nj_ward_decode(struct nj_view bytes, struct nj_ward *out_message);

#endif
