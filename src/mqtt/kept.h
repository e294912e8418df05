/*
 * What a broker remembers of what a lasting session has in the store: counts and positions, no messages; what is done
 * with it is in keep.h. Included in src/mqtt alone. Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_KEPT_H
#define NJ_MQTT_KEPT_H

#include "base/list.h"
#include "net/reactor.h"

struct nj_mqtt_page;
struct nj_mqtt_record;
struct nj_mqtt_session;

struct nj_mqtt_held {
	uint64_t messages, bytes;
};

/* What keep.h has of a session that lasts. */
struct nj_mqtt_keep {
	struct nj_mqtt_session *session;
	uint32_t no;                 /* in the store; 0: the session does not last */
	uint32_t answer_ms;          /* eight times what acknowledgements took of late */
	uint64_t tail;               /* the highest position */
	uint64_t sent;               /* the highest that was sent */
	uint64_t doubtful;           /* positions up to this may have been sent before a crash */
	uint64_t passed;             /* the highest that is over, sent or not */
	uint64_t window_last;        /* what is in memory goes up to this position */
	uint64_t tail_asked;         /* when the page that is on its way was asked for */
	uint64_t messages, bytes;    /* in the queue, on disk or on their way there */
	uint64_t owes;               /* bytes that must go, as a ceiling of many was passed */
	struct nj_mqtt_held held;    /* sent and not acknowledged when the client went */
	uint64_t ends_ms;            /* Unix; 0: its client is connected */
	uint64_t will_due_ms;        /* Unix; 0: likewise */
	bool row_stored;             /* the session's own is on disk */
	bool waits_for_row;          /* that is on its way to the disk; then it is read on */
	bool replays_again;          /* some of its subscriptions do */
	bool behind;                 /* the queue goes on behind the window */
	struct nj_mqtt_page *page;   /* on its way; NULL: none */
	struct nj_mqtt_record *trim; /* open; NULL: none */
	struct nj_list records;      /* of the journal, that are about it */
	struct nj_timer again;
};

#endif
