#include "mqtt/restore.h"

#include "mqtt/keep.h"
#include "mqtt/post.h"
#include "mqtt/will.h"

#define FOREVER UINT32_MAX
#define SOON_MS 1 /* what is due already is done by the first turn, when all is restored */

struct nj_mqtt_restore {
	struct nj_mqtt_broker *broker; /* one of them */
	struct nj_map by_no;           /* sessions by their numbers */
	struct nj_mqtt_restored restored;
};

enum nj_err nj_mqtt_durable_begin(struct nj_mqtt_broker *broker, const struct nj_mqtt_durable *durable)
{
	return nj_mqtt_journal_new(broker, durable, &broker->journal);
}

void nj_mqtt_durable_collect(struct nj_mqtt_broker *broker)
{
	if (broker->journal != NULL)
		nj_mqtt_journal_collect(broker->journal);
}

bool nj_mqtt_durable_flush(struct nj_mqtt_broker *broker)
{
	return broker->journal != NULL && nj_mqtt_journal_flush(broker->journal);
}

struct nj_mqtt_durable_state nj_mqtt_durable_state_of(const struct nj_mqtt_broker *broker)
{
	const struct nj_mqtt_journal *journal = broker->journal;
	if (journal == NULL)
		return (struct nj_mqtt_durable_state){ .queued_bytes = 0 };
	return (struct nj_mqtt_durable_state){ .queued_bytes = broker->shared->kept_bytes,
					       .refused = __atomic_load_n(&journal->refused, __ATOMIC_RELAXED),
					       .troubled = __atomic_load_n(&journal->troubled, __ATOMIC_RELAXED),
					       .relaxed = journal->durable.relaxed };
}

static struct nj_view number_of(const void *entry)
{
	const struct nj_mqtt_session *session = entry;
	return nj_view_of(&session->keep->no, sizeof(session->keep->no));
}

enum nj_err nj_mqtt_restore_new(struct nj_mqtt_broker *broker, struct nj_random *random,
				struct nj_mqtt_restore **out_restore)
{
	struct nj_mqtt_restore *restore = calloc(1, sizeof(*restore));
	if (restore == NULL)
		return NJ_ERR_NO_MEMORY;
	restore->broker = broker;
	nj_map_init(&restore->by_no, number_of, NJ_MESSAGES_SESSION_MAX, random);
	*out_restore = restore;
	return NJ_OK;
}

void nj_mqtt_restore_free(struct nj_mqtt_restore *restore)
{
	if (restore == NULL)
		return;
	nj_map_done(&restore->by_no);
	free(restore);
}

struct nj_mqtt_restored nj_mqtt_restored_of(const struct nj_mqtt_restore *restore)
{
	return restore->restored;
}

static struct nj_mqtt_content content_of(const struct nj_mqtt_broker *broker, uint8_t flags,
					 const struct nj_messages_body *body)
{
	const uint8_t *properties = body->bytes + body->topic_bytes;
	return (struct nj_mqtt_content){ .topic = nj_view_of(body->bytes, body->topic_bytes),
					 .properties = nj_view_of(properties, body->properties_bytes),
					 .payload =
					     nj_view_of(properties + body->properties_bytes, body->payload_bytes),
					 .expires_ms = nj_mqtt_boot_of(broker, body->expires_ms),
					 .qos = flags & NJ_MESSAGES_QOS,
					 .retain = (flags & NJ_MESSAGES_RETAINED) != 0 };
}

/* From now; what has passed is due soon. */
static uint64_t time_left(const struct nj_mqtt_broker *broker, uint64_t wall_ms)
{
	uint64_t now_ms = nj_clock_wall_ms(nj_reactor_clock(broker->reactor));
	return wall_ms > now_ms + SOON_MS ? wall_ms - now_ms : SOON_MS;
}

/* A client that was connected when the gateway ended is away from now on. */
static void restore_times(struct nj_mqtt_session *session, const struct nj_messages_session *row)
{
	struct nj_mqtt_broker *broker = session->broker;
	struct nj_mqtt_keep *keep = session->keep;
	uint64_t now_ms = nj_clock_wall_ms(nj_reactor_clock(broker->reactor));
	if (row->ends_ms == 0)
		keep->ends_ms = row->expiry_s == FOREVER ? NJ_MESSAGES_NEVER : now_ms + UINT64_C(1000) * row->expiry_s;
	if (keep->ends_ms != NJ_MESSAGES_NEVER)
		nj_timer_arm(broker->reactor, &session->expiry, time_left(broker, keep->ends_ms));
	if (session->will == NULL)
		return;
	uint64_t delay_s = row->will.delay_s < row->expiry_s ? row->will.delay_s : row->expiry_s;
	if (row->will.due_ms == 0)
		keep->will_due_ms = now_ms + 1000 * delay_s;
	nj_timer_arm(broker->reactor, &session->will->due, time_left(broker, keep->will_due_ms));
}

static enum nj_err restore_will(struct nj_mqtt_session *session, const struct nj_messages_will *row)
{
	if (!row->present)
		return NJ_OK;
	struct nj_mqtt_content content = content_of(session->broker, row->flags, &row->body);
	struct nj_mqtt_will terms = { .delay_s = row->delay_s, .expires = row->expires, .expiry_s = row->expiry_s };
	return nj_mqtt_will_put(session, &content, terms);
}

static struct nj_mqtt_broker *home_of(const struct nj_mqtt_restore *restore, const struct nj_party *party,
				      struct nj_view client_id)
{
	const struct nj_mqtt_fabric *fabric = restore->broker->fabric;
	return fabric == NULL ? restore->broker : fabric->brokers[nj_mqtt_home(fabric, party->uid, client_id)];
}

static enum nj_err restore(struct nj_mqtt_restore *restore, struct nj_party *party,
			   const struct nj_messages_session *row, struct nj_mqtt_session **out_session)
{
	struct nj_mqtt_session *session;
	NJ_TRY(nj_mqtt_session_new(home_of(restore, party, row->client_id), party, row->client_id, &session));
	session->expiry_s = row->expiry_s;
	enum nj_err err = restore_will(session, &row->will);
	if (err == NJ_OK)
		err = nj_mqtt_keep_restore(session, row);
	if (err != NJ_OK) {
		nj_mqtt_session_free(session);
		return err;
	}
	restore_times(session, row);
	*out_session = session;
	return NJ_OK;
}

static void drop_row(struct nj_mqtt_restore *restore, uint32_t no)
{
	struct nj_mqtt_journal *journal = restore->broker->journal;
	struct nj_mqtt_record *record = nj_mqtt_record_new(journal, NJ_MESSAGES_SESSION_DROP, NULL, 0);
	restore->restored.lost++;
	if (record == NULL)
		return;
	record->op.session = no;
	nj_mqtt_record_open(journal, record, 0);
}

void nj_mqtt_restore_session(struct nj_mqtt_restore *restoring, struct nj_party *party,
			     const struct nj_messages_session *row)
{
	struct nj_mqtt_session *session = NULL;
	if (party == NULL || party->revoked || restore(restoring, party, row, &session) != NJ_OK) {
		drop_row(restoring, row->no);
		return;
	}
	if (nj_map_put(&restoring->by_no, session) != NJ_OK) {
		nj_mqtt_session_free(session);
		restoring->restored.lost++;
		return;
	}
	if (row->ends_ms == 0)
		nj_mqtt_keep_changed(session);
	restoring->restored.sessions++;
}

static struct nj_mqtt_session *session_of(struct nj_mqtt_restore *restore, uint32_t no)
{
	return nj_map_get(&restore->by_no, nj_view_of(&no, sizeof(no)));
}

void nj_mqtt_restore_subscription(struct nj_mqtt_restore *restore, uint32_t no, struct nj_view filter, uint8_t options,
				  uint32_t id)
{
	struct nj_mqtt_session *session = session_of(restore, no);
	if (session == NULL)
		return;
	if (nj_mqtt_subscription_restore(session, filter, options, id) == NJ_OK)
		restore->restored.subscriptions++;
	else
		restore->restored.lost++;
}

void nj_mqtt_restore_received(struct nj_mqtt_restore *restore, uint32_t no, uint16_t packet_id)
{
	struct nj_mqtt_session *session = session_of(restore, no);
	if (session != NULL && nj_mqtt_flow_receive(&session->flow, packet_id) != NJ_OK)
		restore->restored.lost++;
}

static enum nj_err keep_retained(struct nj_mqtt_broker *broker, const char *customer, struct nj_mqtt_message *message)
{
	struct nj_mqtt_space *space;
	NJ_TRY(nj_mqtt_space_of(broker, customer, &space));
	return nj_mqtt_retained_put(&space->retained, message);
}

/* One message for all of them. */
static enum nj_err put_retained(struct nj_mqtt_broker *broker, const char *customer,
				const struct nj_mqtt_content *content)
{
	const struct nj_mqtt_fabric *fabric = broker->fabric;
	struct nj_mqtt_message *message;
	NJ_TRY(nj_mqtt_message_new(&broker->shared->budget, content, &message));
	enum nj_err err = fabric == NULL ? keep_retained(broker, customer, message) : NJ_OK;
	for (size_t i = 0; fabric != NULL && i < fabric->count && err == NJ_OK; i++)
		err = keep_retained(fabric->brokers[i], customer, message);
	nj_mqtt_message_unref(message);
	return err;
}

void nj_mqtt_restore_retained(struct nj_mqtt_restore *restore, const char *customer, uint8_t flags,
			      const struct nj_messages_body *body)
{
	struct nj_mqtt_broker *broker = restore->broker;
	struct nj_mqtt_content content = content_of(broker, flags, body);
	content.retain = true;
	if (nj_mqtt_content_expired(&content, nj_reactor_now_ms(broker->reactor)))
		return;
	if (put_retained(broker, customer, &content) == NJ_OK)
		restore->restored.retained++;
	else
		restore->restored.lost++;
}
