/*
 * A bridge to another broker, the peer. It is a client on both sides: of this gateway's broker, over a stream like any
 * local client's, and of the peer; and it says on one side what it hears on the other, topics renamed, packet
 * identifiers as they are. So the queue, exactly once and who has acknowledged what are the two sessions' own; the
 * bridge keeps nothing that has to outlive it, and acknowledges nothing itself but what it drops. Where one side ends,
 * both do, and are made again with a growing delay. What the peer sends is read as any stranger's bytes are. Belongs to
 * the main thread; never resolves names, opens no socket, never logs.
 */
#ifndef NJ_MQTT_BRIDGE_H
#define NJ_MQTT_BRIDGE_H

#include "mqtt/bridge_topic.h"
#include "mqtt/inspect.h"
#include "net/conn.h"

struct nj_mqtt_bridge;

/* X(name, text): how far it is. */
#define NJ_MQTT_BRIDGE_TABLE(X)                      \
	X(NJ_MQTT_BRIDGE_IDLE, "stopped")            \
	X(NJ_MQTT_BRIDGE_PREPARING, "preparing")     \
	X(NJ_MQTT_BRIDGE_WAITING, "waiting")         \
	X(NJ_MQTT_BRIDGE_DIALLING, "connecting")     \
	X(NJ_MQTT_BRIDGE_GREETING, "connecting")     \
	X(NJ_MQTT_BRIDGE_COMPARING, "synchronising") \
	X(NJ_MQTT_BRIDGE_JOINING, "synchronising")   \
	X(NJ_MQTT_BRIDGE_UP, "connected")

enum nj_mqtt_bridge_stage {
#define NJ_MQTT_BRIDGE_ENUM(name, text) name,
	NJ_MQTT_BRIDGE_TABLE(NJ_MQTT_BRIDGE_ENUM)
#undef NJ_MQTT_BRIDGE_ENUM
};

enum nj_mqtt_bridge_event {
	NJ_MQTT_BRIDGE_CAME_UP, /* text: how */
	NJ_MQTT_BRIDGE_WENT_DOWN,
	NJ_MQTT_BRIDGE_FAILED, /* a try to come up */
	NJ_MQTT_BRIDGE_NOTED,  /* a topic or message was refused */
};

struct nj_mqtt_bridge_ops {
	void *arg;
	/* Wants a stream to the peer: nj_mqtt_bridge_dialled answers, now or later. */
	void (*dial)(void *arg);
	/* Makes a stream to this gateway's broker, non-blocking; the bridge's end. */
	enum nj_err (*open_local)(void *arg, int *out_fd);
	/* Wants to know its session here: nj_mqtt_bridge_looked answers, now or later. */
	void (*look)(void *arg);
	void (*told)(void *arg, enum nj_mqtt_bridge_event event, const char *text);
};

/* What it points at outlives the bridge. */
struct nj_mqtt_bridge_config {
	struct nj_reactor *reactor;
	struct nj_random *random;
	struct nj_mqtt_bridge_ops ops;
	const char *local_id;    /* client identifier here */
	const char *client_id;   /* at the peer */
	const char *username;    /* NULL: none */
	struct nj_view password; /* len 0: none */
	uint8_t version;         /* enum nj_mqtt_version; NJ_MQTT_NEVER: what the peer takes */
	uint16_t keep_alive_s;
	bool clean; /* the peer is to keep nothing */
	uint32_t session_expiry_s;
	uint32_t retry_min_ms, retry_max_ms;
	struct nj_tls_ctx *tls; /* NULL: plain */
	const struct nj_mqtt_bridge_topic *topics;
	size_t topic_count;
	size_t max_packet_bytes; /* of this gateway */
	size_t max_out_bytes;    /* of a connection's output; at least twice that */
	size_t max_topic_bytes;
	uint32_t max_topic_levels;
};

/* Ever, since it was made; numbers of 64 bits, nothing else. */
struct nj_mqtt_bridge_counters {
	uint64_t messages_out, messages_in;
	uint64_t bytes_out, bytes_in; /* of payloads */
	uint64_t refused_out;         /* by the peer, for good */
	uint64_t refused_in;          /* by this gateway, for good */
	uint64_t dropped; /* no topic of the configuration fits, or too large for the other side: acknowledged */
	uint64_t connects;
	uint64_t failures;
};

struct nj_mqtt_bridge_status {
	enum nj_mqtt_bridge_stage stage;
	uint64_t since_ms; /* Unix: in this stage, or up */
	uint64_t retry_in_ms;
	uint8_t version;      /* while up */
	bool session_present; /* the peer knew it */
	uint64_t queued, queued_bytes, inflight;
	struct nj_mqtt_bridge_counters counters;
	const char *error;    /* the last; "" for none; borrowed until the next turn */
	uint64_t error_at_ms; /* Unix */
};

/* NJ_ERR_NO_MEMORY. Does nothing before it is started. */
NJ_MUST_USE enum nj_err nj_mqtt_bridge_new(const struct nj_mqtt_bridge_config *config,
					   struct nj_mqtt_bridge **out_bridge);
/* Says goodbye and frees it. `forget`: the peer is asked to forget it, too; the session here is the owner's to end. */
void nj_mqtt_bridge_free(struct nj_mqtt_bridge *bridge, bool forget);
void nj_mqtt_bridge_start(struct nj_mqtt_bridge *bridge);
/* A stream to the peer (taken over), connected; or -1 and why not. One that came too late is closed. */
void nj_mqtt_bridge_dialled(struct nj_mqtt_bridge *bridge, int fd, const struct nj_addr *peer, const char *why);
/* `state` NULL: there is no such session. Also at any other time, to show how full the queue is. */
void nj_mqtt_bridge_looked(struct nj_mqtt_bridge *bridge, const struct nj_mqtt_session_state *state);

struct nj_mqtt_bridge_status nj_mqtt_bridge_status_of(const struct nj_mqtt_bridge *bridge);
const char *nj_mqtt_bridge_stage_name(enum nj_mqtt_bridge_stage stage);

#endif
