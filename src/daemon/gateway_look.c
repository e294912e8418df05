/* The verbs that show what the broker holds: mqtt.sessions, mqtt.session, mqtt.topics, mqtt.retained. In pages, in
 * order of their keys, so that however much there is a question costs a look at each and the memory of one page. */
#include "daemon/gateway_state.h"
#include "mqtt/inspect.h"

#define PAGE_MAX 1000
#define FILTERS_MAX 1000 /* shown of one session */
#define KEY_BYTES 2048

struct row {
	char *key;
	json_t *json;
};

/* The least keys after `after`. */
struct page {
	struct row *rows;
	size_t count;
	size_t limit;
	const char *after;
	bool more;
};

struct look {
	struct nj_mqtt_round round;
	struct gateway *gateway;
	struct nj_admin_call *call;
	const char *customer;
	const char *name;   /* of a party; NULL: all */
	const char *client; /* NULL: all */
	const char *filter;
	uint8_t kind;
	bool connected_only;
	struct page page;
	void (*visit)(struct look *look, struct nj_mqtt_broker *broker);
};

/* ---- pages ---- */

/* Where a key stands, or would stand. */
static size_t place_of(const struct page *page, const char *key, bool *out_there)
{
	size_t low = 0;
	size_t high = page->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(page->rows[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*out_there = low < page->count && strcmp(page->rows[low].key, key) == 0;
	return low;
}

static void row_done(struct row *row)
{
	free(row->key);
	json_decref(row->json);
}

static bool page_wants(struct page *page, const char *key)
{
	if (strcmp(key, page->after) <= 0)
		return false;
	if (page->count < page->limit || strcmp(key, page->rows[page->count - 1].key) <= 0)
		return true;
	page->more = true;
	return false;
}

/* Takes over `json`. A page is short by what there is no memory for. */
static void page_put(struct page *page, const char *key, json_t *json)
{
	bool there;
	size_t at = place_of(page, key, &there);
	struct row row = { .key = strdup(key), .json = json };

	if (row.key == NULL || json == NULL) {
		row_done(&row);
		return;
	}
	if (page->count == page->limit) {
		row_done(&page->rows[--page->count]);
		page->more = true;
	}
	memmove(&page->rows[at + 1], &page->rows[at], (page->count - at) * sizeof(*page->rows));
	page->rows[at] = row;
	page->count++;
}

static void page_answer(struct page *page, struct nj_admin_call *call)
{
	const char *last = page->more && page->count > 0 ? page->rows[page->count - 1].key : NULL;
	json_t *ok = json_pack("{s:s?}", "next", last);

	for (size_t i = 0; i < page->count; i++)
		nj_admin_item(call, json_incref(page->rows[i].json));
	nj_admin_ok(call, ok);
	for (size_t i = 0; i < page->count; i++)
		row_done(&page->rows[i]);
	free(page->rows);
}

/* ---- what is asked ---- */

static bool kind_of(struct nj_admin_call *call, uint8_t *out_kind)
{
	const char *text = NULL;

	if (!nj_admin_text(call, "kind", false, &text))
		return false;
	*out_kind = text != NULL && strcmp(text, "application") == 0 ? NJ_PARTY_APPLICATION : NJ_PARTY_DEVICE;
	return true;
}

static bool read_page(struct look *look)
{
	const char *after = NULL;
	uint64_t limit = 0;

	if (!nj_admin_text(look->call, "after", false, &after) ||
	    !nj_admin_uint(look->call, "limit", PAGE_MAX, PAGE_MAX, &limit))
		return false;
	look->page.after = after != NULL ? after : "";
	look->page.limit = limit > 0 ? limit : 1;
	look->page.rows = calloc(look->page.limit + 1, sizeof(*look->page.rows));
	if (look->page.rows == NULL)
		nj_admin_fail(look->call, NJ_ERR_NO_MEMORY, "out of memory");
	return look->page.rows != NULL;
}

static bool look_read(struct look *look)
{
	if (!nj_admin_text(look->call, "customer", false, &look->customer) ||
	    !nj_admin_text(look->call, "name", false, &look->name) ||
	    !nj_admin_text(look->call, "client", false, &look->client) ||
	    !nj_admin_text(look->call, "filter", false, &look->filter) || !kind_of(look->call, &look->kind) ||
	    !nj_admin_flag(look->call, "connected", &look->connected_only))
		return false;
	if (look->customer == NULL)
		look->customer = NJ_CUSTOMER_DEFAULT;
	if (look->filter == NULL)
		look->filter = "#";
	if (!nj_topic_filter_valid(nj_view_str(look->filter))) {
		nj_admin_fail(look->call, NJ_ERR_USAGE, "'%.256s' is no topic filter", look->filter);
		return false;
	}
	return read_page(look);
}

static void visit_look(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct look *look = NJ_CONTAINER(round, struct look, round);

	look->visit(look, broker);
}

static void done_look(struct nj_mqtt_round *round)
{
	struct look *look = NJ_CONTAINER(round, struct look, round);

	page_answer(&look->page, look->call);
	free(look);
}

static void look_run(struct gateway *g, struct nj_admin_call *call,
		     void (*visit)(struct look *look, struct nj_mqtt_broker *broker))
{
	struct look *look = calloc(1, sizeof(*look));

	if (look == NULL) {
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory");
		return;
	}
	look->gateway = g;
	look->call = call;
	look->visit = visit;
	if (!look_read(look)) {
		free(look);
		return;
	}
	look->round.visit = visit_look;
	look->round.done = done_look;
	nj_mqtt_fabric_round(g->fabric, &look->round);
}

/* ---- sessions ---- */

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *text_of(struct nj_view view)
{
	return json_stringn((const char *)view.data, view.len);
}

static void add_connection(json_t *row, const struct nj_mqtt_sight *sight)
{
	const struct nj_tls_facts *tls = nj_conn_tls_facts(sight->conn);
	char peer[NJ_ADDR_TEXT_BYTES];
	const char *proof = "password";

	if (sight->local)
		proof = "local";
	else if (tls != NULL)
		proof = tls->psk_bound ? "key" : "certificate";
	json_object_set_new(row, "peer", json_string(nj_addr_text(nj_conn_peer(sight->conn), peer)));
	json_object_set_new(row, "version", json_string(sight->version >= 5 ? "5.0" : "3.1.1"));
	json_object_set_new(row, "keep_alive_s", number(sight->keep_alive_s));
	json_object_set_new(row, "silent_ms", number(sight->silent_ms));
	json_object_set_new(row, "proof", json_string(proof));
	json_object_set_new(row, "bytes_in", number(nj_conn_bytes_in(sight->conn)));
	json_object_set_new(row, "bytes_out", number(nj_conn_bytes_out(sight->conn)));
	if (tls == NULL)
		return;
	json_object_set_new(row, "tls", json_string(tls->version));
	json_object_set_new(row, "cipher", json_string(tls->cipher));
	if (tls->psk_bound)
		json_object_set_new(row, "knock", json_string(tls->psk_identity));
	else
		json_object_set_new(row, "certificate", json_string(tls->certificate));
}

static json_t *session_row(const struct nj_mqtt_sight *sight)
{
	const struct nj_party *party = sight->party;
	json_t *row =
	    json_pack("{s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "name", party->names.name, "kind",
		      nj_party_kind_name(party->kind), "client", text_of(sight->client_id), "state",
		      sight->conn != NULL ? "connected" : "away", "subscriptions", (json_int_t)sight->subscriptions,
		      "queued", (json_int_t)sight->queued, "queued_bytes", (json_int_t)sight->queued_bytes, "inflight",
		      (json_int_t)sight->inflight, "discarded", (json_int_t)sight->discarded, "expiry_s",
		      (json_int_t)sight->expiry_s, "will", (int)sight->has_will);

	if (row != NULL && sight->conn != NULL)
		add_connection(row, sight);
	return row;
}

/* By name, then kind, then client identifier. */
static void session_key(const struct nj_mqtt_sight *sight, char key[KEY_BYTES])
{
	snprintf(key, KEY_BYTES, "%s\x1f%u\x1f%.*s", sight->party->names.name, sight->party->kind,
		 (int)sight->client_id.len, (const char *)sight->client_id.data);
}

static bool is_meant(const struct look *look, const struct nj_mqtt_sight *sight)
{
	const struct nj_party *party = sight->party;

	if (look->connected_only && sight->conn == NULL)
		return false;
	if (look->name != NULL && (party->kind != look->kind || strcmp(party->names.name, look->name) != 0))
		return false;
	return look->client == NULL || nj_view_equal(nj_view_str(look->client), sight->client_id);
}

static void take_session(void *arg, const struct nj_mqtt_sight *sight)
{
	struct look *look = arg;
	char key[KEY_BYTES];

	if (!is_meant(look, sight))
		return;
	session_key(sight, key);
	if (page_wants(&look->page, key))
		page_put(&look->page, key, session_row(sight));
}

static void visit_sessions(struct look *look, struct nj_mqtt_broker *broker)
{
	nj_mqtt_see_sessions(broker, look->customer, take_session, look);
}

void gateway_handle_sessions(void *arg, struct nj_admin_call *call)
{
	look_run(arg, call, visit_sessions);
}

/* ---- one party's sessions, with what they subscribe to ---- */

static void take_filter(void *arg, const struct nj_mqtt_sight *sight,
			const struct nj_mqtt_subscription_sight *subscription)
{
	struct look *look = arg;
	char key[KEY_BYTES];
	bool there;

	if (!is_meant(look, sight))
		return;
	session_key(sight, key);
	size_t at = place_of(&look->page, key, &there);
	if (!there)
		return;
	json_t *row = look->page.rows[at].json;
	json_t *filters = json_object_get(row, "filters");
	if (filters == NULL) {
		filters = json_array();
		json_object_set_new(row, "filters", filters);
	}
	if (json_array_size(filters) < FILTERS_MAX)
		json_array_append_new(filters,
				      json_pack("{s:o, s:i, s:I, s:b}", "filter", text_of(subscription->filter), "qos",
						(int)subscription->qos, "id", (json_int_t)subscription->id, "allowed",
						(int)subscription->allowed));
}

static void visit_session(struct look *look, struct nj_mqtt_broker *broker)
{
	nj_mqtt_see_sessions(broker, look->customer, take_session, look);
	nj_mqtt_see_subscriptions(broker, look->customer, take_filter, look);
}

void gateway_handle_session(void *arg, struct nj_admin_call *call)
{
	look_run(arg, call, visit_session);
}

/* ---- topics: filters, and how many subscribe to each ---- */

static void key_of_view(struct nj_view view, char key[KEY_BYTES])
{
	struct nj_view cut = nj_utf8_cut(view, KEY_BYTES - 1);

	memcpy(key, cut.data, cut.len);
	key[cut.len] = '\0';
}

static void raise(json_t *row, const char *member, uint64_t by)
{
	json_object_set_new(row, member,
			    json_integer(json_integer_value(json_object_get(row, member)) + (json_int_t)by));
}

/* What falls off the page never comes back to it, so that those on it are counted whole. */
static void take_topic(void *arg, const struct nj_mqtt_sight *sight,
		       const struct nj_mqtt_subscription_sight *subscription)
{
	struct look *look = arg;
	char key[KEY_BYTES];
	bool there;

	key_of_view(subscription->filter, key);
	if (!page_wants(&look->page, key))
		return;
	size_t at = place_of(&look->page, key, &there);
	if (!there)
		page_put(&look->page, key,
			 json_pack("{s:o, s:i, s:i}", "filter", text_of(subscription->filter), "sessions", 0,
				   "connected", 0));
	at = place_of(&look->page, key, &there);
	if (!there)
		return;
	raise(look->page.rows[at].json, "sessions", 1);
	raise(look->page.rows[at].json, "connected", sight->conn != NULL);
}

static void visit_topics(struct look *look, struct nj_mqtt_broker *broker)
{
	nj_mqtt_see_subscriptions(broker, look->customer, take_topic, look);
}

void gateway_handle_topics(void *arg, struct nj_admin_call *call)
{
	look_run(arg, call, visit_topics);
}

/* ---- retained messages, without their payloads ---- */

static void take_retained(void *arg, const struct nj_mqtt_retained_sight *retained)
{
	struct look *look = arg;
	char key[KEY_BYTES];
	bool there;

	key_of_view(retained->topic, key);
	(void)place_of(&look->page, key, &there);
	if (!there && page_wants(&look->page, key))
		page_put(&look->page, key,
			 json_pack("{s:o, s:I, s:i, s:I}", "topic", text_of(retained->topic), "bytes",
				   (json_int_t)retained->payload_bytes, "qos", (int)retained->qos, "expires_in_s",
				   (json_int_t)(retained->expires_in_ms / 1000)));
}

static void visit_retained(struct look *look, struct nj_mqtt_broker *broker)
{
	nj_mqtt_see_retained(broker, look->customer, nj_view_str(look->filter), take_retained, look);
}

void gateway_handle_retained(void *arg, struct nj_admin_call *call)
{
	look_run(arg, call, visit_retained);
}
