/* The keeper store's statements by name, shared by the files that run them. Only store/sqlite includes this. */
#ifndef NJ_STORE_SQLITE_KEEPER_H
#define NJ_STORE_SQLITE_KEEPER_H

#include "store/keeper_store.h"
#include "store/sqlite/query.h"

#define NJ_DEVICE_COLUMNS                                                                                           \
	"uid, kind, state, cut_done, epoch, floor, created_ms, revoked_ms, rekeyed_ms, cloned_ms, customer, name, " \
	"profile, sealed_key, sealed_pending, sealed_recovery, sealed_offer, recovery_floor"
#define NJ_TOMBSTONE_COLUMNS "uid, epoch, buried_ms, floor, proven, sealed"

#define NJ_POLICY_COLUMNS "profile, services, plain, grant_ms, source_bits_v4, source_bits_v6, bind, tls12, bind_ms"

/* X(name, SQL). State 3 is NJ_DEVICE_REVOKED: the index of names knows it as a literal. */
#define NJ_KEEPER_STATEMENT_TABLE(X)                                                                                \
	X(DEVICE_INSERT, "INSERT INTO devices(" NJ_DEVICE_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")  \
	X(DEVICE_SET_LIVE, "UPDATE devices SET state = 2 WHERE uid = ? AND state = 1")                              \
	X(DEVICE_DELETE_PENDING, "DELETE FROM devices WHERE uid = ? AND state = 1")                                 \
	X(DEVICE_REVOKE, "UPDATE devices SET state = 3, cut_done = 0, revoked_ms = ?2, sealed_key = x'', "          \
			 "sealed_pending = x'', sealed_recovery = x'', sealed_offer = x'' "                         \
			 "WHERE uid = ?1 AND state <> 3")                                                           \
	X(DEVICE_SET_CUT_DONE, "UPDATE devices SET cut_done = 1 WHERE uid = ? AND state = 3")                       \
	X(DEVICE_RAISE_FLOOR, "UPDATE devices SET floor = ?2 WHERE uid = ?1 AND state = 2 AND floor < ?2")          \
	X(DEVICE_RAISE_RECOVERY,                                                                                    \
	  "UPDATE devices SET recovery_floor = ?2 WHERE uid = ?1 AND state = 2 AND recovery_floor < ?2")            \
	X(DEVICE_AFTER, "SELECT uid FROM devices WHERE uid > ?1 AND state = 2 ORDER BY uid LIMIT ?2")               \
	X(DEVICE_GET, "SELECT " NJ_DEVICE_COLUMNS " FROM devices WHERE uid = ?")                                    \
	X(DEVICE_FIND,                                                                                              \
	  "SELECT " NJ_DEVICE_COLUMNS " FROM devices WHERE customer = ? AND kind = ? AND name = ? AND state <> 3")  \
	X(DEVICE_EACH, "SELECT " NJ_DEVICE_COLUMNS " FROM devices")                                                 \
	X(DEVICE_PEEK, "SELECT uid, state, epoch, floor, recovery_floor FROM devices")                              \
	/* Before recovery keys had a floor. */                                                                     \
	X(DEVICE_PEEK_OLD, "SELECT uid, state, epoch, floor, 0 FROM devices")                                       \
	X(DEVICE_UNSETTLED,                                                                                         \
	  "SELECT " NJ_DEVICE_COLUMNS " FROM devices WHERE state = 1 OR (state = 3 AND cut_done = 0)")              \
	X(DEVICE_PAGE, "SELECT " NJ_DEVICE_COLUMNS " FROM devices WHERE customer = ? AND kind = ? AND name > ? "    \
		       "AND state <> 3 ORDER BY name LIMIT ?")                                                      \
	X(DEVICE_COUNT, "SELECT count(*) FROM devices")                                                             \
	X(DEVICE_EACH_REKEYING, "SELECT " NJ_DEVICE_COLUMNS " FROM devices WHERE sealed_pending <> x''")            \
	X(DEVICE_SET_PENDING,                                                                                       \
	  "UPDATE devices SET sealed_pending = ?2, sealed_offer = ?3 WHERE uid = ?1 AND state = 2")                 \
	X(DEVICE_REKEY, "UPDATE devices SET epoch = epoch + 1, sealed_key = sealed_pending, sealed_pending = x'', " \
			"sealed_offer = x'', "                                                                      \
			"rekeyed_ms = ?3 WHERE uid = ?1 AND epoch = ?2 AND state = 2 AND sealed_pending <> x''")    \
	X(DEVICE_SET_CLONED, "UPDATE devices SET cloned_ms = ?2 WHERE uid = ?1 AND state = 2")                      \
	X(DEVICE_COUNT_CLONED, "SELECT count(*) FROM devices WHERE cloned_ms > 0 AND state = 2")                    \
	X(TOMBSTONE_INSERT, "INSERT INTO tombstones(" NJ_TOMBSTONE_COLUMNS ") VALUES(?,?,?,?,?,?)")                 \
	X(TOMBSTONE_RAISE_FLOOR, "UPDATE tombstones SET floor = ?3 WHERE uid = ?1 AND epoch = ?2 AND floor < ?3")   \
	X(TOMBSTONE_SET_PROVEN, "UPDATE tombstones SET proven = 1 WHERE uid = ? AND proven = 0")                    \
	X(TOMBSTONE_DELETE, "DELETE FROM tombstones WHERE uid = ? AND epoch = ?")                                   \
	X(TOMBSTONE_DELETE_UID, "DELETE FROM tombstones WHERE uid = ?")                                             \
	X(TOMBSTONE_BEFORE,                                                                                         \
	  "SELECT " NJ_TOMBSTONE_COLUMNS " FROM tombstones WHERE buried_ms < ? ORDER BY buried_ms LIMIT ?")         \
	/* From one device that has any to the next, each found by its key: those without cost nothing. */          \
	X(TOMBSTONE_NEWEST,                                                                                         \
	  "WITH RECURSIVE u(uid) AS (SELECT min(uid) FROM tombstones UNION ALL SELECT (SELECT min(x.uid) FROM "     \
	  "tombstones x WHERE x.uid > u.uid) FROM u WHERE u.uid IS NOT NULL) SELECT t.uid, t.epoch, t.buried_ms, "  \
	  "t.floor, t.proven, t.sealed FROM u CROSS JOIN tombstones t WHERE t.uid = u.uid AND t.epoch >= (SELECT "  \
	  "d.epoch FROM devices d WHERE d.uid = u.uid AND d.state = 2) - ?1")                                       \
	X(TOMBSTONE_COUNT, "SELECT count(*) FROM tombstones")                                                       \
	X(HINT_PUT, "INSERT OR IGNORE INTO tombstone_hints(week, hint, owner) VALUES(?,?,?)")                       \
	X(HINT_REMOVE, "DELETE FROM tombstone_hints WHERE week = ? AND hint = ? AND owner = ?")                     \
	X(HINT_FIND, "SELECT owner FROM tombstone_hints WHERE week = ? AND hint = ?")                               \
	X(HINT_OWNER, "SELECT t.uid, t.epoch, t.buried_ms, t.floor, t.proven, t.sealed FROM devices d CROSS JOIN "  \
		      "tombstones t WHERE d.uid >= ?1 AND d.uid <= ?2 AND d.state = 2 AND t.uid = d.uid AND "       \
		      "t.epoch = ?3")                                                                               \
	X(HINT_WALK, "SELECT week, hint, owner FROM tombstone_hints WHERE (week, hint, owner) > (?,?,?) "           \
		     "ORDER BY week, hint, owner LIMIT ?")                                                          \
	X(HINT_DELETE_BEFORE, "DELETE FROM tombstone_hints WHERE (week, hint, owner) IN (SELECT week, hint, owner " \
			      "FROM tombstone_hints WHERE week < ? ORDER BY week, hint, owner LIMIT ?)")            \
	X(TOMBSTONE_GET, "SELECT " NJ_TOMBSTONE_COLUMNS " FROM tombstones WHERE uid = ? AND epoch = ?")             \
	X(TOMBSTONE_EACH, "SELECT " NJ_TOMBSTONE_COLUMNS " FROM tombstones ORDER BY uid, epoch")                    \
	X(TOMBSTONE_RESEAL, "UPDATE tombstones SET sealed = ?3 WHERE uid = ?1 AND epoch = ?2")                      \
	X(POLICY_PUT, "INSERT OR REPLACE INTO policies(" NJ_POLICY_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?)")           \
	X(POLICY_GET, "SELECT " NJ_POLICY_COLUMNS " FROM policies "                                                 \
		      "WHERE profile = ?")                                                                          \
	X(POLICY_EACH, "SELECT " NJ_POLICY_COLUMNS " FROM policies "                                                \
		       "ORDER BY profile")                                                                          \
	X(CERTIFICATE_PUT, "INSERT INTO certificates(serial, uid, not_after_s, revoked_s) VALUES(?,?,?,0)")         \
	X(CERTIFICATE_REVOKE, "UPDATE certificates SET revoked_s = ?2 WHERE serial = ?1 AND revoked_s = 0")         \
	X(CERTIFICATE_REVOKE_UID, "UPDATE certificates SET revoked_s = ?2 WHERE uid = ?1 AND revoked_s = 0")        \
	X(CERTIFICATE_OF,                                                                                           \
	  "SELECT serial, uid, not_after_s, revoked_s FROM certificates WHERE uid = ? ORDER BY serial")             \
	X(CERTIFICATE_REVOKED,                                                                                      \
	  "SELECT serial, uid, not_after_s, revoked_s FROM certificates WHERE revoked_s <> 0 AND "                  \
	  "not_after_s >= ? ORDER BY serial")                                                                       \
	X(CERTIFICATE_REVOKED_LIVE,                                                                                 \
	  "SELECT serial, uid, not_after_s, revoked_s FROM certificates WHERE revoked_s <> 0 AND "                  \
	  "not_after_s >= ? AND EXISTS (SELECT 1 FROM devices WHERE devices.uid = certificates.uid AND state = 2) " \
	  "ORDER BY serial")                                                                                        \
	X(CERTIFICATE_COUNT, "SELECT count(*) FROM certificates WHERE revoked_s = 0 AND not_after_s >= ?")          \
	X(TRUST_PUT, "INSERT OR REPLACE INTO trusts(customer, ca, list) VALUES(?,?,?)")                             \
	X(TRUST_REMOVE, "DELETE FROM trusts WHERE customer = ?")                                                    \
	X(TRUST_GET, "SELECT customer, ca, list FROM trusts WHERE customer = ?")                                    \
	X(TRUST_EACH, "SELECT customer, ca, list FROM trusts ORDER BY customer")                                    \
	X(TRUST_BYTES, "SELECT coalesce(sum(length(ca) + length(list)), 0) FROM trusts WHERE customer <> ?")        \
	X(META_PUT, "INSERT OR REPLACE INTO meta(key, value) VALUES(?,?)")                                          \
	X(META_GET, "SELECT value FROM meta WHERE key = ?")                                                         \
	X(RECORD_PUT, "INSERT OR REPLACE INTO records(id, version, sealed) VALUES(?,?,?)")                          \
	X(RECORD_GET, "SELECT version, sealed FROM records WHERE id = ?")                                           \
	X(RECORD_AT, "SELECT id, version, sealed FROM records ORDER BY id LIMIT 1 OFFSET ?")                        \
	X(DEVICE_RESEAL, "UPDATE devices SET sealed_key = ?2, sealed_pending = ?3, sealed_recovery = ?4, "          \
			 "sealed_offer = ?5 WHERE uid = ?1")                                                        \
	X(RESTORED_RAISE,                                                                                           \
	  "UPDATE devices SET floor = min(floor, 9223372036854775807 - ?1) + ?1, recovery_floor = "                 \
	  "min(recovery_floor, 9223372036854775807 - 16) + min(?1, 16), sealed_offer = x'' WHERE state = 2")        \
	X(RESTORED_MARK, "INSERT OR IGNORE INTO restored(uid) SELECT uid FROM devices WHERE state = 2")             \
	X(RESTORED_CLEAR, "DELETE FROM restored WHERE uid = ?")                                                     \
	X(RESTORED_AFTER, "SELECT uid FROM restored WHERE uid > ?1 ORDER BY uid LIMIT ?2")                          \
	X(RESTORED_HAS, "SELECT count(*) FROM restored WHERE uid = ?")                                              \
	X(RESTORED_EACH, "SELECT uid FROM restored")                                                                \
	X(RESTORED_COUNT, "SELECT count(*) FROM restored")                                                          \
	X(SLOT_PUT, "INSERT INTO slots(kind, key_check, sealed, params) VALUES(?,?,?,?)")                           \
	X(SLOT_REMOVE, "DELETE FROM slots WHERE id = ?")                                                            \
	X(SLOT_EACH, "SELECT id, kind, key_check, sealed, params FROM slots ORDER BY id")                           \
	X(AUDIT_APPEND, "INSERT INTO audit(seq, time_ms, event, customer, subject, source, detail, hash) "          \
			"VALUES(?,?,?,?,?,?,?,?)")                                                                  \
	X(AUDIT_AFTER, "SELECT seq, time_ms, event, customer, subject, source, detail, hash FROM audit "            \
		       "WHERE seq > ? ORDER BY seq LIMIT ?")                                                        \
	X(AUDIT_BEFORE, "SELECT seq, time_ms, event, customer, subject, source, detail, hash FROM audit "           \
			"WHERE seq < ? ORDER BY seq DESC LIMIT ?")                                                  \
	X(CHECKPOINT_APPEND, "INSERT INTO audit_checkpoints(seq, previous_seq, time_ms, hash, signature) "          \
			     "VALUES(?,?,?,?,?)")                                                                   \
	X(CHECKPOINT_AFTER, "SELECT seq, previous_seq, time_ms, hash, signature FROM audit_checkpoints "            \
			    "WHERE seq > ? ORDER BY seq LIMIT 1")                                                   \
	X(HEAD_PUT, "INSERT OR REPLACE INTO audit_head(id, seq, checkpoint_seq, hash, mac) VALUES(1,?,?,?,?)")      \
	X(HEAD_GET, "SELECT seq, checkpoint_seq, hash, mac FROM audit_head WHERE id = 1")

enum nj_keeper_statement {
#define NJ_KEEPER_STATEMENT_ENUM(name, text) NJ_KEEPER_##name,
	NJ_KEEPER_STATEMENT_TABLE(NJ_KEEPER_STATEMENT_ENUM)
#undef NJ_KEEPER_STATEMENT_ENUM
	    NJ_KEEPER_STATEMENT_COUNT
};

struct nj_keeper_store {
	struct nj_db *db;
};

#endif
