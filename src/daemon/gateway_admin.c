#include <unistd.h>

#include "daemon/explain.h"
#include "daemon/gateway_crowd.h"
#include "daemon/gateway_messages.h"
#include "daemon/posture.h"

static json_t *proxies_of(const struct nj_settings_proxies *proxies)
{
	json_t *list = json_array();

	for (size_t i = 0; i < proxies->count; i++)
		json_array_append_new(list, json_string(proxies->at[i]));
	return list;
}

static json_t *listeners_of(const struct gateway *g)
{
	json_t *list = json_array();
	char text[NJ_ADDR_TEXT_BYTES];

	for (size_t i = 0; i < g->listener_count; i++) {
		const struct gateway_listener *here = &g->listeners[i];
		const char *address =
		    here->local != NULL ? here->local->address : nj_addr_text(&here->listener.local, text);
		json_t *row =
		    json_pack("{s:s, s:s, s:s, s:b}", "service", nj_service_name(here->service), "address", address,
			      "kind", here->local != NULL ? "local" : "cloaked", "listening", here->running);
		if (here->local != NULL)
			json_object_set_new(row, "as", json_string(here->local->as));
		if (here->local != NULL && here->local->exposed)
			json_object_set_new(row, "exposed", json_true());
		if (here->proxies != NULL && here->proxies->count > 0)
			json_object_set_new(row, "proxies", proxies_of(here->proxies));
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *mqtt_of(const struct gateway *g)
{
	struct nj_mqtt_counters c = nj_mqtt_fabric_counters(g->fabric);
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "connections", c.connections },
		{ "sessions", c.sessions },
		{ "subscriptions", c.subscriptions },
		{ "retained", c.retained },
		{ "memory_bytes", c.memory_bytes },
		{ "messages_in", c.messages_in },
		{ "messages_out", c.messages_out },
		{ "payload_bytes_in", c.payload_bytes_in },
		{ "payload_bytes_out", c.payload_bytes_out },
		{ "messages_dropped", c.messages_dropped },
		{ "messages_discarded", c.messages_discarded },
		{ "messages_denied", c.messages_denied },
		{ "subscribes_denied", c.subscribes_denied },
		{ "wills", c.wills },
		{ "faults", c.faults },
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_set_new(object, rows[i].name, number(rows[i].value));
	return object;
}

static void handle_status(void *arg, struct nj_admin_call *call)
{
	const struct gateway *g = arg;

	nj_admin_ok(call, json_pack("{s:i, s:i, s:I, s:b, s:b, s:I, s:I, s:o, s:o, s:o, s:o}", "pid", (int)getpid(),
				    "uid", (int)geteuid(), "started_ms", (json_int_t)g->started_ms, "separate_users",
				    g->config->separate_users, "keeper_connected", g->keeper_up, "unproven",
				    (json_int_t)nj_entry_count(g->entry), "grants", (json_int_t)nj_door_count(g->door),
				    "mqtt", mqtt_of(g), "limits", gateway_crowd_json(g), "messages",
				    gateway_messages_state(g), "listeners", listeners_of(g)));
}

static void handle_why(void *arg, struct nj_admin_call *call)
{
	const struct gateway *g = arg;

	nj_explain(g->directory, call);
}

/* ---- the gateway's part of a backup ---- */

static void copy_finish(struct gateway *g, enum nj_err err)
{
	struct nj_admin_call *call = g->copy_call;
	struct nj_store_copy *copy = g->copy;

	g->copy = NULL;
	g->copy_call = NULL;
	if (err == NJ_OK)
		nj_admin_ok(call, json_object());
	else
		nj_admin_fail(call, err, "the gateway's store cannot be copied: %s", nj_err_text(err));
	nj_store_copy_free(copy);
}

static void on_copy(struct nj_timer *timer)
{
	struct gateway *g = NJ_CONTAINER(timer, struct gateway, copy_timer);
	enum nj_err err = nj_store_copy_step(g->copy, NJ_STORE_COPY_PAGES);

	if (err == NJ_ERR_AGAIN)
		nj_timer_arm(g->reactor, &g->copy_timer, 0);
	else
		copy_finish(g, err);
}

static void handle_copy(void *arg, struct nj_admin_call *call)
{
	struct gateway *g = arg;
	struct nj_why why = { "" };
	enum nj_err err = g->copy != NULL ? nj_why(&why, NJ_ERR_BUSY, "a backup is being made: try again")
					  : nj_gateway_store_copy(g->store, &g->copy, &why);

	if (err != NJ_OK) {
		nj_admin_fail(call, err, "%s", why.text);
		return;
	}
	g->copy_call = call;
	g->copy_timer.on_timer = on_copy;
	nj_timer_arm(g->reactor, &g->copy_timer, 0);
}

static void handle_tls_show(void *arg, struct nj_admin_call *call)
{
	struct gateway *g = arg;

	gateway_posture_flush(g);
	nj_posture_tell(g->store, call);
}

const struct nj_admin_verb gateway_admin_verbs[] = {
	{ "gateway.status", handle_status },
	{ "mqtt.sessions", gateway_handle_sessions },
	{ "mqtt.session", gateway_handle_session },
	{ "mqtt.topics", gateway_handle_topics },
	{ "mqtt.retained", gateway_handle_retained },
	{ "mqtt.tail", gateway_handle_tail },
	{ "mqtt.bridges", gateway_handle_bridges },
	{ "gateway.metrics", gateway_handle_metrics },
	{ "gateway.copy", handle_copy },
	{ "why", handle_why },
	{ "tls.show", handle_tls_show },
};

const size_t gateway_admin_verb_count = sizeof(gateway_admin_verbs) / sizeof(gateway_admin_verbs[0]);
