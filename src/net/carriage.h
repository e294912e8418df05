/*
 * One connection as a WebSocket (ws.h): what it holds between reads and writes. Input becomes the stream's bytes in
 * place; output is written in turns of head bytes (an answer, a control frame, the head of a data frame) and of the
 * stream's own bytes, as many as the frame that was begun has. A turn's output is one frame. Belongs to one reactor's
 * thread; included in src/net alone.
 */
#ifndef NJ_NET_CARRIAGE_H
#define NJ_NET_CARRIAGE_H

#include "base/buf.h"
#include "net/ws.h"

struct nj_carriage;

/* Both outlive it. NULL without memory. */
struct nj_carriage *nj_carriage_new(const struct nj_ws_policy *policy, const struct nj_addr *peer);
void nj_carriage_free(struct nj_carriage *carriage);
/* Whether a stream that begins with this byte asks for a WebSocket: no MQTT stream does. */
bool nj_carriage_wanted(uint8_t first);
/* Turns `len` bytes that were read into the stream's, at the same place. NJ_ERR_CLOSED: the peer said goodbye.
 * NJ_ERR_MALFORMED: it broke the rules. NJ_ERR_NO_MEMORY. With all of them *out_len is good, and what there is to say
 * of it is ready to be written. */
NJ_MUST_USE enum nj_err nj_carriage_take(struct nj_carriage *carriage, uint8_t *data, size_t len, size_t *out_len);
/* What is to be written next, of `unsent` bytes of the stream: bytes of the carriage's own, then how many of the
 * stream's. Both none: nothing is to be written. */
struct nj_view nj_carriage_head(struct nj_carriage *carriage, size_t unsent, size_t *out_payload);
void nj_carriage_wrote_head(struct nj_carriage *carriage, size_t len);
void nj_carriage_wrote_payload(struct nj_carriage *carriage, size_t len);
/* Says goodbye once, if the peer has not been told already. */
void nj_carriage_goodbye(struct nj_carriage *carriage);
/* Memory of its buffers. */
size_t nj_carriage_held_bytes(const struct nj_carriage *carriage);

#endif
