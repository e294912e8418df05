#include "keeper/window.h"

#include "crypto/crypto.h"
#include "keeper/index.h"

#define CHUNK_DEVICES 1024
#define FLOOR_FREE UINT64_MAX
#define DEVICES_LIMIT (UINT32_C(1) << 27) /* so that a device fits beside the lowest bits of a counter */
#define SETTLE_PLACES 32768               /* well under a millisecond */

struct nj_window {
	/* By the first half of a hint: 1 + (device and the counter's lowest four bits, which with the device's floor
	 * give the counter). The second half is computed again where the first is met. */
	struct nj_index hints;
	struct nj_index uids; /* by the first bytes of a uid, which are random: 1 + device */

	struct nj_window_device **chunks;
	size_t chunk_count;
	size_t made; /* devices that were ever used */
	size_t count;
	size_t max;
	uint32_t first_free; /* chain through hint_key of free devices */

	nj_window_hint_fn on_hint;
	void *on_hint_arg;
};

_Static_assert(NJ_KNOCK_WINDOW == 16, "the index keeps the counter's lowest four bits");

static uint32_t load_word(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- devices ---- */

struct nj_window_device *nj_window_device(const struct nj_window *window, uint32_t device)
{
	return &window->chunks[device / CHUNK_DEVICES][device % CHUNK_DEVICES];
}

static enum nj_err chunk_add(struct nj_window *window)
{
	struct nj_window_device **chunks;
	struct nj_window_device *chunk;

	chunks = reallocarray(window->chunks, window->chunk_count + 1, sizeof(*chunks));
	if (chunks == NULL)
		return NJ_ERR_NO_MEMORY;
	window->chunks = chunks;
	chunk = calloc(CHUNK_DEVICES, sizeof(*chunk));
	if (chunk == NULL)
		return NJ_ERR_NO_MEMORY;
	chunks[window->chunk_count++] = chunk;
	return NJ_OK;
}

static enum nj_err device_take(struct nj_window *window, uint32_t *out_device)
{
	uint32_t device = window->first_free;

	if (device != NJ_WINDOW_NO_DEVICE) {
		memcpy(&window->first_free, nj_window_device(window, device)->hint_key, sizeof(window->first_free));
	} else {
		if (window->made == window->chunk_count * CHUNK_DEVICES)
			NJ_TRY(chunk_add(window));
		device = (uint32_t)window->made++;
	}
	window->count++;
	*out_device = device;
	return NJ_OK;
}

static void device_give(struct nj_window *window, uint32_t device)
{
	struct nj_window_device *d = nj_window_device(window, device);

	nj_wipe(d, sizeof(*d));
	d->floor = FLOOR_FREE;
	memcpy(d->hint_key, &window->first_free, sizeof(window->first_free));
	window->first_free = device;
	window->count--;
}

uint32_t nj_window_find(const struct nj_window *window, const uint8_t uid[NJ_UID_BYTES])
{
	const uint32_t bits = load_word(uid);
	const struct nj_index_place *place = nj_index_find(&window->uids, bits, NULL);

	for (; place != NULL; place = nj_index_find(&window->uids, bits, place))
		if (memcmp(nj_window_device(window, place->value - 1)->uid, uid, NJ_UID_BYTES) == 0)
			return place->value - 1;
	return NJ_WINDOW_NO_DEVICE;
}

/* ---- hints ---- */

static uint32_t value_of(uint32_t device, uint64_t counter)
{
	return 1 + (device << 4 | (uint32_t)(counter & 15));
}

/* The counter above the floor whose lowest bits are these. */
static uint64_t counter_of(uint64_t floor, uint32_t value)
{
	return floor + 1 + ((value - 1 - (uint32_t)(floor + 1)) & 15);
}

/* The last counter of a window with this floor. */
static uint64_t window_top(uint64_t floor)
{
	return floor > NJ_KNOCK_COUNTER_MAX - NJ_KNOCK_WINDOW ? NJ_KNOCK_COUNTER_MAX : floor + NJ_KNOCK_WINDOW;
}

void nj_window_hints_of(const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t floor, struct nj_window_hints *out_hints)
{
	out_hints->count = (size_t)(window_top(floor) - floor);
	nj_knock_hints(hint_key, floor + 1, out_hints->count, out_hints->at);
}

static enum nj_err hint_insert(struct nj_window *window, uint32_t device, uint64_t counter,
			       const uint8_t hint[NJ_KNOCK_HINT_BYTES])
{
	NJ_TRY(nj_index_insert(&window->hints, load_word(hint), value_of(device, counter)));
	if (window->on_hint != NULL)
		window->on_hint(window->on_hint_arg, hint);
	return NJ_OK;
}

/* `from` to `to`, at most a whole window. */
static void hints_remove(struct nj_window *window, uint32_t device, uint64_t from, uint64_t to)
{
	uint8_t hints[NJ_KNOCK_WINDOW][NJ_KNOCK_HINT_BYTES];
	const size_t count = to < from ? 0 : (size_t)(to - from + 1);

	nj_knock_hints(nj_window_device(window, device)->hint_key, from, count, hints);
	for (size_t i = 0; i < count; i++)
		(void)nj_index_remove(&window->hints, load_word(hints[i]), value_of(device, from + i));
}

static enum nj_err hints_insert(struct nj_window *window, uint32_t device, uint64_t from, uint64_t to)
{
	uint8_t hints[NJ_KNOCK_WINDOW][NJ_KNOCK_HINT_BYTES];
	const size_t count = to < from ? 0 : (size_t)(to - from + 1);

	nj_knock_hints(nj_window_device(window, device)->hint_key, from, count, hints);
	for (size_t i = 0; i < count; i++)
		NJ_TRY(hint_insert(window, device, from + i, hints[i]));
	return NJ_OK;
}

/* All of a new device. On failure some may be in. */
static enum nj_err hints_insert_known(struct nj_window *window, uint32_t device, uint64_t floor,
				      const struct nj_window_hints *hints)
{
	for (size_t i = 0; i < hints->count; i++)
		nj_index_prefetch(&window->hints, load_word(hints->at[i]));
	for (size_t i = 0; i < hints->count; i++)
		NJ_TRY(hint_insert(window, device, floor + 1 + i, hints->at[i]));
	return NJ_OK;
}

/* ---- the whole ---- */

enum nj_err nj_window_new(size_t expected, size_t max, struct nj_window **out_window)
{
	struct nj_window *window;

	if (max == 0 || max > DEVICES_LIMIT || expected > max)
		return NJ_ERR_RANGE;
	window = calloc(1, sizeof(*window));
	if (window == NULL)
		return NJ_ERR_NO_MEMORY;
	window->max = max;
	window->first_free = NJ_WINDOW_NO_DEVICE;
	if (nj_index_init(&window->uids, expected) != NJ_OK ||
	    nj_index_init(&window->hints, expected * NJ_KNOCK_WINDOW) != NJ_OK) {
		nj_window_free(window);
		return NJ_ERR_NO_MEMORY;
	}
	*out_window = window;
	return NJ_OK;
}

void nj_window_free(struct nj_window *window)
{
	if (window == NULL)
		return;
	for (size_t i = 0; i < window->chunk_count; i++) {
		nj_wipe(window->chunks[i], CHUNK_DEVICES * sizeof(*window->chunks[i]));
		free(window->chunks[i]);
	}
	free(window->chunks);
	nj_index_done(&window->uids);
	nj_index_done(&window->hints);
	free(window);
}

void nj_window_on_hint(struct nj_window *window, nj_window_hint_fn fn, void *arg)
{
	window->on_hint = fn;
	window->on_hint_arg = arg;
}

/* Into both indexes, or into neither. */
static enum nj_err enter(struct nj_window *window, uint32_t device, const struct nj_window_hints *hints)
{
	const struct nj_window_device *d = nj_window_device(window, device);
	enum nj_err err = hints_insert_known(window, device, d->floor, hints);

	if (err == NJ_OK)
		err = nj_index_insert(&window->uids, load_word(d->uid), device + 1);
	if (err != NJ_OK)
		hints_remove(window, device, d->floor + 1, window_top(d->floor));
	return err;
}

enum nj_err nj_window_add_hinted(struct nj_window *window, const struct nj_window_device *model,
				 const struct nj_window_hints *hints, uint32_t *out_device)
{
	struct nj_window_device *d;
	uint32_t device;
	enum nj_err err;

	if (model->floor > NJ_KNOCK_COUNTER_MAX)
		return NJ_ERR_RANGE;
	if (nj_window_find(window, model->uid) != NJ_WINDOW_NO_DEVICE)
		return NJ_ERR_EXISTS;
	if (window->count == window->max)
		return NJ_ERR_LIMIT;
	NJ_TRY(device_take(window, &device));
	d = nj_window_device(window, device);
	*d = (struct nj_window_device){ .floor = model->floor, .kind = model->kind };
	memcpy(d->uid, model->uid, sizeof(d->uid));
	memcpy(d->hint_key, model->hint_key, sizeof(d->hint_key));
	err = enter(window, device, hints);
	if (err != NJ_OK) {
		device_give(window, device);
		return err;
	}
	*out_device = device;
	return NJ_OK;
}

enum nj_err nj_window_add(struct nj_window *window, const struct nj_window_device *model, uint32_t *out_device)
{
	struct nj_window_hints hints;

	if (model->floor > NJ_KNOCK_COUNTER_MAX)
		return NJ_ERR_RANGE;
	nj_window_hints_of(model->hint_key, model->floor, &hints);
	return nj_window_add_hinted(window, model, &hints, out_device);
}

enum nj_err nj_window_rekey(struct nj_window *window, uint32_t device, const uint8_t hint_key[NJ_KNOCK_KEY_BYTES])
{
	struct nj_window_device *d = nj_window_device(window, device);

	hints_remove(window, device, d->floor + 1, window_top(d->floor));
	memcpy(d->hint_key, hint_key, sizeof(d->hint_key));
	return hints_insert(window, device, d->floor + 1, window_top(d->floor));
}

void nj_window_remove(struct nj_window *window, uint32_t device)
{
	const struct nj_window_device *d = nj_window_device(window, device);

	if (d->floor == FLOOR_FREE)
		return;
	hints_remove(window, device, d->floor + 1, window_top(d->floor));
	(void)nj_index_remove(&window->uids, load_word(d->uid), device + 1);
	device_give(window, device);
}

size_t nj_window_lookup(const struct nj_window *window, const uint8_t hint[NJ_KNOCK_HINT_BYTES],
			struct nj_window_candidate out[NJ_WINDOW_CANDIDATES])
{
	const uint32_t bits = load_word(hint);
	const struct nj_index_place *place = nj_index_find(&window->hints, bits, NULL);
	uint8_t whole[NJ_KNOCK_HINT_BYTES];
	size_t found = 0;

	for (; place != NULL && found < NJ_WINDOW_CANDIDATES; place = nj_index_find(&window->hints, bits, place)) {
		const uint32_t device = (place->value - 1) >> 4;
		const struct nj_window_device *d = nj_window_device(window, device);
		const uint64_t counter = counter_of(d->floor, place->value);

		nj_knock_hint(d->hint_key, counter, whole);
		if (memcmp(whole, hint, sizeof(whole)) == 0)
			out[found++] = (struct nj_window_candidate){ device, counter };
	}
	return found;
}

enum nj_err nj_window_slide(struct nj_window *window, uint32_t device, uint64_t floor)
{
	struct nj_window_device *d = nj_window_device(window, device);
	const uint64_t old_floor = d->floor;
	const uint64_t old_top = window_top(old_floor);

	if (old_floor == FLOOR_FREE || floor > NJ_KNOCK_COUNTER_MAX)
		return NJ_ERR_RANGE;
	if (floor <= old_floor)
		return NJ_OK;
	hints_remove(window, device, old_floor + 1, floor < old_top ? floor : old_top);
	d->floor = floor;
	return hints_insert(window, device, (floor > old_top ? floor : old_top) + 1, window_top(floor));
}

size_t nj_window_count(const struct nj_window *window)
{
	return window->count;
}

size_t nj_window_hints(const struct nj_window *window)
{
	return window->hints.count;
}

size_t nj_window_bytes(const struct nj_window *window)
{
	return sizeof(*window) + nj_index_bytes(&window->hints) + nj_index_bytes(&window->uids) +
	       window->chunk_count * (CHUNK_DEVICES * sizeof(**window->chunks) + sizeof(*window->chunks));
}

void nj_window_settle(struct nj_window *window)
{
	nj_index_settle(&window->hints, SETTLE_PLACES);
	nj_index_settle(&window->uids, SETTLE_PLACES);
}

void nj_window_walk_begin(struct nj_window_walk *out_walk)
{
	out_walk->next = 0;
}

enum nj_err nj_window_walk_step(const struct nj_window *window, struct nj_window_walk *walk, size_t devices,
				nj_window_hint_fn fn, void *arg)
{
	struct nj_window_hints hints;

	for (; devices > 0 && walk->next < window->made; devices--) {
		const struct nj_window_device *d = nj_window_device(window, walk->next++);

		if (d->floor == FLOOR_FREE)
			continue;
		nj_window_hints_of(d->hint_key, d->floor, &hints);
		for (size_t i = 0; i < hints.count; i++)
			fn(arg, hints.at[i]);
	}
	return walk->next == window->made ? NJ_OK : NJ_ERR_AGAIN;
}
