/*
 * What the gateway and the dialler say to each other over net/channel.h: the gateway names a bridge of the
 * configuration, never an address, and gets a connected stream to its peer (one descriptor beside the answer), or why
 * there is none. Pure; any thread.
 */
#ifndef NJ_BUS_DIAL_H
#define NJ_BUS_DIAL_H

#include "base/addr.h"
#include "base/wire.h"

#define NJ_DIAL_MAX_BYTES 512
#define NJ_DIAL_TEXT_MAX 200
#define NJ_DIAL_NAME_MAX 64

/* X(name, number, who sends it) */
#define NJ_DIAL_MESSAGES(X)                                                                \
	X(NJ_DIAL_ASK, 1, "gateway: a stream to the peer of this bridge")                  \
	X(NJ_DIAL_STREAM, 16, "dialler: here it is (one descriptor), and whom it reaches") \
	X(NJ_DIAL_FAILED, 17, "dialler: there is none; why")

enum nj_dial_type {
#define NJ_DIAL_ENUM(name, number, text) name = number,
	NJ_DIAL_MESSAGES(NJ_DIAL_ENUM)
#undef NJ_DIAL_ENUM
};

struct nj_dial {
	enum nj_dial_type type;
	struct nj_view name;
	struct nj_addr peer; /* STREAM */
	struct nj_view text; /* FAILED */
};

/* NJ_ERR_FULL when `w` is too small. */
NJ_MUST_USE enum nj_err nj_dial_encode(const struct nj_dial *message, struct nj_writer *w);
/* Refuses unknown types, names and texts that are too long, and trailing bytes. */
NJ_MUST_USE enum nj_err nj_dial_decode(struct nj_view bytes, struct nj_dial *out_message);

#endif
