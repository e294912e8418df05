/*
 * load run|idle|connect OPTIONS: puts a load on an MQTT broker and says what came of it, as one line of JSON.
 *   run      publishers and subscribers: closed loop with a window, or open loop at a rate
 *   idle     connections that only stand there: memory of each
 *   connect  connections that come and go: processor time of each
 * Processor time and memory are the broker's: of all the processes that --pid names.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "load.h"

static struct load load;

/* X(letter, name, member, text) of the options with a number */
#define NUMBER_OPTIONS(X)                                                                                      \
	X('P', "publishers", publishers, "publishers")                                                         \
	X('S', "subscribers", subscribers, "subscribers")                                                      \
	X('T', "topics", topics, "topics; publisher and subscriber i use topic i modulo them")                 \
	X('n', "count", count, "messages of each publisher; connections")                                      \
	X('q', "qos", qos, "of messages")                                                                      \
	X('Q', "subscribed-qos", subscribed_qos, "of subscriptions (default: as the messages')")               \
	X('s', "size", size, "bytes of a payload, at least 16")                                                \
	X('w', "window", window, "QoS 0: thousands of deliveries outstanding; else messages not acknowledged") \
	X('R', "rate", rate, "open loop: messages a second in all")                                            \
	X('D', "seconds", seconds, "open loop: for so long")                                                   \
	X('X', "spread", spread, "publishers take turns over so many topics")                                  \
	X('F', "filters", filters, "exact filters over those topics, shared out")                              \
	X('E', "expect", expect, "deliveries to wait for (default: what follows)")                             \
	X('t', "threads", workers, "of the generator")                                                         \
	X('o', "opening", opening, "connections that a thread opens at a time")                                \
	X('W', "settle", settle_s, "seconds without progress after which what is missing is lost")             \
	X('C', "knock-counter", knock_counter, "of the first knock of each device")                            \
	X('H', "hold", hold_s, "idle: seconds to stay after measuring")

enum flag { FLAG_TLS = 256, FLAG_RETAIN, FLAG_LASTING, FLAG_AWAY, FLAG_CERTIFICATE };

static void set_number(int letter, const char *text)
{
	unsigned long long value = strtoull(text, NULL, 10);
	switch (letter) {
#define SET(l, name, member, help)                                      \
	case l:                                                         \
		load.plan.member = (__typeof__(load.plan.member))value; \
		break;
		NUMBER_OPTIONS(SET)
#undef SET
	default:
		break;
	}
}

static void set_pids(const char *text)
{
	char *end;
	for (; *text != '\0' && load.plan.pid_count < LOAD_PIDS_MAX; text = *end == ',' ? end + 1 : end) {
		load.plan.pids[load.plan.pid_count++] = (int)strtol(text, &end, 10);
		if (end == text)
			exit(64);
	}
}

static void set_other(int letter, const char *text)
{
	struct plan *plan = &load.plan;
	switch (letter) {
	case 'h':
		plan->host = text;
		break;
	case 'p':
		plan->port = text;
		break;
	case 'i':
		plan->id = text;
		break;
	case 'f':
		plan->filter = text;
		break;
	case 'c':
		plan->suite = text;
		break;
	case 'k':
		plan->credentials = text;
		break;
	case 'K':
		plan->knock_port = text;
		break;
	case 'P' + 512:
		set_pids(text);
		break;
	case FLAG_TLS:
		plan->tls = true;
		break;
	case FLAG_RETAIN:
		plan->retain = true;
		break;
	case FLAG_LASTING:
		plan->lasting = true;
		break;
	case FLAG_AWAY:
		plan->away = plan->lasting = true;
		break;
	case FLAG_CERTIFICATE:
		plan->certificate = true;
		break;
	default:
		set_number(letter, text);
	}
}

static void usage(void)
{
	fputs("usage: load run|idle|connect OPTIONS\n"
	      "  -h, --host ADDRESS        of the broker\n"
	      "  -p, --port PORT\n"
	      "      --pid PID[,PID…]      the broker's processes\n"
	      "  -i, --id TEXT             begins all client ids\n"
	      "  -f, --filter FILTER       the subscribers' only one\n"
	      "      --retain              messages are retained\n"
	      "      --lasting             sessions last\n"
	      "      --away                lasting; subscribers are away while messages are sent, and then come back\n"
	      "      --tls                 TLS 1.3\n"
	      "  -c, --suite NAME          of TLS 1.3 (default TLS_AES_128_GCM_SHA256)\n"
	      "  -k, --credentials FOLDER  each connection knocks first, with device-1.cred and so on\n"
	      "  -K, --knock-port PORT     for that\n"
	      "      --certificate         by client certificate rather than one-time key\n",
	      stderr);
#define SAY(letter, name, member, help) fprintf(stderr, "  -%c, --%-20s %s\n", letter, name " N", help);
	NUMBER_OPTIONS(SAY)
#undef SAY
	exit(64);
}

static enum mode mode_of(const char *name)
{
	static const char *const names[] = { [MODE_RUN] = "run", [MODE_IDLE] = "idle", [MODE_CONNECT] = "connect" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return (enum mode)i;
	usage();
	return MODE_RUN;
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
#define LONG(letter, name, member, help) { name, required_argument, NULL, letter },
		NUMBER_OPTIONS(LONG)
#undef LONG
		    { "host", required_argument, NULL, 'h' },
		{ "port", required_argument, NULL, 'p' },
		{ "pid", required_argument, NULL, 'P' + 512 },
		{ "id", required_argument, NULL, 'i' },
		{ "filter", required_argument, NULL, 'f' },
		{ "suite", required_argument, NULL, 'c' },
		{ "credentials", required_argument, NULL, 'k' },
		{ "knock-port", required_argument, NULL, 'K' },
		{ "tls", no_argument, NULL, FLAG_TLS },
		{ "retain", no_argument, NULL, FLAG_RETAIN },
		{ "lasting", no_argument, NULL, FLAG_LASTING },
		{ "away", no_argument, NULL, FLAG_AWAY },
		{ "certificate", no_argument, NULL, FLAG_CERTIFICATE },
		{ 0 },
	};
	int letter;
	load.plan = (struct plan){ .host = "127.0.0.1",
				   .port = "1883",
				   .knock_port = "62201",
				   .id = "load",
				   .suite = "TLS_AES_128_GCM_SHA256",
				   .topics = 1,
				   .size = 64,
				   .window = 1,
				   .workers = 1,
				   .opening = 50,
				   .settle_s = 3,
				   .knock_counter = 1,
				   .subscribed_qos = UINT8_MAX };
	if (argc < 2)
		usage();
	load.plan.mode = mode_of(argv[1]);
	optind = 2;
	while ((letter = getopt_long(argc, argv, "P:S:T:n:q:Q:s:w:R:D:X:F:E:t:o:W:C:H:h:p:i:f:c:k:K:", options,
				     NULL)) != -1) {
		if (letter == '?')
			usage();
		set_other(letter, optarg);
	}
}

static void check_plan(struct plan *plan)
{
	if (plan->subscribed_qos == UINT8_MAX)
		plan->subscribed_qos = plan->qos;
	if (plan->rate > 0)
		plan->count = plan->rate * plan->seconds / (plan->publishers > 0 ? plan->publishers : 1);
	if (optind == 0 || plan->size < LOAD_STAMP_BYTES || plan->topics == 0 || plan->qos > 2 || plan->workers == 0 ||
	    plan->workers > LOAD_WORKERS_MAX || plan->opening == 0 ||
	    (plan->qos > 0 && (plan->window == 0 || plan->window > UINT16_MAX / 2)) ||
	    (plan->rate > 0) != (plan->seconds > 0) ||
	    (plan->mode == MODE_RUN && plan->publishers + plan->subscribers == 0))
		usage();
}

/* How often each message is delivered, and how many deliveries there will be. */
static void expect_deliveries(void)
{
	const struct plan *plan = &load.plan;
	uint64_t all = 0;
	for (uint32_t p = 0; p < plan->publishers && plan->spread == 0 && plan->filter == NULL; p++)
		for (uint32_t s = p % plan->topics; s < plan->subscribers; s += plan->topics)
			all += plan->count;
	if (plan->spread > 0 && plan->filters > 0)
		all = plan->count * plan->publishers;
	if (plan->filter != NULL)
		all = plan->count * plan->publishers * plan->subscribers;
	load.expected = plan->expect > 0 ? plan->expect : all;
	if (plan->publishers > 0 && plan->count > 0)
		load.fan = (uint32_t)(load.expected / (plan->count * plan->publishers));
}

/* --- phases --- */

struct totals {
	uint64_t sent, acked, received, ready, gone, failed, refused_filters, missing, repeated;
};

static struct totals totals(void)
{
	struct totals all = { 0 };
	for (uint32_t w = 0; w < load.plan.workers; w++) {
		const struct worker *worker = &load.workers[w];
		all.sent += worker->sent;
		all.acked += worker->acked;
		all.received += worker->received;
		all.ready += worker->ready;
		all.gone += worker->gone;
		all.failed += worker->failed;
		all.refused_filters += worker->refused_filters;
	}
	return all;
}

/* Waits for `done`, or until nothing changes for the settling time. False: the latter. */
static bool await(bool (*done)(const struct totals *all))
{
	struct totals last = totals();
	uint64_t moved_ns = load_now_ns();
	uint64_t waited_ns = load.plan.settle_s * UINT64_C(1000000000);
	for (;;) {
		struct totals now = totals();
		if (done(&now))
			return true;
		if (memcmp(&now, &last, sizeof(now)) != 0)
			moved_ns = load_now_ns();
		last = now;
		if (load_now_ns() - moved_ns > waited_ns) {
			uint64_t lost = role_outstanding(&load);
			bool may_go_on = load.phase == PHASE_PUBLISH && load.plan.qos == 0 && lost > 0 &&
					 now.sent < load.plan.count * load.plan.publishers;
			if (!may_go_on)
				return false;
			load.forgiven += lost;
			moved_ns = load_now_ns();
		}
		usleep(1000);
	}
}

static bool all_ready(const struct totals *all)
{
	uint64_t want = load.plan.mode == MODE_RUN ? load.plan.publishers + load.plan.subscribers : load.plan.count;
	return all->ready + all->failed >= want;
}

static bool all_left(const struct totals *all)
{
	return all->gone >= load.plan.subscribers;
}

static bool all_came_and_went(const struct totals *all)
{
	return all->gone + all->failed >= load.plan.count;
}

static bool all_sent(const struct totals *all)
{
	uint64_t want = load.plan.count * load.plan.publishers;
	/* An open loop ends by the clock; what could not be sent was not offered. */
	if (load.plan.rate > 0 && load_now_ns() - load.begin_ns > (load.plan.seconds + 1) * UINT64_C(1000000000)) {
		want = all->sent;
		load.expected = want * load.fan;
	}
	return all->sent >= want && (load.plan.qos == 0 || all->acked >= want);
}

static bool all_received(const struct totals *all)
{
	return all->received >= load.expected;
}

static bool all_done(const struct totals *all)
{
	return all_sent(all) && all_received(all);
}

struct mark {
	uint64_t ns, cpu_us, own_us, kb;
};

static struct mark mark(void)
{
	return (struct mark){ .ns = load_now_ns(),
			      .cpu_us = load_cpu_us(&load.plan),
			      .own_us = load_own_cpu_us(),
			      .kb = load_memory_kb(&load.plan, "VmRSS:") };
}

static double per(uint64_t amount, uint64_t count)
{
	return count == 0 ? 0 : (double)amount / (double)count;
}

static void say_span(const char *name, const struct mark *from, const struct mark *to, uint64_t count)
{
	double s = (double)(to->ns - from->ns) / 1e9;
	printf("\"%s\":{\"count\":%llu,\"s\":%.3f,\"rate\":%.0f,\"cpu_us\":%llu,\"cpu_us_each\":%.3f,"
	       "\"load_cpu_us_each\":%.3f,\"kb\":%llu},",
	       name, (unsigned long long)count, s, (double)count / s, (unsigned long long)(to->cpu_us - from->cpu_us),
	       per(to->cpu_us - from->cpu_us, count), per(to->own_us - from->own_us, count),
	       (unsigned long long)to->kb);
}

static void say_end(const struct mark *before, bool complete)
{
	struct totals all = totals();
	for (uint32_t w = 0; w < load.plan.workers; w++) {
		all.missing += load.workers[w].missing;
		all.repeated += load.workers[w].repeated;
	}
	printf("\"sent\":%llu,\"acked\":%llu,\"expected\":%llu,\"received\":%llu,\"repeated\":%llu,\"missing\":%llu,"
	       "\"failed\":%llu,\"refused_filters\":%llu,\"complete\":%s,",
	       (unsigned long long)all.sent, (unsigned long long)all.acked, (unsigned long long)load.expected,
	       (unsigned long long)all.received, (unsigned long long)all.repeated, (unsigned long long)all.missing,
	       (unsigned long long)all.failed, (unsigned long long)all.refused_filters, complete ? "true" : "false");
	printf("\"p50_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,", load_quantile(&load, false, 0.5),
	       load_quantile(&load, false, 0.99), load_quantile(&load, false, 0.999));
	printf("\"ack_p50_us\":%.0f,\"ack_p99_us\":%.0f,\"ack_p999_us\":%.0f,", load_quantile(&load, true, 0.5),
	       load_quantile(&load, true, 0.99), load_quantile(&load, true, 0.999));
	printf("\"kb_before\":%llu,\"kb_peak\":%llu}\n", (unsigned long long)before->kb,
	       (unsigned long long)load_memory_kb(&load.plan, "VmHWM:"));
}

static void enter_phase(enum phase phase)
{
	load.begin_ns = load_now_ns();
	load.phase = phase;
}

static void run(void)
{
	struct mark start = mark();
	uint64_t want = load.plan.publishers + load.plan.subscribers;
	bool complete = await(all_ready);
	struct mark ready = mark();
	printf("{");
	say_span("open", &start, &ready, want);
	if (load.plan.away) {
		enter_phase(PHASE_LEAVE);
		complete &= await(all_left);
		usleep(200000);
	}
	load_memory_reset_peak(&load.plan);
	struct mark from = load.plan.publishers > 0 ? mark() : start;
	enter_phase(PHASE_PUBLISH);
	complete &= await(load.plan.away ? all_sent : all_done);
	struct mark to = mark();
	struct totals all = totals();
	say_span("publish", &from, &to, load.plan.away || load.expected == 0 ? all.sent : all.received);
	if (load.plan.away) {
		enter_phase(PHASE_RETURN);
		from = mark();
		complete &= await(all_received);
		to = mark();
		all = totals();
		say_span("drain", &from, &to, all.received);
	}
	say_end(&start, complete && totals().failed == 0);
}

static bool some_ready(const struct totals *all)
{
	return all->ready + all->failed >= load.plan.count / 5;
}

/* What the first connections take once for all is not counted as theirs. */
static void stand(void)
{
	load_memory_reset_peak(&load.plan);
	struct mark start = mark();
	bool complete = await(some_ready);
	uint64_t kb = load_memory_kb(&load.plan, "VmRSS:");
	uint64_t count = totals().ready;
	complete &= await(all_ready);
	struct mark opened = mark();
	sleep(2);
	struct mark to = mark();
	count = totals().ready - count;
	printf("{");
	say_span("open", &start, &opened, totals().ready);
	printf("\"bytes_each\":%.0f,", to.kb > kb ? per((to.kb - kb) * 1024, count) : 0);
	fflush(stdout);
	sleep(load.plan.hold_s);
	say_end(&start, complete && totals().failed == 0);
}

static void come_and_go(void)
{
	struct mark start = mark();
	bool complete = await(all_came_and_went);
	struct mark to = mark();
	printf("{");
	say_span("open", &start, &to, totals().gone);
	say_end(&start, complete && totals().failed == 0);
}

int main(int argc, char **argv)
{
	pthread_t threads[LOAD_WORKERS_MAX];
	read_options(argc, argv);
	check_plan(&load.plan);
	expect_deliveries();
	if (nj_crypto_init() != NJ_OK)
		load_die("crypto");
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t w = 0; w < load.plan.workers; w++) {
		load.workers[w] = (struct worker){ .plan = &load.plan, .load = &load, .number = w };
		if (pthread_create(&threads[w], NULL, worker_main, &load.workers[w]) != 0)
			load_die("thread");
	}
	if (load.plan.mode == MODE_RUN)
		run();
	else if (load.plan.mode == MODE_IDLE)
		stand();
	else
		come_and_go();
	load.phase = PHASE_END;
	for (uint32_t w = 0; w < load.plan.workers; w++)
		pthread_join(threads[w], NULL);
	return 0;
}
