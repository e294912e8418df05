#include "store/sqlite/keeper.h"
#include "store/copy.h"
#include "store/sqlite/copy.h"

/* "NJkp" */
#define APPLICATION_ID 0x4e4a6b70

static const char *const migrations[] = {
	"CREATE TABLE devices("
	"  uid BLOB PRIMARY KEY CHECK(length(uid) = 16),"
	"  kind INTEGER NOT NULL,"
	"  state INTEGER NOT NULL CHECK(state BETWEEN 1 AND 3),"
	"  cut_done INTEGER NOT NULL,"
	"  epoch INTEGER NOT NULL,"
	"  floor INTEGER NOT NULL,"
	"  created_ms INTEGER NOT NULL,"
	"  revoked_ms INTEGER NOT NULL,"
	"  customer TEXT NOT NULL,"
	"  name TEXT NOT NULL,"
	"  profile TEXT NOT NULL,"
	"  sealed_key BLOB NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX devices_by_name ON devices(customer, kind, name) WHERE state <> 3;"
	"CREATE TABLE policies("
	"  profile TEXT PRIMARY KEY,"
	"  services INTEGER NOT NULL,"
	"  plain INTEGER NOT NULL,"
	"  grant_ms INTEGER NOT NULL,"
	"  source_bits_v4 INTEGER NOT NULL,"
	"  source_bits_v6 INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE records(id TEXT PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;"
	"CREATE TABLE slots("
	"  id INTEGER PRIMARY KEY,"
	"  kind INTEGER NOT NULL,"
	"  key_check BLOB NOT NULL,"
	"  sealed BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE audit("
	"  seq INTEGER PRIMARY KEY,"
	"  time_ms INTEGER NOT NULL,"
	"  event TEXT NOT NULL,"
	"  customer TEXT NOT NULL,"
	"  subject TEXT NOT NULL,"
	"  source TEXT NOT NULL,"
	"  detail TEXT NOT NULL,"
	"  hash BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE audit_checkpoints("
	"  seq INTEGER PRIMARY KEY,"
	"  previous_seq INTEGER NOT NULL,"
	"  time_ms INTEGER NOT NULL,"
	"  hash BLOB NOT NULL,"
	"  signature BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE audit_head("
	"  id INTEGER PRIMARY KEY CHECK(id = 1),"
	"  seq INTEGER NOT NULL,"
	"  checkpoint_seq INTEGER NOT NULL,"
	"  hash BLOB NOT NULL,"
	"  mac BLOB NOT NULL"
	") STRICT;",
	"ALTER TABLE slots ADD COLUMN params BLOB NOT NULL DEFAULT x'';",
	/* Bindings by profile, and the certificates of the built-in CA. */
	"ALTER TABLE policies ADD COLUMN bind INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE policies ADD COLUMN tls12 INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE certificates("
	"  serial TEXT PRIMARY KEY,"
	"  uid BLOB NOT NULL CHECK(length(uid) = 16),"
	"  not_after_s INTEGER NOT NULL,"
	"  revoked_s INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX certificates_by_uid ON certificates(uid);"
	"CREATE TABLE trusts("
	"  customer TEXT PRIMARY KEY,"
	"  ca TEXT NOT NULL,"
	"  list TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;",
	"CREATE TABLE restored(uid BLOB PRIMARY KEY CHECK(length(uid) = 16)) STRICT, WITHOUT ROWID;",
	/* continuous keys: the key that is pending, the recovery key, and what is left of replaced keys */
	"ALTER TABLE devices ADD COLUMN rekeyed_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE devices ADD COLUMN cloned_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE devices ADD COLUMN sealed_pending BLOB NOT NULL DEFAULT x'';"
	"ALTER TABLE devices ADD COLUMN sealed_recovery BLOB NOT NULL DEFAULT x'';"
	"CREATE INDEX devices_cloned ON devices(cloned_ms) WHERE cloned_ms > 0;"
	"CREATE INDEX devices_pending ON devices(uid) WHERE sealed_pending <> x'';"
	"CREATE TABLE tombstones("
	"  uid BLOB NOT NULL CHECK(length(uid) = 16),"
	"  epoch INTEGER NOT NULL,"
	"  buried_ms INTEGER NOT NULL,"
	"  floor INTEGER NOT NULL,"
	"  proven INTEGER NOT NULL,"
	"  sealed BLOB NOT NULL,"
	"  PRIMARY KEY(uid, epoch)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX tombstones_by_age ON tombstones(buried_ms);",
	"ALTER TABLE policies ADD COLUMN bind_ms INTEGER NOT NULL DEFAULT 0;",
	/* Tombstones found by their hints, without all of them in memory. */
	"CREATE TABLE tombstone_hints("
	"  week INTEGER NOT NULL,"
	"  hint BLOB NOT NULL,"
	"  owner BLOB NOT NULL,"
	"  PRIMARY KEY(week, hint, owner)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX tombstones_unproven ON tombstones(uid) WHERE proven = 0;",
	/* recovery: the recovery key's own floor, and what its session has offered */
	("ALTER TABLE devices ADD COLUMN sealed_offer BLOB NOT NULL DEFAULT x'';"
	 "ALTER TABLE devices ADD COLUMN recovery_floor INTEGER NOT NULL DEFAULT 0;"),
};

static const char *const statements[] = {
#define STATEMENT(name, text) text,
	NJ_KEEPER_STATEMENT_TABLE(STATEMENT)
#undef STATEMENT
};

static const struct nj_db_schema schema = {
	.what = "the keeper's store",
	.application_id = APPLICATION_ID,
	.count = sizeof(migrations) / sizeof(migrations[0]),
	.migrations = migrations,
	.statement_count = NJ_KEEPER_STATEMENT_COUNT,
	.statements = statements,
};

enum nj_err nj_keeper_store_open(const char *path, enum nj_store_mode mode, struct nj_keeper_store **out_store,
				 struct nj_why *why)
{
	struct nj_keeper_store *store = calloc(1, sizeof(*store));
	enum nj_err err;

	if (store == NULL)
		return NJ_ERR_NO_MEMORY;
	err = nj_db_open(path, mode, &schema, &store->db, why);
	if (err != NJ_OK) {
		free(store);
		return err;
	}
	*out_store = store;
	return NJ_OK;
}

void nj_keeper_store_close(struct nj_keeper_store *store)
{
	if (store == NULL)
		return;
	nj_db_close(store->db);
	free(store);
}

enum nj_err nj_keeper_store_copy(struct nj_keeper_store *store, struct nj_store_copy **out_copy, struct nj_why *why)
{
	return nj_db_copy(store->db, out_copy, why);
}

enum nj_err nj_keeper_store_begin(struct nj_keeper_store *store)
{
	return nj_db_begin(store->db);
}

enum nj_err nj_keeper_store_commit(struct nj_keeper_store *store)
{
	return nj_db_commit(store->db);
}

void nj_keeper_store_rollback(struct nj_keeper_store *store)
{
	nj_db_rollback(store->db);
}

enum nj_err nj_keeper_store_meta_put(struct nj_keeper_store *store, const char *key, const char *value)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_META_PUT);

	nj_bind_text(&q, key);
	nj_bind_text(&q, value);
	return nj_query_run(&q);
}

enum nj_err nj_keeper_store_meta_get(struct nj_keeper_store *store, const char *key, char *out_value, size_t out_bytes)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_META_GET);
	const char *value;

	nj_bind_text(&q, key);
	NJ_TRY(nj_query_next(&q));
	value = nj_col_str(&q);
	NJ_TRY(nj_col_end(&q));
	if (strlen(value) >= out_bytes)
		return NJ_ERR_TOO_LARGE;
	return nj_text_copy(out_value, out_bytes, value);
}
