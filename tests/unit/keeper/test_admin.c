#include <sys/wait.h>

#include "identity/directory.h"
#include "unit/keeper/keeper_fixture.h"

/* A stopped gateway's own stores behind the keeper, and a way to lose what passes between them. */
struct place {
	struct fixture f;
	struct nj_gateway_store *store;
	struct nj_directory *directory;
	struct nj_link *direct;
	struct nj_link losing;
	enum { LOSE_NOTHING, LOSE_REQUESTS, LOSE_ANSWERS } lose;
};

static struct place place;

static bool losing_connected(const struct nj_link *link)
{
	return true;
}

static void nobody(void *arg, enum nj_err err, const char *text)
{
}

static void losing_request(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg)
{
	if (place.lose == LOSE_REQUESTS)
		return;
	if (place.lose == LOSE_ANSWERS)
		place.direct->ops->request(place.direct, message, nobody, NULL);
	else
		place.direct->ops->request(place.direct, message, done, arg);
}

static const struct nj_link_ops losing_ops = {
	.connected = losing_connected,
	.request = losing_request,
	.grant = played_grant,
	.grant_end = played_grant_end,
	.tick = played_tick,
	.free = played_tick,
};

static void open_place(enum nj_store_mode mode)
{
	char path[128];
	struct nj_why why = { "" };

	(void)snprintf(path, sizeof(path), "%s/gateway.db", place.f.dir);
	assert_int_equal(nj_gateway_store_open(path, mode, &place.store, &why), NJ_OK);
	assert_int_equal(nj_directory_new(place.store, 100000, nj_random_system(), &place.directory, &why), NJ_OK);
	assert_int_equal(nj_link_direct_new(place.directory, &place.f.clock.clock, &place.direct), NJ_OK);
	place.losing.ops = &losing_ops;
	fixture_open(&place.f);
	nj_keeper_set_link(place.f.keeper, &place.losing);
}

static void close_place(void)
{
	fixture_drop(&place.f);
	place.direct->ops->free(place.direct);
	nj_directory_free(place.directory);
	nj_gateway_store_close(place.store);
}

static int set_up(void **state)
{
	memset(&place, 0, sizeof(place));
	fixture_new(&place.f);
	open_place(NJ_STORE_CREATE);
	return 0;
}

static int tear_down(void **state)
{
	close_place();
	fixture_free(&place.f);
	return 0;
}

static json_t *show(const char *verb, const char *name)
{
	json_t *ok = NULL;

	return ask(&place.f, verb, json_pack("{s:s}", "name", name), &ok) == NJ_OK ? ok : NULL;
}

static void check_state(const char *name, const char *want)
{
	json_t *row = show("device.show", name);

	if (want == NULL) {
		assert_null(row);
		return;
	}
	assert_non_null(row);
	assert_string_equal(json_string_value(json_object_get(row, "state")), want);
	json_decref(row);
}

static void profile_round_trip(void **state)
{
	json_t *ok = NULL;
	json_t *args = json_pack("{s:s, s:[s,s], s:[s], s:[s], s:[s,s], s:b, s:i}", "name", "p1", "publish",
				 "dev/{device}/#", "all/x", "subscribe", "cmd/{device}/#", "deny_publish",
				 "dev/{device}/secret", "services", "mqtts", "mqtt", "plain", 1, "grant_seconds", 10);

	assert_int_equal(ask(&place.f, "profile.set", json_incref(args), &ok), NJ_OK);
	assert_true(json_is_true(json_object_get(ok, "created")));
	json_decref(ok);
	assert_int_equal(ask(&place.f, "profile.set", args, &ok), NJ_OK);
	assert_true(json_is_false(json_object_get(ok, "created")));
	json_decref(ok);
	close_place();
	open_place(NJ_STORE_OPEN);
	ok = show("profile.show", "p1");
	assert_non_null(ok);
	assert_int_equal(json_array_size(json_object_get(ok, "publish")), 2);
	assert_int_equal(json_array_size(json_object_get(ok, "deny_subscribe")), 0);
	assert_int_equal(json_integer_value(json_object_get(ok, "grant_seconds")), 10);
	json_decref(ok);
	assert_non_null(nj_directory_profile(place.directory, "p1"));
	assert_int_equal(nj_rights_count(nj_directory_profile(place.directory, "p1")->rights), 4);
}

static void profile_refused(void **state)
{
	static const char *const bad[] = {
		"{\"publish\":[\"a\"]}",
		"{\"name\":\"-x\",\"publish\":[\"a\"]}",
		"{\"name\":\"p\",\"publish\":\"a\"}",
		"{\"name\":\"p\",\"publish\":[\"a/#/b\"]}",
		"{\"name\":\"p\",\"publish\":[7]}",
		"{\"name\":\"p\",\"services\":[\"telnet\"]}",
		"{\"name\":\"p\",\"grant_seconds\":0}",
		"{\"name\":\"p\",\"grant_seconds\":301}",
		"{\"name\":\"p\",\"bind_seconds\":0}",
		"{\"name\":\"p\",\"bind_seconds\":301}",
		"{\"name\":\"p\",\"bind_seconds\":\"60\"}",
		"{\"name\":\"p\",\"plain\":\"yes\"}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(ask(&place.f, "profile.set", json_loads(bad[i], 0, NULL), NULL), NJ_OK);
	assert_null(show("profile.show", "p"));
}

static enum nj_err set_source(const char *name, unsigned v4, unsigned v6)
{
	char source[16];
	char source6[16];

	(void)snprintf(source, sizeof(source), "/%u", v4);
	(void)snprintf(source6, sizeof(source6), "/%u", v6);
	return ask(&place.f, "profile.set",
		   json_pack("{s:s, s:s, s:s}", "name", name, "source", source, "source6", source6), NULL);
}

/* The kernel's filter tries four lengths of nets, whoever asks for them. */
static void lengths_of_nets_are_few(void **state)
{
	assert_int_equal(set_source("a", 24, 64), NJ_OK);
	assert_int_equal(set_source("b", 20, 128), NJ_OK);
	assert_int_equal(set_source("same", 24, 120), NJ_OK); /* an IPv4 /24 is an IPv6 /120 */
	assert_int_equal(set_source("d", 20, 56), NJ_OK);
	assert_int_equal(set_source("e", 32, 48), NJ_ERR_LIMIT);
	assert_int_equal(set_source("e", 23, 128), NJ_ERR_LIMIT);
	assert_int_equal(set_source("e", 24, 56), NJ_OK);
	/* What a profile had before does not count, what others have does. */
	assert_int_equal(set_source("e", 32, 48), NJ_ERR_LIMIT);
	assert_int_equal(set_source("d", 32, 128), NJ_OK);
	assert_int_equal(set_source("e", 32, 48), NJ_OK);
}

static void device_life(void **state)
{
	struct device d;
	json_t *ok = NULL;

	assert_int_equal(ask(&place.f, "device.add", json_pack("{s:s, s:s}", "name", "d1", "profile", "none"), NULL),
			 NJ_ERR_NOT_FOUND);
	set_profile(&place.f, "p1", "mqtts", false);
	add_device(&place.f, "d1", "p1", &d);
	assert_int_equal(ask(&place.f, "device.add", json_pack("{s:s, s:s}", "name", "d1", "profile", "p1"), NULL),
			 NJ_ERR_EXISTS);
	assert_int_equal(ask(&place.f, "device.add", json_pack("{s:s, s:s}", "name", "-d", "profile", "p1"), NULL),
			 NJ_ERR_USAGE);
	check_state("d1", "live");
	assert_non_null(nj_directory_by_uid(place.directory, d.uid));
	assert_int_equal(ask(&place.f, "device.revoke", json_pack("{s:s}", "name", "d1"), &ok), NJ_OK);
	assert_true(json_is_true(json_object_get(ok, "cut")));
	json_decref(ok);
	assert_null(nj_directory_by_uid(place.directory, d.uid));
	check_state("d1", NULL);
	add_device(&place.f, "d1", "p1", &d);
	check_state("d1", "live");
}

struct counted {
	size_t count;
};

static void count_item(void *arg, const json_t *item)
{
	struct counted *counted = arg;

	assert_int_equal(strlen(json_string_value(json_object_get(item, "key"))), 64);
	counted->count++;
}

static void import(void **state)
{
	struct counted counted = { 0 };
	json_t *names = json_array();
	json_t *args;
	struct nj_why why;
	char name[16];

	set_profile(&place.f, "p1", "mqtts", false);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "d%04d", i);
		json_array_append_new(names, json_string(name));
	}
	args = json_pack("{s:s, s:o}", "profile", "p1", "names", names);
	assert_int_equal(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, place.f.keeper, "device.import", args,
					   count_item, &counted, NULL, &why),
			 NJ_OK);
	assert_int_equal(counted.count, 1000);
	assert_int_equal(nj_directory_count(place.directory), 1000);
	/* All or nothing: one name that is there already. */
	json_array_set_new(names, 0, json_string("new"));
	assert_int_equal(ask(&place.f, "device.import", args, NULL), NJ_ERR_EXISTS);
	check_state("new", NULL);
}

static void applications_are_apart(void **state)
{
	json_t *ok = NULL;

	set_profile(&place.f, "p1", "mqtts", false);
	assert_int_equal(ask(&place.f, "application.add", json_pack("{s:s, s:s}", "name", "x", "profile", "p1"), &ok),
			 NJ_OK);
	assert_string_equal(json_string_value(json_object_get(ok, "kind")), "application");
	json_decref(ok);
	check_state("x", NULL);
	ok = show("application.show", "x");
	assert_non_null(ok);
	json_decref(ok);
	assert_int_equal(ask(&place.f, "status", json_object(), &ok), NJ_OK);
	assert_int_equal(json_integer_value(json_object_get(ok, "applications")), 1);
	assert_int_equal(json_integer_value(json_object_get(ok, "devices")), 0);
	json_decref(ok);
}

/* Runs `verb` in a process that dies without closing anything, losing what passes to or from the gateway. */
static void die_after(int lose, const char *verb, json_t *args)
{
	pid_t child;
	int status;

	close_place();
	child = fork();
	if (child == 0) {
		open_place(NJ_STORE_OPEN);
		place.lose = lose;
		(void)!ask(&place.f, verb, args, NULL);
		_exit(0);
	}
	json_decref(args);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	open_place(NJ_STORE_OPEN);
}

static void add_dies_before_the_gateway(void **state)
{
	set_profile(&place.f, "p1", "mqtts", false);
	die_after(LOSE_REQUESTS, "device.add", json_pack("{s:s, s:s}", "name", "d1", "profile", "p1"));
	check_state("d1", "pending");
	nj_keeper_gateway_here(place.f.keeper);
	check_state("d1", NULL);
	assert_int_equal(nj_directory_count(place.directory), 0);
}

static void add_dies_after_the_gateway(void **state)
{
	set_profile(&place.f, "p1", "mqtts", false);
	die_after(LOSE_ANSWERS, "device.add", json_pack("{s:s, s:s}", "name", "d1", "profile", "p1"));
	check_state("d1", "pending");
	nj_keeper_gateway_here(place.f.keeper);
	check_state("d1", "live");
	assert_int_equal(nj_directory_count(place.directory), 1);
}

static void revoke_dies_before_the_gateway(void **state)
{
	struct device d;

	set_profile(&place.f, "p1", "mqtts", false);
	add_device(&place.f, "d1", "p1", &d);
	die_after(LOSE_REQUESTS, "device.revoke", json_pack("{s:s}", "name", "d1"));
	check_state("d1", NULL);
	assert_int_equal(nj_directory_count(place.directory), 1);
	nj_keeper_gateway_here(place.f.keeper);
	assert_int_equal(nj_directory_count(place.directory), 0);
}

static void profile_dies_on_either_side(void **state)
{
	for (int lose = LOSE_REQUESTS; lose <= LOSE_ANSWERS; lose++) {
		const char *name = lose == LOSE_REQUESTS ? "p1" : "p2";
		json_t *ok;

		die_after(lose, "profile.set", json_pack("{s:s, s:[s]}", "name", name, "publish", "a"));
		assert_null(show("profile.show", name));
		nj_keeper_gateway_here(place.f.keeper);
		ok = show("profile.show", name);
		assert_non_null(ok);
		json_decref(ok);
		assert_non_null(nj_directory_profile(place.directory, name));
	}
}

static void audit_verbs(void **state)
{
	json_t *ok = NULL;

	set_profile(&place.f, "p1", "mqtts", false);
	assert_int_equal(ask(&place.f, "audit.verify", json_object(), &ok), NJ_OK);
	assert_string_equal(json_string_value(json_object_get(ok, "head")), "ok");
	assert_true(json_integer_value(json_object_get(ok, "records")) >= 4);
	json_decref(ok);
	assert_int_equal(ask(&place.f, "audit.tail", json_pack("{s:i}", "count", 2), &ok), NJ_OK);
	json_decref(ok);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(profile_round_trip),
		ROW(profile_refused),
		ROW(lengths_of_nets_are_few),
		ROW(device_life),
		ROW(import),
		ROW(applications_are_apart),
		ROW(add_dies_before_the_gateway),
		ROW(add_dies_after_the_gateway),
		ROW(revoke_dies_before_the_gateway),
		ROW(profile_dies_on_either_side),
		ROW(audit_verbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
