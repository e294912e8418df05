/*
 * An SMPP session (3.4 section 2.2 and chapter 7's timers) of either side, without a socket: bytes in, bytes and events
 * out by ops. Which PDU is legal in which state from which side is data (NJ_SMPP_OPERATION_TABLE). Every request of the
 * peer gets its own response with its sequence number; generic_nack is for an unknown command or a bad length alone.
 * Knows no account, no message and no timer of the system: its owner authenticates, answers, and calls
 * nj_smpp_session_tick when nj_smpp_session_next_ms says. One thread. Allocates once; memory does not grow.
 *
 * Ops may call anything here but nj_smpp_session_free. PDUs in them borrow the bytes that were fed.
 */
#ifndef NJ_SMS_SMPP_SESSION_H
#define NJ_SMS_SMPP_SESSION_H

#include "base/clock.h"
#include "sms/smpp/pdu.h"

#define NJ_SMPP_SCRATCH_MIN 64 /* room for what a session says of its own accord */

/* X(name, text): why a session ended, or a request has no response */
#define NJ_SMPP_END_TABLE(X)                         \
	X(TRANSPORT, "the connection ended")         \
	X(UNBOUND, "unbound")                        \
	X(LENGTH, "a PDU's length is out of range")  \
	X(INIT_TIMEOUT, "no bind in time")           \
	X(NO_RESPONSE, "no response in time")        \
	X(INACTIVE, "nothing happened for too long") \
	X(BINDS_FAILED, "too many binds failed")

enum nj_smpp_end {
#define NJ_SMPP_END_ENUM(name, text) NJ_SMPP_END_##name,
	NJ_SMPP_END_TABLE(NJ_SMPP_END_ENUM)
#undef NJ_SMPP_END_ENUM
};

/* A request of the peer that is to be answered. */
struct nj_smpp_token {
	uint32_t command;
	uint32_t sequence;
};

/* What does not concern a side may be NULL. */
struct nj_smpp_session_ops {
	/* One whole PDU, to be queued. */
	void (*send)(void *user, struct nj_view pdu);
	/* SMSC: a bind whose form is right; to be answered by nj_smpp_session_bind_answer, now or later. */
	void (*bind)(void *user, const struct nj_smpp_pdu *pdu);
	/* ESME: the SMSC asks for a bind. */
	void (*outbind)(void *user, const struct nj_smpp_pdu *pdu);
	/* ESME: the response to its bind; bound when `status` is ESME_ROK. */
	void (*bound)(void *user, const struct nj_smpp_pdu *pdu);
	/* To be answered by nj_smpp_session_answer, now or later. */
	void (*request)(void *user, struct nj_smpp_token token, const struct nj_smpp_pdu *pdu);
	/* ESME: alert_notification. */
	void (*alert)(void *user, const struct nj_smpp_pdu *pdu);
	/* The response to a request of our own, whatever its id; generic_nack too, whose `status` is never ESME_ROK
	 * here. A body that cannot be read is empty, and was told by `fault` before. */
	void (*response)(void *user, uint64_t cookie, const struct nj_smpp_pdu *pdu);
	/* There will be no response to it. */
	void (*lost)(void *user, uint64_t cookie, enum nj_smpp_end why);
	/* A request was refused for its window or a throttle, and would not be now. */
	void (*ready)(void *user);
	/* What was wrong with a PDU of the peer: for the log. */
	void (*fault)(void *user, const struct nj_smpp_pdu *pdu, const struct nj_smpp_fault *fault);
	/* Once; write what was sent, then close. */
	void (*ended)(void *user, enum nj_smpp_end why);
};

/* Times are milliseconds; 0 is never. */
struct nj_smpp_session_config {
	enum nj_smpp_side side; /* ours */
	const struct nj_smpp_session_ops *ops;
	void *user;
	const struct nj_clock *clock;
	uint8_t *scratch; /* where PDUs are written, shared by the sessions of a thread; ops may not keep them */
	size_t scratch_bytes;
	size_t max_pdu_bytes;
	uint32_t window;      /* requests of ours without a response: 1 to NJ_SMPP_WINDOW_MAX less 3 */
	uint32_t peer_window; /* of the peer's; what is over it is throttled */
	uint32_t max_binds;   /* failed ones until the end; 0: any number */
	uint32_t init_ms;     /* to a bind (session_init_timer) */
	uint32_t enquire_ms;  /* of silence until enquire_link */
	uint32_t inactive_ms; /* without a transaction (inactivity_timer), which enquire_link is none of */
	uint32_t response_ms; /* response_timer; not 0 */
	uint32_t hold_ms;     /* without requests after ESME_RTHROTTLED */
	char system_id[16];   /* of bind responses */
};

struct nj_smpp_session_stats {
	uint64_t received; /* PDUs */
	uint64_t sent;
	uint64_t faults;     /* PDUs with one */
	uint64_t misplaced;  /* requests in a wrong state, or from the wrong side */
	uint64_t foreign;    /* responses that nobody waits for */
	uint64_t wrong_ids;  /* responses with another command's id */
	uint64_t unanswered; /* our requests without a response in time */
	uint64_t throttled;  /* responses with ESME_RTHROTTLED, ours and the peer's */
};

struct nj_smpp_session;

/* NJ_ERR_RANGE: a limit; NJ_ERR_NO_MEMORY. `config` is copied. */
NJ_MUST_USE enum nj_err nj_smpp_session_new(const struct nj_smpp_session_config *config,
					    struct nj_smpp_session **out_session);
/* Says nothing and tells nobody; NULL is allowed. */
void nj_smpp_session_free(struct nj_smpp_session *session);

/* Takes the whole PDUs at the start of `in`; returns the bytes eaten. The rest is to come again with more behind it. */
size_t nj_smpp_session_feed(struct nj_smpp_session *session, struct nj_view in);
/* What is due. */
void nj_smpp_session_tick(struct nj_smpp_session *session);
/* When something will be (of the clock's boot time); UINT64_MAX: never. */
uint64_t nj_smpp_session_next_ms(const struct nj_smpp_session *session);

/* ESME: sends a bind (`pdu` of one of the three commands). NJ_ERR_STATE: not open, or one is on its way. */
NJ_MUST_USE enum nj_err nj_smpp_session_bind(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu);
/* SMSC: asks for one. */
NJ_MUST_USE enum nj_err nj_smpp_session_outbind(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu);
/* SMSC: the answer to a bind. NJ_ERR_STATE when there is none. */
NJ_MUST_USE enum nj_err nj_smpp_session_bind_answer(struct nj_smpp_session *session, uint32_t status);
/*
 * Sends a request; its sequence number is filled in, and towards a peer of version 3.3 its optional parameters are
 * taken out. NJ_ERR_STATE: not in this state, or not by this side; NJ_ERR_LIMIT: the window is full; NJ_ERR_AGAIN:
 * throttled (after both `ready` tells); or encode's errors. alert_notification has no response: its `cookie` is not
 * used.
 */
NJ_MUST_USE enum nj_err nj_smpp_session_request(struct nj_smpp_session *session, struct nj_smpp_pdu *pdu,
						uint64_t cookie);
/* Answers a request of the peer: `pdu` holds status, fields and optional parameters, its header's rest is filled in.
 * What cannot be encoded is answered with ESME_RSYSERR and returned. NJ_ERR_STATE: none waits, or no longer. */
NJ_MUST_USE enum nj_err nj_smpp_session_answer(struct nj_smpp_session *session, struct nj_smpp_token token,
					       struct nj_smpp_pdu *pdu);
/* Says unbind; the session ends with its response. NJ_ERR_STATE: not bound. */
NJ_MUST_USE enum nj_err nj_smpp_session_unbind(struct nj_smpp_session *session);
/* The transport is gone. */
void nj_smpp_session_end(struct nj_smpp_session *session);

enum nj_smpp_state nj_smpp_session_state(const struct nj_smpp_session *session);
/* How many requests would be taken now. */
uint32_t nj_smpp_session_room(const struct nj_smpp_session *session);
/* Requests of the peer that wait for an answer. */
uint32_t nj_smpp_session_owed(const struct nj_smpp_session *session);
/* The peer's interface_version; 0x34 as long as it has not said. */
uint8_t nj_smpp_session_version(const struct nj_smpp_session *session);
const struct nj_smpp_session_stats *nj_smpp_session_stats(const struct nj_smpp_session *session);
const char *nj_smpp_state_name(enum nj_smpp_state state);
const char *nj_smpp_end_text(enum nj_smpp_end why);

#endif
