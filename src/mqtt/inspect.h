/*
 * What an operator may see of one broker, and a kick: every session, subscription and retained message of a customer,
 * in no order, and the messages that pass while somebody looks. Called on the broker's thread; what is shown is
 * borrowed for the call, and the callbacks must not call the broker.
 */
#ifndef NJ_MQTT_INSPECT_H
#define NJ_MQTT_INSPECT_H

#include "base/buf.h"
#include "mqtt/broker.h"

/* One session. */
struct nj_mqtt_sight {
	const struct nj_party *party;
	struct nj_view client_id;
	uint32_t subscriptions;
	uint64_t queued;
	uint64_t queued_bytes;
	uint64_t inflight;
	uint64_t discarded; /* messages that waited, and went for newer ones */
	uint32_t expiry_s;  /* UINT32_MAX: never */
	bool has_will;
	/* of the connection; all zero without one */
	const struct nj_conn *conn;
	uint8_t version;
	uint16_t keep_alive_s;
	uint64_t silent_ms; /* since the last packet */
	bool local;
};

struct nj_mqtt_subscription_sight {
	struct nj_view filter; /* with $share/NAME/ where it is shared */
	uint8_t qos;           /* granted, or what the rule of now leaves of it */
	uint32_t id;
	bool allowed; /* by the rights of now */
};

struct nj_mqtt_retained_sight {
	struct nj_view topic;
	size_t payload_bytes;
	uint8_t qos;
	uint64_t expires_in_ms; /* 0: never */
};

typedef void (*nj_mqtt_sight_fn)(void *arg, const struct nj_mqtt_sight *sight);
typedef void (*nj_mqtt_subscription_fn)(void *arg, const struct nj_mqtt_sight *session,
					const struct nj_mqtt_subscription_sight *subscription);
typedef void (*nj_mqtt_retained_fn)(void *arg, const struct nj_mqtt_retained_sight *retained);

void nj_mqtt_see_sessions(struct nj_mqtt_broker *broker, const char *customer, nj_mqtt_sight_fn fn, void *arg);
void nj_mqtt_see_subscriptions(struct nj_mqtt_broker *broker, const char *customer, nj_mqtt_subscription_fn fn,
			       void *arg);
/* Those that the filter matches. */
void nj_mqtt_see_retained(struct nj_mqtt_broker *broker, const char *customer, struct nj_view filter,
			  nj_mqtt_retained_fn fn, void *arg);

/* One session as its own client, the gateway itself, may need to know it. */
#define NJ_MQTT_IDS_BYTES 8192
#define NJ_MQTT_FILTERS_BYTES (128 * 1024)
struct nj_mqtt_session_state {
	uint64_t queued, queued_bytes, inflight;
	uint8_t received[NJ_MQTT_IDS_BYTES]; /* QoS 2 messages of the client that it has not released; a bit an id */
	struct nj_buf filters;               /* two bytes of length, and the filter, for each; the owner's to end */
};
/* False: there is none on this broker, and `out_state` is untouched. */
bool nj_mqtt_see_session(struct nj_mqtt_broker *broker, const struct nj_party *party, struct nj_view client_id,
			 struct nj_mqtt_session_state *out_state);

/* Ends connections of a party, of one client identifier alone where that is not NULL, with DISCONNECT 0x98; their wills
 * are published. With `forget` its sessions end too, connected or not. Returns how many connections it were. */
size_t nj_mqtt_kick(struct nj_mqtt_broker *broker, const uint8_t uid[NJ_PARTY_UID_BYTES],
		    const struct nj_view *client_id, bool forget);

/* A look at messages where they come in, before they are delivered. */
struct nj_mqtt_tap {
	const char *customer;
	struct nj_view filter;
	void *arg;
	/* `party`: who publishes; NULL: the gateway. */
	void (*seen)(void *arg, const struct nj_party *party, struct nj_view client_id, struct nj_view topic,
		     struct nj_view payload, uint8_t qos, bool retain);
	struct nj_mqtt_tap *next; /* the broker's */
};
/* `tap` is the caller's and stays where it is until it is taken away. */
void nj_mqtt_tap_add(struct nj_mqtt_broker *broker, struct nj_mqtt_tap *tap);
/* Harmless when it is not there. */
void nj_mqtt_tap_remove(struct nj_mqtt_broker *broker, const struct nj_mqtt_tap *tap);

#endif
