#include "mqtt/will.h"

#include "mqtt/keep.h"
#include "mqtt/post.h"

static void on_will_due(struct nj_timer *timer)
{
	nj_mqtt_will_publish(NJ_CONTAINER(timer, struct nj_mqtt_will, due)->session);
}

void nj_mqtt_will_free(struct nj_mqtt_broker *broker, struct nj_mqtt_will *will)
{
	if (will == NULL)
		return;
	nj_timer_cancel(&will->due);
	nj_mqtt_message_unref(will->message);
	nj_mqtt_budget_give(&broker->shared->budget, sizeof(*will));
	free(will);
}

static struct nj_mqtt_will *alloc_will(struct nj_mqtt_broker *broker)
{
	if (nj_mqtt_budget_take(&broker->shared->budget, sizeof(struct nj_mqtt_will)) != NJ_OK)
		return NULL;
	struct nj_mqtt_will *will = calloc(1, sizeof(*will));
	if (will == NULL)
		nj_mqtt_budget_give(&broker->shared->budget, sizeof(*will));
	return will;
}

static enum nj_err make_will(struct nj_mqtt_broker *broker, const struct nj_mqtt_content *content,
			     const struct nj_mqtt_will *terms, struct nj_mqtt_will **out_will)
{
	struct nj_mqtt_will *will = alloc_will(broker);
	if (will == NULL)
		return NJ_ERR_LIMIT;
	*will = *terms;
	will->due = (struct nj_timer){ .on_timer = on_will_due };
	enum nj_err err = nj_mqtt_message_new(&broker->shared->budget, content, &will->message);
	if (err == NJ_OK)
		*out_will = will;
	else
		nj_mqtt_will_free(broker, will);
	return err;
}

enum nj_err nj_mqtt_will_put(struct nj_mqtt_session *session, const struct nj_mqtt_content *content,
			     struct nj_mqtt_will terms)
{
	struct nj_mqtt_will *will;
	NJ_TRY(make_will(session->broker, content, &terms, &will));
	nj_mqtt_will_set(session, will);
	return NJ_OK;
}

enum nj_err nj_mqtt_will_of(struct nj_mqtt_broker *broker, const struct nj_mqtt_connect *connect,
			    struct nj_mqtt_will **out_will)
{
	if (!connect->has_will) {
		*out_will = NULL;
		return NJ_OK;
	}
	struct nj_mqtt_content content = { .topic = connect->will_topic,
					   .properties = nj_mqtt_forwarded(broker, &connect->will),
					   .payload = connect->will_payload,
					   .qos = connect->will_qos,
					   .retain = connect->will_retain };
	struct nj_mqtt_will terms = { .delay_s = nj_mqtt_number(&connect->will, NJ_MQTT_P_WILL_DELAY, 0),
				      .expires = nj_mqtt_has(&connect->will, NJ_MQTT_P_MESSAGE_EXPIRY),
				      .expiry_s = nj_mqtt_number(&connect->will, NJ_MQTT_P_MESSAGE_EXPIRY, 0) };
	return make_will(broker, &content, &terms, out_will);
}

void nj_mqtt_will_set(struct nj_mqtt_session *session, struct nj_mqtt_will *will)
{
	nj_mqtt_will_drop(session);
	session->will = will;
	if (will != NULL)
		will->session = session;
}

void nj_mqtt_will_drop(struct nj_mqtt_session *session)
{
	if (session->will == NULL)
		return;
	nj_mqtt_will_free(session->broker, session->will);
	session->will = NULL;
}

static bool will_allowed(struct nj_mqtt_session *session, const struct nj_mqtt_content *content)
{
	struct nj_party *party = session->party;
	if (party->revoked)
		return false;
	struct nj_verdict verdict = nj_mqtt_judge(session->broker, party, content);
	bool allowed = verdict.allowed && !nj_mqtt_topic_own(content->topic);
	if (!allowed)
		nj_mqtt_tell_denied(session->broker, NULL, party, NJ_PUBLISH, content->topic, verdict);
	return allowed;
}

void nj_mqtt_will_publish(struct nj_mqtt_session *session)
{
	struct nj_mqtt_broker *broker = session->broker;
	struct nj_mqtt_will *will = session->will;
	if (will == NULL)
		return;
	session->will = NULL;
	struct nj_mqtt_content content = will->message->content;
	if (will->expires)
		content.expires_ms = nj_reactor_now_ms(broker->reactor) + UINT64_C(1000) * will->expiry_s;
	if (will_allowed(session, &content)) {
		nj_mqtt_count(&broker->counters.wills, 1);
		struct nj_mqtt_message *retained = NULL;
		if (content.retain && nj_mqtt_retain(session->space, broker, &content, &retained) != NJ_OK)
			nj_mqtt_count(&broker->counters.messages_dropped, 1);
		(void)nj_mqtt_route(session->space, broker, &content, retained, session);
	}
	nj_mqtt_will_free(broker, will);
	nj_mqtt_keep_changed(session);
}
