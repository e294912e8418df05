/* What a profile's contracts say to a message, and what a denial of each kind is on the wire. */
#include "mqtt/client.h"
#include "mqtt/sys.h"

struct nj_verdict nj_mqtt_judge(struct nj_mqtt_broker *broker, struct nj_party *party,
				const struct nj_mqtt_content *content)
{
	struct nj_verdict verdict = nj_rights_check(nj_party_rights(party), &party->names, NJ_PUBLISH, content->topic);

	/* Nobody but the gateway says what $SYS topics say. */
	if (party->revoked || nj_mqtt_topic_sys(content->topic)) {
		verdict.allowed = false;
		verdict.breach = NJ_BREACH_TOPIC;
	}
	if (!verdict.allowed || verdict.contract == NULL)
		return verdict;
	struct nj_offer offer = {
		.qos = content->qos,
		.retain = content->retain,
		.payload = content->payload,
		.now_ms = nj_reactor_now_ms(broker->reactor),
		.meters = verdict.contract->interval_us > 0 ? nj_party_meters(party) : NULL,
	};
	verdict.breach = nj_contract_check(verdict.contract, &offer, broker->fault);
	verdict.allowed = verdict.breach == NJ_BREACH_NONE;
	verdict.fault = verdict.allowed ? NULL : broker->fault;
	return verdict;
}

/*
 * PUBACK and PUBREC name fewer reasons than DISCONNECT does (5.0 tables 3-4, 3-5 and 3.14.2.1): a QoS or a retain flag
 * that the rule does not allow is not authorized there, a size or a rate is a quota.
 */
enum nj_mqtt_reason nj_mqtt_breach_reason(enum nj_breach breach)
{
	switch (breach) {
	case NJ_BREACH_NONE:
		return NJ_MQTT_R_SUCCESS;
	case NJ_BREACH_TOPIC:
	case NJ_BREACH_QOS:
	case NJ_BREACH_RETAIN:
		return NJ_MQTT_R_NOT_AUTHORIZED;
	case NJ_BREACH_SIZE:
	case NJ_BREACH_RATE:
		return NJ_MQTT_R_QUOTA_EXCEEDED;
	case NJ_BREACH_PAYLOAD:
		return NJ_MQTT_R_BAD_PAYLOAD_FORMAT;
	}
	return NJ_MQTT_R_UNSPECIFIED;
}

enum nj_mqtt_fault nj_mqtt_breach_fault(enum nj_breach breach, bool often)
{
	switch (breach) {
	case NJ_BREACH_NONE:
	case NJ_BREACH_TOPIC:
		break;
	case NJ_BREACH_QOS:
		return NJ_MQTT_FAULT_CONTRACT_QOS;
	case NJ_BREACH_RETAIN:
		return NJ_MQTT_FAULT_CONTRACT_RETAIN;
	case NJ_BREACH_SIZE:
		return NJ_MQTT_FAULT_CONTRACT_SIZE;
	case NJ_BREACH_RATE:
		return NJ_MQTT_FAULT_CONTRACT_RATE;
	case NJ_BREACH_PAYLOAD:
		return NJ_MQTT_FAULT_CONTRACT_PAYLOAD;
	}
	return often ? NJ_MQTT_FAULT_DENIED_OFTEN : NJ_MQTT_FAULT_DENIED;
}

void nj_mqtt_subscription_judge(struct nj_mqtt_subscription *s, const struct nj_verdict *verdict, uint32_t version)
{
	const struct nj_contract *contract = verdict->contract;

	s->allowed = verdict->allowed;
	s->partly = verdict->partly;
	s->max_qos = contract != NULL ? contract->max_qos : 2;
	s->max_bytes = contract != NULL ? contract->max_bytes : UINT32_MAX;
	s->no_retained = contract != NULL && !contract->retain;
	s->rights_version = version;
}

bool nj_mqtt_may_receive(const struct nj_party *party, const struct nj_mqtt_content *content)
{
	if (party->revoked)
		return false;
	struct nj_verdict verdict = nj_rights_check_delivery(nj_party_rights(party), &party->names, content->topic);
	return verdict.allowed && (verdict.contract == NULL || content->payload.len <= verdict.contract->max_bytes);
}
