/*
 * Requests of our own that wait for their responses: found by sequence number, and in the order in which they were
 * sent. Has room for a number fixed at the start. Belongs to one session.
 */
#ifndef NJ_SMS_SMPP_WINDOW_H
#define NJ_SMS_SMPP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define NJ_SMPP_WINDOW_MAX 10000

struct nj_smpp_waiting {
	uint32_t sequence;
	uint32_t command;
	uint64_t sent_ms;
	uint64_t cookie;
};

struct nj_smpp_slot;

struct nj_smpp_window {
	struct nj_smpp_slot *slots;
	uint16_t *buckets;
	uint16_t capacity;
	uint16_t mask;
	uint16_t count;
	uint16_t free;
	uint16_t oldest;
	uint16_t newest;
};

/* NJ_ERR_RANGE: 0 or over the maximum; NJ_ERR_NO_MEMORY. */
NJ_MUST_USE enum nj_err nj_smpp_window_init(struct nj_smpp_window *window, unsigned capacity);
void nj_smpp_window_done(struct nj_smpp_window *window);
/* NJ_ERR_LIMIT: full; NJ_ERR_EXISTS: the sequence number waits already. */
NJ_MUST_USE enum nj_err nj_smpp_window_put(struct nj_smpp_window *window, const struct nj_smpp_waiting *waiting);
bool nj_smpp_window_has(const struct nj_smpp_window *window, uint32_t sequence);
/* Removes; false when it is not there. */
bool nj_smpp_window_take(struct nj_smpp_window *window, uint32_t sequence, struct nj_smpp_waiting *out_waiting);
/* NULL when none waits. */
const struct nj_smpp_waiting *nj_smpp_window_oldest(const struct nj_smpp_window *window);

#endif
