/*
 * What the files of a session's keep share: how it is counted, and its window in memory. Included in keep*.c alone.
 * Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_KEEP_STATE_H
#define NJ_MQTT_KEEP_STATE_H

#include "mqtt/keep.h"

#define KEEP_LAZY_MS 100 /* what may come to the disk when it is convenient */

static inline uint64_t keep_row_bytes(const struct nj_mqtt_message *message)
{
	const struct nj_mqtt_content *content = &message->content;
	return content->topic.len + content->properties.len + content->payload.len;
}

static inline uint64_t keep_bytes_of(const struct nj_mqtt_delivery *delivery)
{
	return NJ_MESSAGES_ROW_BYTES + (delivery->message != NULL ? keep_row_bytes(delivery->message) : 0);
}

/* Of the session, its customer and all together. */
static inline void keep_count(struct nj_mqtt_session *session, int64_t messages, int64_t bytes)
{
	session->keep->messages += (uint64_t)messages;
	session->keep->bytes += (uint64_t)bytes;
	atomic_fetch_add_explicit(&session->space->kept->bytes, (uint64_t)bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&session->broker->shared->kept_bytes, (uint64_t)bytes, memory_order_relaxed);
}

/* NULL: nothing is kept on disk. */
static inline struct nj_mqtt_journal *keep_journal(const struct nj_mqtt_session *session)
{
	return session->broker->journal;
}

/* keep_room.c */
/* Counts a message of so many bytes in the store, unless that passes a ceiling; older ones may go for it. */
bool nj_mqtt_keep_admit(struct nj_mqtt_session *session, uint64_t bytes);
/* No position up to this goes for want of room: it was sent, or is over. */
uint64_t nj_mqtt_keep_spared(const struct nj_mqtt_keep *keep);
/* What was sent and is not acknowledged, as far as it is known. */
struct nj_mqtt_held nj_mqtt_keep_held(const struct nj_mqtt_session *session);
/* What a TRIM took. */
void nj_mqtt_keep_trimmed(struct nj_mqtt_session *session, const struct nj_messages_trim *trim);

/* keep.c: ends a delivery that was never sent, for want of room. */
void nj_mqtt_keep_discard(struct nj_mqtt_session *session, struct nj_mqtt_delivery *delivery);

/* keep_session.c */
/* A message's row that another broker writes is worth nothing before the session's own row is there: that goes ahead,
 * unless it is there already. NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_mqtt_keep_row_ahead(struct nj_mqtt_session *session);

/* keep_window.c */
/* A delivery of the record in the window too, where the client is there and nothing older is on disk alone; else
 * NULL. */
struct nj_mqtt_delivery *nj_mqtt_keep_in_window(struct nj_mqtt_session *session, struct nj_mqtt_record *record,
						const struct nj_mqtt_kept *kept);
/* What was asked of the queue is not wanted any more. */
void nj_mqtt_keep_leave_page(struct nj_mqtt_session *session);

#endif
