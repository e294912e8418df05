#include <inttypes.h>

#include "base/text.h"
#include "daemon/gateway_state.h"

#define RETRY_MS 200

static void on_flush(struct nj_deferred *work)
{
	gateway_audit_flush(NJ_CONTAINER(work, struct gateway, audit.flush));
}

static void on_retry(struct nj_timer *timer)
{
	gateway_audit_flush(NJ_CONTAINER(timer, struct gateway, audit.retry));
}

enum nj_err gateway_audit_init(struct gateway *g)
{
	g->audit.ring = calloc(GATEWAY_AUDIT_QUEUE, sizeof(*g->audit.ring));
	g->audit.flush.on_turn_end = on_flush;
	g->audit.retry.on_timer = on_retry;
	return g->audit.ring == NULL ? NJ_ERR_NO_MEMORY : NJ_OK;
}

/* Fits: names are bounded where they come from; a detail is shortened. */
static void fill(char *out, size_t cap, const char *text)
{
	struct nj_view cut = nj_utf8_cut(nj_view_str(text), cap - 1);

	memcpy(out, cut.data, cut.len);
	out[cut.len] = '\0';
}

static struct gateway_audit_record *push(struct gateway_audit *audit)
{
	if (audit->count == GATEWAY_AUDIT_QUEUE) {
		audit->lost++;
		audit->lost_ever++;
		return NULL;
	}
	return &audit->ring[(audit->first + audit->count++) % GATEWAY_AUDIT_QUEUE];
}

void gateway_audit_write(struct gateway *g, enum nj_audit_event event, const struct nj_party *party,
			 const struct nj_addr *source, const char *detail)
{
	struct gateway_audit_record *record = push(&g->audit);

	nj_defer(g->reactor, &g->audit.flush);
	if (record == NULL)
		return;
	record->event = event;
	fill(record->customer, sizeof(record->customer), party != NULL ? party->names.customer : "");
	fill(record->subject, sizeof(record->subject), party != NULL ? party->names.name : "");
	fill(record->detail, sizeof(record->detail), detail);
	record->source[0] = '\0';
	if (source != NULL)
		(void)nj_addr_text(source, record->source);
}

static void add_to_batch(struct nj_ipc_audit *batch, const struct gateway_audit_record *record)
{
	batch->records[batch->count++] = (struct nj_ipc_audit_record){
		.event = (uint16_t)record->event,
		.customer = nj_view_str(record->customer),
		.subject = nj_view_str(record->subject),
		.source = nj_view_str(record->source),
		.detail = nj_view_str(record->detail),
	};
}

static void report_loss(struct gateway *g)
{
	char detail[64];

	if (g->audit.lost == 0 || g->audit.count == GATEWAY_AUDIT_QUEUE)
		return;
	if (nj_text_format(detail, sizeof(detail), "%" PRIu64 " records", g->audit.lost) != NJ_OK)
		return;
	g->audit.lost = 0;
	gateway_audit_write(g, NJ_AUDIT_LOST, NULL, NULL, detail);
}

void gateway_audit_flush(struct gateway *g)
{
	struct gateway_audit *audit = &g->audit;
	static struct nj_ipc message;

	while (g->keeper_up && audit->count > 0) {
		size_t n = audit->count < NJ_IPC_AUDIT_MAX ? audit->count : NJ_IPC_AUDIT_MAX;
		message.type = NJ_IPC_AUDIT;
		message.as.audit.count = 0;
		for (size_t i = 0; i < n; i++)
			add_to_batch(&message.as.audit, &audit->ring[(audit->first + i) % GATEWAY_AUDIT_QUEUE]);
		if (gateway_keeper_send(g, &message) != NJ_OK)
			break;
		audit->first = (audit->first + n) % GATEWAY_AUDIT_QUEUE;
		audit->count -= n;
		report_loss(g);
	}
	if (audit->count > 0)
		nj_timer_arm(g->reactor, &audit->retry, RETRY_MS);
}
