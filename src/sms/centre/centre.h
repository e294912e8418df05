/*
 * The SMS centre: takes messages, keeps them, delivers them in order over bearers, tries again by cause, and tells who
 * asked. What is acknowledged is on disk: a submission is answered, and an attempt's outcome acted on, when the group
 * of operations with it has come back (store/sms.h). Receipts are messages of their own, for the account that asked.
 *
 * It knows no protocol: a bearer gets one part of a message at a time and says what became of it, now or later. A lane
 * (all that waits for one target) has as many messages under way as its window; a message's next part, and the lane's
 * next message, go when the outcome of the one before is on disk. What a peer acknowledged less than a commit before a
 * crash goes out again.
 * One reactor's thread. Never logs.
 */
#ifndef NJ_SMS_CENTRE_H
#define NJ_SMS_CENTRE_H

#include "base/random.h"
#include "net/reactor.h"
#include "store/sms.h"

struct nj_sms_centre;

/* Where it keeps what it has: a committer, or a test's. One group is under way at a time. */
struct nj_sms_disk {
	void *arg;
	int fd; /* readable when a group has come back; -1: the owner calls nj_sms_centre_collect */
	void (*submit)(void *arg, struct nj_sms_group *group);
	struct nj_sms_group *(*finished)(void *arg);
};

enum nj_sms_kind { NJ_SMS_A2P = 1, NJ_SMS_P2P, NJ_SMS_RECEIPT };

/* Who a lane is for. A number is whoever's it is: its lane has no customer. */
enum nj_sms_target { NJ_SMS_TO_NUMBER = 1, NJ_SMS_TO_ACCOUNT, NJ_SMS_TO_WEBHOOK, NJ_SMS_TO_TOPIC };

/* Bits of a message's flags that the centre reads; the others are its callers'. */
#define NJ_SMS_RECEIPT_SUCCESS 0x80000000u /* asked for, when it is delivered */
#define NJ_SMS_RECEIPT_FAILURE 0x40000000u /* when it has ended otherwise */

/* ---- bearers ---- */

enum nj_sms_sent {
	NJ_SMS_SENT_DELIVERED, /* the target has it */
	NJ_SMS_SENT_ACCEPTED,  /* the bearer has it, under a name, and will say what became of it */
	NJ_SMS_SENT_LATER,     /* a passing cause: the lane waits */
	NJ_SMS_SENT_ABSENT,    /* the target is away: the lane waits for nj_sms_centre_ready, and tries now and then */
	NJ_SMS_SENT_NEVER,     /* a lasting cause: the message has failed */
	NJ_SMS_SENT_ELSEWHERE, /* not by this bearer: the next one */
};

struct nj_sms_outcome {
	enum nj_sms_sent what;
	uint32_t cause;
	struct nj_view name; /* accepted: at the bearer, with the bearer's own in front; at most NJ_SMS_REF_MAX */
};

/* A part on its way. The bearer may use `link` and `arg` until it answers. */
struct nj_sms_send {
	struct nj_list link;
	void *arg;
	const struct nj_sms_message *message;
	uint16_t part; /* from 0 */
};

struct nj_sms_bearer {
	const char *name;
	void *arg;
	/* Answered exactly once by nj_sms_sent, within the call or later. */
	void (*send)(void *arg, struct nj_sms_send *send);
};
void nj_sms_sent(struct nj_sms_centre *centre, struct nj_sms_send *send, const struct nj_sms_outcome *outcome);

/* ---- what it asks its owner ---- */

struct nj_sms_owner {
	void *arg;
	/* The bearer that is to take a message, after `turn` others were not able to; NULL: there is none (more). */
	const struct nj_sms_bearer *(*route)(void *arg, const struct nj_sms_message *message, uint8_t target,
					     unsigned turn);
	/* How many messages of a lane may be under way. */
	uint32_t (*window)(void *arg, uint8_t target, struct nj_view customer, struct nj_view name);
	/* Where a message's receipt goes; false: nowhere. The view is borrowed from the owner. */
	bool (*receipt_target)(void *arg, const struct nj_sms_message *message, uint8_t *out_target,
			       struct nj_view *out_name);
	/* Its state is on disk. May be NULL. */
	void (*on_state)(void *arg, const struct nj_sms_message *message);
};

struct nj_sms_centre_limits {
	uint64_t max_messages; /* that are not final */
	uint64_t max_lane;     /* of one lane */
	uint32_t report_ms;    /* how long an accepted message waits for its end, beyond its validity */
};

/* Reads nothing yet. The owner and the disk outlive it. */
NJ_MUST_USE enum nj_err nj_sms_centre_new(struct nj_reactor *reactor, struct nj_random *random,
					  const struct nj_sms_disk *disk, const struct nj_sms_owner *owner,
					  const struct nj_sms_centre_limits *limits, struct nj_sms_centre **out_centre);
/* What the store holds at start: numbers first, then each lane. NJ_ERR_NO_MEMORY. */
void nj_sms_centre_numbers(struct nj_sms_centre *centre, const struct nj_sms_numbers *numbers);
NJ_MUST_USE enum nj_err nj_sms_centre_lane(struct nj_sms_centre *centre, const struct nj_sms_lane *lane,
					   uint64_t messages);
/* Forgets what is in memory. What is under way at a bearer is not answered any more. */
void nj_sms_centre_free(struct nj_sms_centre *centre);

/* ---- submissions ---- */

struct nj_sms_submission {
	struct nj_sms_message message; /* all but `id`, `lane`, `state`; borrowed for the call. With
					* due_ms: for later, and its target is the number `destination` */
	uint8_t target;                /* enum nj_sms_target */
	struct nj_view name;           /* of the target */
};
struct nj_sms_ticket {
	/* When the message is on disk (NJ_OK, its number), or was refused: NJ_ERR_FULL, NJ_ERR_IO. */
	void (*on_done)(struct nj_sms_ticket *ticket, enum nj_err err, uint64_t id);
};
/* NJ_ERR_LIMIT (a queue is full), NJ_ERR_NO_MEMORY: nothing was taken and the ticket is not called. */
NJ_MUST_USE enum nj_err nj_sms_submit(struct nj_sms_centre *centre, const struct nj_sms_submission *submission,
				      struct nj_sms_ticket *ticket);

/* ---- events ---- */

/* The target can be reached now: its lane is tried at once. */
void nj_sms_centre_ready(struct nj_sms_centre *centre, uint8_t target, struct nj_view customer, struct nj_view name);
/* Takes back groups that have come back. For an owner whose disk has no descriptor. */
void nj_sms_centre_collect(struct nj_sms_centre *centre);

struct nj_sms_counters {
	uint64_t messages; /* in lanes */
	uint64_t scheduled;
	uint64_t lanes;
	uint64_t under_way; /* at bearers */
	uint64_t refused;   /* operations that the disk did not take */
};
struct nj_sms_counters nj_sms_counters_of(const struct nj_sms_centre *centre);

#endif
