/* What the files of the gateway process share: one struct, of the main thread. Included by gateway*.c alone. */
#ifndef NJ_DAEMON_GATEWAY_STATE_H
#define NJ_DAEMON_GATEWAY_STATE_H

#include <pthread.h>

#include "base/map.h"
#include "base/text.h"
#include "bus/admin.h"
#include "bus/defaults.h"
#include "bus/ipc.h"
#include "daemon/entry.h"
#include "daemon/role.h"
#include "identity/audit_events.h"
#include "mqtt/fabric.h"
#include "net/channel.h"
#include "store/copy.h"

#define GATEWAY_AUDIT_QUEUE 1024
#define GATEWAY_AUDIT_DETAIL_BYTES 192

/* A record on its way to the keeper. */
struct gateway_audit_record {
	enum nj_audit_event event;
	char customer[NJ_NAME_BYTES];
	char subject[NJ_NAME_BYTES];
	char source[NJ_ADDR_TEXT_BYTES];
	char detail[GATEWAY_AUDIT_DETAIL_BYTES];
};

struct gateway_audit {
	struct gateway_audit_record *ring; /* GATEWAY_AUDIT_QUEUE of them */
	size_t first, count;
	uint64_t lost;      /* not recorded yet */
	uint64_t lost_ever; /* since the start */
	struct nj_deferred flush;
	struct nj_timer retry;
};

struct gateway_listener {
	struct gateway *gateway;
	struct nj_listener listener;
	int fd;
	uint16_t service;
	const struct nj_settings_local *local;     /* NULL: cloaked */
	const struct nj_settings_proxies *proxies; /* NULL: none stands before it */
	/* Takes over an accepted connection; `via`: the proxy that named `peer`, or NULL. */
	void (*serve)(struct gateway_listener *here, int fd, const struct nj_addr *peer, const struct nj_addr *via);
	struct nj_ws_policy websocket;     /* of a local one */
	struct nj_scram_verifier verifier; /* of a local one that asks for a password */
	bool asks;
	bool running;
};

/* A broker's thread. */
struct gateway_thread {
	struct gateway *gateway;
	struct nj_reactor *reactor;
	pthread_t id;
	bool running;
	enum nj_err err; /* its end; read when it has ended */
};

struct gateway {
	struct nj_role_config *config;
	struct nj_reactor *reactor;
	struct nj_gateway_store *store;
	struct nj_directory *directory;
	struct nj_door *door;
	struct nj_entry *entry;
	struct nj_crowd *crowd;
	struct nj_timer crowd_due; /* limits that were met are told of */
	uint64_t crowd_sweep_ms;
	struct nj_mqtt_fabric *fabric;
	struct gateway_messages *messages; /* what the brokers have on disk (gateway_messages.c) */
	struct gateway_thread threads[NJ_MQTT_REACTORS_MAX];
	size_t thread_count; /* 0: one broker, on the main thread */
	pthread_barrier_t started;
	_Atomic uint64_t notices; /* of brokers' threads, under way */
	_Atomic uint64_t notices_lost;
	struct nj_ws_policy websocket; /* of cloaked listeners */
	uint64_t origins_refused;
	struct nj_map recoveries; /* sessions of the enrolment service, by grant (gateway_recover.c) */
	struct nj_tls_ctx *tls;
	struct nj_tls_ctx *tls_local;     /* asks for no proof: local listeners alone; NULL where none speaks TLS */
	struct gateway_posture *postures; /* not written yet */
	size_t posture_count;
	struct nj_timer posture_due;
	struct nj_map trusts; /* of struct gateway_trust, by customer; "" is the built-in CA */
	struct nj_admin_server *admin;
	struct nj_store_copy *copy; /* of the store, under way for copy_call */
	struct nj_admin_call *copy_call;
	struct nj_timer copy_timer;
	struct nj_channel control; /* to the supervisor */
	struct nj_channel keeper;
	bool keeper_up;
	struct gateway_bridges *bridges; /* to other brokers (gateway_bridge.c) */
	bool ready;
	bool stopping;
	enum nj_err failed; /* why the loop was ended, other than by the supervisor */
	struct nj_timer stop;
	struct gateway_audit audit;
	unsigned tails; /* of mqtt.tail, now */
	struct {
		uint64_t bound, failed;
	} proofs; /* of connections, ever */
	struct {
		struct nj_proxied *room;
		uint64_t refused, strangers;
	} proxied; /* connections by proxies (gateway_proxy.c), ever */
	struct gateway_listener listeners[NJ_HANDLES_MAX];
	size_t listener_count;
	uint64_t started_ms; /* Unix */
};

/* gateway_keeper.c: the channel to the keeper. Takes over `fd`. */
void gateway_keeper_attach(struct gateway *g, int fd);
/* NJ_ERR_CLOSED while the keeper is away, NJ_ERR_LIMIT when it does not keep up. */
NJ_MUST_USE enum nj_err gateway_keeper_send(struct gateway *g, const struct nj_ipc *message);

/* gateway_audit.c: queues a record; when the queue is full the loss is counted and later recorded itself. */
NJ_MUST_USE enum nj_err gateway_audit_init(struct gateway *g);
void gateway_audit_write(struct gateway *g, enum nj_audit_event event, const struct nj_party *party,
			 const struct nj_addr *source, const char *detail);
void gateway_audit_flush(struct gateway *g);

/* gateway.c: certificate and key have come, for handshakes from now on; starts listening the first time. */
NJ_MUST_USE enum nj_err gateway_hello(struct gateway *g, const struct nj_ipc_hello *hello);

/* gateway.c: for handshakes from now on; sessions keep what they began with. A pair that cannot be used changes
 * nothing. */
void gateway_certificate_put(struct gateway *g, const struct nj_ipc_certificate *put, struct nj_ipc_result *out_result,
			     struct nj_why *out_why);

/* gateway_listen.c */
NJ_MUST_USE enum nj_err gateway_listen_init(struct gateway *g, struct nj_random *random);
NJ_MUST_USE enum nj_err gateway_listen_start(struct gateway *g);
void gateway_listen_stop(struct gateway *g);
/* What a connection's proof, or its failure, means to keeper, log and audit. `arg` is the gateway. */
void gateway_report_bound(void *arg, const struct nj_entry_event *event);
void gateway_report_failed(void *arg, const struct nj_entry_event *event);
/* The output limit of a connection. */
uint32_t gateway_out_bytes(const struct gateway *g);

/* gateway_posture.c: what a party's TLS offered and agreed. */
NJ_MUST_USE enum nj_err gateway_posture_init(struct gateway *g);
/* `tls` may be NULL: the plain binding. */
void gateway_posture_note(struct gateway *g, const struct nj_party *party, const struct nj_tls_facts *tls);
void gateway_posture_flush(struct gateway *g);
void gateway_posture_forget(struct gateway *g, const uint8_t uid[NJ_UID_BYTES]);

/* gateway_trust.c: which CA certifies whose parties. A trust that cannot be used leaves the one before it; a new
 * revocation list cuts the sessions of what it names. */
void gateway_trust_init(struct gateway *g, struct nj_random *random);
void gateway_trust_done(struct gateway *g);
void gateway_trust_put(struct gateway *g, const struct nj_ipc_trust *put, struct nj_ipc_result *out_result,
		       struct nj_why *out_why);
const struct nj_tls_trust *gateway_trust_of(void *arg, const char *customer, bool *out_own);

/* gateway_look.c, gateway_tail.c: the verbs mqtt.… */
void gateway_handle_sessions(void *gateway, struct nj_admin_call *call);
void gateway_handle_session(void *gateway, struct nj_admin_call *call);
void gateway_handle_topics(void *gateway, struct nj_admin_call *call);
void gateway_handle_retained(void *gateway, struct nj_admin_call *call);
void gateway_handle_tail(void *gateway, struct nj_admin_call *call);

/* gateway_bridge_look.c: the verb mqtt.bridges. */
void gateway_handle_bridges(void *gateway, struct nj_admin_call *call);

/* gateway_metrics.c: the verb gateway.metrics. */
void gateway_handle_metrics(void *gateway, struct nj_admin_call *call);

/* gateway_admin.c */
extern const struct nj_admin_verb gateway_admin_verbs[];
extern const size_t gateway_admin_verb_count;

#endif
