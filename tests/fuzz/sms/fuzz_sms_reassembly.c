/*
 * Any sequence of parts, times and tight limits. Held: what is given out is in order, without duplicates, and whole
 * exactly when nothing is missing; every part that was kept is given out exactly once; counts and bytes stay within
 * their limits; at the end nothing is left.
 */
#include "sms/text/reassembly.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t kept;
static uint64_t given;

static void take(struct nj_reassembly *r, uint64_t now_ms)
{
	struct nj_reassembled *m;
	while ((m = nj_reassembly_next(r, now_ms)) != NULL) {
		unsigned last = 0;
		unsigned count = 0;
		for (const struct nj_reassembled_part *part = m->parts; part != NULL; part = part->next, count++) {
			CHECK(part->sequence > last && part->sequence <= m->total);
			last = part->sequence;
		}
		CHECK(count == m->have && count >= 1 && count <= m->total);
		CHECK(!m->repeated || m->have < m->total);
		given += count;
		nj_reassembled_free(m);
	}
}

static void step(struct nj_reassembly *r, struct nj_reader *in, uint64_t *now_ms)
{
	static const char *const senders[] = { "1", "22", "333", "" };
	static const char *const texts[] = { "a", "b", "", "a long one, of many units, so that bytes count" };
	enum nj_reassembly_fact fact = NJ_REASSEMBLY_DUPLICATE;
	uint8_t what = nj_read_u8(in);
	uint8_t order = nj_read_u8(in);
	struct nj_reassembly_part part = {
		.sender = nj_view_str(senders[what & 3]),
		.receiver = nj_view_str(senders[what >> 2 & 3]),
		.reference = what >> 4 & 3,
		.wide = (what & 0x40) != 0,
		.total = order & 7,
		.sequence = order >> 3 & 7,
		.coding = (what & 0x80) != 0 ? 8 : 0,
		.units = nj_view_str(texts[order >> 6]),
	};
	enum nj_err err = nj_reassembly_add(r, &part, *now_ms, &fact);
	CHECK(err == NJ_OK || err == NJ_ERR_RANGE || err == NJ_ERR_LIMIT);
	if (err == NJ_OK && fact != NJ_REASSEMBLY_DUPLICATE)
		kept++;
	CHECK(r->bytes <= r->limits.bytes);
	CHECK(r->messages.count <= r->limits.messages && r->ghosts.count <= r->limits.messages);
	if ((order & 0xC0) == 0x40)
		*now_ms += what;
	take(r, *now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_reader in = nj_reader_of(data, size);
	struct nj_random_fake random;
	struct nj_reassembly r;
	uint64_t now_ms = 0;
	struct nj_reassembly_limits limits = {
		.messages = 1U + nj_read_u8(&in) % 8,
		.per_sender = 1U + nj_read_u8(&in) % 4,
		.bytes = 16U * nj_read_u8(&in),
		.wait_ms = nj_read_u8(&in),
	};
	kept = given = 0;
	nj_random_fake_init(&random, 1);
	nj_reassembly_init(&r, &limits, &random.random);
	while (nj_reader_left(&in) >= 2)
		step(&r, &in, &now_ms);
	take(&r, UINT64_MAX);
	CHECK(kept == given && r.messages.count == 0 && r.senders.count == 0);
	nj_reassembly_done(&r);
	CHECK(r.bytes == 0);
	return 0;
}
