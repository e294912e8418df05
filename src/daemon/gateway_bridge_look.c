/* What is known of bridges: their sessions in the brokers, the verb mqtt.bridges, metrics. */
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "daemon/gateway_bridge.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LEFT_MAX 16 /* sessions of former bridges that are ended at once */

/* ---- one session ---- */

struct gateway_bridge_look {
	struct nj_mqtt_round round;
	struct gateway_bridge *owner; /* NULL: it is gone */
	struct nj_party *party;
	char id[sizeof(GATEWAY_BRIDGE_ID) + NJ_NAME_BYTES];
	bool found;
	struct nj_mqtt_session_state state;
};

static void visit_look(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct gateway_bridge_look *look = NJ_CONTAINER(round, struct gateway_bridge_look, round);

	if (!look->found)
		look->found = nj_mqtt_see_session(broker, look->party, nj_view_str(look->id), &look->state);
}

static void done_look(struct nj_mqtt_round *round)
{
	struct gateway_bridge_look *look = NJ_CONTAINER(round, struct gateway_bridge_look, round);
	struct gateway_bridge *owner = look->owner;

	if (owner != NULL) {
		owner->look = NULL;
		nj_mqtt_bridge_looked(owner->bridge, look->found ? &look->state : NULL);
	}
	if (look->found)
		nj_buf_done(&look->state.filters);
	nj_party_unref(look->party);
	free(look);
}

void gateway_bridge_look(struct gateway_bridge *here)
{
	struct gateway *g = here->gateway;
	struct nj_party *party =
	    nj_directory_by_name(g->directory, NJ_CUSTOMER_DEFAULT, NJ_PARTY_APPLICATION, here->settings.as);

	/* One that is under way answers this, too. */
	if (here->look != NULL)
		return;
	struct gateway_bridge_look *look = party != NULL ? calloc(1, sizeof(*look)) : NULL;
	if (look == NULL) {
		nj_mqtt_bridge_looked(here->bridge, NULL);
		return;
	}
	look->owner = here;
	look->party = nj_party_ref(party);
	memcpy(look->id, here->local_id, sizeof(look->id));
	look->round.visit = visit_look;
	look->round.done = done_look;
	here->look = look;
	nj_mqtt_fabric_round(g->fabric, &look->round);
}

void gateway_bridge_look_forget(struct gateway_bridge *here)
{
	if (here->look != NULL)
		here->look->owner = NULL;
	here->look = NULL;
}

/* ---- sessions that nobody comes back to ---- */

struct left {
	uint8_t uid[NJ_UID_BYTES];
	char id[sizeof(GATEWAY_BRIDGE_ID) + NJ_NAME_BYTES];
};

struct sweep {
	struct nj_mqtt_round round;
	size_t count;
	char ids[NJ_BRIDGES_MAX][sizeof(GATEWAY_BRIDGE_ID) + NJ_NAME_BYTES];
	char as[NJ_BRIDGES_MAX][NJ_NAME_BYTES];
	size_t left_count; /* on the broker that is visited */
	struct left left[LEFT_MAX];
	size_t ended;
};

static bool is_of_bridge(const struct sweep *sweep, const struct nj_mqtt_sight *sight)
{
	for (size_t i = 0; i < sweep->count; i++)
		if (nj_view_equal(sight->client_id, nj_view_str(sweep->ids[i])) &&
		    strcmp(sight->party->names.name, sweep->as[i]) == 0)
			return true;
	return false;
}

static void see_session(void *arg, const struct nj_mqtt_sight *sight)
{
	static const struct nj_view prefix = { (const uint8_t *)GATEWAY_BRIDGE_ID, sizeof(GATEWAY_BRIDGE_ID) - 1 };
	struct sweep *sweep = arg;
	struct left *left = &sweep->left[sweep->left_count];

	if (sweep->left_count == LEFT_MAX || sight->party->kind != NJ_PARTY_APPLICATION ||
	    sight->client_id.len < prefix.len || memcmp(sight->client_id.data, prefix.data, prefix.len) != 0 ||
	    is_of_bridge(sweep, sight) || nj_text_copy_view(left->id, sizeof(left->id), sight->client_id) != NJ_OK)
		return;
	memcpy(left->uid, sight->party->uid, sizeof(left->uid));
	sweep->left_count++;
}

static void visit_sweep(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct sweep *sweep = NJ_CONTAINER(round, struct sweep, round);

	sweep->left_count = 0;
	nj_mqtt_see_sessions(broker, NJ_CUSTOMER_DEFAULT, see_session, sweep);
	for (size_t i = 0; i < sweep->left_count; i++) {
		const struct nj_view id = nj_view_str(sweep->left[i].id);
		(void)nj_mqtt_kick(broker, sweep->left[i].uid, &id, true);
	}
	sweep->ended += sweep->left_count;
}

static void done_sweep(struct nj_mqtt_round *round)
{
	struct sweep *sweep = NJ_CONTAINER(round, struct sweep, round);

	if (sweep->ended > 0)
		NJ_LOG(NJ_LOG_INFO, "bridge.forgotten", NJ_U("sessions", sweep->ended));
	free(sweep);
}

void gateway_bridges_sweep(struct gateway *g)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	/* Without memory they stay until the next time. */
	if (sweep == NULL)
		return;
	for (size_t i = 0; i < g->bridges->count; i++) {
		const struct gateway_bridge *here = g->bridges->at[i];
		memcpy(sweep->ids[sweep->count], here->local_id, sizeof(here->local_id));
		memcpy(sweep->as[sweep->count++], here->settings.as, sizeof(here->settings.as));
	}
	sweep->round.visit = visit_sweep;
	sweep->round.done = done_sweep;
	nj_mqtt_fabric_round(g->fabric, &sweep->round);
}

/* ---- the verb ---- */

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void add_state(json_t *row, const struct nj_mqtt_bridge_status *status, const struct gateway_bridge *here)
{
	char peer[NJ_ADDR_TEXT_BYTES];

	if (status->stage == NJ_MQTT_BRIDGE_UP) {
		json_object_set_new(row, "version", json_string(status->version >= NJ_MQTT_V5 ? "5.0" : "3.1.1"));
		json_object_set_new(row, "session_present", json_boolean(status->session_present));
		json_object_set_new(row, "peer", json_string(nj_addr_text(&here->peer, peer)));
	}
	if (status->stage == NJ_MQTT_BRIDGE_WAITING)
		json_object_set_new(row, "retry_in_ms", number(status->retry_in_ms));
	if (status->error[0] == '\0')
		return;
	json_object_set_new(row, "error", json_string(status->error));
	json_object_set_new(row, "error_at_ms", number(status->error_at_ms));
}

static json_t *row_of(const struct gateway_bridge *here)
{
	const struct nj_settings_bridge *s = &here->settings;
	json_t *row =
	    json_pack("{s:s, s:s, s:s, s:b}", "name", s->name, "address", s->address, "as", s->as, "tls", (int)s->tls);

	if (row == NULL || here->bridge == NULL) {
		json_object_set_new(row, "state", json_string("failed"));
		return row;
	}
	struct nj_mqtt_bridge_status status = nj_mqtt_bridge_status_of(here->bridge);
	const struct nj_mqtt_bridge_counters *c = &status.counters;
	json_object_set_new(row, "state", json_string(nj_mqtt_bridge_stage_name(status.stage)));
	json_object_set_new(row, "since_ms", number(status.since_ms));
	json_object_set_new(row, "queued", number(status.queued));
	json_object_set_new(row, "queued_bytes", number(status.queued_bytes));
	json_object_set_new(row, "inflight", number(status.inflight));
	json_object_set_new(row, "messages_out", number(c->messages_out));
	json_object_set_new(row, "messages_in", number(c->messages_in));
	json_object_set_new(row, "bytes_out", number(c->bytes_out));
	json_object_set_new(row, "bytes_in", number(c->bytes_in));
	json_object_set_new(row, "refused_out", number(c->refused_out));
	json_object_set_new(row, "refused_in", number(c->refused_in));
	json_object_set_new(row, "dropped", number(c->dropped));
	json_object_set_new(row, "connects", number(c->connects));
	json_object_set_new(row, "failures", number(c->failures));
	add_state(row, &status, here);
	return row;
}

/* The queues as they are now, then the answer. */
struct show {
	struct nj_mqtt_round round;
	struct gateway *gateway;
	struct nj_admin_call *call;
};

static void done_show(struct nj_mqtt_round *round)
{
	struct show *show = NJ_CONTAINER(round, struct show, round);
	const struct gateway_bridges *all = show->gateway->bridges;

	for (size_t i = 0; i < all->count; i++)
		nj_admin_item(show->call, row_of(all->at[i]));
	nj_admin_ok(show->call, json_object());
	free(show);
}

void gateway_handle_bridges(void *gateway, struct nj_admin_call *call)
{
	struct gateway *g = gateway;
	struct show *show = calloc(1, sizeof(*show));

	if (show == NULL) {
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory");
		return;
	}
	show->gateway = g;
	show->call = call;
	show->round.done = done_show;
	for (size_t i = 0; i < g->bridges->count; i++)
		if (g->bridges->at[i]->bridge != NULL)
			gateway_bridge_look(g->bridges->at[i]);
	/* Rounds end in their order. */
	nj_mqtt_fabric_round(g->fabric, &show->round);
}

/* ---- metrics ---- */

struct numbers {
	uint64_t up, queued, queued_bytes;
	struct nj_mqtt_bridge_counters counters;
};

static const struct family {
	const char *name, *unit, *help, *label;
	enum nj_metric_type type;
	size_t offset;
} families[] = {
	{ "nightjar_bridge_up", "", "1 while the bridge is connected", "", NJ_METRIC_GAUGE,
	  offsetof(struct numbers, up) },
	{ "nightjar_bridge_queued_messages", "", "Messages that wait for the bridge's peer", "", NJ_METRIC_GAUGE,
	  offsetof(struct numbers, queued) },
	{ "nightjar_bridge_queued_bytes", "bytes", "The same in bytes", "", NJ_METRIC_GAUGE,
	  offsetof(struct numbers, queued_bytes) },
	{ "nightjar_bridge_messages", "", "Messages that passed", ",direction=\"in\"", NJ_METRIC_COUNTER,
	  offsetof(struct numbers, counters.messages_in) },
	{ "nightjar_bridge_messages", "", "Messages that passed", ",direction=\"out\"", NJ_METRIC_COUNTER,
	  offsetof(struct numbers, counters.messages_out) },
	{ "nightjar_bridge_payload_bytes", "bytes", "Their payloads", ",direction=\"in\"", NJ_METRIC_COUNTER,
	  offsetof(struct numbers, counters.bytes_in) },
	{ "nightjar_bridge_payload_bytes", "bytes", "Their payloads", ",direction=\"out\"", NJ_METRIC_COUNTER,
	  offsetof(struct numbers, counters.bytes_out) },
	{ "nightjar_bridge_refused", "", "Messages that the side where they came in refused for good",
	  ",direction=\"in\"", NJ_METRIC_COUNTER, offsetof(struct numbers, counters.refused_in) },
	{ "nightjar_bridge_refused", "", "Messages that the side where they came in refused for good",
	  ",direction=\"out\"", NJ_METRIC_COUNTER, offsetof(struct numbers, counters.refused_out) },
	{ "nightjar_bridge_dropped", "", "Messages that no topic of the bridge carries, or that are too large", "",
	  NJ_METRIC_COUNTER, offsetof(struct numbers, counters.dropped) },
	{ "nightjar_bridge_connects", "", "Connections to the peer that stood", "", NJ_METRIC_COUNTER,
	  offsetof(struct numbers, counters.connects) },
	{ "nightjar_bridge_failures", "", "Connections and tries that ended", "", NJ_METRIC_COUNTER,
	  offsetof(struct numbers, counters.failures) },
};

#define LABEL_BYTES (NJ_NAME_BYTES + 48)

struct exposition {
	size_t rows;
	struct numbers numbers[NJ_BRIDGES_MAX];
	struct nj_metric metrics[COUNT(families) * NJ_BRIDGES_MAX];
	char labels[COUNT(families) * NJ_BRIDGES_MAX][LABEL_BYTES];
};

static struct numbers numbers_of(const struct gateway_bridge *here)
{
	if (here->bridge == NULL)
		return (struct numbers){ 0 };
	struct nj_mqtt_bridge_status status = nj_mqtt_bridge_status_of(here->bridge);
	return (struct numbers){ .up = status.stage == NJ_MQTT_BRIDGE_UP,
				 .queued = status.queued,
				 .queued_bytes = status.queued_bytes,
				 .counters = status.counters };
}

/* Rows of one name follow each other. */
static void add_family(struct exposition *e, const struct gateway_bridges *all, const struct family *family)
{
	for (size_t i = 0; i < all->count; i++, e->rows++) {
		struct nj_metric *m = &e->metrics[e->rows];
		(void)!nj_text_format(e->labels[e->rows], LABEL_BYTES, "bridge=\"%s\"%s", all->at[i]->settings.name,
				      family->label);
		*m = (struct nj_metric){ .name = family->name,
					 .type = family->type,
					 .unit = family->unit,
					 .help = family->help,
					 .labels = e->labels[e->rows],
					 .offset = i * sizeof(struct numbers) + family->offset };
	}
}

char *gateway_bridges_metrics(const struct gateway *g)
{
	const struct gateway_bridges *all = g->bridges;
	struct exposition *e = all->count > 0 ? calloc(1, sizeof(*e)) : NULL;

	if (e == NULL)
		return NULL;
	for (size_t i = 0; i < all->count; i++)
		e->numbers[i] = numbers_of(all->at[i]);
	for (size_t f = 0; f < COUNT(families); f++)
		add_family(e, all, &families[f]);
	char *text = nj_metrics_text(e->metrics, e->rows, e->numbers);
	free(e);
	return text;
}
