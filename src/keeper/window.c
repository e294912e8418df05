#include "keeper/window.h"

#include "crypto/crypto.h"

#define CHUNK_DEVICES 1024
#define TAIL 64         /* places behind the last home, so that no run wraps round */
#define FREE UINT32_MAX /* owner of a free place */
#define FLOOR_FREE UINT64_MAX
#define DEVICES_LIMIT (UINT32_C(1) << 27) /* so that an owner fits beside its offset */

/*
 * One hint: 12 bytes, packed by keeping its two halves as words. `owner` is the device's index and the counter's
 * lowest four bits: with the device's floor they give the counter.
 */
struct place {
	uint32_t high;
	uint32_t low;
	uint32_t owner;
};

struct nj_window {
	struct place *places; /* `homes` + TAIL of them */
	size_t homes;
	size_t hints;
	uint32_t generation; /* of the table: changes when it is laid out anew */

	struct nj_window_device **chunks;
	size_t chunk_count;
	size_t made; /* devices that were ever used */
	size_t count;
	size_t max;
	uint32_t first_free; /* chain through hint_key of free devices */

	uint32_t *by_uid; /* open addressing: device index, FREE */
	size_t uid_homes; /* power of two */

	nj_window_hint_fn on_hint;
	void *on_hint_arg;
};

_Static_assert(NJ_KNOCK_WINDOW == 16, "an owner keeps the counter's lowest four bits");

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

/* ---- by uid: random, chosen by the gateway, so its own bits place it ---- */

static size_t uid_home(const struct nj_window *window, const uint8_t uid[NJ_UID_BYTES])
{
	return load_word(uid) & (window->uid_homes - 1);
}

/* The slot of `uid`, or the free one where it belongs; never full. */
static size_t uid_slot(const struct nj_window *window, const uint8_t uid[NJ_UID_BYTES])
{
	size_t i = uid_home(window, uid);

	while (window->by_uid[i] != FREE &&
	       memcmp(nj_window_device(window, window->by_uid[i])->uid, uid, NJ_UID_BYTES) != 0)
		i = (i + 1) & (window->uid_homes - 1);
	return i;
}

static enum nj_err uid_resize(struct nj_window *window, size_t homes)
{
	uint32_t *old = window->by_uid;
	size_t old_homes = window->uid_homes;
	uint32_t *fresh = malloc(homes * sizeof(*fresh));

	if (fresh == NULL)
		return NJ_ERR_NO_MEMORY;
	memset(fresh, 0xff, homes * sizeof(*fresh));
	window->by_uid = fresh;
	window->uid_homes = homes;
	for (size_t i = 0; i < old_homes; i++)
		if (old[i] != FREE)
			fresh[uid_slot(window, nj_window_device(window, old[i])->uid)] = old[i];
	free(old);
	return NJ_OK;
}

static void uid_remove(struct nj_window *window, const uint8_t uid[NJ_UID_BYTES])
{
	const size_t mask = window->uid_homes - 1;
	size_t hole = uid_slot(window, uid);

	for (size_t i = (hole + 1) & mask; window->by_uid[i] != FREE; i = (i + 1) & mask) {
		size_t home = uid_home(window, nj_window_device(window, window->by_uid[i])->uid);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			window->by_uid[hole] = window->by_uid[i];
			hole = i;
		}
	}
	window->by_uid[hole] = FREE;
}

uint32_t nj_window_find(const struct nj_window *window, const uint8_t uid[NJ_UID_BYTES])
{
	return window->by_uid[uid_slot(window, uid)];
}

/* ---- the table of hints: linear probing without wrapping, no tombstones ---- */

static size_t home_of(const struct nj_window *window, uint32_t high)
{
	return (size_t)(((uint64_t)high * window->homes) >> 32);
}

static bool table_insert(struct nj_window *window, struct place place)
{
	const size_t end = window->homes + TAIL;
	size_t i = home_of(window, place.high);

	while (i < end && window->places[i].owner != FREE)
		i++;
	if (i == end)
		return false;
	window->places[i] = place;
	return true;
}

/* Lays the table out anew for `homes`; a run that leaves the tail (never, for outputs of HMAC) asks for more. */
static enum nj_err table_resize(struct nj_window *window, size_t homes)
{
	struct nj_window next = *window;
	const size_t old_end = window->places == NULL ? 0 : window->homes + TAIL;

	next.homes = homes;
	next.places = malloc((homes + TAIL) * sizeof(*next.places));
	if (next.places == NULL)
		return NJ_ERR_NO_MEMORY;
	memset(next.places, 0xff, (homes + TAIL) * sizeof(*next.places));
	for (size_t i = 0; i < old_end; i++) {
		if (window->places[i].owner != FREE && !table_insert(&next, window->places[i])) {
			free(next.places);
			return table_resize(window, homes + homes / 4);
		}
	}
	free(window->places);
	window->places = next.places;
	window->homes = next.homes;
	window->generation++;
	return NJ_OK;
}

/* Between 64 % and 80 % full: 240 to 300 bytes a device. */
static enum nj_err table_room(struct nj_window *window, size_t more)
{
	size_t want = window->hints + more;

	if (want <= window->homes / 5 * 4)
		return NJ_OK;
	return table_resize(window, want + want / 2 + 16);
}

static enum nj_err hint_insert(struct nj_window *window, uint32_t device, uint64_t counter)
{
	uint8_t hint[NJ_KNOCK_HINT_BYTES];
	struct place place = { .owner = device << 4 | (uint32_t)(counter & 15) };

	nj_knock_hint(nj_window_device(window, device)->hint_key, counter, hint);
	place.high = load_word(hint);
	place.low = load_word(hint + 4);
	NJ_TRY(table_room(window, 1));
	while (!table_insert(window, place))
		NJ_TRY(table_resize(window, window->homes + window->homes / 4));
	window->hints++;
	if (window->on_hint != NULL)
		window->on_hint(window->on_hint_arg, hint);
	return NJ_OK;
}

static void table_close_hole(struct nj_window *window, size_t hole)
{
	const size_t end = window->homes + TAIL;

	for (size_t i = hole + 1; i < end && window->places[i].owner != FREE; i++) {
		if (home_of(window, window->places[i].high) <= hole) {
			window->places[hole] = window->places[i];
			hole = i;
		}
	}
	window->places[hole] = (struct place){ .owner = FREE };
}

static void hint_remove(struct nj_window *window, uint32_t device, uint64_t counter)
{
	const size_t end = window->homes + TAIL;
	const uint32_t owner = device << 4 | (uint32_t)(counter & 15);
	uint8_t hint[NJ_KNOCK_HINT_BYTES];

	nj_knock_hint(nj_window_device(window, device)->hint_key, counter, hint);
	for (size_t i = home_of(window, load_word(hint)); i < end && window->places[i].owner != FREE; i++) {
		if (window->places[i].owner == owner) {
			table_close_hole(window, i);
			window->hints--;
			return;
		}
	}
}

/* The last counter of a window with this floor. */
static uint64_t window_top(uint64_t floor)
{
	return floor > NJ_KNOCK_COUNTER_MAX - NJ_KNOCK_WINDOW ? NJ_KNOCK_COUNTER_MAX : floor + NJ_KNOCK_WINDOW;
}

static void hints_remove(struct nj_window *window, uint32_t device, uint64_t from, uint64_t to)
{
	for (uint64_t counter = from; counter <= to; counter++)
		hint_remove(window, device, counter);
}

static enum nj_err hints_insert(struct nj_window *window, uint32_t device, uint64_t from, uint64_t to)
{
	for (uint64_t counter = from; counter <= to; counter++)
		NJ_TRY(hint_insert(window, device, counter));
	return NJ_OK;
}

/* ---- the whole ---- */

enum nj_err nj_window_new(size_t expected, size_t max, struct nj_window **out_window)
{
	struct nj_window *window;
	size_t uid_homes = 64;

	if (max == 0 || max > DEVICES_LIMIT || expected > max)
		return NJ_ERR_RANGE;
	window = calloc(1, sizeof(*window));
	if (window == NULL)
		return NJ_ERR_NO_MEMORY;
	window->max = max;
	window->first_free = NJ_WINDOW_NO_DEVICE;
	while (uid_homes / 2 < expected)
		uid_homes *= 2;
	if (uid_resize(window, uid_homes) != NJ_OK ||
	    table_resize(window, expected * NJ_KNOCK_WINDOW * 4 / 3 + 64) != NJ_OK) {
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
	free(window->by_uid);
	free(window->places);
	free(window);
}

void nj_window_on_hint(struct nj_window *window, nj_window_hint_fn fn, void *arg)
{
	window->on_hint = fn;
	window->on_hint_arg = arg;
}

enum nj_err nj_window_add(struct nj_window *window, const struct nj_window_device *model, uint32_t *out_device)
{
	struct nj_window_device *d;
	uint32_t device;
	enum nj_err err;

	if (model->floor > NJ_KNOCK_COUNTER_MAX)
		return NJ_ERR_RANGE;
	if (nj_window_find(window, model->uid) != FREE)
		return NJ_ERR_EXISTS;
	if (window->count == window->max)
		return NJ_ERR_LIMIT;
	if ((window->count + 1) * 4 > window->uid_homes * 3)
		NJ_TRY(uid_resize(window, window->uid_homes * 2));
	NJ_TRY(table_room(window, NJ_KNOCK_WINDOW));
	NJ_TRY(device_take(window, &device));
	d = nj_window_device(window, device);
	*d = (struct nj_window_device){ .floor = model->floor, .kind = model->kind };
	memcpy(d->uid, model->uid, sizeof(d->uid));
	memcpy(d->hint_key, model->hint_key, sizeof(d->hint_key));
	err = hints_insert(window, device, d->floor + 1, window_top(d->floor));
	if (err != NJ_OK) {
		hints_remove(window, device, d->floor + 1, window_top(d->floor));
		device_give(window, device);
		return err;
	}
	window->by_uid[uid_slot(window, d->uid)] = device;
	*out_device = device;
	return NJ_OK;
}

void nj_window_remove(struct nj_window *window, uint32_t device)
{
	const struct nj_window_device *d = nj_window_device(window, device);

	if (d->floor == FLOOR_FREE)
		return;
	hints_remove(window, device, d->floor + 1, window_top(d->floor));
	uid_remove(window, d->uid);
	device_give(window, device);
}

/* The counter above the floor whose lowest bits are these. */
static uint64_t counter_of(uint64_t floor, uint32_t owner)
{
	return floor + 1 + ((owner - (uint32_t)(floor + 1)) & 15);
}

size_t nj_window_lookup(const struct nj_window *window, const uint8_t hint[NJ_KNOCK_HINT_BYTES],
			struct nj_window_candidate out[NJ_WINDOW_CANDIDATES])
{
	const size_t end = window->homes + TAIL;
	const uint32_t high = load_word(hint);
	const uint32_t low = load_word(hint + 4);
	size_t found = 0;

	for (size_t i = home_of(window, high); i < end && window->places[i].owner != FREE; i++) {
		const struct place *place = &window->places[i];

		if (place->high != high || place->low != low)
			continue;
		out[found].device = place->owner >> 4;
		out[found].counter = counter_of(nj_window_device(window, place->owner >> 4)->floor, place->owner);
		if (++found == NJ_WINDOW_CANDIDATES)
			break;
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
	return window->hints;
}

size_t nj_window_bytes(const struct nj_window *window)
{
	return sizeof(*window) + (window->homes + TAIL) * sizeof(*window->places) +
	       window->chunk_count * (CHUNK_DEVICES * sizeof(**window->chunks) + sizeof(*window->chunks)) +
	       window->uid_homes * sizeof(*window->by_uid);
}

/* From the end to the start: closing a hole moves hints only towards the start, so none slips past the walk. */
void nj_window_walk_begin(const struct nj_window *window, struct nj_window_walk *out_walk)
{
	out_walk->left = window->homes + TAIL;
	out_walk->generation = window->generation;
}

enum nj_err nj_window_walk_step(const struct nj_window *window, struct nj_window_walk *walk, size_t places,
				nj_window_hint_fn fn, void *arg)
{
	uint8_t hint[NJ_KNOCK_HINT_BYTES];

	if (walk->generation != window->generation)
		return NJ_ERR_STATE;
	for (; places > 0 && walk->left > 0; places--) {
		const struct place *place = &window->places[--walk->left];

		if (place->owner == FREE)
			continue;
		nj_put_u32(hint, place->high);
		nj_put_u32(hint + 4, place->low);
		fn(arg, hint);
	}
	return walk->left == 0 ? NJ_OK : NJ_ERR_AGAIN;
}
