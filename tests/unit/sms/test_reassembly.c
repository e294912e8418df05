#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/text/reassembly.h"

static const struct nj_reassembly_limits usual = {
	.messages = 8, .per_sender = 3, .bytes = 64 * 1024, .wait_ms = 1000
};
static struct nj_random_fake random_fake;

static void start(struct nj_reassembly *r, const struct nj_reassembly_limits *limits)
{
	nj_random_fake_init(&random_fake, 7);
	nj_reassembly_init(r, limits, &random_fake.random);
}

static struct nj_reassembly_part part_of(const char *sender, uint16_t reference, uint8_t total, uint8_t sequence,
					 const char *text)
{
	return (struct nj_reassembly_part){
		.sender = nj_view_str(sender),
		.receiver = nj_view_str("491510000"),
		.reference = reference,
		.total = total,
		.sequence = sequence,
		.units = nj_view_str(text),
		.tag = 1000U * reference + sequence,
	};
}

static enum nj_reassembly_fact add(struct nj_reassembly *r, struct nj_reassembly_part part, uint64_t now_ms)
{
	enum nj_reassembly_fact fact = NJ_REASSEMBLY_KEPT;
	assert_int_equal(nj_reassembly_add(r, &part, now_ms, &fact), NJ_OK);
	return fact;
}

/* The next message that is given out says `text`, with '-' for each part that is missing. */
static void gives(struct nj_reassembly *r, uint64_t now_ms, const char *text, bool repeated)
{
	char got[1024] = "";
	size_t len = 0;
	uint8_t sequence = 1;
	struct nj_reassembled *m = nj_reassembly_next(r, now_ms);
	assert_non_null(m);
	for (const struct nj_reassembled_part *part = m->parts; part != NULL; part = part->next, sequence++) {
		assert_int_equal(part->tag, 1000U * m->reference + part->sequence);
		for (; sequence < part->sequence; sequence++)
			got[len++] = '-';
		memcpy(got + len, part->units, part->len);
		len += part->len;
	}
	for (; sequence <= m->total; sequence++)
		got[len++] = '-';
	assert_string_equal(got, text);
	assert_int_equal(m->repeated, repeated);
	nj_reassembled_free(m);
}

static void nothing(struct nj_reassembly *r, uint64_t now_ms)
{
	assert_null(nj_reassembly_next(r, now_ms));
}

static void every_order_of_four(void **state)
{
	static const char *const texts[] = { "one ", "two ", "three ", "four" };
	struct nj_reassembly r;
	start(&r, &usual);
	for (unsigned order = 0; order < 256; order++) {
		unsigned at[4] = { order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 };
		unsigned seen = 1U << at[0] | 1U << at[1] | 1U << at[2] | 1U << at[3];
		if (seen != 15)
			continue;
		for (unsigned i = 0; i < 4; i++) {
			nothing(&r, 0);
			add(&r, part_of("491", (uint16_t)order, 4, (uint8_t)(at[i] + 1), texts[at[i]]), 0);
		}
		gives(&r, 0, "one two three four", false);
	}
	nothing(&r, 0);
	assert_int_equal(nj_reassembly_due_ms(&r), UINT64_MAX);
	nj_reassembly_done(&r);
}

static void what_tells_messages_apart(void **state)
{
	struct nj_reassembly r;
	struct nj_reassembly_part other = part_of("491", 1, 2, 2, "x");
	start(&r, &usual);
	add(&r, part_of("491", 1, 2, 1, "a"), 0);
	other.receiver = nj_view_str("492");
	add(&r, other, 0);
	other = part_of("491", 1, 2, 2, "y");
	other.wide = true;
	add(&r, other, 0);
	add(&r, part_of("492", 1, 2, 2, "z"), 0);
	nothing(&r, 0);
	add(&r, part_of("491", 1, 2, 2, "b"), 0);
	gives(&r, 0, "ab", false);
	nothing(&r, 0);
	nj_reassembly_done(&r);
}

static void duplicates_and_contradictions(void **state)
{
	struct nj_reassembly r;
	struct nj_reassembly_part other = part_of("491", 1, 3, 2, "c");
	start(&r, &usual);
	assert_int_equal(add(&r, part_of("491", 1, 3, 1, "a"), 0), NJ_REASSEMBLY_KEPT);
	assert_int_equal(add(&r, part_of("491", 1, 3, 1, "a"), 0), NJ_REASSEMBLY_DUPLICATE);
	/* Another text, total or coding scheme: another message. */
	assert_int_equal(add(&r, part_of("491", 1, 3, 1, "A"), 0), NJ_REASSEMBLY_REPLACED);
	gives(&r, 0, "a--", false);
	assert_int_equal(add(&r, part_of("491", 1, 2, 1, "A"), 0), NJ_REASSEMBLY_REPLACED);
	gives(&r, 0, "A--", false);
	other.total = 2;
	other.coding = 8;
	assert_int_equal(add(&r, other, 0), NJ_REASSEMBLY_REPLACED);
	gives(&r, 0, "A-", false);
	other.tables.single = 1;
	assert_int_equal(add(&r, other, 0), NJ_REASSEMBLY_REPLACED);
	gives(&r, 0, "-c", false);
	nothing(&r, 0);
	nj_reassembly_done(&r);
}

static void a_part_that_comes_after_its_message(void **state)
{
	struct nj_reassembly r;
	start(&r, &usual);
	add(&r, part_of("491", 1, 2, 1, "a"), 0);
	add(&r, part_of("491", 1, 2, 2, "b"), 0);
	gives(&r, 0, "ab", false);
	add(&r, part_of("491", 1, 2, 2, "b"), 500);
	nothing(&r, 1499);
	gives(&r, 1500, "-b", true);
	/* What holds anything new is new, whichever part comes first. */
	add(&r, part_of("491", 2, 3, 1, "a"), 0);
	add(&r, part_of("491", 2, 3, 2, "b"), 0);
	add(&r, part_of("491", 2, 3, 3, "c"), 0);
	gives(&r, 0, "abc", false);
	add(&r, part_of("491", 2, 3, 1, "x"), 0);
	add(&r, part_of("491", 2, 3, 2, "b"), 0);
	gives(&r, 1000, "xb-", false);
	add(&r, part_of("491", 2, 3, 2, "b"), 0);
	add(&r, part_of("491", 2, 3, 1, "x"), 0);
	gives(&r, 1000, "xb-", false);
	/* Long after it may be a part of a new message that says the same. */
	add(&r, part_of("491", 1, 2, 2, "b"), 1500);
	gives(&r, 2500, "-b", false);
	nj_reassembly_done(&r);
}

static void the_same_message_twice(void **state)
{
	struct nj_reassembly r;
	start(&r, &usual);
	for (uint64_t now = 0; now < 300; now += 100) {
		add(&r, part_of("491", 1, 2, 1, "a"), now);
		add(&r, part_of("491", 1, 2, 2, "b"), now);
		gives(&r, now, "ab", false);
	}
	/* One that begins like it and ends otherwise is a new one. */
	add(&r, part_of("491", 1, 2, 1, "a"), 300);
	add(&r, part_of("491", 1, 2, 2, "c"), 300);
	gives(&r, 300, "ac", false);
	add(&r, part_of("491", 1, 3, 1, "a"), 300);
	gives(&r, 1300, "a--", false);
	nj_reassembly_done(&r);
}

static void late_messages(void **state)
{
	struct nj_reassembly r;
	start(&r, &usual);
	add(&r, part_of("491", 1, 3, 3, "c"), 0);
	add(&r, part_of("492", 2, 2, 1, "x"), 400);
	assert_int_equal(nj_reassembly_due_ms(&r), 1000);
	/* A new part gives it more time; a duplicate does not. */
	add(&r, part_of("491", 1, 3, 1, "a"), 700);
	add(&r, part_of("491", 1, 3, 1, "a"), 800);
	assert_int_equal(nj_reassembly_due_ms(&r), 1400);
	nothing(&r, 1399);
	gives(&r, 1400, "x-", false);
	nothing(&r, 1699);
	gives(&r, 1700, "a-c", false);
	nothing(&r, UINT64_MAX);
	nj_reassembly_done(&r);
}

static void one_sender_does_not_take_the_room_of_others(void **state)
{
	struct nj_reassembly r;
	start(&r, &usual);
	add(&r, part_of("490", 1, 2, 1, "other"), 0);
	for (uint16_t reference = 1; reference <= 3; reference++)
		add(&r, part_of("491", reference, 2, 1, "x"), reference);
	nothing(&r, 10);
	add(&r, part_of("491", 1, 2, 1, "x"), 10); /* a duplicate changes nothing */
	add(&r, part_of("491", 4, 2, 1, "x"), 10);
	gives(&r, 10, "x-", false);
	nothing(&r, 10);
	add(&r, part_of("490", 1, 2, 2, "!"), 20);
	gives(&r, 20, "other!", false);
	nj_reassembly_done(&r);
}

static void messages_at_their_limit(void **state)
{
	struct nj_reassembly r;
	start(&r, &usual);
	for (unsigned i = 0; i < usual.messages; i++)
		add(&r, part_of((const char *[]){ "1", "2", "3", "4" }[i / 2], (uint16_t)i, 2, 1, "x"), i);
	nothing(&r, 10);
	add(&r, part_of("5", 99, 2, 1, "y"), 10);
	gives(&r, 10, "x-", false);
	nothing(&r, 10);
	nj_reassembly_done(&r);
}

static void bytes_at_their_limit(void **state)
{
	struct nj_reassembly r;
	enum nj_reassembly_fact fact = NJ_REASSEMBLY_DUPLICATE;
	struct nj_reassembly_limits limits = usual;
	struct nj_reassembly_part part = part_of("491", 1, 2, 1, "some text");
	start(&r, &usual);
	add(&r, part, 0);
	limits.bytes = r.bytes;
	nj_reassembly_done(&r);
	/* Just enough for one. */
	start(&r, &limits);
	add(&r, part, 0);
	nothing(&r, 0);
	part.reference = 2;
	part.tag = 2001;
	add(&r, part, 0);
	gives(&r, 0, "some text-", false);
	nothing(&r, 0);
	assert_int_equal(r.bytes, limits.bytes);
	/* Its second part does not fit, and it is not given up for itself. */
	part.sequence = 2;
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_ERR_LIMIT);
	nothing(&r, 0);
	nj_reassembly_done(&r);
	limits.bytes--;
	start(&r, &limits);
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_ERR_LIMIT);
	assert_int_equal(fact, NJ_REASSEMBLY_DUPLICATE);
	assert_int_equal(r.bytes, 0);
	nj_reassembly_done(&r);
}

static void what_is_ready_is_taken_first(void **state)
{
	struct nj_reassembly r;
	enum nj_reassembly_fact fact;
	struct nj_reassembly_part part = part_of("491", 1, 1, 1, "a");
	start(&r, &usual);
	add(&r, part, 0);
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_ERR_AGAIN);
	gives(&r, 0, "a", false);
	nj_reassembly_done(&r);
}

static void what_is_no_part(void **state)
{
	static uint8_t units[NJ_SMS_PART_UNITS_MAX + 1];
	static char address[NJ_REASSEMBLY_ADDRESS_MAX + 2];
	struct nj_reassembly r;
	enum nj_reassembly_fact fact;
	struct nj_reassembly_part part = part_of("491", 1, 2, 0, "a");
	start(&r, &usual);
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_ERR_RANGE);
	part.sequence = 3;
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_ERR_RANGE);
	part.sequence = 2;
	part.units = nj_view_of(units, sizeof(units));
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_ERR_RANGE);
	part.units.len--;
	memset(address, '1', sizeof(address) - 1);
	part.sender = nj_view_str(address);
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_ERR_RANGE);
	part.sender.len--;
	part.receiver = part.sender;
	assert_int_equal(nj_reassembly_add(&r, &part, 0, &fact), NJ_OK);
	nj_reassembly_done(&r);
}

static void of_255_parts(void **state)
{
	struct nj_reassembly r;
	start(&r, &usual);
	for (unsigned i = 255; i > 0; i--) {
		nothing(&r, 0);
		add(&r, part_of("491", 1, 255, (uint8_t)i, "x"), 0);
	}
	struct nj_reassembled *m = nj_reassembly_next(&r, 0);
	assert_non_null(m);
	assert_int_equal(m->have, 255);
	nj_reassembled_free(m);
	nj_reassembly_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_of_four),
		cmocka_unit_test(what_tells_messages_apart),
		cmocka_unit_test(duplicates_and_contradictions),
		cmocka_unit_test(a_part_that_comes_after_its_message),
		cmocka_unit_test(the_same_message_twice),
		cmocka_unit_test(late_messages),
		cmocka_unit_test(one_sender_does_not_take_the_room_of_others),
		cmocka_unit_test(messages_at_their_limit),
		cmocka_unit_test(bytes_at_their_limit),
		cmocka_unit_test(what_is_ready_is_taken_first),
		cmocka_unit_test(what_is_no_part),
		cmocka_unit_test(of_255_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
