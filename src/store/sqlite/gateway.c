#include "store/copy.h"
#include "store/gateway_store.h"

#include "store/sqlite/copy.h"
#include "store/sqlite/query.h"

/* "NJgw" */
#define APPLICATION_ID 0x4e4a6777

static const char *const migrations[] = {
	"CREATE TABLE customers(name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE profiles("
	"  name TEXT PRIMARY KEY,"
	"  services INTEGER NOT NULL,"
	"  plain INTEGER NOT NULL,"
	"  grant_ms INTEGER NOT NULL,"
	"  version INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE rules("
	"  profile TEXT NOT NULL REFERENCES profiles(name),"
	"  position INTEGER NOT NULL,"
	"  direction INTEGER NOT NULL,"
	"  deny INTEGER NOT NULL,"
	"  pattern TEXT NOT NULL,"
	"  PRIMARY KEY(profile, position)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE parties("
	"  uid BLOB PRIMARY KEY CHECK(length(uid) = 16),"
	"  kind INTEGER NOT NULL,"
	"  customer TEXT NOT NULL REFERENCES customers(name),"
	"  name TEXT NOT NULL,"
	"  profile TEXT NOT NULL REFERENCES profiles(name),"
	"  created_ms INTEGER NOT NULL,"
	"  revoked_ms INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX parties_by_name ON parties(customer, kind, name) WHERE revoked_ms = 0;",
	/* What each party's TLS offered and agreed. */
	"CREATE TABLE tls("
	"  uid BLOB PRIMARY KEY CHECK(length(uid) = 16),"
	"  seen_ms INTEGER NOT NULL,"
	"  version TEXT NOT NULL,"
	"  cipher TEXT NOT NULL,"
	"  agreed_group TEXT NOT NULL,"
	"  proof TEXT NOT NULL,"
	"  offer BLOB NOT NULL"
	") STRICT, WITHOUT ROWID;",
	/* Topic contracts. */
	"ALTER TABLE rules ADD COLUMN contract TEXT NOT NULL DEFAULT '';",
};

#define PARTY_COLUMNS "uid, kind, customer, name, profile, created_ms, revoked_ms"

/* X(name, SQL) */
#define STATEMENT_TABLE(X)                                                                                             \
	X(CUSTOMER_INSERT, "INSERT INTO customers(name, created_ms) VALUES(?,?)")                                      \
	X(CUSTOMER_EACH, "SELECT name, created_ms FROM customers")                                                     \
	X(PROFILE_PUT, "INSERT INTO profiles(name, services, plain, grant_ms, version) VALUES(?,?,?,?,?) "             \
		       "ON CONFLICT(name) DO UPDATE SET services = excluded.services, plain = excluded.plain, "        \
		       "grant_ms = excluded.grant_ms, version = excluded.version")                                     \
	X(PROFILE_EACH, "SELECT name, services, plain, grant_ms, version FROM profiles")                               \
	X(RULES_DELETE, "DELETE FROM rules WHERE profile = ?")                                                         \
	X(RULE_INSERT, "INSERT INTO rules(profile, position, direction, deny, pattern, contract) VALUES(?,?,?,?,?,?)") \
	X(RULES_OF, "SELECT direction, deny, pattern, contract FROM rules WHERE profile = ? ORDER BY position")        \
	X(PARTY_INSERT, "INSERT INTO parties(" PARTY_COLUMNS ") VALUES(?,?,?,?,?,?,?)")                                \
	X(PARTY_REVOKE, "UPDATE parties SET revoked_ms = ?2 WHERE uid = ?1 AND revoked_ms = 0")                        \
	X(TLS_PUT, "INSERT INTO tls(uid, seen_ms, version, cipher, agreed_group, proof, offer) VALUES(?,?,?,?,?,?,?) " \
		   "ON CONFLICT(uid) DO UPDATE SET seen_ms = excluded.seen_ms, version = excluded.version, "           \
		   "cipher = excluded.cipher, agreed_group = excluded.agreed_group, proof = excluded.proof, "          \
		   "offer = excluded.offer WHERE seen_ms + ? <= excluded.seen_ms OR version <> excluded.version OR "   \
		   "cipher <> excluded.cipher OR agreed_group <> excluded.agreed_group OR proof <> excluded.proof OR " \
		   "offer <> excluded.offer")                                                                          \
	X(TLS_GET, "SELECT seen_ms, version, cipher, agreed_group, proof, offer FROM tls WHERE uid = ?")               \
	X(TLS_DELETE, "DELETE FROM tls WHERE uid = ?")                                                                 \
	X(PARTY_DELETE, "DELETE FROM parties WHERE uid = ?")                                                           \
	/* The plus keeps the index of names out: by it every row would be a seek. */                                  \
	X(PARTY_EACH, "SELECT " PARTY_COLUMNS " FROM parties WHERE +revoked_ms = 0")                                   \
	X(PARTY_GET, "SELECT " PARTY_COLUMNS " FROM parties WHERE uid = ? AND revoked_ms = 0")                         \
	X(PARTY_NAMED,                                                                                                 \
	  "SELECT " PARTY_COLUMNS " FROM parties WHERE customer = ? AND kind = ? AND name = ? AND revoked_ms = 0")     \
	X(PARTY_COUNT, "SELECT count(*) FROM parties WHERE revoked_ms = 0")

enum statement {
#define STATEMENT_ENUM(name, text) name,
	STATEMENT_TABLE(STATEMENT_ENUM)
#undef STATEMENT_ENUM
	    STATEMENT_COUNT
};

static const char *const statements[] = {
#define STATEMENT(name, text) text,
	STATEMENT_TABLE(STATEMENT)
#undef STATEMENT
};

static const struct nj_db_schema schema = {
	.what = "the gateway's store",
	.application_id = APPLICATION_ID,
	.count = sizeof(migrations) / sizeof(migrations[0]),
	.migrations = migrations,
	.statement_count = STATEMENT_COUNT,
	.statements = statements,
};

struct nj_gateway_store {
	struct nj_db *db;
};

enum nj_err nj_gateway_store_open(const char *path, enum nj_store_mode mode, struct nj_gateway_store **out_store,
				  struct nj_why *why)
{
	struct nj_gateway_store *store = calloc(1, sizeof(*store));
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

void nj_gateway_store_close(struct nj_gateway_store *store)
{
	if (store == NULL)
		return;
	nj_db_close(store->db);
	free(store);
}

enum nj_err nj_gateway_store_copy(struct nj_gateway_store *store, struct nj_store_copy **out_copy, struct nj_why *why)
{
	return nj_db_copy(store->db, out_copy, why);
}

enum nj_err nj_gateway_store_begin(struct nj_gateway_store *store)
{
	return nj_db_begin(store->db);
}

enum nj_err nj_gateway_store_commit(struct nj_gateway_store *store)
{
	return nj_db_commit(store->db);
}

void nj_gateway_store_rollback(struct nj_gateway_store *store)
{
	nj_db_rollback(store->db);
}

enum nj_err nj_gateway_store_customer_insert(struct nj_gateway_store *store, const char *name, uint64_t created_ms)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, CUSTOMER_INSERT);

	nj_bind_text(&q, name);
	nj_bind_u64(&q, created_ms);
	return nj_query_run(&q);
}

enum nj_err nj_gateway_store_customer_each(struct nj_gateway_store *store, nj_customer_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, CUSTOMER_EACH);
	enum nj_err err;

	while ((err = nj_query_next(&q)) == NJ_OK) {
		const char *name = nj_col_str(&q);
		uint64_t created_ms = nj_col_u64(&q, INT64_MAX);

		NJ_TRY(nj_col_end(&q));
		NJ_TRY(fn(arg, name, created_ms));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

static enum nj_err put_rule(struct nj_gateway_store *store, const char *profile, size_t position,
			    const struct nj_profile_rule_row *rule)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, RULE_INSERT);

	nj_bind_text(&q, profile);
	nj_bind_u64(&q, position);
	nj_bind_u64(&q, rule->direction);
	nj_bind_u64(&q, rule->deny);
	nj_bind_text(&q, rule->pattern);
	nj_bind_text(&q, rule->contract);
	return nj_query_run(&q);
}

static enum nj_err delete_rules(struct nj_gateway_store *store, const char *profile)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, RULES_DELETE);

	nj_bind_text(&q, profile);
	return nj_query_run(&q);
}

static enum nj_err put_head(struct nj_gateway_store *store, const struct nj_profile_row *row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PROFILE_PUT);

	nj_bind_text(&q, row->name);
	nj_bind_u64(&q, row->services);
	nj_bind_u64(&q, row->plain);
	nj_bind_u64(&q, row->grant_ms);
	nj_bind_u64(&q, row->version);
	return nj_query_run(&q);
}

static enum nj_err put_profile(struct nj_gateway_store *store, const struct nj_profile_row *row)
{
	NJ_TRY(put_head(store, row));
	NJ_TRY(delete_rules(store, row->name));
	for (size_t i = 0; i < row->rule_count; i++)
		NJ_TRY(put_rule(store, row->name, i, &row->rules[i]));
	return NJ_OK;
}

/* A profile is several rows: without the caller's transaction it gets one of its own. */
enum nj_err nj_gateway_store_profile_put(struct nj_gateway_store *store, const struct nj_profile_row *row)
{
	enum nj_err err;

	if (row->rule_count > NJ_PROFILE_RULES_MAX)
		return NJ_ERR_LIMIT;
	if (store->db->in_transaction)
		return put_profile(store, row);
	NJ_TRY(nj_db_begin(store->db));
	err = put_profile(store, row);
	if (err == NJ_OK)
		return nj_db_commit(store->db);
	nj_db_rollback(store->db);
	return err;
}

struct rule_list {
	struct nj_profile_rule_row rows[NJ_PROFILE_RULES_MAX];
	size_t count;
};

static void free_rules(struct rule_list *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		free((char *)rules->rows[i].pattern);
		free((char *)rules->rows[i].contract);
	}
	rules->count = 0;
}

/* Copies: a pattern that SQLite lends lives only until the next row. */
static enum nj_err read_rules(struct nj_gateway_store *store, const char *profile, struct rule_list *rules)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, RULES_OF);
	enum nj_err err;

	nj_bind_text(&q, profile);
	while ((err = nj_query_next(&q)) == NJ_OK) {
		struct nj_profile_rule_row *rule = &rules->rows[rules->count];

		if (rules->count == NJ_PROFILE_RULES_MAX)
			return NJ_ERR_CORRUPT;
		rule->direction = (uint8_t)nj_col_u64(&q, UINT8_MAX);
		rule->deny = nj_col_bool(&q);
		rule->pattern = strdup(nj_col_str(&q));
		rule->contract = strdup(nj_col_str(&q));
		rules->count++;
		if (rule->pattern == NULL || rule->contract == NULL)
			return NJ_ERR_NO_MEMORY;
		NJ_TRY(nj_col_end(&q));
	}
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

static enum nj_err read_profile(struct nj_gateway_store *store, struct nj_query *q, struct rule_list *rules,
				nj_profile_row_fn fn, void *arg)
{
	struct nj_profile_row row;

	row.name = nj_col_str(q);
	row.services = (uint32_t)nj_col_u64(q, UINT32_MAX);
	row.plain = nj_col_bool(q);
	row.grant_ms = (uint32_t)nj_col_u64(q, UINT32_MAX);
	row.version = (uint32_t)nj_col_u64(q, UINT32_MAX);
	NJ_TRY(nj_col_end(q));
	NJ_TRY(read_rules(store, row.name, rules));
	row.rules = rules->rows;
	row.rule_count = rules->count;
	return fn(arg, &row);
}

enum nj_err nj_gateway_store_profile_each(struct nj_gateway_store *store, nj_profile_row_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PROFILE_EACH);
	struct rule_list *rules = calloc(1, sizeof(*rules));
	enum nj_err err = rules == NULL ? NJ_ERR_NO_MEMORY : nj_query_next(&q);

	while (err == NJ_OK) {
		err = read_profile(store, &q, rules, fn, arg);
		free_rules(rules);
		/* The callback's own "not found" must not look like the end of the table. */
		if (err != NJ_OK) {
			free(rules);
			return err;
		}
		err = nj_query_next(&q);
	}
	free(rules);
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_gateway_store_party_insert(struct nj_gateway_store *store, const struct nj_party_row *row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PARTY_INSERT);

	nj_bind_blob(&q, row->uid, sizeof(row->uid));
	nj_bind_u64(&q, row->kind);
	nj_bind_text(&q, row->customer);
	nj_bind_text(&q, row->name);
	nj_bind_text(&q, row->profile);
	nj_bind_u64(&q, row->created_ms);
	nj_bind_u64(&q, row->revoked_ms);
	return nj_query_run(&q);
}

enum nj_err nj_gateway_store_party_revoke(struct nj_gateway_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					  uint64_t now_ms)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PARTY_REVOKE);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, now_ms);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_gateway_store_party_delete(struct nj_gateway_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PARTY_DELETE);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

static enum nj_err read_party(struct nj_query *q, nj_party_row_fn fn, void *arg)
{
	struct nj_party_row row;

	NJ_TRY(nj_query_next(q));
	nj_col_bytes(q, row.uid, sizeof(row.uid));
	row.kind = (uint8_t)nj_col_u64(q, UINT8_MAX);
	row.customer = nj_col_str(q);
	row.name = nj_col_str(q);
	row.profile = nj_col_str(q);
	row.created_ms = nj_col_u64(q, INT64_MAX);
	row.revoked_ms = nj_col_u64(q, INT64_MAX);
	NJ_TRY(nj_col_end(q));
	return fn(arg, &row);
}

enum nj_err nj_gateway_store_party_each(struct nj_gateway_store *store, nj_party_row_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PARTY_EACH);
	enum nj_err err;

	do
		err = read_party(&q, fn, arg);
	while (err == NJ_OK);
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_gateway_store_party_get(struct nj_gateway_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
				       nj_party_row_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PARTY_GET);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return read_party(&q, fn, arg);
}

enum nj_err nj_gateway_store_party_named(struct nj_gateway_store *store, const char *customer, uint8_t kind,
					 const char *name, nj_party_row_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PARTY_NAMED);

	nj_bind_text(&q, customer);
	nj_bind_u64(&q, kind);
	nj_bind_text(&q, name);
	return read_party(&q, fn, arg);
}

enum nj_err nj_gateway_store_party_count(struct nj_gateway_store *store, size_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, PARTY_COUNT);

	NJ_TRY(nj_query_next(&q));
	size_t count = nj_col_u64(&q, INT64_MAX);
	NJ_TRY(nj_col_end(&q));
	*out_count = count;
	return NJ_OK;
}

enum nj_err nj_gateway_store_tls_put(struct nj_gateway_store *store, const struct nj_tls_row *row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, TLS_PUT);

	nj_bind_blob(&q, row->uid, sizeof(row->uid));
	nj_bind_u64(&q, row->seen_ms);
	nj_bind_text(&q, row->version);
	nj_bind_text(&q, row->cipher);
	nj_bind_text(&q, row->group);
	nj_bind_text(&q, row->proof);
	nj_bind_blob(&q, row->offer.data, row->offer.len);
	nj_bind_u64(&q, NJ_TLS_ROW_FRESH_MS);
	return nj_query_run(&q);
}

enum nj_err nj_gateway_store_tls_get(struct nj_gateway_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
				     nj_tls_row_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, TLS_GET);
	struct nj_tls_row row;

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	NJ_TRY(nj_query_next(&q));
	memcpy(row.uid, uid, sizeof(row.uid));
	row.seen_ms = nj_col_u64(&q, INT64_MAX);
	row.version = nj_col_str(&q);
	row.cipher = nj_col_str(&q);
	row.group = nj_col_str(&q);
	row.proof = nj_col_str(&q);
	row.offer = nj_col_blob(&q);
	NJ_TRY(nj_col_end(&q));
	return fn(arg, &row);
}

enum nj_err nj_gateway_store_tls_delete(struct nj_gateway_store *store, const uint8_t uid[NJ_STORE_UID_BYTES])
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, TLS_DELETE);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return nj_query_run(&q);
}
