#include "net/carriage.h"

#include <stdlib.h>
#include <string.h>

#include "net/internal.h"
#include "net/ws.h"

#define NORMAL 1000
/* Answers to pings that wait for a frame to be written; what finds no room goes unanswered (RFC 6455 5.5.3). */
#define ANSWERS_MAX_BYTES 1024

struct nj_carriage {
	struct nj_ws ws;
	const struct nj_ws_policy *policy;
	const struct nj_addr *peer;
	struct nj_buf request; /* as much as has come of it */
	struct nj_buf head;    /* on its way out */
	struct nj_buf answers; /* until the frame that was begun is out */
	uint64_t frame_left;
	bool open;
	bool parted; /* no data frame begins any more: the request was refused, or goodbye is said */
};

struct nj_carriage *nj_carriage_new(const struct nj_ws_policy *policy, const struct nj_addr *peer)
{
	struct nj_carriage *carriage = calloc(1, sizeof(*carriage));
	if (carriage == NULL)
		return NULL;
	carriage->policy = policy;
	carriage->peer = peer;
	nj_buf_init(&carriage->request, NJ_WS_REQUEST_MAX_BYTES + NJ_SCRATCH_BYTES);
	nj_buf_init(&carriage->head, ANSWERS_MAX_BYTES + NJ_WS_HEAD_MAX_BYTES);
	nj_buf_init(&carriage->answers, ANSWERS_MAX_BYTES);
	return carriage;
}

void nj_carriage_free(struct nj_carriage *carriage)
{
	if (carriage == NULL)
		return;
	nj_buf_done(&carriage->request);
	nj_buf_done(&carriage->head);
	nj_buf_done(&carriage->answers);
	free(carriage);
}

bool nj_carriage_wanted(uint8_t first)
{
	return first == 'G';
}

size_t nj_carriage_held_bytes(const struct nj_carriage *carriage)
{
	return carriage->request.cap + carriage->head.cap + carriage->answers.cap;
}

static void say(struct nj_carriage *carriage, const struct nj_writer *w)
{
	/* Without room an answer is left out. */
	(void)!nj_buf_append(&carriage->answers, w->data, w->pos);
}

/* The request has come whole: what follows it goes to the front of `data`. */
static enum nj_err open_stream(struct nj_carriage *carriage, uint8_t *data, size_t *len)
{
	uint8_t answer[NJ_WS_ANSWER_MAX_BYTES];
	struct nj_writer w = nj_writer_of(answer, sizeof(answer));
	const struct nj_ws_policy *policy = carriage->policy;
	size_t eaten = 0;
	struct nj_view origin;
	enum nj_err err = nj_ws_open(nj_buf_view(&carriage->request), policy->origins, &w, &eaten, &origin);
	if (err == NJ_ERR_AGAIN) {
		*len = 0;
		return NJ_OK;
	}
	say(carriage, &w);
	if (err == NJ_ERR_DENIED && policy->refused != NULL)
		policy->refused(policy->arg, carriage->peer, origin);
	if (err != NJ_OK) {
		carriage->parted = true;
		return NJ_ERR_MALFORMED;
	}
	carriage->open = true;
	nj_buf_eat(&carriage->request, eaten);
	struct nj_view rest = nj_buf_view(&carriage->request);
	*len = rest.len;
	if (rest.len > 0)
		memcpy(data, rest.data, rest.len);
	nj_buf_done(&carriage->request);
	return NJ_OK;
}

enum nj_err nj_carriage_take(struct nj_carriage *carriage, uint8_t *data, size_t len, size_t *out_len)
{
	uint8_t answers[ANSWERS_MAX_BYTES];
	struct nj_writer w = nj_writer_of(answers, sizeof(answers));
	*out_len = 0;
	if (!carriage->open) {
		if (carriage->parted)
			return NJ_ERR_MALFORMED;
		/* What came before did not end the request: what follows it is less than `len`. */
		NJ_TRY(nj_buf_append(&carriage->request, data, len));
		NJ_TRY(open_stream(carriage, data, &len));
	}
	enum nj_err err = nj_ws_unwrap(&carriage->ws, data, len, &w, out_len);
	say(carriage, &w);
	carriage->parted |= err != NJ_OK;
	return err;
}

static void begin_frame(struct nj_carriage *carriage, size_t unsent)
{
	uint8_t head[NJ_WS_HEAD_MAX_BYTES];
	size_t len = nj_ws_frame(unsent, head);
	if (nj_buf_append(&carriage->head, head, len) == NJ_OK)
		carriage->frame_left = unsent;
}

struct nj_view nj_carriage_head(struct nj_carriage *carriage, size_t unsent, size_t *out_payload)
{
	if (nj_buf_len(&carriage->head) == 0 && carriage->frame_left == 0 && nj_buf_len(&carriage->answers) > 0) {
		struct nj_buf empty = carriage->head;
		carriage->head = carriage->answers;
		carriage->answers = empty;
	} else if (nj_buf_len(&carriage->head) == 0 && carriage->frame_left == 0 && unsent > 0 && carriage->open &&
		   !carriage->parted) {
		begin_frame(carriage, unsent);
	}
	*out_payload = carriage->frame_left < unsent ? (size_t)carriage->frame_left : unsent;
	return nj_buf_view(&carriage->head);
}

void nj_carriage_wrote_head(struct nj_carriage *carriage, size_t len)
{
	nj_buf_eat(&carriage->head, len);
	nj_buf_release(&carriage->head);
}

void nj_carriage_wrote_payload(struct nj_carriage *carriage, size_t len)
{
	carriage->frame_left -= len;
}

void nj_carriage_goodbye(struct nj_carriage *carriage)
{
	uint8_t frame[NJ_WS_HEAD_MAX_BYTES];
	struct nj_writer w = nj_writer_of(frame, sizeof(frame));
	if (carriage->parted || !carriage->open)
		return;
	carriage->parted = true;
	nj_ws_goodbye(NORMAL, &w);
	say(carriage, &w);
}
