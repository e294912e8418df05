/*
 * Parts of long messages, held until the message is whole. Parts come in any order; one that came before is dropped,
 * and one that comes after the message is complete is known for what it is; one that contradicts what is there begins a
 * new message, and the old one is given out as it is. So is a message whose next part does not come in time, and the
 * one that waited longest when room is needed. Pure state: the time is given, nothing is kept elsewhere. Memory and
 * counts are bounded. One owner, no locking.
 */
#ifndef NJ_SMS_TEXT_REASSEMBLY_H
#define NJ_SMS_TEXT_REASSEMBLY_H

#include "base/list.h"
#include "base/map.h"
#include "sms/text/userdata.h"

#define NJ_REASSEMBLY_ADDRESS_MAX 40 /* bytes of a sender or receiver */

struct nj_reassembly_limits {
	size_t messages;   /* waiting and remembered, at least 1 */
	size_t per_sender; /* waiting, at least 1 */
	size_t bytes;      /* of all that is held */
	uint64_t wait_ms;  /* for the next new part */
};

struct nj_reassembly_part {
	struct nj_view sender; /* as they are told apart: normalised */
	struct nj_view receiver;
	bool wide;
	uint16_t reference;
	uint8_t total;
	uint8_t sequence; /* 1–total */
	uint8_t coding;   /* TP-DCS, the same of all parts */
	struct nj_gsm7_tables tables;
	struct nj_view units; /* at most NJ_SMS_PART_UNITS_MAX */
	uint64_t tag;         /* the caller's: which row it is stored in */
};

struct nj_reassembled_part {
	struct nj_reassembled_part *next; /* by sequence */
	uint64_t tag;
	struct nj_gsm7_tables tables;
	uint8_t sequence;
	uint8_t len;
	uint8_t units[];
};

struct nj_reassembled {
	uint8_t total;
	uint8_t have;  /* less than total: parts are missing */
	bool repeated; /* parts are missing, and the rest repeats a message that was given out whole: nothing new */
	uint8_t coding;
	uint16_t reference;
	struct nj_reassembled_part *parts;
};

enum nj_reassembly_fact {
	NJ_REASSEMBLY_KEPT,
	NJ_REASSEMBLY_DUPLICATE,
	NJ_REASSEMBLY_REPLACED, /* kept, as the first of a new message; the old one is given out */
};

struct nj_reassembly {
	struct nj_reassembly_limits limits;
	struct nj_map messages; /* that wait, by sender, receiver and reference */
	struct nj_map senders;
	struct nj_map ghosts;    /* of messages that were whole, for a while */
	struct nj_list waiting;  /* the one that waits longest first */
	struct nj_list ready;    /* to be given out */
	struct nj_list haunting; /* ghosts, oldest first */
	size_t bytes;
};

void nj_reassembly_init(struct nj_reassembly *r, const struct nj_reassembly_limits *limits, struct nj_random *random);
void nj_reassembly_done(struct nj_reassembly *r);
/* Takes a copy of the part. NJ_ERR_AGAIN: messages stand ready, take them first; NJ_ERR_RANGE: no such part (sequence,
 * lengths); NJ_ERR_LIMIT: no room for it, even with all others given out; NJ_ERR_NO_MEMORY. Nothing of the part is held
 * then, but others may stand ready. */
NJ_MUST_USE enum nj_err nj_reassembly_add(struct nj_reassembly *r, const struct nj_reassembly_part *part,
					  uint64_t now_ms, enum nj_reassembly_fact *out_fact);
/* The next message that is whole, late, or had to make room; NULL when there is none. Ask after every part and when
 * nj_reassembly_due_ms has come. What is given out no longer counts
 * towards the limits; it is freed with nj_reassembled_free. */
struct nj_reassembled *nj_reassembly_next(struct nj_reassembly *r, uint64_t now_ms);
void nj_reassembled_free(struct nj_reassembled *message);
/* When the next message is late; UINT64_MAX when none waits. */
uint64_t nj_reassembly_due_ms(const struct nj_reassembly *r);

#endif
