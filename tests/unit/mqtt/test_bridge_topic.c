/* Topics of bridges: what is subscribed to, and how names change sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/bridge_topic.h"

static struct nj_mqtt_bridge_topic make(const char *filter, const char *local, const char *remote)
{
	struct nj_mqtt_bridge_topic topic = { .out = true, .in = true };

	if (nj_mqtt_bridge_topic_init(filter, local, remote, &topic) != NJ_OK)
		fail_msg("%s, %s, %s is refused", filter, local, remote);
	return topic;
}

static void names_change_sides(void **state)
{
	static const struct {
		const char *filter, *local, *remote, *name, *out, *in;
	} rows[] = {
		{ "#", "", "", "a/b", "a/b", "a/b" },
		{ "#", "", "", "$SYS/x", NULL, NULL },
		{ "#", "plant/", "site/7/", "plant/a/b", "site/7/a/b", NULL },
		{ "#", "plant/", "site/7/", "site/7/a", NULL, "plant/a" },
		{ "#", "plant/", "site/7/", "plant", "site/7", NULL },
		{ "#", "plant/", "", "plant", NULL, "plant/plant" },
		{ "#", "plant/", "", "plant/x", "x", "plant/plant/x" },
		{ "a/+/c", "", "x/", "a/b/c", "x/a/b/c", NULL },
		{ "a/+/c", "", "x/", "a/b/d", NULL, NULL },
		{ "", "one/topic", "another", "one/topic", "another", NULL },
		{ "", "one/topic", "another", "another", NULL, "one/topic" },
		{ "", "one/topic", "another", "another/one", NULL, NULL },
		{ "tail", "pre-", "post-", "pre-tail", "post-tail", NULL },
		{ "#", "$share-not/", "", "$share-not/x", "x", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_mqtt_bridge_topic topic = make(rows[i].filter, rows[i].local, rows[i].remote);
		for (int out = 0; out < 2; out++) {
			const char *want = out ? rows[i].out : rows[i].in;
			struct nj_view name = nj_view_str(rows[i].name);
			struct nj_view got;
			uint8_t room[64];
			const struct nj_mqtt_bridge_topic *found = nj_mqtt_bridge_topic_find(&topic, 1, out, name);
			bool carried = found != NULL &&
				       nj_mqtt_bridge_topic_rename(found, out, name, &got, room, sizeof(room)) == NJ_OK;
			if (carried != (want != NULL) || (carried && !nj_view_equal(got, nj_view_str(want))))
				fail_msg("row %zu, %s: '%.*s'", i, out ? "out" : "in", carried ? (int)got.len : 0,
					 carried ? (const char *)got.data : "");
		}
	}
}

static void what_is_no_filter_is_refused(void **state)
{
	static const char *const rows[][3] = {
		{ "a#", "", "" },          { "#", "a", "" },          { "#", "", "a" },    { "#", "+/", "" },
		{ "", "", "x" },           { "#/a", "", "" },         { "#", "a/#/", "" }, { "#", "$share/g/", "" },
		{ "x", "$nightjar/", "" }, { "x", "", "$nightjar/" },
	};
	struct nj_mqtt_bridge_topic topic = { .qos = 7 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (nj_mqtt_bridge_topic_init(rows[i][0], rows[i][1], rows[i][2], &topic) == NJ_OK)
			fail_msg("%s, %s, %s is taken", rows[i][0], rows[i][1], rows[i][2]);
		assert_int_equal(topic.qos, 7);
	}
}

static void the_room_is_as_large_as_the_name(void **state)
{
	struct nj_mqtt_bridge_topic topic = make("#", "", "12345/");
	struct nj_view got;
	uint8_t room[8];

	assert_int_equal(nj_mqtt_bridge_topic_rename(&topic, true, nj_view_str("ab"), &got, room, 8), NJ_OK);
	assert_int_equal(got.len, 8);
	assert_int_equal(nj_mqtt_bridge_topic_rename(&topic, true, nj_view_str("ab"), &got, room, 7), NJ_ERR_FULL);
	assert_int_equal(nj_mqtt_bridge_topic_rename(&topic, true, nj_view_str("abc"), &got, room, 8), NJ_ERR_FULL);
	assert_int_equal(nj_mqtt_bridge_topic_growth(&topic, 1, true), 6);
	assert_int_equal(nj_mqtt_bridge_topic_growth(&topic, 1, false), 0);
}

static void the_first_that_fits_counts_and_only_its_way(void **state)
{
	struct nj_mqtt_bridge_topic topics[2] = { make("a/#", "", "x/"), make("#", "", "y/") };

	assert_ptr_equal(nj_mqtt_bridge_topic_find(topics, 2, true, nj_view_str("a/b")), &topics[0]);
	assert_ptr_equal(nj_mqtt_bridge_topic_find(topics, 2, true, nj_view_str("b")), &topics[1]);
	topics[0].out = false;
	assert_ptr_equal(nj_mqtt_bridge_topic_find(topics, 2, true, nj_view_str("a/b")), &topics[1]);
	topics[1].out = false;
	assert_null(nj_mqtt_bridge_topic_find(topics, 2, true, nj_view_str("a/b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_change_sides),
		cmocka_unit_test(what_is_no_filter_is_refused),
		cmocka_unit_test(the_room_is_as_large_as_the_name),
		cmocka_unit_test(the_first_that_fits_counts_and_only_its_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
