/*
 * Records what each party's TLS offered and agreed. Bindings are gathered for a second and written in one commit, so
 * that a wave of connections costs one; of a party the newest wins, and a full list is written at once.
 */
#include "base/log.h"
#include "daemon/gateway_state.h"

#define FLUSH_MS 1000
#define WAITING_MAX 1024

struct gateway_posture {
	uint8_t uid[NJ_UID_BYTES];
	uint64_t seen_ms;
	bool by_key;
	const char *version, *cipher; /* static texts of TLS */
	const char *group;
	struct nj_tls_offer offer;
};

static struct nj_log_brake failed_brake = NJ_LOG_BRAKE(3, 60000);

static enum nj_err write_one(struct gateway *g, const struct gateway_posture *posture)
{
	uint8_t bytes[NJ_TLS_OFFER_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	struct nj_tls_row row = {
		.seen_ms = posture->seen_ms,
		.version = posture->version,
		.cipher = posture->cipher,
		.group = posture->group,
		.proof = posture->by_key ? "key" : "certificate",
	};
	size_t len = 0;

	memcpy(row.uid, posture->uid, sizeof(row.uid));
	nj_tls_offer_write(&posture->offer, &w);
	NJ_TRY(nj_writer_end(&w, &len));
	row.offer = nj_view_of(bytes, len);
	return nj_gateway_store_tls_put(g->store, &row);
}

static enum nj_err write_all(struct gateway *g)
{
	enum nj_err err = nj_gateway_store_begin(g->store);

	for (size_t i = 0; i < g->posture_count && err == NJ_OK; i++)
		err = write_one(g, &g->postures[i]);
	if (err == NJ_OK)
		return nj_gateway_store_commit(g->store);
	nj_gateway_store_rollback(g->store);
	return err;
}

void gateway_posture_flush(struct gateway *g)
{
	uint64_t suppressed = 0;
	enum nj_err err;

	if (g->posture_count == 0)
		return;
	err = write_all(g);
	g->posture_count = 0;
	if (err != NJ_OK && nj_log_brake_pass(&failed_brake, nj_clock_system(), &suppressed))
		NJ_LOG(NJ_LOG_WARN, "posture.unwritten", NJ_E(err), NJ_U("suppressed", suppressed));
}

static void on_due(struct nj_timer *timer)
{
	gateway_posture_flush(NJ_CONTAINER(timer, struct gateway, posture_due));
}

enum nj_err gateway_posture_init(struct gateway *g)
{
	g->posture_due.on_timer = on_due;
	g->postures = calloc(WAITING_MAX, sizeof(*g->postures));
	return g->postures == NULL ? NJ_ERR_NO_MEMORY : NJ_OK;
}

void gateway_posture_note(struct gateway *g, const struct nj_party *party, const struct nj_tls_facts *tls)
{
	struct gateway_posture *posture = NULL;

	if (tls == NULL || tls->offer == NULL)
		return;
	for (size_t i = 0; i < g->posture_count && posture == NULL; i++)
		if (memcmp(g->postures[i].uid, party->uid, sizeof(party->uid)) == 0)
			posture = &g->postures[i];
	if (posture == NULL && g->posture_count == WAITING_MAX)
		gateway_posture_flush(g);
	if (posture == NULL)
		posture = &g->postures[g->posture_count++];
	*posture = (struct gateway_posture){
		.seen_ms = nj_clock_wall_ms(nj_clock_system()),
		.by_key = tls->psk_bound,
		.version = tls->version,
		.cipher = tls->cipher,
		.group = tls->group,
		.offer = *tls->offer,
	};
	memcpy(posture->uid, party->uid, sizeof(posture->uid));
	if (g->posture_count == 1)
		nj_timer_arm(g->reactor, &g->posture_due, FLUSH_MS);
}

void gateway_posture_forget(struct gateway *g, const uint8_t uid[NJ_UID_BYTES])
{
	gateway_posture_flush(g);
	/* A row that is left behind belongs to nobody any more. */
	(void)!nj_gateway_store_tls_delete(g->store, uid);
}
