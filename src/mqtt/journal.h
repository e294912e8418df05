/*
 * The broker's side of durability: what is to be on disk, gathered and handed to the committer in groups, one at a
 * time. An operation that nobody can make needless leaves soon; one whose receiver may acknowledge the message any
 * moment waits a little, and is dropped when it does: what every receiver has acknowledged need not be written
 * (elision). What a failed group asked for is refused, or, where it cannot be (an acknowledgement that came, the end of
 * a session), asked for again until there is room.
 * Included in src/mqtt alone. Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_JOURNAL_H
#define NJ_MQTT_JOURNAL_H

#include "mqtt/durable.h"
#include "mqtt/pledge.h"

struct nj_mqtt_record {
	struct nj_messages_op op;
	struct nj_mqtt_journal *home; /* whose it is, though another may have it written */
	struct nj_post post;          /* brings it home */
	enum nj_err result;
	struct nj_list by_session;         /* the session's records that are open or under way */
	struct nj_mqtt_session *session;   /* NULL: none, or it is gone */
	struct nj_mqtt_delivery *delivery; /* that it is about; NULL: not in memory */
	struct nj_mqtt_pledge *pledge;     /* a hold on it; NULL: none */
	struct nj_mqtt_pledge *ahead;    /* whose group may leave when this is on disk, and a hold on it; NULL: none */
	struct nj_mqtt_message *message; /* whose bytes it lends; a reference */
	struct nj_messages_session row;  /* SESSION_PUT's, filled when it is handed over */
	uint64_t due_ms;
	uint32_t counted_bytes; /* against the memory ceiling */
	bool handed_over;       /* or gathered: it cannot be taken back */
	bool gathered;          /* into a group that several brokers fill */
	bool discarded;         /* it is over, and was never sent, for want of room */
	bool over;              /* the session's counters do not count its message any more */
	bool sure;              /* it cannot be refused */
};

/* A page of a session's queue on its way. */
struct nj_mqtt_page {
	struct nj_messages_page page;
	struct nj_mqtt_session *session; /* NULL: it is not wanted any more */
};

struct nj_mqtt_journal {
	struct nj_mqtt_broker *broker;
	struct nj_mqtt_durable durable;
	struct nj_io io;
	struct nj_timer due;
	uint64_t due_ms;        /* for which the timer is set; UINT64_MAX: it is not */
	struct nj_list urgent;  /* records, in order */
	struct nj_list patient; /* records, in order of due_ms */
	struct nj_list last;    /* records that go at the end of the next group */
	struct nj_list retry;   /* sure records of groups that failed, in order */
	struct nj_list pages;
	uint64_t retry_ms;
	struct nj_messages_group group; /* under way */
	bool under_way;
	bool troubled;                 /* the last group failed */
	bool retried;                  /* it was one of sure records alone */
	struct nj_mqtt_pledge *pledge; /* of the message that is being routed; NULL: it needs none */
	bool together;                 /* all of that message's records are one group */
	const struct nj_mqtt_message
	    *kept_last; /* what was kept last, for how many, and its number where it is shared */
	uint32_t kept_times;
	uint64_t kept_shared;
	uint32_t taken, full; /* sessions that kept the message that is being routed, and that had no room */
	uint64_t refused;     /* records */
};

/* `durable` is copied. */
NJ_MUST_USE enum nj_err nj_mqtt_journal_new(struct nj_mqtt_broker *broker, const struct nj_mqtt_durable *durable,
					    struct nj_mqtt_journal **out_journal);
/* What is open is forgotten; nothing may be under way. */
void nj_mqtt_journal_free(struct nj_mqtt_journal *journal);
/* Takes groups that have come back. */
void nj_mqtt_journal_collect(struct nj_mqtt_journal *journal);
/* Hands over all there is, whatever is due; true while something is open or under way. */
bool nj_mqtt_journal_flush(struct nj_mqtt_journal *journal);

/* A record with room for `more_bytes` behind it, counted against the memory ceiling; NULL without room. `session` may
 * be NULL. */
struct nj_mqtt_record *nj_mqtt_record_new(struct nj_mqtt_journal *journal, enum nj_messages_op_type type,
					  struct nj_mqtt_session *session, size_t more_bytes);
void *nj_mqtt_record_more(struct nj_mqtt_record *record);
/* Lends it a message's bytes, and a reference to it. */
void nj_mqtt_record_carry(struct nj_mqtt_record *record, struct nj_mqtt_message *message);
/* Opens it. `wait_ms` 0: nobody can make it needless. */
void nj_mqtt_record_open(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, uint32_t wait_ms);
/* The same for what belongs to the message that is being routed: with QoS 2 it goes into that message's group. */
void nj_mqtt_record_gather(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, uint32_t wait_ms);
/* Opens it at once, before the group of the message that is being routed: that one may be written by another broker,
 * and leaves when this is on disk. Where the message has no group it is opened alone. */
void nj_mqtt_record_open_ahead(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record);
/* Frees the records of a group that is not to be opened any more, as all is taken down. */
void nj_mqtt_journal_forget_unit(struct nj_mqtt_broker *broker, struct nj_mqtt_pledge *pledge);
/* Opens the records of a group, whoever gathered them; `refused`: gives them back as failed instead. */
void nj_mqtt_journal_open_unit(struct nj_mqtt_journal *journal, struct nj_list *unit, bool refused);
/* Opens it for the end of the next group. */
void nj_mqtt_record_open_last(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record);
/* An open record that was to wait does so no more. */
void nj_mqtt_record_hurry(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record);
/* Takes back an open record: what it pledged is kept without it. */
void nj_mqtt_record_elide(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record);
void nj_mqtt_page_ask(struct nj_mqtt_journal *journal, struct nj_mqtt_page *page);

/* The end of a broker, in two steps, as one's journal may hold records of another's sessions: nobody is answered any
 * more; then the journal goes, and what is on disk stays there (`broker` may be NULL). */
void nj_mqtt_broker_hush(struct nj_mqtt_broker *broker);
void nj_mqtt_broker_close_journal(struct nj_mqtt_broker *broker);

/* Unix time of a moment of the reactor's clock, and back (0 where it has passed); 0 is never. */
uint64_t nj_mqtt_wall_of(const struct nj_mqtt_broker *broker, uint64_t boot_ms);
uint64_t nj_mqtt_boot_of(const struct nj_mqtt_broker *broker, uint64_t wall_ms);

/* keep.c: what a record or a page that came back means. */
void nj_mqtt_record_done(struct nj_mqtt_record *record, enum nj_err err);
void nj_mqtt_page_done(struct nj_mqtt_page *page);
/* A session's row, and what its queue has too much, as the session is now. */
void nj_mqtt_record_fill_row(struct nj_mqtt_record *record);
void nj_mqtt_record_fill_trim(struct nj_mqtt_record *record);

#endif
