/*
 * What the centre's files share: records of operations on their way to disk, lanes, and messages in memory. Included in
 * src/sms/centre alone; one reactor's thread.
 */
#ifndef NJ_SMS_CENTRE_STATE_H
#define NJ_SMS_CENTRE_STATE_H

#include "base/map.h"
#include "sms/centre/centre.h"

#define NJ_SMS_LANE_ROWS 16 /* of a lane, in memory */

struct nj_sms_queue;

/* A message of a lane in memory. */
struct nj_sms_held {
	struct nj_list link; /* in its lane, in order */
	struct nj_sms_queue *queue;
	struct nj_sms_row *row;
	struct nj_sms_send send;
	const struct nj_sms_bearer *bearer; /* that has the part */
	unsigned turn;                      /* bearers that were asked */
	struct nj_sms_record *record;       /* for its outcome: it must not fail for want of memory */
	bool sending;                       /* at the bearer */
	bool settling;                      /* its outcome is on its way to disk */
};

/* A lane. */
struct nj_sms_queue {
	struct nj_sms_centre *centre;
	struct nj_sms_lane lane; /* its views are of `key` */
	struct nj_timer timer;
	struct nj_list held;
	uint64_t count;    /* of messages, with those on their way to disk */
	uint64_t landed;   /* of them, on disk */
	uint32_t loaded;   /* in memory */
	uint64_t read_id;  /* what is behind it is not in memory */
	uint64_t rests_ms; /* Unix: nothing is done before; 0: it does not rest */
	uint32_t under_way;
	uint32_t records; /* of it, on their way */
	bool asking;      /* for more */
	bool known;       /* its row is on disk, or on its way */
	struct nj_sms_ask ask;
	size_t key_bytes;
	uint8_t key[]; /* target, customer, zero, name */
};

/* An operation on its way. */
struct nj_sms_record {
	struct nj_sms_op op;
	struct nj_sms_change change;
	struct nj_sms_lane lane;
	struct nj_sms_row *row;       /* of a message that is put */
	struct nj_sms_queue *queue;   /* that it concerns */
	struct nj_sms_held *held;     /* whose outcome it is */
	struct nj_sms_ticket *ticket; /* who waits */
	char name[NJ_SMS_REF_MAX];    /* of a part at its bearer */
};

struct nj_sms_centre {
	struct nj_reactor *reactor;
	struct nj_sms_disk disk;
	struct nj_sms_owner owner;
	struct nj_sms_centre_limits limits;
	struct nj_map queues;
	uint64_t last_message;
	uint32_t last_lane;
	uint64_t messages; /* in all lanes */
	uint64_t scheduled;
	uint64_t under_way;
	uint64_t refused;
	/* the journal */
	struct nj_io io;
	struct nj_timer commit;
	struct nj_sms_group group; /* under way */
	bool out;
	struct nj_list open;  /* records for the next one */
	struct nj_list retry; /* that must get to disk, and did not */
	struct nj_list asks;
	bool troubled;
	/* the schedule */
	struct nj_timer wake;
	struct nj_sms_ask due;
	bool waking;
	uint64_t wake_ms; /* Unix: the first that is known of; UINT64_MAX: none */
};

/* journal.c */
NJ_MUST_USE enum nj_err nj_sms_journal_open(struct nj_sms_centre *centre);
void nj_sms_journal_close(struct nj_sms_centre *centre);
/* A record of this type; NULL without memory. */
struct nj_sms_record *nj_sms_record_new(enum nj_sms_op_type type, struct nj_sms_queue *queue);
void nj_sms_record_free(struct nj_sms_record *record);
/* To disk with the next group. */
void nj_sms_record_add(struct nj_sms_centre *centre, struct nj_sms_record *record);
void nj_sms_ask_add(struct nj_sms_centre *centre, struct nj_sms_ask *ask);

/* What came back: submit.c, deliver.c, queue.c, schedule.c. Records are freed after it. */
void nj_sms_put_done(struct nj_sms_centre *centre, struct nj_sms_record *record, enum nj_err err);
void nj_sms_outcome_done(struct nj_sms_centre *centre, struct nj_sms_record *record, enum nj_err err);
void nj_sms_queue_answered(struct nj_sms_queue *queue);
void nj_sms_schedule_answered(struct nj_sms_centre *centre);

/* queue.c */
/* The lane of a target, made where there is none; NULL without memory. */
struct nj_sms_queue *nj_sms_queue_of(struct nj_sms_centre *centre, uint8_t target, struct nj_view customer,
				     struct nj_view name, bool make);
struct nj_sms_queue *nj_sms_queue_restore(struct nj_sms_centre *centre, const struct nj_sms_lane *lane,
					  uint64_t messages);
void nj_sms_queue_free(struct nj_sms_queue *queue);
/* Writes the lane's row, with its time and tries. False without memory. */
bool nj_sms_queue_write(struct nj_sms_queue *queue);
/* A message that is on disk now. Takes the row over. */
void nj_sms_queue_landed(struct nj_sms_queue *queue, struct nj_sms_row *row);
/* Sends what may go, asks for what is not in memory, or waits. */
void nj_sms_queue_advance(struct nj_sms_queue *queue);
/* It does not stand in the lane any more. */
void nj_sms_held_gone(struct nj_sms_held *held);

/* deliver.c: false without memory */
bool nj_sms_attempt(struct nj_sms_held *held);
bool nj_sms_expire(struct nj_sms_held *held);

/* submit.c */
uint64_t nj_sms_now_ms(const struct nj_sms_centre *centre);
/* A receipt for a message that has ended, in the same group; nothing when nobody asked. */
void nj_sms_receipt(struct nj_sms_centre *centre, const struct nj_sms_message *message,
		    const struct nj_sms_change *change);

/* schedule.c */
void nj_sms_schedule_note(struct nj_sms_centre *centre, uint64_t due_ms);
void nj_sms_schedule_init(struct nj_sms_centre *centre);

#endif
