/*
 * The verb mqtt.tail: messages of a customer as they come in, for an operator. Bounded in number, time, bytes of a
 * payload and messages a second; audited, because it shows payloads, and refused while the audit is not reached.
 * Each broker has a tap of its own, and posts what it sees to the main thread, which tells.
 */
#include <inttypes.h>

#include "base/file.h"
#include "daemon/gateway_state.h"
#include "mqtt/fabric.h"
#include "mqtt/inspect.h"

#define TAILS_MAX 4
#define COUNT_MAX 100000
#define SECONDS_MAX 3600
#define BYTES_MAX 65536
#define A_SECOND_MAX 500 /* messages of one broker: what is more is counted */
#define TICK_MS 500
#define FILTER_BYTES 512

/* One broker's. On its thread alone. */
struct lane {
	struct tail *tail;
	struct nj_mqtt_broker *broker;
	struct nj_mqtt_tap tap;
	uint64_t second;
	uint64_t in_second;
};

enum tail_state { TAIL_BEGINS, TAIL_LOOKS, TAIL_ENDS, TAIL_DRAINS };

struct tail {
	enum tail_state state;
	struct nj_mqtt_round round; /* puts the taps there, and takes them away */
	struct gateway *gateway;
	struct nj_admin_call *call;
	struct nj_timer tick;
	uint64_t until_ms; /* boot clock */
	uint64_t shown;
	uint64_t max_bytes;
	uint64_t count;
	_Atomic uint64_t taken;     /* of `count`, by all lanes */
	_Atomic uint64_t missed;    /* by all lanes */
	_Atomic uint64_t under_way; /* sightings */
	char customer[NJ_NAME_BYTES];
	char filter[FILTER_BYTES];
	size_t lane_count;
	struct lane lanes[NJ_MQTT_REACTORS_MAX];
};

/* A message on its way to the main thread. */
struct sighting {
	struct nj_post post;
	struct tail *tail;
	json_t *item;
};

/* ---- the end: the taps first, then what was still under way ---- */

static void end(struct tail *tail)
{
	nj_timer_cancel(&tail->tick);
	nj_admin_ok(tail->call,
		    json_pack("{s:I, s:I}", "shown", (json_int_t)tail->shown, "missed", (json_int_t)tail->missed));
	tail->gateway->tails--;
	free(tail);
}

static void visit_remove(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct tail *tail = NJ_CONTAINER(round, struct tail, round);

	for (size_t i = 0; i < tail->lane_count; i++)
		if (tail->lanes[i].broker == broker)
			nj_mqtt_tap_remove(broker, &tail->lanes[i].tap);
}

static void done_remove(struct nj_mqtt_round *round)
{
	struct tail *tail = NJ_CONTAINER(round, struct tail, round);

	tail->state = TAIL_DRAINS;
	if (tail->under_way == 0)
		end(tail);
}

static void finish(struct tail *tail)
{
	tail->state = TAIL_ENDS;
	tail->round = (struct nj_mqtt_round){ .visit = visit_remove, .done = done_remove };
	nj_mqtt_fabric_round(tail->gateway->fabric, &tail->round);
}

static void on_tick(struct nj_timer *timer)
{
	struct tail *tail = NJ_CONTAINER(timer, struct tail, tick);
	bool over = tail->shown == tail->count || nj_admin_gone(tail->call) ||
		    nj_reactor_now_ms(tail->gateway->reactor) >= tail->until_ms;

	if (over)
		finish(tail);
	else
		nj_timer_arm(tail->gateway->reactor, timer, TICK_MS);
}

/* ---- what is seen ---- */

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
static bool has_turn(struct lane *lane)
{
	struct tail *tail = lane->tail;
	uint64_t second = nj_clock_boot_ms(nj_clock_system()) / 1000;

	if (tail->taken >= tail->count)
		return false;
	if (second != lane->second) {
		lane->second = second;
		lane->in_second = 0;
	}
	if (lane->in_second == A_SECOND_MAX) {
		tail->missed++;
		return false;
	}
	lane->in_second++;
	return atomic_fetch_add(&tail->taken, 1) < tail->count;
}

static void on_sighting(struct nj_post *post)
{
	struct sighting *sighting = NJ_CONTAINER(post, struct sighting, post);
	struct tail *tail = sighting->tail;

	nj_admin_item(tail->call, sighting->item);
	free(sighting);
	tail->shown++;
	tail->under_way--;
	if (tail->state == TAIL_DRAINS && tail->under_way == 0)
		end(tail);
	else if (tail->state == TAIL_LOOKS && tail->shown == tail->count)
		/* Told from the timer: a tap must not be taken away in its own call. */
		nj_timer_arm(tail->gateway->reactor, &tail->tick, 0);
}

static void tell(struct tail *tail, json_t *item)
{
	struct sighting *sighting = calloc(1, sizeof(*sighting));

	/* Without memory it was not seen; the time limit ends what waits for it. */
	if (sighting == NULL) {
		json_decref(item);
		return;
	}
	sighting->post.on_post = on_sighting;
	sighting->tail = tail;
	sighting->item = item;
	tail->under_way++;
	if (tail->gateway->thread_count == 0)
		on_sighting(&sighting->post);
	else
		nj_reactor_post(tail->gateway->reactor, &sighting->post);
}

static void seen(void *arg, const struct nj_party *party, struct nj_view client_id, struct nj_view topic,
		 struct nj_view payload, uint8_t qos, bool retain)
{
	struct lane *lane = arg;

	if (!has_turn(lane))
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
	add_payload(item, payload, lane->tail->max_bytes);
	tell(lane->tail, item);
}

/* ---- the start ---- */

static bool read_args(struct tail *tail, struct nj_admin_call *call)
{
	const char *customer = NULL;
	const char *filter = NULL;
	uint64_t seconds = 0;

	if (!nj_admin_text(call, "customer", false, &customer) || !nj_admin_text(call, "filter", true, &filter) ||
	    !nj_admin_uint(call, "count", 100, COUNT_MAX, &tail->count) ||
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

	if (nj_text_format(detail, sizeof(detail), "%s: %" PRIu64 " messages of %s, %s", caller, tail->count,
			   tail->customer, tail->filter) == NJ_OK)
		gateway_audit_write(g, NJ_AUDIT_MQTT_TAIL, NULL, NULL, detail);
}

static void visit_add(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	struct tail *tail = NJ_CONTAINER(round, struct tail, round);
	struct lane *lane = &tail->lanes[tail->lane_count++];

	lane->tail = tail;
	lane->broker = broker;
	lane->tap = (struct nj_mqtt_tap){
		.customer = tail->customer, .filter = nj_view_str(tail->filter), .arg = lane, .seen = seen
	};
	nj_mqtt_tap_add(broker, &lane->tap);
}

/* The taps are there: from now on it may end. */
static void done_add(struct nj_mqtt_round *round)
{
	struct tail *tail = NJ_CONTAINER(round, struct tail, round);

	tail->state = TAIL_LOOKS;
	tail->tick.on_timer = on_tick;
	nj_timer_arm(tail->gateway->reactor, &tail->tick, TICK_MS);
}

void gateway_handle_tail(void *arg, struct nj_admin_call *call)
{
	struct gateway *g = arg;
	struct tail *tail;

	if (!may_look(g, call))
		return;
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
	g->tails++;
	tail->round = (struct nj_mqtt_round){ .visit = visit_add, .done = done_add };
	nj_mqtt_fabric_round(g->fabric, &tail->round);
}
