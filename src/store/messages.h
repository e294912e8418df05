/*
 * What the broker asks its store for, as plain data: operations on sessions, subscriptions, queues, retained messages
 * and packet identifiers, gathered into groups that are committed whole or not at all, and pages of a queue to be read
 * back. The broker fills an operation and may not touch it, nor what it points to, until its group has come back.
 *
 * A queue is a session's rows in order of position; positions rise from 1 and are never used again. A row's key is
 * session and position in one integer, so that what a session still waits for lies together in the file.
 */
#ifndef NJ_STORE_MESSAGES_H
#define NJ_STORE_MESSAGES_H

#include "store/commit.h"

#define NJ_MESSAGES_POSITION_BITS 35
#define NJ_MESSAGES_POSITION_MAX ((UINT64_C(1) << NJ_MESSAGES_POSITION_BITS) - 1)
#define NJ_MESSAGES_SESSION_MAX ((UINT32_C(1) << 28) - 1) /* numbers that a store gives, in its life */
#define NJ_MESSAGES_ROW_BYTES 64                          /* what a row counts for beside its message */
#define NJ_MESSAGES_NEVER INT64_MAX                       /* a time that does not come */

enum nj_messages_op_type {
	NJ_MESSAGES_SESSION_PUT = 1, /* `session` row; counters and `tail` of a row that is there stay */
	NJ_MESSAGES_SESSION_DROP,    /* with all that hangs on it; its queue goes piece by piece, by
					nj_messages_store_purge */
	NJ_MESSAGES_SUBSCRIBE,       /* text: filter; value: subscription identifier; flags: options */
	NJ_MESSAGES_UNSUBSCRIBE,     /* text: filter */
	NJ_MESSAGES_ENQUEUE,         /* body at a position; `ids` */
	NJ_MESSAGES_RELEASE,         /* position: PUBREC came, the body is not needed any more */
	NJ_MESSAGES_DEQUEUE,         /* position; with NJ_MESSAGES_DISCARDED it counts as such, there or not */
	NJ_MESSAGES_TRIM,            /* `trim`: the oldest rows behind `position` go, and count as discarded */
	NJ_MESSAGES_RECEIVE,         /* value: packet identifier of a QoS 2 message that came in */
	NJ_MESSAGES_FORGET,          /* value: packet identifier */
	NJ_MESSAGES_RETAIN,          /* text: customer; body */
	NJ_MESSAGES_UNRETAIN,        /* text: customer; body: its topic alone */
};

/* Flags of a queue row and of a retained message. */
#define NJ_MESSAGES_QOS 0x03
#define NJ_MESSAGES_RETAINED 0x04 /* the RETAIN flag it goes out with */
#define NJ_MESSAGES_RELEASED 0x08
/* Of a DEQUEUE: for want of room, unsent. */
#define NJ_MESSAGES_DISCARDED 0x10

/* topic ‖ properties ‖ payload in one piece. */
struct nj_messages_body {
	const uint8_t *bytes;
	uint32_t topic_bytes;
	uint32_t properties_bytes;
	uint32_t payload_bytes;
	uint64_t expires_ms; /* Unix; 0: never */
};
static inline uint64_t nj_messages_body_bytes(const struct nj_messages_body *body)
{
	return (uint64_t)body->topic_bytes + body->properties_bytes + body->payload_bytes;
}

struct nj_messages_will {
	bool present;
	uint8_t flags; /* QoS and RETAIN, as for a queue row */
	bool expires;
	uint32_t expiry_s;
	uint32_t delay_s;
	uint64_t due_ms; /* Unix; 0: its client is connected */
	struct nj_messages_body body;
};

struct nj_messages_session {
	uint32_t no; /* from 1 */
	uint8_t uid[NJ_STORE_UID_BYTES];
	struct nj_view client_id;
	uint32_t expiry_s;
	uint64_t ends_ms;         /* Unix; 0: its client is connected; NJ_MESSAGES_NEVER */
	uint64_t sent;            /* the highest position that was sent, as far as it is known */
	uint64_t tail;            /* reading: the highest position that was stored */
	uint64_t messages, bytes; /* reading: of its queue */
	uint64_t discarded;       /* reading: messages that went unsent for want of room */
	struct nj_messages_will will;
};

/* What a TRIM is to take: rows until both are met, or there are no more; and what it took. */
struct nj_messages_trim {
	uint64_t messages, bytes;
	uint64_t gone_messages, gone_bytes; /* the answer; with NJ_MESSAGES_ROW_BYTES a row */
};

struct nj_messages_op {
	struct nj_list link;
	uint8_t type; /* enum nj_messages_op_type */
	uint8_t flags;
	uint16_t id_count;
	uint32_t session; /* its number; 0 for retained messages */
	uint64_t position;
	uint64_t value;
	uint64_t shared; /* the body's number, where several rows share one; 0: the row has it */
	struct nj_messages_body body;
	const uint32_t *ids; /* subscription identifiers */
	struct nj_view text;
	const struct nj_messages_session *row;
	struct nj_messages_trim *trim;
};

/* A row of a queue, read back; one allocation, the reader's to free. */
struct nj_messages_row {
	struct nj_list link;
	uint64_t position;
	uint64_t shared;
	uint8_t flags;
	struct nj_messages_body body;
	uint16_t id_count;
	uint32_t *ids;
};

/* Rows of one session after a position, read when the group that it came with is on disk. */
struct nj_messages_page {
	struct nj_list link;
	uint32_t session;
	uint64_t after;
	uint32_t max_rows;
	uint64_t max_bytes;  /* one row comes whatever its size is */
	struct nj_list rows; /* the answer, in order */
	bool more;           /* there are rows behind the last of these */
	enum nj_err result;
};

/* Whoever fills it counts what is in `ops`, and says whether there are pages. */
struct nj_messages_group {
	struct nj_commit_group commit;
	struct nj_list ops;
	struct nj_list pages;
};

void nj_messages_group_init(struct nj_messages_group *group);
static inline struct nj_messages_group *nj_messages_group_of(struct nj_commit_group *commit)
{
	return commit == NULL ? NULL : NJ_CONTAINER(commit, struct nj_messages_group, commit);
}

#endif
