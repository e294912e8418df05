/* The ceilings of a queue in the store: what fits, and, where the policy is to drop the oldest, what goes for it: from
 * the window in memory; then, of what is on disk alone, by a TRIM at the end of the next group. */
#include "mqtt/client.h"
#include "mqtt/keep_state.h"

#define TELL_MS 1000 /* between two words about one session */

/* ---- what fits ---- */

/* One message fits a session that waits for nothing, whatever its size is. */
static bool session_fits(const struct nj_mqtt_session *session, uint64_t bytes)
{
	const struct nj_mqtt_limits *limits = &session->broker->limits;
	const struct nj_mqtt_keep *keep = session->keep;
	return keep->messages == 0 ||
	       (keep->messages < limits->max_queued_messages && keep->bytes + bytes <= limits->max_queued_bytes);
}

/* So many more bytes, of all sessions of the customer and of all customers. */
static bool all_fit(const struct nj_mqtt_session *session, uint64_t bytes)
{
	const struct nj_mqtt_limits *limits = &session->broker->limits;
	return session->space->kept->bytes + bytes <= limits->customer_queued_bytes &&
	       session->broker->shared->kept_bytes + bytes <= limits->total_queued_bytes;
}

/* Counts it first: other brokers count meanwhile, and together they must not pass what is for all of them. */
static bool take(struct nj_mqtt_session *session, uint64_t bytes)
{
	if (!session_fits(session, bytes))
		return false;
	keep_count(session, 1, (int64_t)bytes);
	if (all_fit(session, 0))
		return true;
	keep_count(session, -1, -(int64_t)bytes);
	return false;
}

bool nj_mqtt_keep_full(const struct nj_mqtt_session *session)
{
	return session->keep->messages > 0 && !session_fits(session, 0);
}

/* ---- what may go ---- */

uint64_t nj_mqtt_keep_spared(const struct nj_mqtt_keep *keep)
{
	uint64_t spared = keep->passed > keep->sent ? keep->passed : keep->sent;
	return spared > keep->doubtful ? spared : keep->doubtful;
}

struct nj_mqtt_held nj_mqtt_keep_held(const struct nj_mqtt_session *session)
{
	struct nj_mqtt_held held = { 0, 0 };
	uint64_t spared = nj_mqtt_keep_spared(session->keep);
	const struct nj_list *lists[] = { &session->flow.inflight, &session->flow.waiting };
	if (session->client == NULL)
		return session->keep->held;
	for (size_t i = 0; i < 2; i++)
		NJ_LIST_EACH ((struct nj_list *)lists[i], at) {
			const struct nj_mqtt_delivery *delivery = NJ_CONTAINER(at, struct nj_mqtt_delivery, link);
			if (delivery->position == 0 || delivery->position > spared)
				continue;
			held.messages++;
			held.bytes += keep_bytes_of(delivery);
		}
	return held;
}

/* Whether the oldest that were not sent are enough. What would not fit an empty queue drops nothing. */
static bool worth_it(const struct nj_mqtt_session *session, uint64_t bytes)
{
	const struct nj_mqtt_limits *limits = &session->broker->limits;
	const struct nj_mqtt_keep *keep = session->keep;
	struct nj_mqtt_held held = nj_mqtt_keep_held(session);
	return keep->messages > held.messages && held.messages < limits->max_queued_messages &&
	       held.bytes + bytes <= limits->max_queued_bytes &&
	       (all_fit(session, bytes) || keep->bytes >= held.bytes + bytes);
}

/* The first of the window that was never sent. */
static bool drop_one(struct nj_mqtt_session *session)
{
	uint64_t spared = nj_mqtt_keep_spared(session->keep);
	NJ_LIST_EACH (&session->flow.waiting, at) {
		struct nj_mqtt_delivery *delivery = NJ_CONTAINER(at, struct nj_mqtt_delivery, link);
		if (delivery->position <= spared)
			continue;
		nj_mqtt_keep_discard(session, delivery);
		nj_mqtt_queue_full(session, 1);
		return true;
	}
	return false;
}

/* One at a time, until it leaves: what it takes is found then. */
static bool open_trim(struct nj_mqtt_session *session)
{
	struct nj_mqtt_journal *journal = keep_journal(session);
	if (session->keep->trim != NULL)
		return true;
	struct nj_mqtt_record *record =
	    nj_mqtt_record_new(journal, NJ_MESSAGES_TRIM, session, sizeof(struct nj_messages_trim));
	if (record == NULL)
		return false;
	session->keep->trim = record;
	nj_mqtt_record_open_last(journal, record);
	return true;
}

static bool trim_for(struct nj_mqtt_session *session, uint64_t bytes)
{
	if ((session->client != NULL && !session->keep->behind) || !open_trim(session))
		return false;
	keep_count(session, 1, (int64_t)bytes);
	if (!all_fit(session, 0))
		session->keep->owes += bytes;
	return true;
}

bool nj_mqtt_keep_admit(struct nj_mqtt_session *session, uint64_t bytes)
{
	if (session->keep->tail >= NJ_MESSAGES_POSITION_MAX)
		return false;
	bool room = take(session, bytes);
	/* What cannot be written must not cost what is written already. */
	if (room || session->broker->limits.queue_full != NJ_MQTT_QUEUE_DROPS_OLDEST ||
	    keep_journal(session)->troubled || !worth_it(session, bytes))
		return room;
	while (!room && drop_one(session))
		room = take(session, bytes);
	return room || trim_for(session, bytes);
}

void nj_mqtt_record_fill_trim(struct nj_mqtt_record *record)
{
	struct nj_mqtt_session *session = record->session;
	const struct nj_mqtt_limits *limits = &session->broker->limits;
	struct nj_mqtt_keep *keep = session->keep;
	struct nj_messages_trim *trim = nj_mqtt_record_more(record);
	uint64_t spared = nj_mqtt_keep_spared(keep);
	uint64_t over = 0;
	if (keep->messages > 1 && keep->bytes > limits->max_queued_bytes)
		over = keep->bytes - limits->max_queued_bytes;
	*trim = (struct nj_messages_trim){ .bytes = over > keep->owes ? over : keep->owes };
	if (keep->messages > limits->max_queued_messages)
		trim->messages = keep->messages - limits->max_queued_messages;
	/* No page is on its way now (journal.h: one group at a time): what is in the window stays. */
	if (session->client != NULL && keep->window_last > spared)
		spared = keep->window_last;
	record->op.position = spared;
	record->op.trim = trim;
	keep->owes = 0;
	keep->trim = NULL;
}

void nj_mqtt_keep_trimmed(struct nj_mqtt_session *session, const struct nj_messages_trim *trim)
{
	if (trim->gone_messages == 0)
		return;
	keep_count(session, -(int64_t)trim->gone_messages, -(int64_t)trim->gone_bytes);
	nj_mqtt_queue_full(session, trim->gone_messages);
}

/* ---- of any session ---- */

void nj_mqtt_queue_full(struct nj_mqtt_session *session, uint64_t discarded)
{
	struct nj_mqtt_broker *broker = session->broker;
	uint32_t now_ms = (uint32_t)nj_reactor_now_ms(broker->reactor);
	struct nj_mqtt_seen seen = { .party = session->party,
				     .client_id = nj_view_of(session->key + NJ_PARTY_UID_BYTES,
							     session->key_bytes - NJ_PARTY_UID_BYTES) };
	session->flow.discarded += discarded;
	nj_mqtt_count(&broker->counters.messages_discarded, discarded);
	nj_mqtt_count(&broker->counters.messages_dropped, discarded);
	if (broker->hooks.on_queue_full == NULL || now_ms - session->told_ms < TELL_MS)
		return;
	session->told_ms = now_ms;
	if (session->client != NULL)
		seen = nj_mqtt_client_seen(session->client);
	broker->hooks.on_queue_full(broker->hooks.arg, &seen, session->flow.discarded);
}
