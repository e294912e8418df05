/* The tables of messages.db and their statements, for messages.c (writing) and messages_read.c. Only store/sqlite
 * includes this. */
#ifndef NJ_STORE_SQLITE_MESSAGES_H
#define NJ_STORE_SQLITE_MESSAGES_H

#include "store/messages_store.h"
#include "store/sqlite/query.h"

#define SESSION_COLUMNS                                                                              \
	"no, uid, client_id, expiry_s, ends_ms, sent, tail, messages, bytes, discarded, will_head, " \
	"will_expiry_s, will_delay_s, will_due_ms, will"

/* X(name, SQL) */
#define NJ_MESSAGES_STATEMENTS(X)                                                                                     \
	X(SESSION_PUT,                                                                                                \
	  "INSERT INTO sessions(no, uid, client_id, expiry_s, ends_ms, sent, tail, messages, bytes, will_head, "      \
	  "will_expiry_s, will_delay_s, will_due_ms, will) VALUES(?,?,?,?,?,?,0,0,0,?,?,?,?,?) "                      \
	  "ON CONFLICT(no) DO UPDATE SET expiry_s = excluded.expiry_s, ends_ms = excluded.ends_ms, "                  \
	  "sent = max(sent, excluded.sent), will_head = excluded.will_head, "                                         \
	  "will_expiry_s = excluded.will_expiry_s, will_delay_s = excluded.will_delay_s, "                            \
	  "will_due_ms = excluded.will_due_ms, will = excluded.will")                                                 \
	X(SESSION_DROP, "UPDATE sessions SET dropped = 1, will = NULL WHERE no = ?")                                  \
	X(SESSION_DELETE, "DELETE FROM sessions WHERE no = ?")                                                        \
	X(SESSION_TALLY, "UPDATE sessions SET messages = messages + ?2, bytes = bytes + ?3, tail = max(tail, ?4), "   \
			 "discarded = discarded + ?5 WHERE no = ?1")                                                  \
	X(SESSION_EACH, "SELECT " SESSION_COLUMNS " FROM sessions WHERE dropped = 0")                                 \
	X(SESSION_DROPPED, "SELECT no FROM sessions WHERE dropped = 1 LIMIT 1")                                       \
	X(SESSION_LAST, "SELECT coalesce(max(no), 0) FROM sessions")                                                  \
	X(SUBSCRIBE, "INSERT OR REPLACE INTO subscriptions(session, filter, options, id) VALUES(?,?,?,?)")            \
	X(UNSUBSCRIBE, "DELETE FROM subscriptions WHERE session = ? AND filter = ?")                                  \
	X(UNSUBSCRIBE_ALL, "DELETE FROM subscriptions WHERE session = ?")                                             \
	X(SUBSCRIPTION_EACH, "SELECT session, filter, options, id FROM subscriptions ORDER BY session")               \
	X(ENQUEUE, "INSERT INTO queue(key, head, expires_ms, ids, shared, body) VALUES(?,?,?,?,?,?)")                 \
	X(RELEASE, "UPDATE queue SET head = head & 7 | 8, body = NULL, expires_ms = NULL, ids = NULL, shared = NULL " \
		   "WHERE key = ? AND head & 8 = 0")                                                                  \
	X(QUEUE_DROP, "DELETE FROM queue WHERE key > ? AND key <= ?")                                                 \
	X(DEQUEUE, "DELETE FROM queue WHERE key = ?")                                                                 \
	X(QUEUE_PAGE, "SELECT q.key, q.head, q.expires_ms, q.ids, q.shared, coalesce(q.body, b.body) FROM queue q "   \
		      "LEFT JOIN bodies b ON b.id = q.shared WHERE q.key > ? AND q.key <= ? ORDER BY q.key")          \
	X(QUEUE_OLDEST, "SELECT q.key, q.shared, coalesce(length(q.body), (SELECT length(b.body) FROM bodies b "      \
			"WHERE b.id = q.shared)) FROM queue q WHERE q.key > ? AND q.key <= ? ORDER BY q.key")         \
	X(BODY_PUT, "INSERT OR IGNORE INTO bodies(id, refs, body) VALUES(?,0,?)")                                     \
	X(BODY_TALLY, "UPDATE bodies SET refs = refs + ?2 WHERE id = ?1")                                             \
	X(BODY_DELETE, "DELETE FROM bodies WHERE id = ? AND refs <= 0")                                               \
	X(BODY_LAST, "SELECT coalesce(max(id), 0) FROM bodies")                                                       \
	X(RECEIVE, "INSERT OR IGNORE INTO received(key) VALUES(?)")                                                   \
	X(FORGET, "DELETE FROM received WHERE key = ?")                                                               \
	X(FORGET_ALL, "DELETE FROM received WHERE key >= ? AND key <= ?")                                             \
	X(RECEIVED_EACH, "SELECT key FROM received")                                                                  \
	X(RETAIN, "INSERT OR REPLACE INTO retained(customer, topic, head, expires_ms, body) VALUES(?,?,?,?,?)")       \
	X(UNRETAIN, "DELETE FROM retained WHERE customer = ? AND topic = ?")                                          \
	X(RETAINED_EACH, "SELECT customer, topic, head, expires_ms, body FROM retained")

enum nj_messages_statement {
#define STATEMENT_ENUM(name, text) NJ_SQL_##name,
	NJ_MESSAGES_STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
	    NJ_SQL_MESSAGES_COUNT
};

/* What a transaction has changed about one session's counters, or one shared body's references. */
struct nj_messages_tally {
	uint64_t key; /* session number, or shared number with the top bit set; 0: free */
	int64_t count;
	int64_t bytes;
	uint64_t tail;
	uint64_t discarded;
};

struct nj_messages_store {
	struct nj_db *db;
	struct nj_messages_tally *tallies; /* open addressing; a power of two */
	size_t tally_cap, tally_count;
	bool dropped; /* sessions, since the last purge */
};

/* Flags and lengths of a row in one integer: 8 bits, the topic's 16, the properties' 28. */
static inline uint64_t nj_messages_head(uint8_t flags, const struct nj_messages_body *body)
{
	return flags | (uint64_t)body->topic_bytes << 8 | (uint64_t)body->properties_bytes << 24;
}
/* False when the lengths are not those of a body of `len` bytes. */
bool nj_messages_unhead(uint64_t head, struct nj_view bytes, uint8_t *out_flags, struct nj_messages_body *out_body);

static inline uint64_t nj_messages_key(uint32_t session, uint64_t position)
{
	return (uint64_t)session << NJ_MESSAGES_POSITION_BITS | position;
}

/* Counts a change; NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_messages_tally_add(struct nj_messages_store *store, uint64_t key, int64_t count,
					      int64_t bytes, uint64_t tail);
#define NJ_MESSAGES_TALLY_SHARED (UINT64_C(1) << 63)
/* Counts messages of a session as discarded. */
NJ_MUST_USE enum nj_err nj_messages_tally_discarded(struct nj_messages_store *store, uint32_t session, uint64_t count);

/* Removes one row, with what hangs on it, and counts that. */
NJ_MUST_USE enum nj_err nj_messages_remove_row(struct nj_messages_store *store, uint64_t key, uint64_t body_bytes,
					       uint64_t shared);
/* Removes the oldest rows of a session for want of room, as an NJ_MESSAGES_TRIM asks. */
NJ_MUST_USE enum nj_err nj_messages_trim(struct nj_messages_store *store, const struct nj_messages_op *op);

/* NULL stands for 0 and for nothing, as rows are smaller so. */
void nj_messages_bind_some(struct nj_query *q, uint64_t value);
void nj_messages_bind_bytes(struct nj_query *q, const void *data, size_t len);
uint64_t nj_messages_col_some(struct nj_query *q);
struct nj_view nj_messages_col_bytes(struct nj_query *q);

#endif
