/*
 * A device as docs/protocol/knock.md describes it: knocks, binds, publishes, and takes part in rekey and recovery, with
 * its state in a file of A/B records. For tests it can be told to die, or to stop and wait for SIGCONT, at any of its
 * writes and sends, and with --failed-hours 24 that it has been failing for so long (and with --tried 16 that its root
 * keys have just had their turn). With --lost 1 its root keys are not what they were.
 *
 *   nj-ref-device --credentials FILE --state FILE --to ADDRESS [--attempts N] [--wait-ms N] [--stay-ms N]
 *                 [--die POINT] [--pause POINT] [--failed-hours N] [--tried N] [--lost 1]
 *                 [--connect-ms N]
 *
 * POINT is before: or after: one of write-attempt, send-knock, connect, write-bound, send-connect, send-publish,
 * write-offered, send-stored, write-done; or torn: one of the writes. In a recovery the same names mean its points. It
 * says what happens, a line each, and ends with 0 when it was bound and its message acknowledged.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "reference/record.h"
#include "reference/session.h"
#include "wire/credfile.h"
#include "wire/recover.h"

#define PUBLISH_ID 1
#define STORED_ID 2
#define EXIT_UNBOUND 3

struct run {
	const char *credentials, *state, *to;
	const char *die, *pause;
	unsigned attempts, wait_ms, stay_ms, connect_ms, failed_hours, tried, lost;
	struct nj_credfile file;
	struct record_file record;
	struct nj_rekey_device device;
	struct nj_rekey_attempt attempt;
	struct nj_addr gateway;
	char identity[2 * NJ_KNOCK_HINT_BYTES + 1];
	uint8_t psk[32];
	bool published;
	bool rekeyed;
};

static void fail(const char *what)
{
	fprintf(stderr, "nj-ref-device: %s\n", what);
	exit(70);
}

static void say(const char *what, uint64_t number)
{
	printf("%s %llu\n", what, (unsigned long long)number);
	(void)fflush(stdout);
}

/* ---- dying ---- */

static bool is_point(const char *wanted, const char *when, const char *what)
{
	size_t len = strlen(when);

	return wanted != NULL && strncmp(wanted, when, len) == 0 && wanted[len] == ':' &&
	       strcmp(wanted + len + 1, what) == 0;
}

static void point(const struct run *run, const char *when, const char *what)
{
	if (is_point(run->pause, when, what)) {
		say("paused", 0);
		(void)raise(SIGSTOP);
	}
	if (is_point(run->die, when, what))
		(void)raise(SIGKILL);
}

static void write_state(struct run *run, const char *what)
{
	bool torn = is_point(run->die, "torn", what);

	point(run, "before", what);
	if (record_write(&run->record, &run->device, torn) != NJ_OK)
		fail("cannot write the state");
	if (torn)
		(void)raise(SIGKILL);
	point(run, "after", what);
}

/* ---- state ---- */

static void read_credentials(struct run *run)
{
	char *text = NULL;
	size_t len = 0;
	struct nj_why why = { "" };

	if (nj_file_read(run->credentials, NJ_CREDFILE_MAX_BYTES, &text, &len, &why) != NJ_OK ||
	    nj_credfile_parse(text, len, &run->file, &why) != NJ_OK)
		fail(why.text);
	free(text);
}

static void read_state(struct run *run)
{
	bool found = false;

	if (record_open(run->state, &run->record, &run->device, &found) != NJ_OK)
		fail("cannot open the state");
	if (found)
		return;
	run->device = (struct nj_rekey_device){ .counter = run->file.counter, .count = 1 };
	memcpy(run->device.uid, run->file.uid, sizeof(run->device.uid));
	run->device.keys[0].epoch = run->file.epoch;
	memcpy(run->device.keys[0].key, run->file.key, sizeof(run->device.keys[0].key));
	memcpy(run->device.recovery.key, run->file.recovery, sizeof(run->device.recovery.key));
	run->device.recovery.held = run->file.port[NJ_SERVICE_ENROLMENT] != 0;
	if (record_write(&run->record, &run->device, false) != NJ_OK)
		fail("cannot write the state");
}

/* ---- the knock ---- */

static uint16_t service_of(const struct run *run)
{
	return run->attempt.recovery ? NJ_SERVICE_ENROLMENT : NJ_SERVICE_MQTTS;
}

static void seal(struct run *run, uint8_t datagram[NJ_KNOCK_BYTES])
{
	struct nj_knock_body body = { .version = NJ_KNOCK_VERSION,
				      .flags = run->attempt.flags,
				      .service = service_of(run) };
	struct nj_knock_keys keys;
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES];

	memcpy(body.uid, run->device.uid, sizeof(body.uid));
	nj_random_fill(nj_random_system(), fresh, sizeof(fresh));
	nj_knock_derive(nj_rekey_device_key(&run->device, &run->attempt), run->device.uid, &keys);
	nj_knock_seal(&keys, run->attempt.counter, fresh, &body, datagram);
	nj_knock_psk(&keys, datagram, run->psk);
	nj_hex_encode(datagram, NJ_KNOCK_HINT_BYTES, run->identity);
	nj_wipe(&keys, sizeof(keys));
}

static void knock(struct run *run)
{
	const struct timespec pause = { .tv_sec = run->wait_ms / 1000, .tv_nsec = run->wait_ms % 1000 * 1000000L };
	uint8_t datagram[NJ_KNOCK_BYTES];
	struct sockaddr_storage address;
	struct nj_addr to = run->gateway;

	to.port = run->file.knock_port;
	seal(run, datagram);
	socklen_t len = nj_addr_to_sockaddr(&to, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	point(run, "before", "send-knock");
	/* What is not sent is as what is lost. */
	if (fd >= 0 && sendto(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&address, len) < 0)
		say("unsent", run->attempt.counter);
	if (fd >= 0)
		(void)close(fd);
	point(run, "after", "send-knock");
	(void)nanosleep(&pause, NULL);
}

/* ---- the session ---- */

static void take_offer(struct run *run, struct session *session, const struct nj_rekey_message *offer)
{
	uint8_t exporter[NJ_REKEY_EXPORTER_BYTES];
	uint8_t payload[NJ_REKEY_MESSAGE_MAX_BYTES];
	struct nj_rekey_message stored;

	if (!session_export(session, NJ_REKEY_EXPORTER_LABEL, exporter) ||
	    nj_rekey_device_offered(&run->device, &run->attempt, exporter, offer, &stored) != NJ_OK) {
		say("refused-offer", offer->epoch);
		return;
	}
	say("offered", offer->epoch);
	write_state(run, "write-offered");
	size_t len = nj_rekey_encode(&stored, payload);
	point(run, "before", "send-stored");
	if (session_publish(session, nj_rekey_topic(NJ_REKEY_STORED), nj_view_of(payload, len), STORED_ID))
		say("stored", stored.epoch);
	point(run, "after", "send-stored");
}

static void take_done(struct run *run, const struct nj_rekey_message *done)
{
	if (nj_rekey_device_done(&run->device, done) != NJ_OK) {
		say("refused-done", done->epoch);
		return;
	}
	write_state(run, "write-done");
	say("done", done->epoch);
	run->rekeyed = true;
}

static void take(struct run *run, struct session *session, const struct session_packet *packet)
{
	struct nj_rekey_message message;

	if (packet->type == 4 && packet->packet_id == PUBLISH_ID) {
		say("published", run->attempt.counter);
		run->published = true;
	}
	if (packet->type != 3 || nj_rekey_decode(packet->topic, packet->payload, &message) != NJ_OK)
		return;
	if (message.type == NJ_REKEY_OFFER)
		take_offer(run, session, &message);
	if (message.type == NJ_REKEY_DONE)
		take_done(run, &message);
}

static void serve(struct run *run, struct session *session)
{
	struct session_packet packet;
	char topic[NJ_NAME_BYTES + 16];

	point(run, "before", "send-connect");
	if (!session_mqtt_connect(session, run->file.name))
		return;
	point(run, "after", "send-connect");
	(void)snprintf(topic, sizeof(topic), "dev/%s/t", run->file.name);
	point(run, "before", "send-publish");
	if (!session_publish(session, topic, nj_view_str("1"), PUBLISH_ID))
		return;
	point(run, "after", "send-publish");
	/* The rekey comes or not; without one this waits its time. */
	while (!(run->published && run->rekeyed) && session_receive(session, (int)run->stay_ms, &packet))
		take(run, session, &packet);
}

/* ---- recovery ---- */

static bool read_message(struct run *run, struct session *session, struct nj_recover_message *out)
{
	uint8_t bytes[NJ_RECOVER_MESSAGE_MAX_BYTES];
	size_t have = 0;
	size_t len = 0;

	while (nj_recover_decode(nj_view_of(bytes, have), out, &len) == NJ_ERR_TRUNCATED) {
		if (have == sizeof(bytes) || !session_read(session, (int)run->stay_ms, bytes + have, 1))
			return false;
		have++;
	}
	return len == have && len > 0;
}

/* OFFER, STORED, DONE. */
static void recover(struct run *run, struct session *session)
{
	struct nj_recover_message offer;
	struct nj_recover_message stored;
	struct nj_recover_message done;
	uint8_t bytes[NJ_RECOVER_MESSAGE_MAX_BYTES];

	if (!read_message(run, session, &offer) ||
	    nj_recover_device_offered(&run->device, &run->attempt, &offer, &stored) != NJ_OK) {
		say("no-offer", 0);
		return;
	}
	say("recovery-offered", offer.epoch);
	write_state(run, "write-offered");
	point(run, "before", "send-stored");
	if (session_send(session, bytes, nj_recover_encode(&stored, bytes)))
		say("stored", stored.epoch);
	point(run, "after", "send-stored");
	if (!read_message(run, session, &done) || nj_recover_device_done(&run->device, &done) != NJ_OK) {
		say("no-done", 0);
		return;
	}
	write_state(run, "write-done");
	say("recovered", done.epoch);
}

static bool attempt(struct run *run)
{
	bool failed_long = run->failed_hours * UINT64_C(3600000) >= NJ_RECOVER_AFTER_MS;
	bool connected = false;

	if ((failed_long ? nj_recover_device_next : nj_rekey_device_next)(&run->device, &run->attempt) != NJ_OK)
		fail("the counters are used up");
	write_state(run, "write-attempt");
	knock(run);
	point(run, "before", "connect");
	struct session *session = session_open(&run->gateway, run->file.port[service_of(run)], run->identity, run->psk,
					       (int)run->connect_ms, &connected);
	point(run, "after", "connect");
	if (session == NULL) {
		say(connected ? "unbound" : "silent", run->attempt.counter);
		return false;
	}
	(void)nj_rekey_device_bound(&run->device, &run->attempt);
	write_state(run, "write-bound");
	say(run->attempt.recovery ? "bound-recovery" : "bound", run->attempt.epoch);
	if (run->attempt.recovery)
		recover(run, session);
	else
		serve(run, session);
	session_close(session);
	return !run->attempt.recovery;
}

static void parse(struct run *run, int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *value = argv[i + 1];

		if (strcmp(argv[i], "--credentials") == 0)
			run->credentials = value;
		else if (strcmp(argv[i], "--state") == 0)
			run->state = value;
		else if (strcmp(argv[i], "--to") == 0)
			run->to = value;
		else if (strcmp(argv[i], "--die") == 0)
			run->die = value;
		else if (strcmp(argv[i], "--pause") == 0)
			run->pause = value;
		else if (strcmp(argv[i], "--attempts") == 0)
			run->attempts = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i], "--wait-ms") == 0)
			run->wait_ms = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i], "--failed-hours") == 0)
			run->failed_hours = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i], "--connect-ms") == 0)
			run->connect_ms = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i], "--lost") == 0)
			run->lost = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i], "--tried") == 0)
			run->tried = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i], "--stay-ms") == 0)
			run->stay_ms = (unsigned)strtoul(value, NULL, 10);
		else
			fail(argv[i]);
	}
	if (run->credentials == NULL || run->state == NULL || run->to == NULL)
		fail("--credentials, --state and --to are needed");
}

int main(int argc, char **argv)
{
	static struct run run = { .attempts = 1, .wait_ms = 150, .stay_ms = 1000, .connect_ms = 300 };
	unsigned made = 0;

	parse(&run, argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	if (nj_crypto_init() != NJ_OK)
		fail("no cryptography");
	read_credentials(&run);
	read_state(&run);
	run.device.recovery.turn += run.tried;
	for (size_t i = 0; i < run.device.count && run.lost > 0; i++)
		run.device.keys[i].key[0] ^= 0xff;
	if (nj_addr_parse(run.to, &run.gateway) != NJ_OK)
		fail("--to is no address");
	while (made < run.attempts) {
		made++;
		if (attempt(&run) && run.published)
			break;
	}
	say("attempts", made);
	say("keys", run.device.count);
	say("epoch", run.device.keys[0].epoch);
	return run.published ? 0 : EXIT_UNBOUND;
}
