/*
 * The firewall: the rows of tests/vectors/firewall.txt; every combination of settings, kind, direction, owners, proof,
 * content and sender against the table of the design said in another way; lists, settings by name and what a message
 * is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "sms/firewall.h"

#define VECTORS NJ_TEST_DIR "/vectors/firewall.txt"
#define VECTORS_MAX (64 * 1024)
#define WORDS_MAX 16
#define LIST_MAX 4

/* ---- the rows ---- */

struct side {
	struct nj_firewall settings;
	const char *allow[LIST_MAX];
	const char *deny[LIST_MAX];
};

static struct side customer;
static struct side profile;
static bool with_profile;
static unsigned asked;

static const char *after(const char *text, const char *start)
{
	size_t len = strlen(start);
	return strncmp(text, start, len) == 0 ? text + len : NULL;
}

/* Splits at spaces, in place. */
static size_t words(char *line, char *out[WORDS_MAX])
{
	size_t count = 0;
	for (char *at = line; *at != '\0' && count < WORDS_MAX;) {
		size_t len = strcspn(at, " ");
		out[count++] = at;
		if (at[len] == '\0')
			break;
		at[len] = '\0';
		at += len + 1;
	}
	return count;
}

static void configure(struct side *side, struct nj_firewall from, char *word[], size_t count)
{
	*side = (struct side){ .settings = from };
	for (size_t i = 1; i < count; i++) {
		const char *allow = after(word[i], "allow=");
		const char *deny = after(word[i], "deny=");
		char *equals = strchr(word[i], '=');
		if (allow != NULL) {
			side->allow[side->settings.lists.allow_count++] = allow;
		} else if (deny != NULL) {
			side->deny[side->settings.lists.deny_count++] = deny;
		} else {
			*equals = '\0';
			assert_int_equal(nj_firewall_set(&side->settings, word[i], equals + 1, NULL), NJ_OK);
		}
	}
	side->settings.lists.allow = side->allow;
	side->settings.lists.deny = side->deny;
}

static enum nj_firewall_owner read_party(const char *word, struct nj_sms_party *out)
{
	static const struct {
		const char *start;
		enum nj_firewall_owner owner;
	} owners[] = {
		{ "out:", NJ_FIREWALL_NOBODY },        { "own:", NJ_FIREWALL_OWN_DEVICE },
		{ "app:", NJ_FIREWALL_OWN_SERVICE },   { "other:", NJ_FIREWALL_OTHER_DEVICE },
		{ "svc:", NJ_FIREWALL_OTHER_SERVICE },
	};
	*out = (struct nj_sms_party){ .kind = NJ_SMS_PARTY_NAME };
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		const char *text = after(word, owners[i].start);
		if (text == NULL)
			continue;
		if (*text == '+')
			out->kind = NJ_SMS_PARTY_NUMBER;
		else if (*text >= '0' && *text <= '9')
			out->kind = NJ_SMS_PARTY_SHORT_CODE;
		assert_int_equal(nj_text_copy(out->text, sizeof(out->text), text + (*text == '+')), NJ_OK);
		return owners[i].owner;
	}
	fail_msg("no owner: %s", word);
	return NJ_FIREWALL_NOBODY;
}

static void ask(char *line)
{
	char *word[WORDS_MAX];
	struct nj_sms_party sender;
	struct nj_sms_party receiver;
	struct nj_firewall contents = { 0 };
	char got[64];
	char *want = strstr(line, ": ");
	assert_non_null(want);
	*want = '\0';
	want += 2;
	size_t count = words(line, word);
	assert_true(count >= 5 && strcmp(word[3], ">") == 0);
	struct nj_firewall_question q = {
		.kind = strcmp(word[0], "p2p") == 0 ? NJ_FIREWALL_P2P : NJ_FIREWALL_A2P,
		.direction = strcmp(word[1], "mo") == 0 ? NJ_FIREWALL_MO : NJ_FIREWALL_MT,
		.sender_owner = read_party(word[2], &sender),
		.receiver_owner = read_party(word[4], &receiver),
		.proven = true,
		.parts = 1,
		.sender = &sender,
		.receiver = &receiver,
	};
	for (size_t i = 5; i < count; i++) {
		if (strcmp(word[i], "unproven") == 0) {
			q.proven = false;
		} else if (strcmp(word[i], "parts") == 0) {
			q.parts = (uint8_t)strtoul(word[++i], NULL, 10);
		} else {
			assert_int_equal(nj_firewall_set(&contents, "content", word[i], NULL), NJ_OK);
			q.content |= contents.content;
		}
	}
	struct nj_firewall_verdict verdict =
	    nj_firewall_ask(&customer.settings, with_profile ? &profile.settings : NULL, &q);
	assert_int_equal(nj_text_format(got, sizeof(got), "%s%s", verdict.profile ? "profile " : "",
					nj_firewall_rule_name(verdict.rule)),
			 NJ_OK);
	if (strcmp(got, want) != 0)
		fail_msg("row %u, %s %s %s > %s: got %s, want %s", asked, word[0], word[1], word[2], word[4], got,
			 want);
	asked++;
}

static void read_line(char *line)
{
	char *word[WORDS_MAX];
	if (*line == '#' || *line == '\0')
		return;
	if (after(line, "settings") != NULL) {
		configure(&customer, nj_firewall_fresh(), word, words(line, word));
		with_profile = false;
	} else if (after(line, "profile") != NULL) {
		configure(&profile, nj_firewall_open(), word, words(line, word));
		with_profile = true;
	} else {
		ask(line);
	}
}

static void rows(void **state)
{
	char *text = NULL;
	size_t len = 0;
	assert_int_equal(nj_file_read(VECTORS, VECTORS_MAX, &text, &len, NULL), NJ_OK);
	for (char *line = text; line < text + len;) {
		char *end = strchr(line, '\n');
		*end = '\0';
		read_line(line);
		line = end + 1;
	}
	free(text);
	assert_true(asked >= 75);
}

/* ---- every combination ---- */

static const char *const services[] = { "p2p", "a2p", "both", "none" };
static const char *const reaches[] = { "open", "own", "foreign" };
static const char *const blocks[] = { "none", "mo", "mt", "mo,mt" };
static const char *const a2ps[] = { "own", "foreign", "both", "block" };
static const char *const contents[] = { "none", "binary", "ota", "flash", "silent", "wap-push" };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* A combination, in the design's own words. */
struct combination {
	const char *service, *reach, *block, *a2p, *allowed;
	const char *kind, *direction, *content;
	enum nj_firewall_owner sender, receiver;
	bool proven, name;
};

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool is_own(enum nj_firewall_owner owner)
{
	return owner == NJ_FIREWALL_OWN_DEVICE || owner == NJ_FIREWALL_OWN_SERVICE;
}

/* The table of the design, read from top to bottom: the first thing that speaks against the message. */
static const char *table(const struct combination *c)
{
	static char text[32];
	bool p2p = same(c->kind, "p2p");
	bool mo = same(c->direction, "mo");
	bool foreign = !is_own(c->sender) || !is_own(c->receiver);
	const char *far = foreign ? "foreign" : "own";
	if (c->sender != NJ_FIREWALL_NOBODY && !c->proven)
		return mo ? "anti-spoof.unproven" : "anti-spoof.claimed";
	if (c->name && (p2p || mo))
		return "sender.name";
	if (same(c->service, "none"))
		return "service.none";
	if (!same(c->service, "both") && !same(c->service, c->kind))
		return p2p ? "service.p2p" : "service.a2p";
	if (p2p && strstr(c->block, c->direction) != NULL)
		return mo ? "p2p.block.mo" : "p2p.block.mt";
	if (p2p && !same(c->reach, "open") && !same(c->reach, far))
		return foreign ? "p2p.reach.foreign" : "p2p.reach.own";
	if (!p2p && same(c->a2p, "block"))
		return "a2p.block";
	if (!p2p && !same(c->a2p, "both") && !same(c->a2p, far))
		return foreign ? "a2p.foreign" : "a2p.own";
	if (!same(c->content, "none") && !same(c->content, c->allowed)) {
		assert_int_equal(nj_text_format(text, sizeof(text), "content.%s", c->content), NJ_OK);
		return text;
	}
	return "allowed";
}

static struct nj_firewall settings_of(const struct combination *c)
{
	struct nj_firewall settings = nj_firewall_open();
	assert_int_equal(nj_firewall_set(&settings, "service", c->service, NULL), NJ_OK);
	assert_int_equal(nj_firewall_set(&settings, "p2p.reach", c->reach, NULL), NJ_OK);
	assert_int_equal(nj_firewall_set(&settings, "p2p.block", c->block, NULL), NJ_OK);
	assert_int_equal(nj_firewall_set(&settings, "a2p", c->a2p, NULL), NJ_OK);
	assert_int_equal(nj_firewall_set(&settings, "content", c->allowed, NULL), NJ_OK);
	return settings;
}

static void check(const struct combination *c, const struct nj_firewall *settings)
{
	static const struct nj_sms_party number = { .kind = NJ_SMS_PARTY_NUMBER, .text = "4915100000" };
	static const struct nj_sms_party name = { .kind = NJ_SMS_PARTY_NAME, .text = "Nightjar" };
	struct nj_firewall content = { 0 };
	struct nj_firewall open = nj_firewall_open();
	assert_int_equal(nj_firewall_set(&content, "content", c->content, NULL), NJ_OK);
	struct nj_firewall_question q = {
		.kind = same(c->kind, "p2p") ? NJ_FIREWALL_P2P : NJ_FIREWALL_A2P,
		.direction = same(c->direction, "mo") ? NJ_FIREWALL_MO : NJ_FIREWALL_MT,
		.sender_owner = c->sender,
		.receiver_owner = c->receiver,
		.proven = c->proven,
		.content = content.content,
		.parts = 1,
		.sender = c->name ? &name : &number,
		.receiver = &number,
	};
	const char *want = table(c);
	struct nj_firewall_verdict alone = nj_firewall_ask(settings, NULL, &q);
	struct nj_firewall_verdict below = nj_firewall_ask(settings, &open, &q);
	struct nj_firewall_verdict as_profile = nj_firewall_ask(&open, settings, &q);
	const char *got = nj_firewall_rule_name(alone.rule);
	if (!same(got, want))
		fail_msg("%s/%s/%s/%s/%s %s %s %d>%d %d %d %s: got %s, want %s", c->service, c->reach, c->block, c->a2p,
			 c->allowed, c->kind, c->direction, c->sender, c->receiver, c->proven, c->name, c->content, got,
			 want);
	/* A profile that adds nothing changes nothing; the same settings as a profile's give the same answer. */
	assert_int_equal(below.rule, alone.rule);
	assert_false(below.profile);
	assert_int_equal(as_profile.rule, alone.rule);
	assert_int_equal(as_profile.profile, alone.rule > NJ_RULE_NAME);
}

static void check_messages(struct combination c, const struct nj_firewall *settings)
{
	for (unsigned bits = 0; bits < 16; bits++)
		for (unsigned owners = 0; owners < NJ_FIREWALL_OWNERS * NJ_FIREWALL_OWNERS; owners++)
			for (size_t content = 0; content < COUNT(contents); content++) {
				c.kind = bits & 1 ? "p2p" : "a2p";
				c.direction = bits & 2 ? "mo" : "mt";
				c.proven = bits & 4;
				c.name = bits & 8;
				c.sender = owners / NJ_FIREWALL_OWNERS;
				c.receiver = owners % NJ_FIREWALL_OWNERS;
				c.content = contents[content];
				check(&c, settings);
			}
}

static void every_combination(void **state)
{
	struct combination c;
	for (size_t service = 0; service < COUNT(services); service++)
		for (size_t reach = 0; reach < COUNT(reaches); reach++)
			for (size_t block = 0; block < COUNT(blocks); block++)
				for (size_t a2p = 0; a2p < COUNT(a2ps); a2p++)
					for (size_t allowed = 0; allowed < COUNT(contents); allowed++) {
						c.service = services[service];
						c.reach = reaches[reach];
						c.block = blocks[block];
						c.a2p = a2ps[a2p];
						c.allowed = contents[allowed];
						struct nj_firewall settings = settings_of(&c);
						check_messages(c, &settings);
					}
}

/* All sets of contents against all that are allowed: the first that is not is named. */
static void every_set_of_contents(void **state)
{
	static const enum nj_firewall_rule order[] = { NJ_RULE_BINARY, NJ_RULE_OTA, NJ_RULE_FLASH, NJ_RULE_SILENT,
						       NJ_RULE_WAP_PUSH };
	struct nj_sms_party party = { .kind = NJ_SMS_PARTY_NUMBER, .text = "491510" };
	for (unsigned pair = 0; pair < 32 * 32; pair++) {
		struct nj_firewall settings = nj_firewall_open();
		struct nj_firewall_question q = { .content = pair & 31, .sender = &party, .receiver = &party };
		unsigned refused = q.content & ~(pair >> 5);
		enum nj_firewall_rule want = NJ_RULE_ALLOWED;
		settings.content = (uint8_t)(pair >> 5);
		for (unsigned i = 5; i-- > 0;)
			want = (refused >> i & 1) != 0 ? order[i] : want;
		assert_int_equal(nj_firewall_ask(&settings, NULL, &q).rule, want);
	}
}

/* Of two settings, one as a customer's and one as its profile's, both must allow. */
static void a_profile_is_only_stricter(void **state)
{
	static const struct nj_sms_party party = { .kind = NJ_SMS_PARTY_NUMBER, .text = "491510" };
	for (unsigned two = 0; two < 64 * 64; two++) {
		struct nj_firewall f[2];
		for (unsigned i = 0; i < 2; i++) {
			unsigned bits = i == 0 ? two & 63 : two >> 6;
			f[i] = nj_firewall_open();
			f[i].service = bits & 3;
			f[i].p2p_reach = bits >> 2 & 3;
			f[i].p2p_block = bits >> 4 & 3;
		}
		for (unsigned bits = 0; bits < 8; bits++) {
			struct nj_firewall_question q = {
				.kind = bits & 1 ? NJ_FIREWALL_A2P : NJ_FIREWALL_P2P,
				.direction = bits & 2 ? NJ_FIREWALL_MT : NJ_FIREWALL_MO,
				.sender_owner = bits & 4 ? NJ_FIREWALL_OWN_DEVICE : NJ_FIREWALL_NOBODY,
				.receiver_owner = NJ_FIREWALL_OWN_DEVICE,
				.proven = true,
				.sender = &party,
				.receiver = &party,
			};
			bool both = nj_firewall_ask(&f[0], NULL, &q).rule == NJ_RULE_ALLOWED &&
				    nj_firewall_ask(&f[1], NULL, &q).rule == NJ_RULE_ALLOWED;
			assert_int_equal(nj_firewall_ask(&f[0], &f[1], &q).rule == NJ_RULE_ALLOWED, both);
		}
	}
}

/* ---- what a message is ---- */

static void contents_of_messages(void **state)
{
	static const struct {
		uint8_t protocol, coding;
		const char *elements;
		size_t len;
		uint8_t content;
	} list[] = {
		{ 0x00, 0x00, "", 0, 0 },
		{ 0x00, 0x08, "", 0, 0 },
		{ 0x41, 0x00, "", 0, 0 },
		{ 0x00, 0x04, "", 0, NJ_FIREWALL_BINARY },
		{ 0x00, 0xF5, "", 0, NJ_FIREWALL_BINARY },
		{ 0x00, 0x20, "", 0, NJ_FIREWALL_BINARY }, /* compressed */
		{ 0x48, 0x00, "", 0, NJ_FIREWALL_BINARY }, /* device trigger */
		{ 0x7F, 0x00, "", 0, NJ_FIREWALL_OTA },
		{ 0x7D, 0x00, "", 0, NJ_FIREWALL_OTA },
		{ 0x7F, 0xF6, "\x70\x00", 2, NJ_FIREWALL_OTA | NJ_FIREWALL_BINARY },
		{ 0x00, 0x12, "", 0, NJ_FIREWALL_OTA },
		{ 0x00, 0x00, "\x70\x00", 2, NJ_FIREWALL_OTA },
		{ 0x00, 0x10, "", 0, NJ_FIREWALL_FLASH },
		{ 0x00, 0x18, "", 0, NJ_FIREWALL_FLASH },
		{ 0x00, 0xF0, "", 0, NJ_FIREWALL_FLASH },
		{ 0x00, 0x11, "", 0, 0 },
		{ 0x00, 0x13, "", 0, 0 },
		{ 0x40, 0x00, "", 0, NJ_FIREWALL_SILENT },
		{ 0x00, 0x04, "\x05\x04\x0b\x84\x23\xf0", 6, NJ_FIREWALL_BINARY | NJ_FIREWALL_WAP_PUSH },
		{ 0x00, 0x00, "\x05\x04\x0b\x85\x23\xf0", 6, NJ_FIREWALL_WAP_PUSH },
		{ 0x00, 0x00, "\x05\x04\x0b\x86\x23\xf0", 6, 0 },
		{ 0x00, 0x00, "\x05\x04\x00\x00\x0b\x84", 6, 0 }, /* the source's port */
		{ 0x00, 0x00, "\x09\x01\x00", 3, NJ_FIREWALL_BINARY },
		{ 0x00, 0x00, "\x00\x03\x01\x02\x01", 5, 0 },
	};
	for (size_t i = 0; i < COUNT(list); i++) {
		struct nj_udh header;
		assert_int_equal(nj_udh_read(nj_view_of(list[i].elements, list[i].len), &header), NJ_OK);
		assert_int_equal(nj_firewall_content_of(list[i].protocol, list[i].coding, &header), list[i].content);
	}
}

/* ---- settings by name ---- */

static void settings_are_written_and_read(void **state)
{
	static const struct {
		const char *name, *value;
	} list[] = {
		{ "service", "none" },
		{ "service", "both" },
		{ "p2p.reach", "foreign" },
		{ "p2p.block", "mo,mt" },
		{ "a2p", "block" },
		{ "content", "none" },
		{ "content", "binary,ota,flash,silent,wap-push" },
		{ "parts", "0" },
		{ "parts", "255" },
		{ "rate.device", "6/min" },
		{ "rate.application", "100/s" },
		{ "rate.customer", "none" },
		{ "rate.customer", "4294967295/day" },
		{ "rate.customer", "1/h" },
	};
	for (size_t i = 0; i < COUNT(list); i++) {
		struct nj_firewall f = nj_firewall_fresh();
		char text[48];
		assert_int_equal(nj_firewall_set(&f, list[i].name, list[i].value, NULL), NJ_OK);
		assert_int_equal(nj_firewall_get(&f, list[i].name, text, sizeof(text)), NJ_OK);
		assert_string_equal(text, list[i].value);
	}
}

static void what_is_no_setting(void **state)
{
	static const struct {
		const char *name, *value;
		enum nj_err err;
	} list[] = {
		{ "colour", "red", NJ_ERR_NOT_FOUND },
		{ "service", "all", NJ_ERR_RANGE },
		{ "service", "", NJ_ERR_RANGE },
		{ "content", "binary,", NJ_ERR_RANGE },
		{ "content", "", NJ_ERR_RANGE },
		{ "content", "text", NJ_ERR_RANGE },
		{ "parts", "256", NJ_ERR_RANGE },
		{ "parts", "", NJ_ERR_RANGE },
		{ "rate.device", "6", NJ_ERR_RANGE },
		{ "rate.device", "0/s", NJ_ERR_RANGE },
		{ "rate.device", "/s", NJ_ERR_RANGE },
		{ "rate.device", "6/week", NJ_ERR_RANGE },
		{ "rate.device", "4294967296/s", NJ_ERR_RANGE },
	};
	for (size_t i = 0; i < COUNT(list); i++) {
		struct nj_firewall f = nj_firewall_fresh();
		struct nj_firewall before = f;
		struct nj_why why = { "" };
		assert_int_equal(nj_firewall_set(&f, list[i].name, list[i].value, &why), list[i].err);
		assert_memory_equal(&f, &before, sizeof(f));
		assert_true(why.text[0] != '\0');
	}
	char text[4];
	struct nj_firewall f = nj_firewall_fresh();
	assert_int_equal(nj_firewall_get(&f, "colour", text, sizeof(text)), NJ_ERR_NOT_FOUND);
	assert_int_not_equal(nj_firewall_get(&f, "service", text, sizeof(text)), NJ_OK);
}

/* The defaults of a fresh gateway. */
static void a_fresh_customer(void **state)
{
	static const char *const want[] = { "both", "own", "none", "both", "none", "0", "6/min", "none", "none" };
	struct nj_firewall f = nj_firewall_fresh();
	for (size_t i = 0; i < COUNT(want); i++) {
		char text[48];
		assert_int_equal(nj_firewall_get(&f, nj_firewall_setting(i), text, sizeof(text)), NJ_OK);
		assert_string_equal(text, want[i]);
	}
	assert_null(nj_firewall_setting(COUNT(want)));
}

static void rules_have_names_of_their_own(void **state)
{
	for (unsigned i = 0; i < NJ_RULE_COUNT; i++) {
		assert_true(nj_firewall_rule_text((enum nj_firewall_rule)i)[0] != '\0');
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(nj_firewall_rule_name((enum nj_firewall_rule)i),
						nj_firewall_rule_name((enum nj_firewall_rule)j));
	}
}

#define DOCUMENT NJ_TEST_DIR "/../docs/protocol/sms.md"

static void every_rule_and_setting_is_documented(void **state)
{
	char *text = NULL;
	char row[96];
	size_t len = 0;
	assert_int_equal(nj_file_read(DOCUMENT, VECTORS_MAX, &text, &len, NULL), NJ_OK);
	for (unsigned i = 0; i < NJ_RULE_COUNT; i++) {
		assert_int_equal(nj_text_format(row, sizeof(row), "\n| `%s` |",
						nj_firewall_rule_name((enum nj_firewall_rule)i)),
				 NJ_OK);
		if (strstr(text, row) == NULL)
			fail_msg("docs/protocol/sms.md does not explain %s", row + 1);
	}
	for (size_t i = 0; nj_firewall_setting(i) != NULL; i++) {
		assert_int_equal(nj_text_format(row, sizeof(row), "`%s`", nj_firewall_setting(i)), NJ_OK);
		assert_non_null(strstr(text, row));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(every_combination),
		cmocka_unit_test(every_set_of_contents),
		cmocka_unit_test(a_profile_is_only_stricter),
		cmocka_unit_test(contents_of_messages),
		cmocka_unit_test(settings_are_written_and_read),
		cmocka_unit_test(what_is_no_setting),
		cmocka_unit_test(a_fresh_customer),
		cmocka_unit_test(rules_have_names_of_their_own),
		cmocka_unit_test(every_rule_and_setting_is_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
