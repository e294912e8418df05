#include "keeper/internal.h"

/* What a gateway may report: what it sees of connections and parties. Everything else is the keeper's own to say. */
static bool may_report(uint16_t event)
{
	switch ((enum nj_audit_event)event) {
	case NJ_AUDIT_BIND_FAILED:
	case NJ_AUDIT_SESSION_CLOSED:
	case NJ_AUDIT_SESSION_CUT:
	case NJ_AUDIT_PROXY_REFUSED:
	case NJ_AUDIT_ORIGIN_REFUSED:
	case NJ_AUDIT_LIMIT_MET:
	case NJ_AUDIT_MQTT_TAIL:
	case NJ_AUDIT_BRIDGE_UP:
	case NJ_AUDIT_BRIDGE_DOWN:
	case NJ_AUDIT_DENIED:
	case NJ_AUDIT_LOGIN:
	case NJ_AUDIT_LOGIN_FAILED:
	case NJ_AUDIT_RELOAD:
	case NJ_AUDIT_LOST:
		return true;
	default:
		return false;
	}
}

struct texts {
	char customer[NJ_AUDIT_TEXT_MAX + 1];
	char subject[NJ_AUDIT_TEXT_MAX + 1];
	char source[NJ_AUDIT_TEXT_MAX + 1];
	char detail[NJ_AUDIT_TEXT_MAX + 1];
};
_Static_assert(NJ_IPC_TEXT_MAX <= NJ_AUDIT_TEXT_MAX, "a text of the gateway fits a record");

static bool text_take(char out[NJ_AUDIT_TEXT_MAX + 1], struct nj_view view)
{
	return nj_utf8_valid(view) && nj_text_copy_view(out, NJ_AUDIT_TEXT_MAX + 1, view) == NJ_OK;
}

static bool texts_take(struct texts *texts, const struct nj_ipc_audit_record *record)
{
	return may_report(record->event) && text_take(texts->customer, record->customer) &&
	       text_take(texts->subject, record->subject) && text_take(texts->source, record->source) &&
	       text_take(texts->detail, record->detail);
}

bool nj_keeper_gateway_audit(struct nj_keeper *keeper, const struct nj_ipc_audit *audit)
{
	struct texts texts;
	uint64_t held_back;

	for (uint16_t i = 0; i < audit->count; i++)
		if (!texts_take(&texts, &audit->records[i]))
			return false;
	for (uint16_t i = 0; i < audit->count; i++) {
		if (!nj_log_brake_pass(&keeper->report_brake, keeper->clock, &held_back)) {
			keeper->journal.lost++;
			continue;
		}
		(void)texts_take(&texts, &audit->records[i]);
		nj_keeper_note(keeper, &(struct nj_audit_record){ .event = (enum nj_audit_event)audit->records[i].event,
								  .customer = texts.customer,
								  .subject = texts.subject,
								  .source = texts.source,
								  .detail = texts.detail });
	}
	return true;
}
