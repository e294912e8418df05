/* What an SMPP session holds, for the two files that are it: session.c (out, time) and session_in.c (in). */
#ifndef NJ_SMS_SMPP_SESSION_STATE_H
#define NJ_SMS_SMPP_SESSION_STATE_H

#include "sms/smpp/session.h"
#include "sms/smpp/window.h"

/* bind, enquire_link and unbind always have room. */
#define NJ_SMPP_WINDOW_OWN 3

struct nj_smpp_session {
	struct nj_smpp_session_config config;
	struct nj_smpp_session_stats stats;
	struct nj_smpp_window window;
	struct nj_smpp_pdu in; /* the PDU that is being read */
	enum nj_smpp_state state;
	uint32_t sequence; /* of our last request */
	uint32_t own;      /* of `window`: bind, enquire_link, unbind */
	uint32_t owed;     /* requests that wait for the owner's answer */
	uint32_t failed_binds;
	struct nj_smpp_token bind;   /* SMSC: that waits for its answer; command 0: none */
	struct nj_smpp_token unbind; /* the peer's, answered when nothing is owed any more; command 0: none */
	uint8_t peer_version;
	bool enquiring;  /* enquire_link waits for its response */
	bool binding;    /* ESME: a bind waits for its response */
	bool unbinding;  /* our unbind waits for its response */
	bool refused;    /* `ready` is to be told */
	uint8_t end_why; /* what an unbind of ours is for */
	uint64_t opened_ms;
	uint64_t heard_ms;  /* the last PDU of the peer */
	uint64_t active_ms; /* the last transaction */
	uint64_t held_until_ms;
	uint64_t unbind_ms; /* when the peer's came, then when it was answered */
};

uint64_t nj_smpp_session_now(const struct nj_smpp_session *session);
/* The state that a bind leads to. */
enum nj_smpp_state nj_smpp_session_bound_as(uint32_t command);
/* Encodes and sends. */
NJ_MUST_USE enum nj_err nj_smpp_session_put(struct nj_smpp_session *session, const struct nj_smpp_pdu *pdu);
/* A response without a body worth the name. */
void nj_smpp_session_reply(struct nj_smpp_session *session, uint32_t command, uint32_t sequence, uint32_t status);
/* Tells every request that waits, then the end. */
void nj_smpp_session_finish(struct nj_smpp_session *session, enum nj_smpp_end why);
/* Answers the peer's unbind when nothing is owed, or `anyway`. */
void nj_smpp_session_unbind_answer(struct nj_smpp_session *session, bool anyway);
/* A slot of the window, or the throttle, became free. */
void nj_smpp_session_tell_ready(struct nj_smpp_session *session);

#endif
