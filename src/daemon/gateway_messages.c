#include "daemon/gateway_messages.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/log.h"
#include "mqtt/restore.h"
#include "store/committer.h"
#include "store/messages_store.h"

/* A broker's way to the committer. */
struct way {
	struct gateway_messages *messages;
	struct nj_committer_port *port;
};

struct gateway_messages {
	struct nj_committer *committer;
	struct way ways[NJ_MQTT_REACTORS_MAX];
	_Atomic uint32_t last_session;
	_Atomic uint64_t last_shared;
};

/* ---- what the broker is given ---- */

static void submit(void *arg, struct nj_messages_group *group)
{
	const struct way *way = arg;

	nj_committer_submit(way->port, &group->commit);
}

static struct nj_messages_group *finished(void *arg)
{
	const struct way *way = arg;

	return nj_messages_group_of(nj_committer_finished(way->port));
}

static uint32_t next_session(void *arg)
{
	struct gateway_messages *messages = ((const struct way *)arg)->messages;
	uint32_t no = atomic_fetch_add(&messages->last_session, 1) + 1;

	return no <= NJ_MESSAGES_SESSION_MAX ? no : 0;
}

static uint64_t next_shared(void *arg)
{
	struct gateway_messages *messages = ((const struct way *)arg)->messages;

	return atomic_fetch_add(&messages->last_shared, 1) + 1;
}

/* ---- the start ---- */

struct restore {
	struct gateway *gateway;
	struct nj_mqtt_restore *broker;
};

static enum nj_err restore_session(void *arg, const struct nj_messages_session *row)
{
	struct restore *restore = arg;

	nj_mqtt_restore_session(restore->broker, nj_directory_by_uid(restore->gateway->directory, row->uid), row);
	return NJ_OK;
}

static enum nj_err restore_subscription(void *arg, const struct nj_messages_subscription *row)
{
	struct restore *restore = arg;

	nj_mqtt_restore_subscription(restore->broker, row->session, row->filter, row->options, row->id);
	return NJ_OK;
}

static enum nj_err restore_received(void *arg, uint32_t session, uint16_t packet_id)
{
	struct restore *restore = arg;

	nj_mqtt_restore_received(restore->broker, session, packet_id);
	return NJ_OK;
}

static enum nj_err restore_retained(void *arg, struct nj_view customer, uint8_t flags,
				    const struct nj_messages_body *body)
{
	struct restore *restore = arg;
	char name[NJ_NAME_BYTES];

	NJ_TRY(nj_text_copy_view(name, sizeof(name), customer));
	nj_mqtt_restore_retained(restore->broker, name, flags, body);
	return NJ_OK;
}

static enum nj_err read_all(struct restore *restore, struct nj_messages_store *store)
{
	NJ_TRY(nj_messages_store_session_each(store, restore_session, restore));
	NJ_TRY(nj_messages_store_subscription_each(store, restore_subscription, restore));
	NJ_TRY(nj_messages_store_received_each(store, restore_received, restore));
	return nj_messages_store_retained_each(store, restore_retained, restore);
}

static struct nj_mqtt_durable_state state_of(const struct gateway *g)
{
	struct nj_mqtt_durable_state sum = nj_mqtt_durable_state_of(nj_mqtt_fabric_broker(g->fabric, 0));

	for (size_t i = 1; i < nj_mqtt_fabric_count(g->fabric); i++) {
		struct nj_mqtt_durable_state one = nj_mqtt_durable_state_of(nj_mqtt_fabric_broker(g->fabric, i));

		sum.refused += one.refused;
		sum.troubled |= one.troubled;
	}
	return sum;
}

static enum nj_err restore_all(struct gateway *g, struct nj_messages_store *store, struct nj_why *why)
{
	struct restore restore = { .gateway = g };
	uint64_t started_ms = nj_clock_boot_ms(nj_clock_system());

	NJ_TRY(nj_mqtt_restore_new(nj_mqtt_fabric_broker(g->fabric, 0), nj_random_system(), &restore.broker));
	enum nj_err err = read_all(&restore, store);
	struct nj_mqtt_restored restored = nj_mqtt_restored_of(restore.broker);
	nj_mqtt_restore_free(restore.broker);
	if (err != NJ_OK)
		return nj_why(why, err, "%s: the messages' store cannot be read: %s", g->config->paths.messages_db,
			      nj_err_text(err));
	/* The brokers tell each other who is interested in what. */
	nj_mqtt_fabric_settle(g->fabric);
	NJ_LOG(NJ_LOG_INFO, "messages.restored", NJ_U("sessions", restored.sessions),
	       NJ_U("subscriptions", restored.subscriptions), NJ_U("retained", restored.retained),
	       NJ_U("lost", restored.lost), NJ_U("queued_bytes", state_of(g).queued_bytes),
	       NJ_U("took_ms", nj_clock_boot_ms(nj_clock_system()) - started_ms));
	return NJ_OK;
}

static enum nj_err open_store(const char *path, struct nj_messages_store **out_store, struct nj_why *why)
{
	enum nj_store_mode mode = access(path, F_OK) == 0 ? NJ_STORE_OPEN : NJ_STORE_CREATE;

	return nj_messages_store_open(path, mode, out_store, why);
}

static enum nj_err begin_one(struct gateway *g, size_t place)
{
	struct way *way = &g->messages->ways[place];

	way->messages = g->messages;
	NJ_TRY(nj_committer_port_new(g->messages->committer, &way->port));
	struct nj_mqtt_durable durable = {
		.arg = way,
		.fd = nj_committer_port_fd(way->port),
		.submit = submit,
		.finished = finished,
		.next_session = next_session,
		.next_shared = next_shared,
		.relaxed = g->config->settings.mqtt.durability == NJ_SETTINGS_DURABILITY_RELAXED,
	};
	return nj_mqtt_durable_begin(nj_mqtt_fabric_broker(g->fabric, place), &durable);
}

static enum nj_err begin(struct gateway *g, struct nj_messages_store *store)
{
	struct gateway_messages *messages = g->messages;
	uint32_t session = 0;
	uint64_t shared = 0;

	NJ_TRY(nj_messages_store_numbers(store, &session, &shared));
	atomic_store(&messages->last_session, session);
	atomic_store(&messages->last_shared, shared);
	for (size_t i = 0; i < nj_mqtt_fabric_count(g->fabric); i++)
		NJ_TRY(begin_one(g, i));
	return NJ_OK;
}

enum nj_err gateway_messages_open(struct gateway *g, struct nj_why *why)
{
	struct nj_messages_store *store = NULL;

	g->messages = calloc(1, sizeof(*g->messages));
	if (g->messages == NULL)
		return NJ_ERR_NO_MEMORY;
	NJ_TRY(open_store(g->config->paths.messages_db, &store, why));
	NJ_TRY(nj_committer_new(nj_messages_store_committed(store), &g->messages->committer));
	NJ_TRY(begin(g, store));
	return restore_all(g, store, why);
}

enum nj_err gateway_messages_start(void *arg, struct nj_why *why)
{
	struct gateway *g = arg;
	enum nj_err err = nj_committer_start(g->messages->committer);

	return err == NJ_OK ? NJ_OK : nj_why(why, err, "no thread for the messages' store: %s", nj_err_text(err));
}

/* ---- the end ---- */

/* A full disk does not hold the end up for ever. */
#define FLUSHES_MAX 100

static bool flush_all(const struct gateway *g)
{
	bool any = false;

	for (size_t i = 0; i < nj_mqtt_fabric_count(g->fabric); i++)
		any |= nj_mqtt_durable_flush(nj_mqtt_fabric_broker(g->fabric, i));
	return any;
}

void gateway_messages_close(struct gateway *g)
{
	if (g->messages == NULL || g->messages->committer == NULL || g->fabric == NULL)
		return;
	for (int i = 0; i < FLUSHES_MAX && flush_all(g); i++) {
		nj_committer_drain(g->messages->committer);
		for (size_t n = 0; n < nj_mqtt_fabric_count(g->fabric); n++)
			nj_mqtt_durable_collect(nj_mqtt_fabric_broker(g->fabric, n));
		/* What was promised across brokers goes on. */
		nj_mqtt_fabric_settle(g->fabric);
	}
}

void gateway_messages_free(struct gateway *g)
{
	if (g->messages == NULL)
		return;
	nj_committer_free(g->messages->committer);
	free(g->messages);
	g->messages = NULL;
}

/* ---- for people ---- */

void gateway_messages_count(const struct gateway *g, struct nj_mqtt_durable_state *out_state,
			    struct nj_committer_stats *out_stats)
{
	*out_state = state_of(g);
	*out_stats = nj_committer_stats_of(g->messages->committer);
}

json_t *gateway_messages_state(const struct gateway *g)
{
	struct nj_mqtt_durable_state state;
	struct nj_committer_stats stats;

	gateway_messages_count(g, &state, &stats);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "durability", state.relaxed ? "relaxed" : "strict",
			 "disk", state.troubled ? nj_err_name(stats.last_error) : "ok", "queued_bytes",
			 (json_int_t)state.queued_bytes, "commits", (json_int_t)stats.commits, "operations",
			 (json_int_t)stats.operations, "refused", (json_int_t)state.refused, "commit_us_mean",
			 (json_int_t)(stats.commits > 0 ? stats.commit_us / stats.commits : 0), "commit_us_max",
			 (json_int_t)stats.commit_us_max);
}
