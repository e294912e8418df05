/*
 * A load generator for MQTT brokers: what its files share. One plan for a run; workers are threads, each with its own
 * epoll, connections and counters, written by it alone and read by the others without a lock.
 * It speaks MQTT 3.1.1 with packets of its own making, so that it measures a broker by nothing of that broker.
 */
#ifndef NJ_BENCH_LOAD_H
#define NJ_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_WORKERS_MAX 16
#define LOAD_PIDS_MAX 16
#define LOAD_STAMP_BYTES 16 /* of a payload: time, publisher, number */
#define LOAD_BUCKETS (64 * 32)

enum mode { MODE_RUN, MODE_IDLE, MODE_CONNECT };

struct plan {
	enum mode mode;
	const char *host;
	const char *port;
	uint32_t publishers;
	uint32_t subscribers;
	uint32_t topics;
	uint64_t count; /* messages of each publisher; idle, connect: connections */
	uint8_t qos;
	uint8_t subscribed_qos;
	uint32_t size;
	uint32_t window;
	uint64_t rate;      /* open loop: messages a second of all publishers; 0: closed loop */
	uint32_t seconds;   /* open loop: ends after them */
	uint32_t spread;    /* publishers take turns over that many topics; 0: one topic each */
	uint32_t filters;   /* exact filters over those topics, shared out to subscribers; 0: one each */
	const char *filter; /* subscribers' only filter; NULL: as above */
	uint64_t expect;    /* messages in all; 0: what follows from the rest */
	uint32_t workers;
	uint32_t opening;  /* connections that one worker opens at a time */
	uint32_t settle_s; /* without progress for so long the run is over */
	bool retain;
	bool lasting;
	bool away;
	bool tls;
	const char *suite;
	const char *credentials; /* folder with device-1.cred and so on: each connection knocks first */
	const char *knock_port;
	uint64_t knock_counter;
	bool certificate; /* of the credentials, rather than the one-time key */
	const char *id;
	int pids[LOAD_PIDS_MAX];
	size_t pid_count;
	uint32_t hold_s; /* idle: stays that long after measuring */
};

enum phase { PHASE_OPEN, PHASE_LEAVE, PHASE_PUBLISH, PHASE_RETURN, PHASE_END };
enum state { STATE_NONE, STATE_HANDSHAKE, STATE_CONNACK, STATE_SUBACK, STATE_READY, STATE_GONE };

struct worker;

struct conn {
	struct worker *worker;
	SSL *ssl;
	int fd;
	enum state state;
	uint32_t index; /* among its kind */
	bool publisher;
	bool writable;
	bool queued;         /* in the worker's list of those with output */
	bool dead;           /* ended when it should not */
	uint32_t subscribed; /* filters asked for */
	uint8_t *in, *out;
	size_t in_len, in_cap, out_start, out_end, out_cap;
	uint8_t *template; /* a publisher's packet */
	size_t template_len, topic_at, stamp_at, id_at;
	uint64_t sent, acked;
	uint32_t inflight;
	uint16_t next_id;
	uint64_t *sent_ns;  /* by packet id, as many as fit the window */
	uint32_t *expected; /* a subscriber's: next number, by publisher */
	X509 *cert;         /* NULL: none */
	EVP_PKEY *key;
	uint8_t psk[32];
	char identity[65]; /* "" when there is no one-time key */
};

struct worker {
	const struct plan *plan;
	struct load *load;
	uint32_t number;
	int epoll;
	SSL_CTX *tls;
	struct conn *conns;
	uint32_t conn_count;
	uint32_t opened;
	uint32_t opening;
	struct conn **dirty;
	uint32_t dirty_count;
	uint32_t publishing; /* the publisher whose turn is first */
	uint64_t now_ns;
	_Atomic uint64_t sent;
	_Atomic uint64_t acked;
	_Atomic uint64_t received;
	_Atomic uint32_t ready;
	_Atomic uint32_t gone;   /* subscribers that left as told; connections that came and went */
	_Atomic uint32_t failed; /* connections refused or lost */
	_Atomic uint64_t refused_filters;
	_Atomic uint64_t offered;
	uint64_t missing, repeated;
	uint64_t bytes_in;
	uint64_t latency[LOAD_BUCKETS];
	uint64_t ack_latency[LOAD_BUCKETS];
};

struct load {
	struct plan plan;
	struct worker workers[LOAD_WORKERS_MAX];
	_Atomic enum phase phase;
	_Atomic uint64_t begin_ns;
	_Atomic uint64_t forgiven; /* deliveries that are not waited for any more */
	uint64_t expected;
	uint32_t fan;
};

/* measure.c */
uint64_t load_now_ns(void);
/* Microseconds of processor time that the processes have taken so far; of this process with none. */
uint64_t load_cpu_us(const struct plan *plan);
uint64_t load_own_cpu_us(void);
/* Sum of a line of /proc/PID/status ("VmRSS:", "VmHWM:"), kB. */
uint64_t load_memory_kb(const struct plan *plan, const char *line);
void load_memory_reset_peak(const struct plan *plan);
void load_note(uint64_t *buckets, uint64_t ns);
/* The value below which `part` of what was noted lies, in microseconds; 0 when nothing was. */
double load_quantile(const struct load *load, bool acks, double part);

/* packet.c: writes at `at`, returns the length */
size_t packet_connect(uint8_t *at, const char *id, bool clean);
size_t packet_frame(uint8_t *at, uint8_t first, const uint8_t *body, size_t len);
size_t packet_filter(uint8_t *at, const char *filter, uint8_t qos);
size_t packet_ack(uint8_t *at, uint8_t first, uint16_t id);
/* Topic `number` of those that publishers take turns over; always as long. */
void packet_spread_topic(char *at, uint32_t number);
#define PACKET_SPREAD_BYTES 11
/* Makes a publisher's PUBLISH, of which each message is a copy with a few bytes of its own. */
void packet_template(struct conn *conn);
/* Appends one message to the output. */
void packet_publish(struct conn *conn, uint64_t stamp_ns);
/* The length of the whole packet at the start of `in`, else 0. `out_body` is where its body begins. */
size_t packet_whole(const uint8_t *in, size_t len, size_t *out_body);

/* conn.c */
void conn_open(struct conn *conn);
void conn_close(struct conn *conn);
/* Room for `len` bytes of output. */
uint8_t *conn_room(struct conn *conn, size_t len);
void conn_queued(struct conn *conn, size_t len);
void conn_flush(struct conn *conn);
void conn_event(struct conn *conn, uint32_t events);
SSL_CTX *conn_tls(const struct plan *plan);

/* role.c: what arrives and what is sent */
void role_connected(struct conn *conn);
void role_packet(struct conn *conn, const uint8_t *at, size_t body, size_t len);
/* Sends what may be sent now. False: nothing more may for now. */
bool role_publish(struct conn *conn);
uint64_t role_outstanding(const struct load *load);

/* knock.c */
/* Sends the knocks of `count` connections, gives them identity and key, waits until the doors are open. */
void knock_for(struct conn *conns, uint32_t count);

void *worker_main(void *arg);
void load_die(const char *what) __attribute__((noreturn));

#endif
