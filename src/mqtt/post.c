#include "mqtt/post.h"
#include "mqtt/journal.h"

/* ---- letters ---- */

static void on_returned(struct nj_post *post)
{
	struct nj_mqtt_letter *letter = NJ_CONTAINER(post, struct nj_mqtt_letter, post);
	letter->from->peers[letter->to->place].under_way_bytes -= letter->bytes;
	letter->returned(letter);
}

static void on_arrived(struct nj_post *post)
{
	struct nj_mqtt_letter *letter = NJ_CONTAINER(post, struct nj_mqtt_letter, post);
	letter->deliver(letter);
	letter->post.on_post = on_returned;
	nj_reactor_post(letter->from->reactor, &letter->post);
}

void nj_mqtt_letter_send(struct nj_mqtt_letter *letter)
{
	letter->from->peers[letter->to->place].under_way_bytes += letter->bytes;
	letter->post.on_post = on_arrived;
	nj_reactor_post(letter->to->reactor, &letter->post);
}

bool nj_mqtt_post_high(const struct nj_mqtt_broker *broker)
{
	if (broker->fabric == NULL)
		return false;
	for (size_t i = 0; i < broker->fabric->count; i++)
		if (broker->peers[i].under_way_bytes >= NJ_MQTT_POST_HIGH_BYTES)
			return true;
	return false;
}

/* ---- homes ---- */

size_t nj_mqtt_home(const struct nj_mqtt_fabric *fabric, const uint8_t uid[NJ_PARTY_UID_BYTES],
		    struct nj_view client_id)
{
	uint8_t key[NJ_PARTY_UID_BYTES + NJ_MQTT_CLIENT_ID_MAX];
	struct nj_writer w = nj_writer_of(key, sizeof(key));
	size_t len = 0;
	nj_write_bytes(&w, uid, NJ_PARTY_UID_BYTES);
	nj_write_bytes(&w, client_id.data, client_id.len);
	/* One that is too long has no session: any broker can say so. */
	if (nj_writer_end(&w, &len) != NJ_OK)
		return 0;
	return nj_siphash13(fabric->seed, key, len) % fabric->count;
}

/* ---- rounds ---- */

static void end_round(struct nj_mqtt_round *round)
{
	struct nj_mqtt_fabric *fabric = round->fabric;
	round->done(round);
	atomic_fetch_sub(&fabric->errands, 1);
}

static void go_on(struct nj_mqtt_round *round)
{
	struct nj_mqtt_fabric *fabric = round->fabric;
	bool over = round->next == fabric->count;
	nj_reactor_post(over ? fabric->main_reactor : fabric->brokers[round->next]->reactor, &round->post);
}

static void on_round(struct nj_post *post)
{
	struct nj_mqtt_round *round = NJ_CONTAINER(post, struct nj_mqtt_round, post);
	if (round->next == round->fabric->count) {
		end_round(round);
		return;
	}
	if (round->visit != NULL)
		round->visit(round, round->fabric->brokers[round->next]);
	round->next++;
	go_on(round);
}

void nj_mqtt_fabric_round(struct nj_mqtt_fabric *fabric, struct nj_mqtt_round *round)
{
	round->fabric = fabric;
	round->next = 0;
	round->post.on_post = on_round;
	atomic_fetch_add(&fabric->errands, 1);
	if (fabric->count > 1) {
		go_on(round);
		return;
	}
	if (round->visit != NULL)
		round->visit(round, fabric->brokers[0]);
	end_round(round);
}

struct limiting {
	struct nj_mqtt_round round;
	struct nj_mqtt_limits limits;
};

static void visit_limits(struct nj_mqtt_round *round, struct nj_mqtt_broker *broker)
{
	nj_mqtt_broker_set_limits(broker, &NJ_CONTAINER(round, struct limiting, round)->limits);
}

static void done_limits(struct nj_mqtt_round *round)
{
	struct limiting *limiting = NJ_CONTAINER(round, struct limiting, round);
	round->fabric->limits.connect_timeout_ms = limiting->limits.connect_timeout_ms;
	free(limiting);
}

void nj_mqtt_fabric_set_limits(struct nj_mqtt_fabric *fabric, const struct nj_mqtt_limits *limits)
{
	struct limiting *limiting = calloc(1, sizeof(*limiting));
	/* Without memory it is as before. */
	if (limiting == NULL)
		return;
	limiting->limits = *limits;
	limiting->round.visit = visit_limits;
	limiting->round.done = done_limits;
	nj_mqtt_fabric_round(fabric, &limiting->round);
}

/* ---- the fabric ---- */

static enum nj_err join(struct nj_mqtt_fabric *fabric, struct nj_mqtt_broker *broker, size_t place)
{
	broker->peers = calloc(fabric->count, sizeof(*broker->peers));
	if (broker->peers == NULL)
		return NJ_ERR_NO_MEMORY;
	broker->fabric = fabric;
	broker->place = (uint16_t)place;
	broker->shared = &fabric->shared;
	nj_mqtt_limit_flows(broker);
	broker->dispatch.on_turn_end = nj_mqtt_dispatch;
	/* The first one tells what all have counted. */
	if (place > 0)
		nj_mqtt_broker_share_tallies(broker, fabric->brokers[0]->tallies, false);
	/* Whatever they choose by it, they choose alike. */
	memcpy(broker->seed, fabric->seed, sizeof(broker->seed));
	nj_reactor_share_held(broker->reactor, &fabric->shared.budget.used);
	return NJ_OK;
}

static enum nj_err make_brokers(struct nj_mqtt_fabric *fabric, struct nj_reactor *const *reactors,
				const struct nj_mqtt_limits *limits)
{
	for (size_t i = 0; i < fabric->count; i++) {
		struct nj_reactor *reactor = fabric->count > 1 ? reactors[i] : fabric->main_reactor;
		NJ_TRY(nj_mqtt_broker_new(reactor, fabric->random, limits, &fabric->hooks, &fabric->brokers[i]));
		if (fabric->count > 1)
			NJ_TRY(join(fabric, fabric->brokers[i], i));
	}
	return NJ_OK;
}

enum nj_err nj_mqtt_fabric_new(struct nj_reactor *main_reactor, struct nj_reactor *const *reactors, size_t count,
			       struct nj_random *random, const struct nj_mqtt_limits *limits,
			       const struct nj_mqtt_hooks *hooks, struct nj_mqtt_fabric **out_fabric)
{
	if (count == 0 || count > NJ_MQTT_REACTORS_MAX)
		return NJ_ERR_RANGE;
	struct nj_mqtt_fabric *fabric = calloc(1, sizeof(*fabric));
	if (fabric == NULL)
		return NJ_ERR_NO_MEMORY;
	fabric->main_reactor = main_reactor;
	fabric->random = random;
	fabric->count = count;
	fabric->limits = *limits;
	if (hooks != NULL)
		fabric->hooks = *hooks;
	nj_list_init(&fabric->waiting);
	nj_random_fill(random, fabric->seed, sizeof(fabric->seed));
	nj_mqtt_shared_init(&fabric->shared, limits, random);
	enum nj_err err = make_brokers(fabric, reactors, limits);
	if (err == NJ_OK)
		*out_fabric = fabric;
	else
		nj_mqtt_fabric_free(fabric);
	return err;
}

static bool busy(const struct nj_mqtt_fabric *fabric)
{
	if (fabric->errands > 0)
		return true;
	for (size_t i = 0; i < fabric->count * fabric->count; i++) {
		const struct nj_mqtt_broker *broker = fabric->brokers[i / fabric->count];
		if (broker != NULL && broker->peers != NULL && broker->peers[i % fabric->count].under_way_bytes > 0)
			return true;
	}
	return false;
}

static void take_posts(struct nj_mqtt_fabric *fabric)
{
	for (size_t i = 0; i < fabric->count; i++) {
		struct nj_mqtt_broker *broker = fabric->brokers[i];
		if (broker == NULL || broker->fabric == NULL)
			continue;
		nj_reactor_take_posts(broker->reactor);
		nj_defer_cancel(&broker->dispatch);
		nj_mqtt_dispatch(&broker->dispatch);
	}
	nj_reactor_take_posts(fabric->main_reactor);
}

void nj_mqtt_fabric_settle(struct nj_mqtt_fabric *fabric)
{
	do
		take_posts(fabric);
	while (busy(fabric));
}

static void leave(struct nj_mqtt_broker *broker)
{
	if (broker == NULL || broker->fabric == NULL)
		return;
	nj_mqtt_broker_hush(broker);
	broker->fabric = NULL;
	nj_reactor_share_held(broker->reactor, NULL);
}

void nj_mqtt_fabric_free(struct nj_mqtt_fabric *fabric)
{
	if (fabric == NULL)
		return;
	nj_mqtt_fabric_settle(fabric);
	nj_mqtt_greeter_done(fabric);
	/* They have nothing more to say to each other. */
	for (size_t i = 0; i < fabric->count; i++)
		leave(fabric->brokers[i]);
	/* One's journal may hold records of another's sessions. */
	for (size_t i = 0; i < fabric->count; i++)
		nj_mqtt_broker_close_journal(fabric->brokers[i]);
	for (size_t i = 0; i < fabric->count; i++)
		nj_mqtt_broker_free(fabric->brokers[i]);
	nj_mqtt_shared_done(&fabric->shared);
	free(fabric);
}

size_t nj_mqtt_fabric_count(const struct nj_mqtt_fabric *fabric)
{
	return fabric->count;
}

struct nj_mqtt_broker *nj_mqtt_fabric_broker(const struct nj_mqtt_fabric *fabric, size_t place)
{
	return fabric->brokers[place];
}

struct nj_mqtt_counters nj_mqtt_fabric_counters(const struct nj_mqtt_fabric *fabric)
{
	struct nj_mqtt_counters sum = nj_mqtt_counters_of(fabric->brokers[0]);
	/* What they have together is in each one's. */
	uint64_t retained = sum.retained;
	uint64_t memory_bytes = sum.memory_bytes;
	for (size_t i = 1; i < fabric->count; i++) {
		struct nj_mqtt_counters more = nj_mqtt_counters_of(fabric->brokers[i]);
		for (size_t n = 0; n < sizeof(sum) / sizeof(uint64_t); n++)
			((uint64_t *)&sum)[n] += ((const uint64_t *)&more)[n];
	}
	sum.retained = retained;
	sum.memory_bytes = memory_bytes;
	sum.connections += fabric->waiting_count;
	return sum;
}
