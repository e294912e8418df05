#include "sms/smpp/window.h"

#define NONE UINT16_MAX

struct nj_smpp_slot {
	struct nj_smpp_waiting waiting;
	uint16_t chain; /* of its bucket, or of those that are free */
	uint16_t older;
	uint16_t newer;
};

enum nj_err nj_smpp_window_init(struct nj_smpp_window *window, unsigned capacity)
{
	unsigned buckets = 1;
	*window = (struct nj_smpp_window){ .oldest = NONE, .newest = NONE };
	if (capacity == 0 || capacity > NJ_SMPP_WINDOW_MAX)
		return NJ_ERR_RANGE;
	while (buckets < capacity)
		buckets *= 2;
	window->slots = calloc(capacity, sizeof(*window->slots));
	window->buckets = calloc(buckets, sizeof(*window->buckets));
	if (window->slots == NULL || window->buckets == NULL) {
		nj_smpp_window_done(window);
		return NJ_ERR_NO_MEMORY;
	}
	window->capacity = (uint16_t)capacity;
	window->mask = (uint16_t)(buckets - 1);
	for (unsigned i = 0; i < capacity; i++)
		window->slots[i].chain = (uint16_t)(i + 1 < capacity ? i + 1 : NONE);
	for (unsigned i = 0; i < buckets; i++)
		window->buckets[i] = NONE;
	return NJ_OK;
}

void nj_smpp_window_done(struct nj_smpp_window *window)
{
	free(window->slots);
	free(window->buckets);
	*window = (struct nj_smpp_window){ .oldest = NONE, .newest = NONE };
}

/* Where the number of its slot stands: in its bucket or in the slot before it; what holds NONE when it is not there. */
static uint16_t *place_of(const struct nj_smpp_window *window, uint32_t sequence)
{
	uint16_t *at = &window->buckets[sequence & window->mask];
	while (*at != NONE && window->slots[*at].waiting.sequence != sequence)
		at = &window->slots[*at].chain;
	return at;
}

enum nj_err nj_smpp_window_put(struct nj_smpp_window *window, const struct nj_smpp_waiting *waiting)
{
	uint16_t *at = place_of(window, waiting->sequence);
	uint16_t index = window->free;
	if (*at != NONE)
		return NJ_ERR_EXISTS;
	if (window->count == window->capacity)
		return NJ_ERR_LIMIT;
	struct nj_smpp_slot *slot = &window->slots[index];
	window->free = slot->chain;
	*slot = (struct nj_smpp_slot){ *waiting, NONE, window->newest, NONE };
	*at = index;
	if (window->newest != NONE)
		window->slots[window->newest].newer = index;
	else
		window->oldest = index;
	window->newest = index;
	window->count++;
	return NJ_OK;
}

bool nj_smpp_window_has(const struct nj_smpp_window *window, uint32_t sequence)
{
	return *place_of(window, sequence) != NONE;
}

bool nj_smpp_window_take(struct nj_smpp_window *window, uint32_t sequence, struct nj_smpp_waiting *out_waiting)
{
	uint16_t *at = place_of(window, sequence);
	uint16_t index = *at;
	if (index == NONE)
		return false;
	struct nj_smpp_slot *slot = &window->slots[index];
	*at = slot->chain;
	*(slot->older != NONE ? &window->slots[slot->older].newer : &window->oldest) = slot->newer;
	*(slot->newer != NONE ? &window->slots[slot->newer].older : &window->newest) = slot->older;
	slot->chain = window->free;
	window->free = index;
	window->count--;
	*out_waiting = slot->waiting;
	return true;
}

const struct nj_smpp_waiting *nj_smpp_window_oldest(const struct nj_smpp_window *window)
{
	return window->oldest == NONE ? NULL : &window->slots[window->oldest].waiting;
}
