#include "sms/smpp/session.h"

#include "sms/smpp/session_state.h"

static enum nj_smpp_side peer_of(const struct nj_smpp_session *session)
{
	return session->config.side == NJ_SMPP_SMSC ? NJ_SMPP_ESME : NJ_SMPP_SMSC;
}

static void tell_fault(struct nj_smpp_session *session, const struct nj_smpp_fault *fault)
{
	session->stats.faults++;
	if (session->config.ops->fault != NULL)
		session->config.ops->fault(session->config.user, &session->in, fault);
}

/* May the peer send this now? */
static uint32_t place_status(const struct nj_smpp_session *session, uint32_t command)
{
	unsigned states = nj_smpp_command_states(command, peer_of(session));
	if (states == 0)
		return NJ_SMPP_RINVCMDID;
	if (nj_smpp_is_bind(command) && ((session->state & NJ_SMPP_BOUND) != 0 || session->bind.command != 0))
		return NJ_SMPP_RALYBND;
	if ((states & session->state) == 0)
		return NJ_SMPP_RINVBNDSTS;
	/* Who has said unbind, or was told so, starts nothing new. */
	if ((session->unbinding || session->unbind.command != 0) && command != NJ_SMPP_ENQUIRE_LINK &&
	    (command != NJ_SMPP_UNBIND || session->unbind.command != 0))
		return NJ_SMPP_RINVBNDSTS;
	return NJ_SMPP_ROK;
}

static void refuse(struct nj_smpp_session *session, uint32_t status)
{
	if (nj_smpp_command_answered(session->in.command))
		nj_smpp_session_reply(session, session->in.command, session->in.sequence, status);
}

static void on_bind(struct nj_smpp_session *session)
{
	session->bind = (struct nj_smpp_token){ session->in.command, session->in.sequence };
	session->peer_version = session->in.interface_version;
	session->config.ops->bind(session->config.user, &session->in);
}

static void on_unbind(struct nj_smpp_session *session)
{
	session->unbind = (struct nj_smpp_token){ session->in.command, session->in.sequence };
	session->unbind_ms = nj_smpp_session_now(session);
	nj_smpp_session_unbind_answer(session, false);
}

static void on_request(struct nj_smpp_session *session)
{
	const struct nj_smpp_session_ops *ops = session->config.ops;
	void *user = session->config.user;
	struct nj_smpp_token token = { session->in.command, session->in.sequence };
	switch (token.command) {
	case NJ_SMPP_BIND_RECEIVER:
	case NJ_SMPP_BIND_TRANSMITTER:
	case NJ_SMPP_BIND_TRANSCEIVER:
		on_bind(session);
		return;
	case NJ_SMPP_OUTBIND:
		session->state = NJ_SMPP_OUTBOUND;
		ops->outbind(user, &session->in);
		return;
	case NJ_SMPP_UNBIND:
		on_unbind(session);
		return;
	case NJ_SMPP_ENQUIRE_LINK:
		nj_smpp_session_reply(session, token.command, token.sequence, NJ_SMPP_ROK);
		return;
	case NJ_SMPP_ALERT_NOTIFICATION:
		ops->alert(user, &session->in);
		return;
	default:
		break;
	}
	if (session->owed >= session->config.peer_window) {
		refuse(session, NJ_SMPP_RTHROTTLED);
		return;
	}
	session->owed++;
	ops->request(user, token, &session->in);
}

/* Place before form: who is not bound hears nothing about the rest. */
static void take_request(struct nj_smpp_session *session, struct nj_smpp_fault fault)
{
	uint32_t status = place_status(session, session->in.command);
	if (status != NJ_SMPP_ROK) {
		session->stats.misplaced++;
		refuse(session, status);
		return;
	}
	if (fault.kind == NJ_SMPP_FAULT_NONE && session->config.side == NJ_SMPP_SMSC)
		fault = nj_smpp_check(&session->in, NJ_SMPP_ESME);
	if (fault.kind != NJ_SMPP_FAULT_NONE) {
		tell_fault(session, &fault);
		refuse(session, fault.status);
		return;
	}
	on_request(session);
}

static void on_bound(struct nj_smpp_session *session, uint32_t command)
{
	session->binding = false;
	if (session->in.status == NJ_SMPP_ROK && (session->state & NJ_SMPP_UNTIED) != 0) {
		session->state = nj_smpp_session_bound_as(command);
		session->peer_version = (uint8_t)nj_smpp_tlv_number(&session->in.tlvs, NJ_SMPP_TLV_SC_INTERFACE_VERSION,
								    NJ_SMPP_VERSION_34);
	}
	session->config.ops->bound(session->config.user, &session->in);
}

static void hold(struct nj_smpp_session *session)
{
	session->stats.throttled++;
	session->held_until_ms = nj_smpp_session_now(session) + session->config.hold_ms;
}

static void take_response(struct nj_smpp_session *session, const struct nj_smpp_waiting *waiting)
{
	switch (waiting->command) {
	case NJ_SMPP_BIND_RECEIVER:
	case NJ_SMPP_BIND_TRANSMITTER:
	case NJ_SMPP_BIND_TRANSCEIVER:
		session->own--;
		on_bound(session, waiting->command);
		return;
	case NJ_SMPP_UNBIND:
		session->own--;
		session->state = NJ_SMPP_UNBOUND;
		nj_smpp_session_finish(session, session->end_why);
		return;
	case NJ_SMPP_ENQUIRE_LINK:
		session->own--;
		session->enquiring = false;
		return;
	default:
		break;
	}
	if (session->in.status == NJ_SMPP_RTHROTTLED)
		hold(session);
	session->config.ops->response(session->config.user, waiting->cookie, &session->in);
	nj_smpp_session_tell_ready(session);
}

/* By its sequence number alone: there are SMSCs that answer with another command's id. */
static bool find_request(struct nj_smpp_session *session, struct nj_smpp_waiting *out_waiting)
{
	if (!nj_smpp_window_take(&session->window, session->in.sequence, out_waiting))
		return false;
	if (session->in.command != (out_waiting->command | NJ_SMPP_RESPONSE) &&
	    session->in.command != NJ_SMPP_GENERIC_NACK)
		session->stats.wrong_ids++;
	if (session->in.command == NJ_SMPP_GENERIC_NACK && session->in.status == NJ_SMPP_ROK)
		session->in.status = NJ_SMPP_RUNKNOWNERR;
	return true;
}

static void on_pdu(struct nj_smpp_session *session, struct nj_view whole)
{
	struct nj_smpp_waiting waiting;
	struct nj_smpp_fault fault = nj_smpp_decode(whole, &session->in);
	uint32_t id = session->in.command & ~NJ_SMPP_RESPONSE;
	session->stats.received++;
	session->heard_ms = nj_smpp_session_now(session);
	if (id != NJ_SMPP_ENQUIRE_LINK)
		session->active_ms = session->heard_ms;
	if ((session->in.command & NJ_SMPP_RESPONSE) != 0 && find_request(session, &waiting)) {
		if (fault.kind != NJ_SMPP_FAULT_NONE)
			tell_fault(session, &fault);
		take_response(session, &waiting);
	} else if (fault.kind == NJ_SMPP_FAULT_COMMAND) {
		tell_fault(session, &fault);
		nj_smpp_session_reply(session, NJ_SMPP_GENERIC_NACK, session->in.sequence, fault.status);
	} else if ((session->in.command & NJ_SMPP_RESPONSE) != 0) {
		session->stats.foreign++;
	} else {
		take_request(session, fault);
	}
}

/* 4.3.1: with sequence number 0 where the header cannot be trusted. */
static void on_length(struct nj_smpp_session *session, const struct nj_smpp_fault *fault, uint32_t sequence)
{
	nj_smpp_pdu_init(&session->in, 0, 0, sequence);
	tell_fault(session, fault);
	nj_smpp_session_reply(session, NJ_SMPP_GENERIC_NACK, sequence, fault->status);
	nj_smpp_session_finish(session, NJ_SMPP_END_LENGTH);
}

size_t nj_smpp_session_feed(struct nj_smpp_session *session, struct nj_view in)
{
	size_t eaten = 0;
	while (session->state != NJ_SMPP_CLOSED && eaten < in.len) {
		struct nj_view left = nj_view_of(in.data + eaten, in.len - eaten);
		size_t len = 0;
		size_t need = 0;
		uint32_t sequence = 0;
		struct nj_smpp_fault fault = nj_smpp_frame(left, session->config.max_pdu_bytes, &len, &need, &sequence);
		if (nj_smpp_fault_ends(fault.kind)) {
			on_length(session, &fault, sequence);
			return in.len;
		}
		if (need > 0)
			break;
		on_pdu(session, nj_view_of(left.data, len));
		eaten += len;
	}
	return eaten;
}
