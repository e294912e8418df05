/* What certifies whom: the built-in CA with its revocation list, and customers' own CAs, on their way to the gateway.
 */
#include "base/file.h"
#include "keeper/internal.h"

#define RESEND_MS (24ULL * 3600 * 1000) /* the list of the built-in CA lives longer */

static uint64_t now_s(const struct nj_keeper *keeper)
{
	return nj_clock_wall_ms(keeper->clock) / 1000;
}

/* ---- the built-in CA's list ---- */

struct rows {
	struct nj_x509_revoked *at;
	size_t count;
	size_t cap;
};

static enum nj_err collect(void *arg, const struct nj_certificate_row *row)
{
	struct rows *rows = arg;

	if (rows->count == rows->cap) {
		size_t cap = rows->cap == 0 ? 64 : rows->cap * 2;
		struct nj_x509_revoked *at = realloc(rows->at, cap * sizeof(*at));

		if (at == NULL)
			return NJ_ERR_NO_MEMORY;
		rows->at = at;
		rows->cap = cap;
	}
	rows->at[rows->count].revoked_s = row->revoked_s;
	return nj_text_copy(rows->at[rows->count++].serial, NJ_X509_SERIAL_BYTES, row->serial);
}

enum nj_err nj_keeper_list(struct nj_keeper *keeper, bool live, char **out_list_pem)
{
	struct rows rows = { 0 };
	enum nj_err err = nj_keeper_store_certificate_revoked(keeper->store, live, now_s(keeper), collect, &rows);

	if (err == NJ_OK)
		err = nj_authority_list(keeper->authority, rows.at, rows.count, now_s(keeper), out_list_pem);
	free(rows.at);
	return err;
}

/* ---- to the gateway ---- */

static void put(struct nj_keeper *keeper, const struct nj_trust_row *row, nj_link_done_fn done, void *arg)
{
	struct nj_ipc message = { .type = NJ_IPC_TRUST_PUT };

	message.as.trust.customer = nj_view_str(row->customer);
	message.as.trust.ca_pem = nj_view_str(row->ca_pem);
	message.as.trust.list_pem = nj_view_str(row->list_pem);
	keeper->link->ops->request(keeper->link, &message, done, arg);
}

void nj_keeper_trust_own(struct nj_keeper *keeper, nj_link_done_fn done, void *arg)
{
	NJ_CLEANUP_FREE char *list = NULL;
	enum nj_err err = nj_keeper_list(keeper, true, &list);

	if (err != NJ_OK) {
		done(arg, err, "the revocation list cannot be made");
		return;
	}
	keeper->trust_due_ms = nj_clock_boot_ms(keeper->clock) + RESEND_MS;
	keeper->trust_made_ms = nj_clock_wall_ms(keeper->clock);
	put(keeper,
	    &(struct nj_trust_row){
		.customer = "", .ca_pem = nj_authority_ca_pem(keeper->authority), .list_pem = list },
	    done, arg);
}

struct sending {
	struct nj_keeper *keeper;
	nj_link_done_fn done;
	void *arg;
};

static enum nj_err send_row(void *arg, const struct nj_trust_row *row)
{
	struct sending *sending = arg;

	put(sending->keeper, row, sending->done, sending->arg);
	return NJ_OK;
}

void nj_keeper_trust_of(struct nj_keeper *keeper, const char *customer, nj_link_done_fn done, void *arg)
{
	struct sending sending = { .keeper = keeper, .done = done, .arg = arg };
	enum nj_err err = nj_keeper_store_trust_get(keeper->store, customer, send_row, &sending);

	if (err == NJ_ERR_NOT_FOUND)
		put(keeper, &(struct nj_trust_row){ .customer = customer, .ca_pem = "", .list_pem = "" }, done, arg);
	else if (err != NJ_OK)
		done(arg, err, "the customer's CA cannot be read");
}

/* What a gateway says no to was judged by the same rules here; it logs that itself, and certifies by what it had. */
static void ignore_answer(void *arg, enum nj_err err, const char *text)
{
}

void nj_keeper_trust_all(struct nj_keeper *keeper)
{
	struct sending sending = { .keeper = keeper, .done = ignore_answer };

	nj_keeper_trust_own(keeper, ignore_answer, NULL);
	nj_keeper_store_result(keeper, nj_keeper_store_trust_each(keeper->store, send_row, &sending));
}

/* By either clock: a list of before the wall clock was set is out of date, or not valid yet, and lets nobody in. */
static bool list_is_due(const struct nj_keeper *keeper)
{
	uint64_t wall_ms = nj_clock_wall_ms(keeper->clock);

	return nj_clock_boot_ms(keeper->clock) >= keeper->trust_due_ms || wall_ms < keeper->trust_made_ms ||
	       wall_ms - keeper->trust_made_ms >= RESEND_MS;
}

void nj_keeper_trust_tick(struct nj_keeper *keeper)
{
	if (keeper->trust_due_ms != 0 && list_is_due(keeper) && keeper->link->ops->connected(keeper->link))
		nj_keeper_trust_own(keeper, ignore_answer, NULL);
}
