#include "daemon/gateway_crowd.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/text.h"
#include "mqtt/packets.h"

#define TELL_MS 1000
#define SWEEP_MS 10000

static void tell(void *arg, enum nj_crowd_scope scope, enum nj_crowd_what what, uint64_t times, const char *who)
{
	struct gateway *g = arg;
	char detail[GATEWAY_AUDIT_DETAIL_BYTES];

	NJ_LOG(NJ_LOG_WARN, "limit.met", NJ_S("what", nj_crowd_what_name(what)), NJ_S("of", nj_crowd_scope_name(scope)),
	       NJ_S("last", who), NJ_U("times", times));
	if (nj_text_format(detail, sizeof(detail), "%s of one %s, %" PRIu64 " times, last %s", nj_crowd_what_name(what),
			   nj_crowd_scope_name(scope), times, who) == NJ_OK)
		gateway_audit_write(g, NJ_AUDIT_LIMIT_MET, NULL, NULL, detail);
}

static void on_tell(struct nj_timer *timer)
{
	struct gateway *g = NJ_CONTAINER(timer, struct gateway, crowd_due);
	uint64_t now_ms = nj_reactor_now_ms(g->reactor);

	nj_crowd_notes(g->crowd, tell, g);
	if (now_ms >= g->crowd_sweep_ms) {
		g->crowd_sweep_ms = now_ms + SWEEP_MS;
		nj_crowd_sweep(g->crowd);
	}
	nj_timer_arm(g->reactor, timer, TELL_MS);
}

enum nj_err gateway_crowd_init(struct gateway *g)
{
	NJ_TRY(nj_crowd_new(nj_clock_system(), nj_random_system(), &g->crowd));
	gateway_crowd_limits_changed(g);
	g->crowd_due.on_timer = on_tell;
	nj_timer_arm(g->reactor, &g->crowd_due, TELL_MS);
	return NJ_OK;
}

void gateway_crowd_done(struct gateway *g)
{
	nj_timer_cancel(&g->crowd_due);
	nj_crowd_free(g->crowd);
}

void gateway_crowd_limits_changed(struct gateway *g)
{
	nj_crowd_set_limits(g->crowd, &g->config->settings.limits);
}

uint8_t gateway_crowd_may_connect(void *gateway, const struct nj_mqtt_seen *seen, bool takes_over)
{
	struct nj_ticket *ticket = nj_conn_toll_arg(seen->conn);
	const struct nj_crowd_who who = {
		.uid = seen->party->uid,
		.customer = seen->party->names.customer,
		.name = seen->party->names.name,
		.device = seen->party->kind == NJ_PARTY_DEVICE,
		.client_id = seen->client_id,
		.takes_over = takes_over,
	};
	struct nj_crowd_verdict verdict;

	(void)gateway;
	if (ticket == NULL || nj_crowd_admit(ticket, &who, &verdict) == NJ_OK)
		return NJ_MQTT_R_SUCCESS;
	return !verdict.within && verdict.what != NJ_CROWD_CONNECTIONS ? NJ_MQTT_R_CONNECT_RATE
								       : NJ_MQTT_R_QUOTA_EXCEEDED;
}

json_t *gateway_crowd_json(const struct gateway *g)
{
	json_t *object = json_object();

	for (size_t scope = 0; scope < NJ_CROWD_SCOPES; scope++) {
		json_t *of = json_object();

		for (size_t what = 0; what < NJ_CROWD_WHATS; what++)
			json_object_set_new(of, nj_crowd_what_name(what),
					    json_integer((json_int_t)nj_crowd_count(g->crowd, scope, what)));
		json_object_set_new(object, nj_crowd_scope_name(scope), of);
	}
	return object;
}
