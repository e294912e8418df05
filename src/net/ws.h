/*
 * A WebSocket server's side of one stream as a byte transform (RFC 6455): the opening request, then frames of binary
 * messages whose bytes are one stream; where a message or a frame ends means nothing to who reads it (MQTT 5.0,
 * 6.0.0-2). Does no I/O and allocates nothing; what has to be answered is laid into a writer. One thread a connection.
 *
 * What is taken: GET by HTTP/1.1 for the path "/" or "/mqtt", version 13, subprotocol "mqtt", no extension, and not
 * from a browser's page (Origin), which might be anybody's and would come with what its user may do, unless it is
 * listed. A masked binary
 * message, in any number of frames, with control frames between them. All else is refused: a request by a status line,
 * a frame by a close frame, and the stream has ended.
 */
#ifndef NJ_NET_WS_H
#define NJ_NET_WS_H

#include "base/addr.h"
#include "base/origin.h"

#define NJ_WS_REQUEST_MAX_BYTES 8192
#define NJ_WS_HEAD_MAX_BYTES 10       /* of a server's frame */
#define NJ_WS_ANSWER_MAX_BYTES 256    /* to a request */
#define NJ_WS_CONTROL_MAX_BYTES 125   /* RFC 6455 5.5 */
#define NJ_WS_FRAME_HEAD_MAX_BYTES 14 /* of a client's frame */

struct nj_ws {
	uint8_t head[NJ_WS_FRAME_HEAD_MAX_BYTES]; /* of a frame that has not come whole */
	uint8_t head_len;
	uint8_t mask[4];
	uint8_t opcode; /* of the frame whose payload is coming */
	uint8_t control_len;
	uint8_t control[NJ_WS_CONTROL_MAX_BYTES];
	bool in_message; /* more frames of it are to come */
	bool final;
	bool ended;     /* a close frame came, or a breach: nothing is read any more */
	uint64_t left;  /* bytes of the payload to come */
	uint64_t taken; /* of this frame, where the mask stands */
};

/* Whose pages may open one; a program, which names no origin, may always. */
struct nj_ws_policy {
	const struct nj_origins *origins;
	/* A page was refused: the origin that it named, as it stood there. On the connection's thread; may be NULL. */
	void (*refused)(void *arg, const struct nj_addr *peer, struct nj_view origin);
	void *arg;
};

/* Reads the opening request at the start of `in`. NJ_OK: *out_eaten bytes are its, `answer` holds what to say (101).
 * NJ_ERR_AGAIN: it is not whole yet. Else `answer` holds the refusal, and the stream is over: NJ_ERR_MALFORMED (400),
 * NJ_ERR_DENIED (403; *out_origin is the page's, in `in`), NJ_ERR_NOT_FOUND (path: 404), NJ_ERR_UNSUPPORTED (version:
 * 426; subprotocol: 400), NJ_ERR_TOO_LARGE (431). */
NJ_MUST_USE enum nj_err nj_ws_open(struct nj_view in, const struct nj_origins *origins, struct nj_writer *answer,
				   size_t *out_eaten, struct nj_view *out_origin);

/* Takes `len` bytes of the stream and leaves at their place the payload bytes that they hold, *out_len of them.
 * Answers to control frames go into `answer` (at most NJ_WS_CONTROL_MAX_BYTES and a head for each that ends in these
 * bytes; what does not fit is a ping that goes unanswered). NJ_ERR_CLOSED: the peer said goodbye, the answer holds
 * ours. NJ_ERR_MALFORMED: a breach, the answer holds why. In both cases *out_len is good, too. */
NJ_MUST_USE enum nj_err nj_ws_unwrap(struct nj_ws *ws, uint8_t *data, size_t len, struct nj_writer *answer,
				     size_t *out_len);

/* The head of a server's binary frame of `len` bytes; returns its length. */
size_t nj_ws_frame(uint64_t len, uint8_t out[NJ_WS_HEAD_MAX_BYTES]);
/* A whole close frame: 1000 and so on (RFC 6455 7.4.1). */
void nj_ws_goodbye(uint16_t code, struct nj_writer *w);

#endif
