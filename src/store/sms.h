/*
 * What the SMS centre asks its store for, as plain data: operations on messages and on the lanes in which they wait,
 * gathered into groups that are committed whole or not at all, and questions that are answered with the group they
 * come with. The centre fills a group and may not touch it, nor what it points to, until it has come back.
 *
 * A message has one row for life, by its number, which rises with time. While something is to be done for it, it also
 * stands in a lane: the queue of one target (a device's number, an account of an application, a webhook, a topic) in
 * the order in which the messages came. A lane is tried when it is due; its counter of tries and its next time are the
 * lane's, so that no message overtakes another. A message for later stands in the schedule, by its time, and in no
 * lane; so does one that a bearer has accepted and is to tell the end of.
 */
#ifndef NJ_STORE_SMS_H
#define NJ_STORE_SMS_H

#include "store/commit.h"

#define NJ_SMS_TARGET_MAX 255               /* of a lane */
#define NJ_SMS_REF_MAX (NJ_NAME_BYTES + 65) /* a bearer's name, and a message's at it (SMPP 3.4, 5.2.23) */

/* The numbers of SMPP 3.4, 5.2.28, and 5.0, 4.7.15, for the first. */
enum nj_sms_state {
	NJ_SMS_IS_SCHEDULED = 0,
	NJ_SMS_IS_ENROUTE = 1,
	NJ_SMS_IS_DELIVERED = 2,
	NJ_SMS_IS_EXPIRED = 3,
	NJ_SMS_IS_DELETED = 4,
	NJ_SMS_IS_UNDELIVERABLE = 5,
	NJ_SMS_IS_ACCEPTED = 6, /* by a bearer that says later what became of it */
	NJ_SMS_IS_UNKNOWN = 7,
	NJ_SMS_IS_REJECTED = 8,
	NJ_SMS_STATES,
};
static inline bool nj_sms_final(uint8_t state)
{
	return state != NJ_SMS_IS_SCHEDULED && state != NJ_SMS_IS_ENROUTE && state != NJ_SMS_IS_ACCEPTED;
}

/* One message. What the centre alone understands is opaque here: `kind`, `flags`, `options`, `body`. */
struct nj_sms_message {
	uint64_t id;   /* from 1 */
	uint32_t lane; /* 0: in none */
	uint8_t kind;
	uint8_t state;  /* enum nj_sms_state */
	uint32_t flags; /* data coding, protocol identifier, class, receipt asked for, … */
	uint16_t parts;
	uint16_t parts_done;
	uint16_t tries;
	uint32_t cause;      /* why it is not, or not yet, delivered; 0: none */
	uint64_t about;      /* a receipt: the message that it tells of; 0: none */
	uint64_t campaign;   /* 0: of none */
	uint64_t created_ms; /* these are Unix times; 0: not */
	uint64_t due_ms;     /* not before */
	uint64_t expires_ms;
	uint64_t changed_ms;                /* of the state */
	struct nj_view customer, account;   /* who submitted it */
	struct nj_view source, destination; /* with the type of number in front */
	struct nj_view bearer;              /* that has it, or had it last */
	struct nj_view options, body;
};

/* What changes about a message. */
struct nj_sms_change {
	uint64_t id;
	uint8_t state;
	uint16_t parts_done;
	uint16_t tries;
	uint32_t cause;
	uint64_t changed_ms;
	struct nj_view bearer;
};

struct nj_sms_lane {
	uint32_t no;  /* from 1, never given again */
	uint8_t kind; /* of target */
	uint16_t tries;
	uint32_t cause;
	uint64_t due_ms; /* Unix: not tried before */
	struct nj_view customer, target;
};

enum nj_sms_op_type {
	NJ_SMS_OP_PUT = 1,   /* message; in its lane, or in the schedule when it has none and is not final */
	NJ_SMS_OP_CHANGE,    /* change */
	NJ_SMS_OP_WAIT,      /* change to ACCEPTED; from `lane` into the schedule, for `value` */
	NJ_SMS_OP_FINISH,    /* change to a final state; `lane`: the one that it leaves, 0: the schedule */
	NJ_SMS_OP_REPLACE,   /* message: body, flags, times of a message that is not final (SMPP 3.4, 4.10) */
	NJ_SMS_OP_ENTER,     /* message `id` leaves the schedule for `lane` */
	NJ_SMS_OP_LANE_PUT,  /* lane: new, or its tries, cause and time */
	NJ_SMS_OP_LANE_DROP, /* `lane`, which is empty */
	NJ_SMS_OP_REF_PUT,   /* text: bearer and the message's name there; `id`, `value`: the part */
	NJ_SMS_OP_REF_DROP,  /* text: the same */
	NJ_SMS_OP_KEY_PUT,   /* text: application and key; `id`; `value`: Unix time until which it counts. NJ_ERR_EXISTS
			      */
};

struct nj_sms_op {
	struct nj_list link;
	uint8_t type; /* enum nj_sms_op_type */
	uint32_t lane;
	uint64_t id;
	uint64_t value;
	struct nj_view text;
	const struct nj_sms_message *message;
	const struct nj_sms_change *change;
	const struct nj_sms_lane *row;
};

/* The highest numbers that were given, of messages and of lanes, and how many messages stand in the schedule, the first
 * for when; 0: none. */
struct nj_sms_numbers {
	uint64_t message;
	uint32_t lane;
	uint64_t scheduled;
	uint64_t first_due_ms;
};

/* A message with what it points to, in one allocation, its holder's to free. */
struct nj_sms_row {
	struct nj_list link;
	struct nj_sms_message message;
};
/* A copy; NULL without memory. */
struct nj_sms_row *nj_sms_row_new(const struct nj_sms_message *message);

enum nj_sms_ask_type {
	NJ_SMS_ASK_LANE = 1, /* of `lane`, after `id`, in order */
	NJ_SMS_ASK_SCHEDULE, /* due at `until_ms`, the first first; out: `value`, when the next one is, if there is no
				more */
	NJ_SMS_ASK_ONE,      /* message `id` */
	NJ_SMS_ASK_REF,      /* the message whose `text` this is; out: `value`, the part */
	NJ_SMS_ASK_KEY,      /* the message whose `text` this is, if `until_ms` is before its end */
	NJ_SMS_ASK_LIST,     /* of a customer, before `id` (0: the newest), newest first, as `filter` says */
};

/* Empty views and 0 stand for anything. */
struct nj_sms_filter {
	struct nj_view customer, account, source, destination;
	uint64_t campaign;
	uint64_t from_ms, until_ms; /* created */
	uint16_t states;            /* bits */
	uint16_t kinds;
};

struct nj_sms_ask {
	struct nj_list link;
	uint8_t type; /* enum nj_sms_ask_type */
	uint32_t lane;
	uint64_t id;
	uint64_t until_ms;
	uint64_t value;
	struct nj_view text;
	struct nj_sms_filter filter;
	uint32_t max_rows;
	uint64_t max_bytes;  /* of bodies; one row comes whatever its size is */
	struct nj_list rows; /* the answer: struct nj_sms_row */
	bool more;           /* there may be rows behind the last of these; a list goes on before `id` */
	enum nj_err result;  /* NJ_ERR_NOT_FOUND: a question for one has none */
};

/* Whoever fills it counts the operations, and says whether there are questions. */
struct nj_sms_group {
	struct nj_commit_group commit;
	struct nj_list ops;
	struct nj_list asks;
};
void nj_sms_group_init(struct nj_sms_group *group);
static inline struct nj_sms_group *nj_sms_group_of(struct nj_commit_group *commit)
{
	return commit == NULL ? NULL : NJ_CONTAINER(commit, struct nj_sms_group, commit);
}
/* Frees the rows of an answer. */
void nj_sms_ask_done(struct nj_sms_ask *ask);

#endif
