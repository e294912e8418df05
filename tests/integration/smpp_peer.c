/*
 * Our SMPP session on a socket of loopback, for other people's peers:
 *   smpp_peer smsc PORT          serves; says "ready" when it listens; ends when its input does
 *   smpp_peer esme PORT COUNT    binds, submits COUNT messages in a window of 10, waits for their receipts, unbinds
 * As an SMSC it takes the password "secret08", and by destination: 777 is full, 888 is throttled, 999 alerts; the rest
 * gets an id and, if asked for, a receipt. As an ESME it prints one line of what happened.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "sms/smpp/receipt.h"
#include "sms/smpp/session.h"
#include "sms/smpp/time.h"

#define MAX_PEERS 16
#define IN_BYTES (1 << 18)
#define MAX_MESSAGES 2000

static uint8_t scratch[NJ_SMPP_PDU_MAX];

struct peer {
	int fd;
	struct nj_smpp_session *session;
	uint8_t in[IN_BYTES];
	size_t in_len;
	bool ended;
	enum nj_smpp_end why;
	/* ESME */
	unsigned count;
	unsigned submitted;
	unsigned accepted;
	unsigned refused;
	unsigned lost;
	unsigned receipts;
	unsigned matched;
	unsigned messages;
	char ids[MAX_MESSAGES][NJ_SMPP_MESSAGE_ID_BYTES];
};

static unsigned last_id;

static void on_send(void *user, struct nj_view pdu)
{
	struct peer *peer = user;
	while (pdu.len > 0) {
		ssize_t sent = send(peer->fd, pdu.data, pdu.len, MSG_NOSIGNAL);
		if (sent <= 0)
			return; /* the next read tells */
		pdu = nj_view_of(pdu.data + sent, pdu.len - (size_t)sent);
	}
}
static void on_ended(void *user, enum nj_smpp_end why)
{
	struct peer *peer = user;
	peer->ended = true;
	peer->why = why;
}
static void on_fault(void *user, const struct nj_smpp_pdu *pdu, const struct nj_smpp_fault *fault)
{
	fprintf(stderr, "%s %u: %s (%s)\n", nj_smpp_command_name(pdu->command), pdu->sequence,
		nj_smpp_fault_text(fault->kind), fault->field);
}

/* ---- SMSC ---- */

static void on_bind(void *user, const struct nj_smpp_pdu *pdu)
{
	struct peer *peer = user;
	bool known = nj_view_equal(pdu->password, nj_view_str("secret08"));
	(void)!nj_smpp_session_bind_answer(peer->session, known ? NJ_SMPP_ROK : NJ_SMPP_RINVPASWD);
}

static void send_receipt(struct peer *peer, const struct nj_smpp_pdu *about, const char *id)
{
	struct nj_smpp_receipt receipt = { .id = nj_view_str(id),
					   .submitted = 1,
					   .delivered = 1,
					   .submit_ms = UINT64_C(1795358400000),
					   .done_ms = UINT64_C(1795358460000),
					   .state = NJ_SMPP_STATE_DELIVERED,
					   .network = 3,
					   .text = about->short_message };
	struct nj_smpp_receipt_room room;
	struct nj_smpp_pdu pdu;
	nj_smpp_pdu_init(&pdu, NJ_SMPP_DELIVER_SM, NJ_SMPP_ROK, 0);
	pdu.source = about->dest;
	pdu.dest = about->source;
	if (nj_smpp_receipt_fill(&receipt, &room, &pdu) == NJ_OK)
		(void)!nj_smpp_session_request(peer->session, &pdu, 0);
}

static void send_alert(struct peer *peer, const struct nj_smpp_pdu *about)
{
	struct nj_smpp_pdu pdu;
	nj_smpp_pdu_init(&pdu, NJ_SMPP_ALERT_NOTIFICATION, NJ_SMPP_ROK, 0);
	pdu.source = about->dest;
	pdu.dest = about->source;
	nj_smpp_tlv_set_number(&pdu.tlvs, NJ_SMPP_TLV_MS_AVAILABILITY_STATUS, 0);
	(void)!nj_smpp_session_request(peer->session, &pdu, 0);
}

static uint32_t verdict(struct nj_view dest)
{
	return nj_view_equal(dest, nj_view_str("777"))   ? NJ_SMPP_RMSGQFUL
	       : nj_view_equal(dest, nj_view_str("888")) ? NJ_SMPP_RTHROTTLED
							 : NJ_SMPP_ROK;
}

/* Those that begin with 0 are unknown here. */
static void judge_list(const struct nj_smpp_list *list, struct nj_writer *w, struct nj_smpp_list *out_failures)
{
	struct nj_smpp_dest dest;
	for (size_t cursor = 0; nj_smpp_dest_next(list, &cursor, &dest);) {
		if (dest.address.addr.data[0] != '0')
			continue;
		nj_smpp_failure_write(w, &(struct nj_smpp_failure){ dest.address, NJ_SMPP_RINVDSTADR });
		out_failures->count++;
	}
	out_failures->items = nj_view_of(w->data, w->pos);
}

static void on_request(void *user, struct nj_smpp_token token, const struct nj_smpp_pdu *pdu)
{
	struct peer *peer = user;
	struct nj_smpp_pdu answer;
	char id[16];
	char when[NJ_SMPP_TIME_BYTES] = "";
	uint8_t items[NJ_SMPP_PDU_MAX / 8];
	struct nj_writer w = nj_writer_of(items, sizeof(items));
	nj_smpp_pdu_init(&answer, 0, verdict(pdu->dest.addr), 0);
	(void)!nj_text_format(id, sizeof(id), "%08X", ++last_id);
	answer.message_id = nj_view_str(id);
	if (token.command == NJ_SMPP_SUBMIT_MULTI)
		judge_list(&pdu->list, &w, &answer.list);
	if (token.command == NJ_SMPP_QUERY_SM) {
		(void)!nj_smpp_time_write(UINT64_C(1795358460000), when);
		answer.message_id = pdu->message_id;
		answer.message_state = NJ_SMPP_STATE_DELIVERED;
		answer.final_date = nj_view_str(when);
	}
	(void)!nj_smpp_session_answer(peer->session, token, &answer);
	if (answer.status == NJ_SMPP_ROK && (pdu->registered_delivery & NJ_SMPP_REGISTERED_FINAL) != 0)
		send_receipt(peer, pdu, id);
	if (nj_view_equal(pdu->dest.addr, nj_view_str("999")))
		send_alert(peer, pdu);
}

static void nothing_response(void *user, uint64_t cookie, const struct nj_smpp_pdu *pdu)
{
}
static void nothing_lost(void *user, uint64_t cookie, enum nj_smpp_end why)
{
}

static const struct nj_smpp_session_ops smsc_ops = {
	.send = on_send,
	.bind = on_bind,
	.request = on_request,
	.response = nothing_response,
	.lost = nothing_lost,
	.fault = on_fault,
	.ended = on_ended,
};

/* ---- ESME ---- */

static void submit_more(struct peer *peer)
{
	while (peer->submitted < peer->count) {
		struct nj_smpp_pdu pdu;
		nj_smpp_pdu_init(&pdu, NJ_SMPP_SUBMIT_SM, NJ_SMPP_ROK, 0);
		pdu.source = (struct nj_smpp_address){ 3, 9, nj_view_str("4711") };
		pdu.dest = (struct nj_smpp_address){ 1, 1, nj_view_str("491701234567") };
		pdu.registered_delivery = NJ_SMPP_REGISTERED_FINAL;
		pdu.short_message = nj_view_str("a text");
		if (nj_smpp_session_request(peer->session, &pdu, peer->submitted) != NJ_OK)
			return;
		peer->submitted++;
	}
}

static void on_bound(void *user, const struct nj_smpp_pdu *pdu)
{
	struct peer *peer = user;
	if (pdu->status == NJ_SMPP_ROK)
		submit_more(peer);
	else
		nj_smpp_session_end(peer->session);
}

static bool finished(const struct peer *peer)
{
	return peer->submitted == peer->count && peer->accepted + peer->refused + peer->lost == peer->count &&
	       peer->receipts == peer->accepted;
}

static void on_response(void *user, uint64_t cookie, const struct nj_smpp_pdu *pdu)
{
	struct peer *peer = user;
	if (pdu->status == NJ_SMPP_ROK) {
		(void)!nj_text_copy_view(peer->ids[cookie % MAX_MESSAGES], NJ_SMPP_MESSAGE_ID_BYTES, pdu->message_id);
		peer->accepted++;
	} else {
		peer->refused++;
	}
	submit_more(peer);
}
static void on_lost(void *user, uint64_t cookie, enum nj_smpp_end why)
{
	((struct peer *)user)->lost++;
}
static void on_ready(void *user)
{
	submit_more(user);
}
static void on_delivery(void *user, struct nj_smpp_token token, const struct nj_smpp_pdu *pdu)
{
	struct peer *peer = user;
	struct nj_smpp_receipt receipt;
	struct nj_smpp_pdu answer;
	if (nj_smpp_receipt_read(pdu, &receipt) == NJ_OK) {
		peer->receipts++;
		for (unsigned i = 0; i < peer->submitted; i++)
			if (nj_smpp_id_same(receipt.id, nj_view_str(peer->ids[i % MAX_MESSAGES]))) {
				peer->matched++;
				break;
			}
	} else {
		peer->messages++;
	}
	nj_smpp_pdu_init(&answer, 0, NJ_SMPP_ROK, 0);
	(void)!nj_smpp_session_answer(peer->session, token, &answer);
}

static const struct nj_smpp_session_ops esme_ops = {
	.send = on_send,
	.bound = on_bound,
	.request = on_delivery,
	.response = on_response,
	.lost = on_lost,
	.ready = on_ready,
	.fault = on_fault,
	.ended = on_ended,
};

/* ---- both ---- */

static struct peer *make(int fd, enum nj_smpp_side side)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct nj_smpp_session_config config = {
		.side = side,
		.ops = side == NJ_SMPP_SMSC ? &smsc_ops : &esme_ops,
		.user = peer,
		.clock = nj_clock_system(),
		.scratch = scratch,
		.scratch_bytes = sizeof(scratch),
		.max_pdu_bytes = NJ_SMPP_PDU_MAX,
		.window = side == NJ_SMPP_SMSC ? 1000 : 10,
		.peer_window = 1000,
		.max_binds = 3,
		.init_ms = 5000,
		.enquire_ms = 5000,
		.response_ms = 3000,
		.hold_ms = 100,
		.system_id = "nightjar",
	};
	if (peer == NULL || nj_smpp_session_new(&config, &peer->session) != NJ_OK)
		exit(EX_OSERR);
	peer->fd = fd;
	return peer;
}

static void drop(struct peer *peer)
{
	close(peer->fd);
	nj_smpp_session_free(peer->session);
	free(peer);
}

/* False at the end. */
static bool serve(struct peer *peer, bool readable)
{
	if (readable) {
		ssize_t got = recv(peer->fd, peer->in + peer->in_len, IN_BYTES - peer->in_len, 0);
		if (got <= 0)
			nj_smpp_session_end(peer->session);
		else
			peer->in_len += (size_t)got;
		size_t eaten = nj_smpp_session_feed(peer->session, nj_view_of(peer->in, peer->in_len));
		memmove(peer->in, peer->in + eaten, peer->in_len - eaten);
		peer->in_len -= eaten;
	}
	nj_smpp_session_tick(peer->session);
	return !peer->ended;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 16) != 0)
		exit(EX_OSERR);
	return fd;
}

static int run_smsc(uint16_t port)
{
	struct peer *peers[MAX_PEERS] = { 0 };
	int listener = listen_on(port);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct pollfd fds[2 + MAX_PEERS] = { { .fd = 0, .events = POLLIN },
						     { .fd = listener, .events = POLLIN } };
		for (size_t i = 0; i < MAX_PEERS; i++)
			fds[2 + i] = (struct pollfd){ .fd = peers[i] != NULL ? peers[i]->fd : -1, .events = POLLIN };
		if (poll(fds, 2 + MAX_PEERS, 100) < 0 && errno != EINTR)
			return EX_OSERR;
		if (fds[0].revents != 0)
			break;
		for (size_t i = 0; i < MAX_PEERS; i++) {
			if (peers[i] != NULL && !serve(peers[i], fds[2 + i].revents != 0)) {
				drop(peers[i]);
				peers[i] = NULL;
			}
			if (peers[i] == NULL && fds[1].revents != 0) {
				peers[i] = make(accept(listener, NULL, NULL), NJ_SMPP_SMSC);
				fds[1].revents = 0;
			}
		}
	}
	for (size_t i = 0; i < MAX_PEERS; i++)
		if (peers[i] != NULL)
			drop(peers[i]);
	close(listener);
	return EX_OK;
}

static int run_esme(uint16_t port, unsigned count)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool unbinding = false;
	struct nj_smpp_pdu bind_pdu;
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return EX_UNAVAILABLE;
	struct peer *peer = make(fd, NJ_SMPP_ESME);
	peer->count = count;
	nj_smpp_pdu_init(&bind_pdu, NJ_SMPP_BIND_TRANSCEIVER, NJ_SMPP_ROK, 0);
	bind_pdu.system_id = nj_view_str("nightjar");
	bind_pdu.password = nj_view_str("secret08");
	bind_pdu.interface_version = NJ_SMPP_VERSION_34;
	(void)!nj_smpp_session_bind(peer->session, &bind_pdu);
	for (bool going = true; going;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		if (poll(&pfd, 1, 50) < 0 && errno != EINTR)
			return EX_OSERR;
		going = serve(peer, pfd.revents != 0);
		if (going && finished(peer) && !unbinding)
			unbinding = nj_smpp_session_unbind(peer->session) == NJ_OK;
	}
	const struct nj_smpp_session_stats *stats = nj_smpp_session_stats(peer->session);
	printf("accepted=%u refused=%u lost=%u receipts=%u matched=%u messages=%u wrong_ids=%llu foreign=%llu end=%s\n",
	       peer->accepted, peer->refused, peer->lost, peer->receipts, peer->matched, peer->messages,
	       (unsigned long long)stats->wrong_ids, (unsigned long long)stats->foreign, nj_smpp_end_text(peer->why));
	drop(peer);
	return EX_OK;
}

int main(int argc, char **argv)
{
	uint64_t port = 0;
	uint64_t count = 0;
	if (argc < 3 || nj_number_parse(argv[2], 1, 65535, &port) != NJ_OK)
		return EX_USAGE;
	if (argc == 3 && strcmp(argv[1], "smsc") == 0)
		return run_smsc((uint16_t)port);
	if (argc == 4 && strcmp(argv[1], "esme") == 0 && nj_number_parse(argv[3], 1, MAX_MESSAGES, &count) == NJ_OK)
		return run_esme((uint16_t)port, (unsigned)count);
	return EX_USAGE;
}
