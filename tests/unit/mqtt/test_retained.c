/* Retained messages: one a topic, limits of count and bytes, expiry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mqtt/retained.h"

struct fixture {
	struct nj_mqtt_retained retained;
	struct nj_mqtt_retained_quota quota;
	struct nj_mqtt_budget budget;
	struct nj_random_fake random;
	uint64_t ids;
	char seen[256];
};

static void open_store(struct fixture *f)
{
	*f = (struct fixture){ .budget = { .max = 1 << 20 }, .quota = { .max_count = 3, .max_bytes = 1 << 16 } };
	nj_random_fake_init(&f->random, 1);
	assert_int_equal(nj_mqtt_retained_init(&f->retained, &f->quota, &f->budget, &f->ids, 64, &f->random.random),
			 NJ_OK);
}

static void close_store(struct fixture *f)
{
	nj_mqtt_retained_done(&f->retained);
	assert_int_equal(f->quota.count, 0);
	assert_int_equal(f->quota.bytes, 0);
	assert_int_equal(f->budget.used, 0);
}

static enum nj_err put(struct fixture *f, const char *topic, const char *payload, uint64_t expires_ms)
{
	struct nj_mqtt_message *message;
	struct nj_mqtt_content content = { .topic = nj_view_str(topic),
					   .payload = nj_view_str(payload),
					   .expires_ms = expires_ms };
	assert_int_equal(nj_mqtt_message_new(&f->budget, &content, &message), NJ_OK);
	enum nj_err err = nj_mqtt_retained_put(&f->retained, message);
	nj_mqtt_message_unref(message);
	return err;
}

static void note(void *arg, struct nj_mqtt_message *message)
{
	struct fixture *f = arg;
	struct nj_view payload = message->content.payload;
	size_t len = strlen(f->seen);
	snprintf(f->seen + len, sizeof(f->seen) - len, "%.*s ", (int)payload.len, (const char *)payload.data);
}

static const char *ask(struct fixture *f, const char *filter, uint64_t now_ms)
{
	f->seen[0] = '\0';
	nj_mqtt_retained_each(&f->retained, nj_view_str(filter), now_ms, note, f);
	return f->seen;
}

static void the_last_message_of_a_topic_is_kept(void **state)
{
	struct fixture f;
	open_store(&f);
	assert_int_equal(put(&f, "a/b", "1", 0), NJ_OK);
	assert_int_equal(put(&f, "a/b", "2", 0), NJ_OK);
	assert_int_equal(put(&f, "a/c", "3", 0), NJ_OK);
	assert_string_equal(ask(&f, "a/b", 0), "2 ");
	assert_string_equal(ask(&f, "a/#", 0), "2 3 ");
	assert_string_equal(ask(&f, "+/+", 0), "2 3 ");
	assert_string_equal(ask(&f, "a", 0), "");
	nj_mqtt_retained_remove(&f.retained, nj_view_str("a/b"));
	nj_mqtt_retained_remove(&f.retained, nj_view_str("not/there"));
	assert_string_equal(ask(&f, "#", 0), "3 ");
	close_store(&f);
}

static void the_count_is_limited(void **state)
{
	struct fixture f;
	open_store(&f);
	assert_int_equal(put(&f, "a", "1", 0), NJ_OK);
	assert_int_equal(put(&f, "b", "2", 0), NJ_OK);
	assert_int_equal(put(&f, "c", "3", 0), NJ_OK);
	assert_int_equal(put(&f, "d", "4", 0), NJ_ERR_LIMIT);
	assert_int_equal(put(&f, "c", "5", 0), NJ_OK);
	assert_string_equal(ask(&f, "#", 0), "1 2 5 ");
	close_store(&f);
}

static void the_bytes_are_limited(void **state)
{
	struct fixture f;
	open_store(&f);
	assert_int_equal(put(&f, "a", "1234", 0), NJ_OK);
	uint64_t one = f.quota.bytes;
	f.quota.max_bytes = 2 * one - 1;
	assert_int_equal(put(&f, "b", "1234", 0), NJ_ERR_LIMIT);
	assert_null(nj_mqtt_tree_get(&f.retained.tree, nj_view_str("b")));
	f.quota.max_bytes = 2 * one;
	assert_int_equal(put(&f, "b", "1234", 0), NJ_OK);
	assert_int_equal(put(&f, "b", "12345", 0), NJ_ERR_LIMIT);
	assert_string_equal(ask(&f, "#", 0), "1234 1234 ");
	close_store(&f);
}

static void expired_ones_are_not_found_and_go(void **state)
{
	struct fixture f;
	open_store(&f);
	assert_int_equal(put(&f, "a/b/c", "x", 1000), NJ_OK);
	assert_int_equal(put(&f, "a/b", "y", 1000), NJ_OK);
	assert_int_equal(put(&f, "a", "z", 2000), NJ_OK);
	assert_string_equal(ask(&f, "a/#", 999), "z y x ");
	assert_string_equal(ask(&f, "a/#", 1000), "z y x ");
	assert_string_equal(ask(&f, "a/#", 1001), "z ");
	assert_int_equal(f.quota.count, 1);
	assert_null(nj_mqtt_tree_get(&f.retained.tree, nj_view_str("a/b")));
	close_store(&f);
}

static void topics_with_a_dollar_are_freed_too(void **state)
{
	struct fixture f;
	open_store(&f);
	assert_int_equal(put(&f, "$SYS/a", "x", 0), NJ_OK);
	assert_string_equal(ask(&f, "#", 0), "");
	assert_string_equal(ask(&f, "$SYS/#", 0), "x ");
	close_store(&f);
}

/* Of several replicas one counts for all, and hears of a change after the one where it was made. */
static void a_change_that_is_not_counted_yet_takes_no_room_twice(void **state)
{
	struct fixture f;
	open_store(&f);
	f.retained.counts = false;
	assert_int_equal(put(&f, "a", "1", 0), NJ_OK);
	assert_int_equal(put(&f, "a", "2", 0), NJ_OK);
	assert_string_equal(ask(&f, "a", 0), "2 ");
	f.quota.count = f.quota.max_count;
	f.quota.bytes = f.quota.max_bytes;
	assert_int_equal(put(&f, "b", "1", 0), NJ_ERR_LIMIT);
	assert_int_equal(put(&f, "a", "3", 0), NJ_OK);
	f.quota.count = f.quota.bytes = 0;
	close_store(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_message_of_a_topic_is_kept),
		cmocka_unit_test(the_count_is_limited),
		cmocka_unit_test(the_bytes_are_limited),
		cmocka_unit_test(a_change_that_is_not_counted_yet_takes_no_room_twice),
		cmocka_unit_test(expired_ones_are_not_found_and_go),
		cmocka_unit_test(topics_with_a_dollar_are_freed_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
