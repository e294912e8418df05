#include "sms/text/reassembly.h"

#include <assert.h>

/* Two lengths and two addresses, width, reference. */
#define KEY_BYTES_MAX (2 + 2 * NJ_REASSEMBLY_ADDRESS_MAX + 1 + 2)

struct key {
	uint8_t bytes[KEY_BYTES_MAX];
	uint8_t len;
};

struct sender {
	struct nj_list messages; /* that wait, the one that waits longest first */
	size_t count;
	uint8_t len;
	uint8_t bytes[NJ_REASSEMBLY_ADDRESS_MAX];
};

struct message {
	struct nj_reassembled public; /* first: what is given out */
	struct nj_list node;          /* of waiting or ready */
	struct nj_list of_sender;
	struct sender *sender;
	struct key key;
	uint64_t due_ms;
	size_t bytes;
	bool echo; /* so far, every part repeats one of its ghost */
};

/* What is left of a message that was whole: enough to know its parts again. */
struct ghost {
	struct nj_list node;
	struct key key;
	uint64_t until_ms;
	size_t bytes;
	uint8_t total;
	uint64_t digests[];
};

/* ---- keys ---- */

static struct nj_view message_key(const void *entry)
{
	const struct message *m = entry;
	return nj_view_of(m->key.bytes, m->key.len);
}

static struct nj_view ghost_key(const void *entry)
{
	const struct ghost *g = entry;
	return nj_view_of(g->key.bytes, g->key.len);
}

static struct nj_view sender_key(const void *entry)
{
	const struct sender *s = entry;
	return nj_view_of(s->bytes, s->len);
}

static struct key key_of(const struct nj_reassembly_part *part)
{
	struct key key;
	struct nj_writer w = nj_writer_of(key.bytes, sizeof(key.bytes));
	nj_write_u8(&w, (uint8_t)part->sender.len);
	nj_write_bytes(&w, part->sender.data, part->sender.len);
	nj_write_u8(&w, (uint8_t)part->receiver.len);
	nj_write_bytes(&w, part->receiver.data, part->receiver.len);
	nj_write_u8(&w, part->wide);
	nj_write_u16(&w, part->reference);
	assert(w.err == NJ_OK);
	key.len = (uint8_t)w.pos;
	return key;
}

static uint64_t digest(const struct nj_reassembly *r, struct nj_gsm7_tables tables, uint8_t coding,
		       struct nj_view units)
{
	uint8_t all[3 + NJ_SMS_PART_UNITS_MAX];
	struct nj_writer w = nj_writer_of(all, sizeof(all));
	nj_write_u8(&w, tables.locking);
	nj_write_u8(&w, tables.single);
	nj_write_u8(&w, coding);
	nj_write_bytes(&w, units.data, units.len);
	return nj_siphash13(r->messages.seed, all, w.pos);
}

/* ---- ghosts ---- */

static void forget_ghost(struct nj_reassembly *r, struct ghost *ghost)
{
	nj_map_remove(&r->ghosts, ghost_key(ghost));
	nj_list_remove(&ghost->node);
	r->bytes -= ghost->bytes;
	free(ghost);
}

static struct ghost *oldest_ghost(const struct nj_reassembly *r)
{
	return nj_list_empty(&r->haunting) ? NULL : NJ_CONTAINER(r->haunting.next, struct ghost, node);
}

/* Best effort: without memory or room a late duplicate looks like a new message. */
static void leave_ghost(struct nj_reassembly *r, const struct message *m, uint64_t now_ms)
{
	size_t bytes = sizeof(struct ghost) + m->public.total * sizeof(uint64_t);
	struct ghost *ghost = nj_map_get(&r->ghosts, message_key(m));
	if (ghost != NULL)
		forget_ghost(r, ghost);
	if (r->ghosts.count >= r->limits.messages)
		forget_ghost(r, oldest_ghost(r));
	ghost = r->bytes + bytes <= r->limits.bytes ? malloc(bytes) : NULL;
	if (ghost == NULL)
		return;
	*ghost = (struct ghost){ .key = m->key, .total = m->public.total, .bytes = bytes };
	ghost->until_ms = now_ms + r->limits.wait_ms;
	for (const struct nj_reassembled_part *part = m->public.parts; part != NULL; part = part->next)
		ghost->digests[part->sequence - 1] =
		    digest(r, part->tables, m->public.coding, nj_view_of(part->units, part->len));
	if (nj_map_put(&r->ghosts, ghost) != NJ_OK) {
		free(ghost);
		return;
	}
	nj_list_push_back(&r->haunting, &ghost->node);
	r->bytes += bytes;
}

static bool repeats(const struct nj_reassembly *r, const struct key *key, const struct nj_reassembly_part *part,
		    uint64_t now_ms)
{
	const struct ghost *ghost = nj_map_get(&r->ghosts, nj_view_of(key->bytes, key->len));
	return ghost != NULL && ghost->until_ms > now_ms && ghost->total == part->total &&
	       ghost->digests[part->sequence - 1] == digest(r, part->tables, part->coding, part->units);
}

/* ---- messages ---- */

static void drop_sender(struct nj_reassembly *r, struct sender *sender)
{
	if (--sender->count > 0)
		return;
	nj_map_remove(&r->senders, sender_key(sender));
	r->bytes -= sizeof(*sender);
	free(sender);
}

/* What is given out is the caller's, and no longer counted. */
static void give_out(struct nj_reassembly *r, struct message *m)
{
	nj_map_remove(&r->messages, message_key(m));
	nj_list_remove(&m->node);
	nj_list_remove(&m->of_sender);
	drop_sender(r, m->sender);
	m->sender = NULL;
	r->bytes -= m->bytes;
	m->public.repeated = m->echo && m->public.have < m->public.total;
	nj_list_push_back(&r->ready, &m->node);
}

static struct message *longest_waiting(const struct nj_reassembly *r)
{
	return nj_list_empty(&r->waiting) ? NULL : NJ_CONTAINER(r->waiting.next, struct message, node);
}

void nj_reassembled_free(struct nj_reassembled *message)
{
	struct nj_reassembled_part *part = message->parts;
	while (part != NULL) {
		struct nj_reassembled_part *next = part->next;
		free(part);
		part = next;
	}
	free(NJ_CONTAINER(message, struct message, public));
}

static struct sender *sender_of(struct nj_reassembly *r, struct nj_view address)
{
	struct sender *sender = nj_map_get(&r->senders, address);
	if (sender != NULL)
		return sender;
	sender = calloc(1, sizeof(*sender));
	if (sender == NULL)
		return NULL;
	nj_list_init(&sender->messages);
	sender->len = (uint8_t)address.len;
	memcpy(sender->bytes, address.data, address.len);
	if (nj_map_put(&r->senders, sender) != NJ_OK) {
		free(sender);
		return NULL;
	}
	r->bytes += sizeof(*sender);
	return sender;
}

static struct message *begin(struct nj_reassembly *r, const struct key *key, const struct nj_reassembly_part *part)
{
	struct message *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->key = *key;
	m->echo = true;
	m->bytes = sizeof(*m);
	m->public.total = part->total;
	m->public.coding = part->coding;
	m->public.reference = part->reference;
	nj_list_init(&m->node);
	nj_list_init(&m->of_sender);
	m->sender = sender_of(r, part->sender);
	if (m->sender == NULL || nj_map_put(&r->messages, m) != NJ_OK) {
		if (m->sender != NULL) {
			m->sender->count++;
			drop_sender(r, m->sender);
		}
		free(m);
		return NULL;
	}
	m->sender->count++;
	r->bytes += m->bytes;
	return m;
}

/* ---- parts ---- */

static bool sensible(const struct nj_reassembly_part *part)
{
	return part->sequence >= 1 && part->sequence <= part->total && part->units.len <= NJ_SMS_PART_UNITS_MAX &&
	       part->sender.len <= NJ_REASSEMBLY_ADDRESS_MAX && part->receiver.len <= NJ_REASSEMBLY_ADDRESS_MAX;
}

static bool same(const struct nj_reassembled_part *have, const struct nj_reassembly_part *part)
{
	return have->tables.locking == part->tables.locking && have->tables.single == part->tables.single &&
	       nj_view_equal(nj_view_of(have->units, have->len), part->units);
}

enum match { MATCH_NEW, MATCH_DUPLICATE, MATCH_CONFLICT };

static enum match compare(const struct message *m, const struct nj_reassembly_part *part)
{
	if (m->public.total != part->total || m->public.coding != part->coding)
		return MATCH_CONFLICT;
	for (const struct nj_reassembled_part *have = m->public.parts; have != NULL; have = have->next)
		if (have->sequence == part->sequence)
			return same(have, part) ? MATCH_DUPLICATE : MATCH_CONFLICT;
	return MATCH_NEW;
}

static void insert(struct message *m, struct nj_reassembled_part *fresh)
{
	struct nj_reassembled_part **at = &m->public.parts;
	while (*at != NULL && (*at)->sequence < fresh->sequence)
		at = &(*at)->next;
	fresh->next = *at;
	*at = fresh;
	m->public.have++;
}

/* Room for `bytes` more, at the cost of ghosts and of those that wait longest, but not of `keep`. */
static bool make_room(struct nj_reassembly *r, size_t bytes, const struct message *keep)
{
	while (r->bytes + bytes > r->limits.bytes && oldest_ghost(r) != NULL)
		forget_ghost(r, oldest_ghost(r));
	NJ_LIST_EACH (&r->waiting, node) {
		struct message *m = NJ_CONTAINER(node, struct message, node);
		if (r->bytes + bytes <= r->limits.bytes)
			break;
		if (m != keep)
			give_out(r, m);
	}
	return r->bytes + bytes <= r->limits.bytes;
}

static void make_way(struct nj_reassembly *r, struct nj_view sender_address)
{
	const struct sender *sender = nj_map_get(&r->senders, sender_address);
	if (sender != NULL && sender->count >= r->limits.per_sender)
		give_out(r, NJ_CONTAINER(sender->messages.next, struct message, of_sender));
	if (r->messages.count >= r->limits.messages)
		give_out(r, longest_waiting(r));
}

/* From now on the last to be late, and to make room. */
static void refresh(struct nj_reassembly *r, struct message *m, uint64_t now_ms)
{
	m->due_ms = now_ms + r->limits.wait_ms;
	nj_list_remove(&m->node);
	nj_list_remove(&m->of_sender);
	nj_list_push_back(&r->waiting, &m->node);
	nj_list_push_back(&m->sender->messages, &m->of_sender);
}

static struct nj_reassembled_part *copy_of(const struct nj_reassembly_part *part)
{
	struct nj_reassembled_part *copy = malloc(sizeof(*copy) + part->units.len);
	if (copy == NULL)
		return NULL;
	*copy = (struct nj_reassembled_part){
		.tag = part->tag,
		.tables = part->tables,
		.sequence = part->sequence,
		.len = (uint8_t)part->units.len,
	};
	if (part->units.len > 0)
		memcpy(copy->units, part->units.data, part->units.len);
	return copy;
}

static enum nj_err keep(struct nj_reassembly *r, struct message *m, const struct key *key,
			const struct nj_reassembly_part *part, uint64_t now_ms)
{
	size_t bytes = sizeof(struct nj_reassembled_part) + part->units.len;
	bool echo = repeats(r, key, part, now_ms);
	if (m == NULL)
		make_way(r, part->sender);
	if (!make_room(r, bytes + (m == NULL ? sizeof(struct message) + sizeof(struct sender) : 0), m))
		return NJ_ERR_LIMIT;
	struct nj_reassembled_part *copy = copy_of(part);
	if (copy == NULL)
		return NJ_ERR_NO_MEMORY;
	m = m != NULL ? m : begin(r, key, part);
	if (m == NULL) {
		free(copy);
		return NJ_ERR_NO_MEMORY;
	}
	insert(m, copy);
	m->bytes += bytes;
	r->bytes += bytes;
	m->echo = m->echo && echo;
	refresh(r, m, now_ms);
	if (m->public.have == m->public.total) {
		give_out(r, m);
		leave_ghost(r, m, now_ms);
	}
	return NJ_OK;
}

enum nj_err nj_reassembly_add(struct nj_reassembly *r, const struct nj_reassembly_part *part, uint64_t now_ms,
			      enum nj_reassembly_fact *out_fact)
{
	if (!sensible(part))
		return NJ_ERR_RANGE;
	if (!nj_list_empty(&r->ready))
		return NJ_ERR_AGAIN;
	struct key key = key_of(part);
	struct message *m = nj_map_get(&r->messages, nj_view_of(key.bytes, key.len));
	enum match match = m == NULL ? MATCH_NEW : compare(m, part);
	if (match == MATCH_CONFLICT) {
		give_out(r, m);
		m = NULL;
	}
	if (match != MATCH_DUPLICATE)
		NJ_TRY(keep(r, m, &key, part, now_ms));
	*out_fact = match == MATCH_DUPLICATE  ? NJ_REASSEMBLY_DUPLICATE
		    : match == MATCH_CONFLICT ? NJ_REASSEMBLY_REPLACED
					      : NJ_REASSEMBLY_KEPT;
	return NJ_OK;
}

struct nj_reassembled *nj_reassembly_next(struct nj_reassembly *r, uint64_t now_ms)
{
	struct message *late = longest_waiting(r);
	if (nj_list_empty(&r->ready) && late != NULL && late->due_ms <= now_ms)
		give_out(r, late);
	if (nj_list_empty(&r->ready))
		return NULL;
	struct message *m = NJ_CONTAINER(r->ready.next, struct message, node);
	nj_list_remove(&m->node);
	return &m->public;
}

uint64_t nj_reassembly_due_ms(const struct nj_reassembly *r)
{
	const struct message *m = longest_waiting(r);
	return m == NULL ? UINT64_MAX : m->due_ms;
}

void nj_reassembly_init(struct nj_reassembly *r, const struct nj_reassembly_limits *limits, struct nj_random *random)
{
	*r = (struct nj_reassembly){ .limits = *limits };
	nj_map_init(&r->messages, message_key, limits->messages, random);
	nj_map_init(&r->senders, sender_key, limits->messages, random);
	nj_map_init(&r->ghosts, ghost_key, limits->messages, random);
	nj_list_init(&r->waiting);
	nj_list_init(&r->ready);
	nj_list_init(&r->haunting);
}

void nj_reassembly_done(struct nj_reassembly *r)
{
	while (longest_waiting(r) != NULL)
		give_out(r, longest_waiting(r));
	while (!nj_list_empty(&r->ready))
		nj_reassembled_free(nj_reassembly_next(r, 0));
	while (oldest_ghost(r) != NULL)
		forget_ghost(r, oldest_ghost(r));
	nj_map_done(&r->messages);
	nj_map_done(&r->senders);
	nj_map_done(&r->ghosts);
}
