#include "store/keeper_certificates.h"

#include "store/sqlite/keeper.h"

enum nj_err nj_keeper_store_certificate_put(struct nj_keeper_store *store, const struct nj_certificate_row *row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_CERTIFICATE_PUT);

	nj_bind_text(&q, row->serial);
	nj_bind_blob(&q, row->uid, sizeof(row->uid));
	nj_bind_u64(&q, row->not_after_s);
	return nj_query_run(&q);
}

enum nj_err nj_keeper_store_certificate_revoke(struct nj_keeper_store *store, const char *serial, uint64_t now_s)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_CERTIFICATE_REVOKE);

	nj_bind_text(&q, serial);
	nj_bind_u64(&q, now_s);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

enum nj_err nj_keeper_store_certificate_revoke_uid(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
						   uint64_t now_s)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_CERTIFICATE_REVOKE_UID);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	nj_bind_u64(&q, now_s);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

static enum nj_err read_certificate(struct nj_query *q, struct nj_certificate_row *out_row)
{
	struct nj_certificate_row row;

	NJ_TRY(nj_query_next(q));
	nj_col_text(q, row.serial, sizeof(row.serial));
	nj_col_bytes(q, row.uid, sizeof(row.uid));
	row.not_after_s = nj_col_u64(q, INT64_MAX);
	row.revoked_s = nj_col_u64(q, INT64_MAX);
	NJ_TRY(nj_col_end(q));
	*out_row = row;
	return NJ_OK;
}

static enum nj_err each_certificate(struct nj_query *q, nj_certificate_fn fn, void *arg)
{
	struct nj_certificate_row row;
	enum nj_err err;

	while ((err = read_certificate(q, &row)) == NJ_OK)
		NJ_TRY(fn(arg, &row));
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_certificate_of(struct nj_keeper_store *store, const uint8_t uid[NJ_STORE_UID_BYTES],
					   nj_certificate_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_CERTIFICATE_OF);

	nj_bind_blob(&q, uid, NJ_STORE_UID_BYTES);
	return each_certificate(&q, fn, arg);
}

enum nj_err nj_keeper_store_certificate_revoked(struct nj_keeper_store *store, bool live, uint64_t now_s,
						nj_certificate_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q =
	    nj_query_of(store->db, live ? NJ_KEEPER_CERTIFICATE_REVOKED_LIVE : NJ_KEEPER_CERTIFICATE_REVOKED);

	nj_bind_u64(&q, now_s);
	return each_certificate(&q, fn, arg);
}

static enum nj_err read_number(struct nj_query *q, uint64_t *out_number)
{
	uint64_t number;

	NJ_TRY(nj_query_next(q));
	number = nj_col_u64(q, INT64_MAX);
	NJ_TRY(nj_col_end(q));
	*out_number = number;
	return NJ_OK;
}

enum nj_err nj_keeper_store_certificate_count(struct nj_keeper_store *store, uint64_t now_s, uint64_t *out_count)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_CERTIFICATE_COUNT);

	nj_bind_u64(&q, now_s);
	return read_number(&q, out_count);
}

enum nj_err nj_keeper_store_trust_put(struct nj_keeper_store *store, const struct nj_trust_row *row)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TRUST_PUT);

	nj_bind_text(&q, row->customer);
	nj_bind_text(&q, row->ca_pem);
	nj_bind_text(&q, row->list_pem);
	return nj_query_run(&q);
}

enum nj_err nj_keeper_store_trust_remove(struct nj_keeper_store *store, const char *customer)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TRUST_REMOVE);

	nj_bind_text(&q, customer);
	return nj_query_run_one(&q, NJ_ERR_NOT_FOUND);
}

static enum nj_err give_trust(struct nj_query *q, nj_trust_fn fn, void *arg)
{
	struct nj_trust_row row;

	NJ_TRY(nj_query_next(q));
	row.customer = nj_col_str(q);
	row.ca_pem = nj_col_str(q);
	row.list_pem = nj_col_str(q);
	NJ_TRY(nj_col_end(q));
	return fn(arg, &row);
}

enum nj_err nj_keeper_store_trust_get(struct nj_keeper_store *store, const char *customer, nj_trust_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TRUST_GET);

	nj_bind_text(&q, customer);
	return give_trust(&q, fn, arg);
}

enum nj_err nj_keeper_store_trust_each(struct nj_keeper_store *store, nj_trust_fn fn, void *arg)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TRUST_EACH);
	enum nj_err err;

	while ((err = give_trust(&q, fn, arg)) == NJ_OK)
		continue;
	return err == NJ_ERR_NOT_FOUND ? NJ_OK : err;
}

enum nj_err nj_keeper_store_trust_bytes(struct nj_keeper_store *store, const char *but_customer, uint64_t *out_bytes)
{
	NJ_CLEANUP_QUERY struct nj_query q = nj_query_of(store->db, NJ_KEEPER_TRUST_BYTES);

	nj_bind_text(&q, but_customer);
	return read_number(&q, out_bytes);
}
