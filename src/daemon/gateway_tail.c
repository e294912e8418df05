/*
 * The verb mqtt.tail: messages of a customer as they come in, for an operator. Bounded in number, time, bytes of a
 * payload and messages a second; audited, because it shows payloads, and refused while the audit is not reached.
 */
#include <inttypes.h>

#include "base/file.h"
#include "daemon/gateway_state.h"
#include "mqtt/inspect.h"

#define TAILS_MAX 4
#define COUNT_MAX 100000
#define SECONDS_MAX 3600
#define BYTES_MAX 65536
#define A_SECOND_MAX 500 /* messages: what is more is counted */
#define TICK_MS 500
#define FILTER_BYTES 512

struct tail {
	struct gateway *gateway;
	struct nj_admin_call *call;
	struct nj_mqtt_tap tap;
	struct nj_timer tick;
	uint64_t until_ms; /* boot clock */
	uint64_t second;
	uint64_t in_second;
	uint64_t left;
	uint64_t shown;
	uint64_t missed;
	uint64_t max_bytes;
	char customer[NJ_NAME_BYTES];
	char filter[FILTER_BYTES];
};

static void finish(struct tail *tail)
{
	struct gateway *g = tail->gateway;

	nj_timer_cancel(&tail->tick);
	nj_mqtt_tap_remove(nj_mqtt_fabric_broker(g->fabric, 0), &tail->tap);
	nj_admin_ok(tail->call,
		    json_pack("{s:I, s:I}", "shown", (json_int_t)tail->shown, "missed", (json_int_t)tail->missed));
	g->tails--;
	free(tail);
}

static void on_tick(struct nj_timer *timer)
{
	struct tail *tail = NJ_CONTAINER(timer, struct tail, tick);
	bool over =
	    tail->left == 0 || nj_admin_gone(tail->call) || nj_reactor_now_ms(tail->gateway->reactor) >= tail->until_ms;

	if (over)
		finish(tail);
	else
		nj_timer_arm(tail->gateway->reactor, timer, TICK_MS);
}

/* Text where it is text, cut before a character that does not fit whole; else hex. */
static void add_payload(json_t *item, struct nj_view payload, size_t max)
{
	size_t len = payload.len < max ? payload.len : max;
	NJ_CLEANUP_FREE char *hex = NULL;

	for (size_t cut = 0; cut < 4 && cut <= len; cut++) {
		struct nj_view text = nj_view_of(payload.data, len - cut);

		if (!nj_utf8_valid(text) || (cut > 0 && len == payload.len))
			continue;
		json_object_set_new(item, "payload", json_stringn((const char *)text.data, text.len));
		return;
	}
	hex = malloc(2 * len + 1);
	if (hex == NULL)
		return;
	nj_hex_encode(payload.data, len, hex);
	json_object_set_new(item, "payload_hex", json_string(hex));
}

/* A busy filter does not fill the answer: so many a second, the rest is counted. */
static bool has_turn(struct tail *tail)
{
	uint64_t second = nj_reactor_now_ms(tail->gateway->reactor) / 1000;

	if (second != tail->second) {
		tail->second = second;
		tail->in_second = 0;
	}
	if (tail->left > 0 && tail->in_second < A_SECOND_MAX) {
		tail->in_second++;
		return true;
	}
	tail->missed += tail->left > 0;
	return false;
}

static void seen(void *arg, const struct nj_party *party, struct nj_view client_id, struct nj_view topic,
		 struct nj_view payload, uint8_t qos, bool retain)
{
	struct tail *tail = arg;

	if (!has_turn(tail))
		return;
	json_t *item =
	    json_pack("{s:I, s:s, s:s, s:o, s:o, s:i, s:b, s:I}", "time_ms",
		      (json_int_t)nj_clock_wall_ms(nj_clock_system()), "name", party != NULL ? party->names.name : "",
		      "kind", party != NULL ? nj_party_kind_name(party->kind) : "gateway", "client",
		      json_stringn((const char *)client_id.data, client_id.len), "topic",
		      json_stringn((const char *)topic.data, topic.len), "qos", (int)qos, "retain", (int)retain,
		      "bytes", (json_int_t)payload.len);
	if (item == NULL)
		return;
	add_payload(item, payload, tail->max_bytes);
	nj_admin_item(tail->call, item);
	tail->shown++;
	/* The end is told from the timer: a tap must not be taken away in its own call. */
	if (--tail->left == 0)
		nj_timer_arm(tail->gateway->reactor, &tail->tick, 0);
}

static bool read_args(struct tail *tail, struct nj_admin_call *call)
{
	const char *customer = NULL;
	const char *filter = NULL;
	uint64_t seconds = 0;

	if (!nj_admin_text(call, "customer", false, &customer) || !nj_admin_text(call, "filter", true, &filter) ||
	    !nj_admin_uint(call, "count", 100, COUNT_MAX, &tail->left) ||
	    !nj_admin_uint(call, "seconds", 60, SECONDS_MAX, &seconds) ||
	    !nj_admin_uint(call, "bytes", 256, BYTES_MAX, &tail->max_bytes))
		return false;
	if (nj_text_copy(tail->filter, sizeof(tail->filter), filter) != NJ_OK ||
	    nj_text_copy(tail->customer, sizeof(tail->customer), customer != NULL ? customer : NJ_CUSTOMER_DEFAULT) !=
		NJ_OK ||
	    !nj_topic_filter_valid(nj_view_str(tail->filter))) {
		nj_admin_fail(call, NJ_ERR_USAGE, "'%.256s' is no topic filter", filter);
		return false;
	}
	tail->until_ms = nj_reactor_now_ms(tail->gateway->reactor) + seconds * 1000;
	return true;
}

static bool may_look(const struct gateway *g, struct nj_admin_call *call)
{
	if (g->tails == TAILS_MAX)
		nj_admin_fail(call, NJ_ERR_LIMIT, "%d are looking already", TAILS_MAX);
	else if (!g->keeper_up)
		nj_admin_fail(call, NJ_ERR_AGAIN, "the keeper is away, and this is to be audited: try again");
	else
		return true;
	return false;
}

static void note(struct gateway *g, const struct tail *tail, const char *caller)
{
	char detail[FILTER_BYTES + 256];

	if (nj_text_format(detail, sizeof(detail), "%s: %" PRIu64 " messages of %s, %s", caller, tail->left,
			   tail->customer, tail->filter) == NJ_OK)
		gateway_audit_write(g, NJ_AUDIT_MQTT_TAIL, NULL, NULL, detail);
}

void gateway_handle_tail(void *arg, struct nj_admin_call *call)
{
	struct gateway *g = arg;
	struct tail *tail;

	if (!may_look(g, call))
		return;
	if (nj_mqtt_fabric_count(g->fabric) > 1) {
		nj_admin_fail(call, NJ_ERR_UNSUPPORTED, "with mqtt.reactors above 1 messages cannot be followed");
		return;
	}
	tail = calloc(1, sizeof(*tail));
	if (tail == NULL) {
		nj_admin_fail(call, NJ_ERR_NO_MEMORY, "out of memory");
		return;
	}
	tail->gateway = g;
	tail->call = call;
	if (!read_args(tail, call)) {
		free(tail);
		return;
	}
	note(g, tail, nj_admin_caller(call));
	tail->tap = (struct nj_mqtt_tap){
		.customer = tail->customer, .filter = nj_view_str(tail->filter), .arg = tail, .seen = seen
	};
	nj_mqtt_tap_add(nj_mqtt_fabric_broker(g->fabric, 0), &tail->tap);
	tail->tick.on_timer = on_tick;
	nj_timer_arm(g->reactor, &tail->tick, TICK_MS);
	g->tails++;
}
