/* No datagram that was not sealed opens, and every body that is sealed comes back. */
#include "crypto/crypto.h"
#include "wire/knock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static const struct nj_knock_keys *keys(void)
{
	static struct nj_knock_keys made;
	static bool ready;
	if (!ready) {
		const uint8_t root_key[NJ_KNOCK_KEY_BYTES] = { 1 };
		const uint8_t uid[NJ_UID_BYTES] = { 2 };
		check(nj_crypto_init() == NJ_OK);
		nj_knock_derive(root_key, uid, &made);
		ready = true;
	}
	return &made;
}

static void open_arbitrary(uint64_t counter, struct nj_reader *r)
{
	uint8_t datagram[NJ_KNOCK_BYTES];
	struct nj_knock_body body;
	nj_read_bytes(r, datagram, sizeof(datagram));
	check(nj_knock_open(keys(), counter, datagram, &body) == NJ_ERR_FORGED);
}

static struct nj_knock_body body_of(struct nj_reader *r)
{
	struct nj_knock_body body = { .version = nj_read_u8(r),
				      .flags = nj_read_u8(r),
				      .service = nj_read_u16(r),
				      .wanted_seconds = nj_read_u16(r),
				      .time_ms = nj_read_u64(r) };
	nj_read_bytes(r, body.source, sizeof(body.source));
	nj_read_bytes(r, body.uid, sizeof(body.uid));
	return body;
}

static bool same(const struct nj_knock_body *a, const struct nj_knock_body *b)
{
	return a->version == b->version && a->flags == b->flags && a->service == b->service &&
	       a->wanted_seconds == b->wanted_seconds && a->time_ms == b->time_ms &&
	       memcmp(a->source, b->source, sizeof(a->source)) == 0 && memcmp(a->uid, b->uid, sizeof(a->uid)) == 0;
}

/* Then one bit is flipped, where the input says. */
static void round_trip(uint64_t counter, struct nj_reader *r)
{
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES];
	uint8_t datagram[NJ_KNOCK_BYTES];
	struct nj_knock_body out;
	nj_read_bytes(r, fresh, sizeof(fresh));
	uint16_t bit = nj_read_u16(r) % (NJ_KNOCK_BYTES * 8);
	struct nj_knock_body in = body_of(r);
	bool valid = in.version == NJ_KNOCK_VERSION && (in.flags & ~NJ_KNOCK_FLAGS_KNOWN) == 0;
	nj_knock_seal(keys(), counter, fresh, &in, datagram);
	check(nj_knock_open(keys(), counter, datagram, &out) == (valid ? NJ_OK : NJ_ERR_MALFORMED));
	check(same(&in, &out));
	check(nj_knock_open(keys(), counter ^ 1, datagram, &out) == NJ_ERR_FORGED);
	datagram[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	check(nj_knock_open(keys(), counter, datagram, &out) == NJ_ERR_FORGED);
}

/* Whatever state a device's file holds: a counter in range, above the bound one, or an error. */
static void attempt(struct nj_reader *r)
{
	uint64_t bound = nj_read_u64(r);
	uint64_t counter = 0;
	if (nj_knock_attempt_counter(bound, nj_read_u64(r), &counter) == NJ_OK)
		check(counter > bound && counter <= NJ_KNOCK_COUNTER_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_reader r = nj_reader_of(data, size);
	uint64_t counter = nj_read_u64(&r) & NJ_KNOCK_COUNTER_MAX;
	struct nj_reader again = r;
	struct nj_reader once_more = r;
	open_arbitrary(counter, &r);
	round_trip(counter, &again);
	attempt(&once_more);
	return 0;
}
