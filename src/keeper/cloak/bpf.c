#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "base/list.h"
#include "keeper/cloak/abi.h"
#include "keeper/cloak/cloak.h"
#include "keeper/cloak/key.h"
#include "keeper/cloak/setup.h"

#define NS_PER_MS UINT64_C(1000000)
#define WORD_BITS 64
#define ARRAY_BITS_MIN (UINT64_C(64) * 1024 * 8)
#define EXACT_BITS 128

_Static_assert(sizeof(struct nj_cloak_key) == 24, "keys are compared whole: no padding");
_Static_assert(sizeof(struct nj_cloak_counters) == 64, "one cache line a CPU");

/* The part of a hint array that is in use, mapped: memory follows the number of devices, not the ceiling. */
struct hint_view {
	uint64_t *words; /* NULL: not mapped */
	size_t bytes;
};

struct bpf_cloak {
	struct nj_cloak cloak;
	struct nj_cloak_fds fds;
	struct nj_cloak_control *control;
	struct hint_view views[2];
	uint64_t hint_words; /* of one array, whole */
	struct nj_cloak_counters *counters;
	uint32_t cpus;
	bool building;
	uint64_t added[2];
};

static struct bpf_cloak *of(struct nj_cloak *cloak)
{
	return NJ_CONTAINER(cloak, struct bpf_cloak, cloak);
}

/* The programs read the control block at any time: every word is stored at once, and in the order of the code. */
static void publish(__u64 *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static enum nj_err map_error(void)
{
	return errno == E2BIG ? NJ_ERR_LIMIT : nj_err_from_errno(errno);
}

static enum nj_err map_delete(int fd, const struct nj_cloak_key *key)
{
	if (bpf_map_delete_elem(fd, key) != 0 && errno != ENOENT)
		return map_error();
	return NJ_OK;
}

/* The next key is asked for before its predecessor goes: from a key that is gone the kernel starts at the front. */
static enum nj_err map_empty(int fd)
{
	struct nj_cloak_key key, next;
	int rc = bpf_map_get_next_key(fd, NULL, &next);

	while (rc == 0) {
		key = next;
		rc = bpf_map_get_next_key(fd, &key, &next);
		NJ_TRY(map_delete(fd, &key));
	}
	return errno == ENOENT ? NJ_OK : map_error();
}

static enum nj_err bpf_clear(struct nj_cloak *cloak)
{
	struct bpf_cloak *b = of(cloak);

	publish(&b->control->lease_boot_ns, 0);
	NJ_TRY(map_empty(b->fds.fd[NJ_CLOAK_FD_GRANTS]));
	publish(&b->control->prefix_count, 0);
	return map_empty(b->fds.fd[NJ_CLOAK_FD_FLOWS]);
}

/* Whether a grant of this length is there: a walk over the table, for the rare change of a policy. */
static bool prefix_in_use(int grants, uint64_t bits)
{
	struct nj_cloak_key key, next;
	int rc = bpf_map_get_next_key(grants, NULL, &next);

	while (rc == 0) {
		if (next.extra == bits)
			return true;
		key = next;
		rc = bpf_map_get_next_key(grants, &key, &next);
	}
	return false;
}

/* A place in the list of lengths: a new one, or that of a length that no grant has any more. */
static enum nj_err prefix_place(const struct bpf_cloak *b, uint64_t *out_place)
{
	const struct nj_cloak_control *control = b->control;
	uint64_t place = control->prefix_count;

	if (place >= NJ_CLOAK_PREFIXES) {
		place = 0;
		while (place < NJ_CLOAK_PREFIXES &&
		       prefix_in_use(b->fds.fd[NJ_CLOAK_FD_GRANTS], control->prefixes[place].bits))
			place++;
	}
	if (place >= NJ_CLOAK_PREFIXES)
		return NJ_ERR_LIMIT;
	*out_place = place;
	return NJ_OK;
}

/* The programs try the lengths that are listed. While a place changes it names no length: no grant has 0 bits. */
static enum nj_err list_prefix(struct bpf_cloak *b, uint8_t bits)
{
	struct nj_cloak_control *control = b->control;
	uint64_t count = control->prefix_count;
	uint64_t mask[NJ_CLOAK_IP_WORDS];
	uint64_t place;

	if (bits == EXACT_BITS)
		return NJ_OK;
	for (uint64_t i = 0; i < count; i++)
		if (control->prefixes[i].bits == bits)
			return NJ_OK;
	NJ_TRY(prefix_place(b, &place));
	nj_cloak_mask(bits, mask);
	publish(&control->prefixes[place].bits, 0);
	publish(&control->prefixes[place].mask[0], mask[0]);
	publish(&control->prefixes[place].mask[1], mask[1]);
	publish(&control->prefixes[place].bits, bits);
	if (place == count)
		publish(&control->prefix_count, count + 1);
	return NJ_OK;
}

static enum nj_err bpf_open(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port,
			    uint64_t expires_boot_ns)
{
	struct bpf_cloak *b = of(cloak);
	struct nj_cloak_key key;

	NJ_TRY(nj_cloak_grant_key(source, prefix, port, &key));
	NJ_TRY(list_prefix(b, prefix));
	if (bpf_map_update_elem(b->fds.fd[NJ_CLOAK_FD_GRANTS], &key, &expires_boot_ns, BPF_ANY) != 0)
		return map_error();
	return NJ_OK;
}

static enum nj_err bpf_shut(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port)
{
	struct nj_cloak_key key;

	NJ_TRY(nj_cloak_grant_key(source, prefix, port, &key));
	return map_delete(of(cloak)->fds.fd[NJ_CLOAK_FD_GRANTS], &key);
}

static enum nj_err bpf_flow_end(struct nj_cloak *cloak, const struct nj_addr *peer, uint16_t local_port)
{
	struct nj_cloak_key key;

	nj_cloak_flow_key(peer, local_port, &key);
	return map_delete(of(cloak)->fds.fd[NJ_CLOAK_FD_FLOWS], &key);
}

static enum nj_err bpf_renew(struct nj_cloak *cloak, uint64_t now_boot_ns)
{
	publish(&of(cloak)->control->lease_boot_ns, now_boot_ns + NJ_CLOAK_LEASE_VALID_MS * NS_PER_MS);
	return NJ_OK;
}

/* The keeper alone writes the words: no locked instruction, so that the memory accesses of many hints overlap. */
static void set_bit(const struct hint_view *view, uint64_t mask, uint32_t position)
{
	uint64_t bit = position & mask;
	uint64_t *word = &view->words[bit / WORD_BITS];

	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) | UINT64_C(1) << bit % WORD_BITS,
			 __ATOMIC_RELAXED);
}

static void add_to(struct bpf_cloak *b, unsigned which, const uint8_t hint[8])
{
	uint64_t mask = b->control->hints[which].mask;
	__u64 value;
	uint64_t hash;

	memcpy(&value, hint, sizeof(value));
	hash = nj_cloak_hint_hash(value, b->control->seed);
	set_bit(&b->views[which], mask, (uint32_t)hash);
	set_bit(&b->views[which], mask, (uint32_t)(hash >> 32));
	b->added[which]++;
}

static unsigned active(const struct bpf_cloak *b)
{
	return b->control->active & 1;
}

static void bpf_rebuild_add(struct nj_cloak *cloak, const uint8_t hint[8])
{
	struct bpf_cloak *b = of(cloak);

	if (b->building)
		add_to(b, !active(b), hint);
}

/* Before the first rebuild the active array has no size, and a bit in it would let the wrong hints pass. */
static void bpf_hint_add(struct nj_cloak *cloak, const uint8_t hint[8])
{
	struct bpf_cloak *b = of(cloak);

	if (b->views[active(b)].words != NULL)
		add_to(b, active(b), hint);
	bpf_rebuild_add(cloak, hint);
}

static uint64_t array_bits(const struct bpf_cloak *b, uint64_t expected)
{
	uint64_t bits = ARRAY_BITS_MIN;
	uint64_t most = b->hint_words * WORD_BITS;

	while (bits < most && bits / NJ_CLOAK_BITS_A_HINT < expected)
		bits *= 2;
	return bits;
}

static void unmap(void *at, size_t bytes)
{
	if (at)
		munmap(at, bytes);
}

static enum nj_err map_shared(int fd, uint64_t offset, size_t bytes, int access, void **out_at)
{
	void *at = mmap(NULL, bytes, access, MAP_SHARED, fd, (off_t)offset);

	if (at == MAP_FAILED)
		return nj_err_from_errno(errno);
	*out_at = at;
	return NJ_OK;
}

static void unmap_view(struct hint_view *view)
{
	unmap(view->words, view->bytes);
	*view = (struct hint_view){ 0 };
}

static enum nj_err map_view(struct bpf_cloak *b, unsigned which, uint64_t bits)
{
	uint64_t offset = b->control->hints[which].first_word * sizeof(uint64_t);
	void *at = NULL;

	unmap_view(&b->views[which]);
	NJ_TRY(map_shared(b->fds.fd[NJ_CLOAK_FD_HINTS], offset, bits / 8, PROT_READ | PROT_WRITE, &at));
	b->views[which] = (struct hint_view){ .words = at, .bytes = bits / 8 };
	return NJ_OK;
}

static enum nj_err bpf_rebuild_begin(struct nj_cloak *cloak, uint64_t expected)
{
	struct bpf_cloak *b = of(cloak);
	unsigned next = !active(b);
	uint64_t bits = array_bits(b, expected);

	b->building = false;
	NJ_TRY(map_view(b, next, bits));
	memset(b->views[next].words, 0, bits / 8);
	publish(&b->control->hints[next].mask, bits - 1);
	b->added[next] = 0;
	b->building = true;
	return NJ_OK;
}

static enum nj_err bpf_rebuild_end(struct nj_cloak *cloak)
{
	struct bpf_cloak *b = of(cloak);

	if (!b->building)
		return NJ_ERR_STATE;
	publish(&b->control->active, !active(b));
	b->building = false;
	unmap_view(&b->views[!active(b)]);
	return NJ_OK;
}

static void bpf_stats(struct nj_cloak *cloak, struct nj_cloak_stats *out_stats)
{
	const struct bpf_cloak *b = of(cloak);
	const struct nj_cloak_hint_array *array = &b->control->hints[active(b)];
	struct nj_cloak_stats sum = { .hints_added = b->added[active(b)] };

	if (array->mask != 0)
		sum.hint_bits = array->mask + 1;
	for (uint32_t cpu = 0; cpu < b->cpus; cpu++) {
		const struct nj_cloak_counters *one = &b->counters[cpu];

		sum.syn_passed += __atomic_load_n(&one->syn_passed, __ATOMIC_RELAXED);
		sum.syn_dropped += __atomic_load_n(&one->syn_dropped, __ATOMIC_RELAXED);
		sum.other_dropped += __atomic_load_n(&one->other_dropped, __ATOMIC_RELAXED);
		sum.knock_passed += __atomic_load_n(&one->knock_passed, __ATOMIC_RELAXED);
		sum.knock_dropped += __atomic_load_n(&one->knock_dropped, __ATOMIC_RELAXED);
	}
	*out_stats = sum;
}

static void bpf_free(struct nj_cloak *cloak)
{
	struct bpf_cloak *b = of(cloak);

	unmap(b->control, sizeof(*b->control));
	unmap_view(&b->views[0]);
	unmap_view(&b->views[1]);
	unmap(b->counters, b->cpus * sizeof(*b->counters));
	free(b);
}

static const struct nj_cloak_ops bpf_ops = {
	.name = "bpf",
	.dark = true,
	.clear = bpf_clear,
	.open = bpf_open,
	.shut = bpf_shut,
	.flow_end = bpf_flow_end,
	.renew = bpf_renew,
	.hint_add = bpf_hint_add,
	.rebuild_begin = bpf_rebuild_begin,
	.rebuild_add = bpf_rebuild_add,
	.rebuild_end = bpf_rebuild_end,
	.stats = bpf_stats,
	.free = bpf_free,
};

/* A wrong descriptor must not become a map that is written as another. */
static enum nj_err check_map(int fd, enum bpf_map_type type, size_t value_bytes, uint32_t *out_entries)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) != 0)
		return nj_err_from_errno(errno);
	if (info.type != type || info.value_size != value_bytes)
		return NJ_ERR_STATE;
	*out_entries = info.max_entries;
	return NJ_OK;
}

static enum nj_err check_tables(struct bpf_cloak *b)
{
	uint32_t entries;

	NJ_TRY(check_map(b->fds.fd[NJ_CLOAK_FD_GRANTS], BPF_MAP_TYPE_HASH, sizeof(uint64_t), &entries));
	return check_map(b->fds.fd[NJ_CLOAK_FD_FLOWS], BPF_MAP_TYPE_LRU_HASH, sizeof(uint64_t), &entries);
}

static enum nj_err map_arrays(struct bpf_cloak *b)
{
	const int *fd = b->fds.fd;
	uint32_t ones, words, cpus;
	void *at = NULL;

	NJ_TRY(check_map(fd[NJ_CLOAK_FD_CONTROL], BPF_MAP_TYPE_ARRAY, sizeof(*b->control), &ones));
	NJ_TRY(check_map(fd[NJ_CLOAK_FD_HINTS], BPF_MAP_TYPE_ARRAY, sizeof(uint64_t), &words));
	NJ_TRY(check_map(fd[NJ_CLOAK_FD_COUNTERS], BPF_MAP_TYPE_ARRAY, sizeof(*b->counters), &cpus));
	if (words < 2 * ARRAY_BITS_MIN / WORD_BITS)
		return NJ_ERR_STATE;
	NJ_TRY(map_shared(fd[NJ_CLOAK_FD_CONTROL], 0, sizeof(*b->control), PROT_READ | PROT_WRITE, &at));
	b->control = at;
	b->hint_words = words / 2;
	NJ_TRY(map_shared(fd[NJ_CLOAK_FD_COUNTERS], 0, cpus * sizeof(*b->counters), PROT_READ, &at));
	b->counters = at;
	b->cpus = cpus;
	uint64_t mask = b->control->hints[active(b)].mask;
	return mask == 0 ? NJ_OK : map_view(b, active(b), mask + 1);
}

enum nj_err nj_cloak_bpf_from_fds(const struct nj_cloak_fds *fds, struct nj_cloak **out_cloak)
{
	struct bpf_cloak *b = calloc(1, sizeof(*b));
	enum nj_err err;

	if (!b)
		return NJ_ERR_NO_MEMORY;
	b->cloak.ops = &bpf_ops;
	b->fds = *fds;
	err = check_tables(b);
	if (err == NJ_OK)
		err = map_arrays(b);
	if (err != NJ_OK) {
		bpf_free(&b->cloak);
		return err;
	}
	*out_cloak = &b->cloak;
	return NJ_OK;
}
