/* The tables of sms.db and their statements, for sms.c (writing), sms_read.c and sms_tidy.c. Only store/sqlite includes
 * this. */
#ifndef NJ_STORE_SQLITE_SMS_H
#define NJ_STORE_SQLITE_SMS_H

#include <stdatomic.h>

#include "store/sms_store.h"
#include "store/sqlite/query.h"

#define NJ_SMS_COLUMNS                                                                                         \
	"id, lane, kind, state, flags, parts, parts_done, tries, cause, about, campaign, created_ms, due_ms, " \
	"expires_ms, changed_ms, customer, account, source, destination, bearer, options, body"

/* X(name, SQL) */
#define NJ_SMS_STATEMENTS(X)                                                                                           \
	X(MESSAGE_PUT, "INSERT INTO messages(" NJ_SMS_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)") \
	X(MESSAGE_CHANGE, "UPDATE messages SET state = ?2, parts_done = ?3, tries = ?4, cause = ?5, "                  \
			  "changed_ms = ?6, bearer = ?7 WHERE id = ?1 AND state IN (0, 1, 6)")                         \
	X(MESSAGE_FINISH, "UPDATE messages SET state = ?2, parts_done = ?3, tries = ?4, cause = ?5, "                  \
			  "changed_ms = ?6, bearer = ?7, lane = 0 WHERE id = ?1 AND state IN (0, 1, 6)")               \
	X(MESSAGE_WAIT, "UPDATE messages SET state = ?2, parts_done = ?3, tries = ?4, cause = ?5, "                    \
			"changed_ms = ?6, bearer = ?7, lane = 0, due_ms = ?8 WHERE id = ?1 AND state IN (1, 6)")       \
	X(MESSAGE_ENTER, "UPDATE messages SET lane = ?2, state = 1 WHERE id = ?1 AND lane = 0 AND state = 0")          \
	X(MESSAGE_REPLACE, "UPDATE messages SET flags = ?2, due_ms = ?3, expires_ms = ?4, options = ?5, "              \
			   "body = ?6, parts = ?7 WHERE id = ?1 AND state IN (0, 1)")                                  \
	X(MESSAGE_ONE, "SELECT " NJ_SMS_COLUMNS " FROM messages WHERE id = ?")                                         \
	X(MESSAGE_LIST, "SELECT " NJ_SMS_COLUMNS " FROM messages WHERE id < ? ORDER BY id DESC")                       \
	X(MESSAGE_LAST, "SELECT coalesce(max(id), 0) FROM messages")                                                   \
	X(MESSAGE_OLD, "SELECT id FROM messages WHERE state NOT IN (0, 1, 6) AND changed_ms < ?1 "                     \
		       "ORDER BY changed_ms LIMIT ?2")                                                                 \
	X(MESSAGE_DELETE, "DELETE FROM messages WHERE id = ?")                                                         \
	X(QUEUE_PUT, "INSERT INTO queue(lane, id) VALUES(?,?)")                                                        \
	X(QUEUE_DROP, "DELETE FROM queue WHERE lane = ? AND id = ?")                                                   \
	X(QUEUE_PAGE, "SELECT " NJ_SMS_COLUMNS " FROM messages WHERE id IN "                                           \
		      "(SELECT id FROM queue WHERE lane = ?1 AND id > ?2 ORDER BY id LIMIT ?3) ORDER BY id")           \
	X(QUEUE_ANY, "SELECT 1 FROM queue WHERE lane = ? LIMIT 1")                                                     \
	X(SCHEDULE_PUT, "INSERT INTO schedule(due_ms, id) VALUES(?,?)")                                                \
	X(SCHEDULE_DROP, "DELETE FROM schedule WHERE due_ms = (SELECT due_ms FROM messages WHERE id = ?1) "            \
			 "AND id = ?1")                                                                                \
	X(SCHEDULE_PAGE, "SELECT " NJ_SMS_COLUMNS " FROM messages WHERE id IN "                                        \
			 "(SELECT id FROM schedule WHERE due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2) "                  \
			 "ORDER BY due_ms, id")                                                                        \
	X(SCHEDULE_NEXT, "SELECT coalesce(min(due_ms), 0) FROM schedule WHERE due_ms > ?")                             \
	X(SCHEDULE_COUNT, "SELECT count(*), coalesce(min(due_ms), 0) FROM schedule")                                   \
	X(LANE_PUT, "INSERT INTO lanes(no, kind, tries, cause, due_ms, customer, target) VALUES(?,?,?,?,?,?,?) "       \
		    "ON CONFLICT(no) DO UPDATE SET tries = excluded.tries, cause = excluded.cause, "                   \
		    "due_ms = excluded.due_ms")                                                                        \
	X(LANE_DROP, "DELETE FROM lanes WHERE no = ?")                                                                 \
	X(LANE_EACH, "SELECT l.no, l.kind, l.tries, l.cause, l.due_ms, l.customer, l.target, "                         \
		     "coalesce(q.messages, 0) FROM lanes l LEFT JOIN "                                                 \
		     "(SELECT lane, count(*) AS messages FROM queue GROUP BY lane) q ON q.lane = l.no "                \
		     "ORDER BY l.no")                                                                                  \
	X(LANE_LAST, "SELECT coalesce(max(no), 0) FROM lanes")                                                         \
	X(REF_PUT, "INSERT OR REPLACE INTO refs(name, id, part) VALUES(?,?,?)")                                        \
	X(REF_DROP, "DELETE FROM refs WHERE name = ?")                                                                 \
	X(REF_DROP_ALL, "DELETE FROM refs WHERE id = ?")                                                               \
	X(REF_ONE, "SELECT id, part FROM refs WHERE name = ?")                                                         \
	X(KEY_PUT, "INSERT INTO keys(name, id, until_ms) VALUES(?,?,?)")                                               \
	X(KEY_ONE, "SELECT id FROM keys WHERE name = ? AND until_ms > ?")                                              \
	X(KEY_OLD, "DELETE FROM keys WHERE name IN (SELECT name FROM keys WHERE until_ms <= ?1 LIMIT ?2)")             \
	X(NUMBER_GET, "SELECT value FROM numbers WHERE name = ?")                                                      \
	X(NUMBER_PUT, "INSERT OR REPLACE INTO numbers(name, value) VALUES(?,?)")

enum nj_sms_statement {
#define STATEMENT_ENUM(name, text) NJ_SQL_SMS_##name,
	NJ_SMS_STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
	    NJ_SQL_SMS_COUNT
};

struct nj_sms_store {
	struct nj_db *db;
	uint64_t last_message; /* highest numbers that were used, written with the commit that used them */
	uint32_t last_lane;
	bool numbers_changed;
	_Atomic uint64_t keep_since_ms; /* what is older may go; 0: all stays */
	uint64_t tidied_ms;             /* up to where it has gone */
};

#endif
