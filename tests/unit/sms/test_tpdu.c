/* The octets of tests/vectors/tpdu.txt, and what each of them says; and limits that need long messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "sms/text/text.h"
#include "sms/text/tpdu.h"

#define VECTORS NJ_TEST_DIR "/vectors/tpdu.txt"
#define VECTORS_MAX (64 * 1024)
#define SAID_BYTES 1024

struct said {
	char text[SAID_BYTES];
	size_t len;
};

NJ_PRINTF(2, 3) static void say(struct said *said, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(said->text + said->len, sizeof(said->text) - said->len, format, args);
	va_end(args);
	assert_true(len >= 0 && said->len + (size_t)len < sizeof(said->text));
	said->len += (size_t)len;
}

static void say_hex(struct said *said, struct nj_view bytes)
{
	char hex[2 * NJ_SMS_USER_DATA_MAX + 1];
	nj_hex_encode(bytes.data, bytes.len, hex);
	say(said, "%s", hex);
}

static void say_time(struct said *said, const char *what, struct nj_stamp stamp)
{
	int64_t unix_s = 0;
	int quarters = 0;
	assert_int_equal(nj_stamp_read(stamp, &unix_s, &quarters), NJ_OK);
	say(said, " %s %lld%+d", what, (long long)unix_s, quarters);
}

static void say_data(struct said *said, const struct nj_user_data *data, uint8_t dcs)
{
	struct nj_view elements = nj_user_data_elements(data);
	struct nj_reader r = nj_reader_view(elements);
	struct nj_udh_element element;
	struct nj_udh header = { 0 };
	uint8_t units[NJ_SMS_PART_UNITS_MAX];
	char utf8[3 * NJ_SMS_PART_UNITS_MAX];
	size_t count = nj_user_data_units(data, dcs, units);
	struct nj_writer w = nj_writer_of(utf8, sizeof(utf8));
	while (nj_udh_next(&r, &element)) {
		say(said, " {%02x ", element.id);
		say_hex(said, element.value);
		say(said, "}");
	}
	assert_int_equal(nj_udh_read(elements, &header), NJ_OK);
	if (count == 0)
		return;
	say(said, " ");
	if (nj_sms_text_decode(nj_dcs_decode(dcs).charset, header.tables, nj_view_of(units, count), &w) == NJ_OK)
		say(said, "\"%.*s\"", (int)w.pos, utf8);
	else
		say_hex(said, nj_view_of(units, count));
}

static void say_validity(struct said *said, const struct nj_validity *validity)
{
	uint64_t seconds = 0;
	if (validity->format == NJ_VALIDITY_NONE)
		return;
	assert_int_equal(nj_validity_read(validity, 0, &seconds), NJ_OK);
	say(said, " %s %llu", validity->format == NJ_VALIDITY_ABSOLUTE ? "until" : "valid",
	    (unsigned long long)seconds);
}

static void say_parameters(struct said *said, const struct nj_tpdu *t)
{
	if ((t->parameters & NJ_TPDU_HAS_PID) != 0)
		say(said, " pid %02x", t->protocol);
	if ((t->parameters & NJ_TPDU_HAS_DCS) != 0)
		say(said, " dcs %02x", t->coding);
	else if ((t->parameters & NJ_TPDU_HAS_USER_DATA) != 0)
		say(said, " dcs -");
	if ((t->parameters & NJ_TPDU_HAS_USER_DATA) != 0)
		say_data(said, &t->user_data, t->coding);
}

static void say_flag(struct said *said, bool is, const char *what)
{
	if (is)
		say(said, " %s", what);
}

static void say_address(struct said *said, const struct nj_address *address)
{
	say(said, " %u/%u/%s", address->ton, address->npi, address->text);
}

static void say_plain(struct said *said, const struct nj_tpdu *t)
{
	bool submit = t->type == NJ_TPDU_SUBMIT;
	if (submit)
		say(said, " %u", t->reference);
	say_address(said, &t->address);
	say(said, " pid %02x dcs %02x", t->protocol, t->coding);
	if (submit)
		say_validity(said, &t->validity);
	else
		say_time(said, "at", t->time);
	say_flag(said, !submit && !t->no_more, "more");
	say_flag(said, t->reply_path, "reply");
	say_flag(said, t->report, "report");
	say_flag(said, t->reject_duplicates, "unique");
	say_data(said, &t->user_data, t->coding);
}

static void say_report(struct said *said, const struct nj_tpdu *t)
{
	if (t->failed)
		say(said, " cause %02x", t->cause);
	if (t->type == NJ_TPDU_SUBMIT_REPORT)
		say_time(said, "at", t->time);
	say_parameters(said, t);
}

static void say_tpdu(struct said *said, const struct nj_tpdu *t)
{
	static const char *const names[] = { "DELIVER",       "DELIVER-REPORT", "SUBMIT",
					     "SUBMIT-REPORT", "STATUS-REPORT",  "COMMAND" };
	say(said, "%s", names[t->type]);
	switch (t->type) {
	case NJ_TPDU_DELIVER:
	case NJ_TPDU_SUBMIT:
		say_plain(said, t);
		break;
	case NJ_TPDU_DELIVER_REPORT:
	case NJ_TPDU_SUBMIT_REPORT:
		say_report(said, t);
		break;
	case NJ_TPDU_STATUS_REPORT:
		say(said, " %u", t->reference);
		say_address(said, &t->address);
		say_time(said, "at", t->time);
		say_time(said, "done", t->discharge);
		say(said, " status %02x", t->status);
		say_flag(said, t->report, "qualified");
		say_parameters(said, t);
		break;
	case NJ_TPDU_COMMAND:
		say(said, " %u", t->reference);
		say_address(said, &t->address);
		say(said, " pid %02x command %u message %u", t->protocol, t->command, t->message);
		say_flag(said, t->report, "report");
		break;
	}
}

/* ---- the file ---- */

struct vector {
	char title[256];
	uint8_t octets[NJ_TPDU_BYTES_MAX];
	size_t len;
	enum nj_tpdu_from from;
	bool failed;
};

static unsigned played;

static const char *after(const char *text, const char *start)
{
	size_t len = strlen(start);
	return strncmp(text, start, len) == 0 ? text + len : NULL;
}

static void read_octets(struct vector *v, const char *line)
{
	const char *at = after(line, "device");
	v->from = at != NULL ? NJ_TPDU_FROM_DEVICE : NJ_TPDU_FROM_CENTRE;
	at = at != NULL ? at : after(line, "centre");
	v->failed = after(at, " error") != NULL;
	at += v->failed ? 6 : 0;
	for (v->len = 0; *at != '\0'; at += 3, v->len++) {
		assert_int_equal(*at, ' ');
		assert_int_equal(nj_hex_decode(nj_view_of(at + 1, 2), &v->octets[v->len], 1), NJ_OK);
	}
}

static void wrong(const struct vector *v, const char *got, const char *want)
{
	fail_msg("%s:\n  got  %s\n  want %s", v->title, got, want);
}

static void expect_error(const struct vector *v, const char *name)
{
	struct nj_tpdu tpdu = { .reference = 77 };
	enum nj_err err = nj_tpdu_decode(nj_view_of(v->octets, v->len), v->from, v->failed, &tpdu);
	if (strcmp(nj_err_name(err), name) != 0)
		wrong(v, nj_err_name(err), name);
	assert_int_equal(tpdu.reference, 77);
}

static void expect(const struct vector *v, const char *want, bool same)
{
	struct nj_tpdu tpdu;
	struct said said = { .len = 0 };
	uint8_t again[NJ_TPDU_BYTES_MAX];
	char hex[2 * NJ_TPDU_BYTES_MAX + 1];
	size_t len = 0;
	enum nj_err err = nj_tpdu_decode(nj_view_of(v->octets, v->len), v->from, v->failed, &tpdu);
	if (err != NJ_OK)
		wrong(v, nj_err_name(err), want);
	say_tpdu(&said, &tpdu);
	if (strcmp(said.text, want) != 0)
		wrong(v, said.text, want);
	assert_int_equal(nj_tpdu_encode(&tpdu, again, sizeof(again), &len), NJ_OK);
	nj_hex_encode(again, len, hex);
	if (same && (len != v->len || memcmp(again, v->octets, len) != 0))
		wrong(v, hex, "the same octets");
}

static void play(struct vector *v, const char *line)
{
	if (after(line, "== ") != NULL) {
		assert_int_equal(nj_text_copy(v->title, sizeof(v->title), after(line, "== ")), NJ_OK);
	} else if (after(line, "< ") != NULL) {
		read_octets(v, after(line, "< "));
	} else if (after(line, "! ") != NULL) {
		expect_error(v, after(line, "! "));
		played++;
	} else if (*line == '=' || *line == '~') {
		expect(v, line + 2, *line == '=');
		played++;
	}
}

static void vectors(void **state)
{
	static struct vector v;
	char *text = NULL;
	size_t len = 0;
	assert_int_equal(nj_file_read(VECTORS, VECTORS_MAX, &text, &len, NULL), NJ_OK);
	for (char *line = text; line < text + len;) {
		char *end = strchr(line, '\n');
		*end = '\0';
		play(&v, line);
		line = end + 1;
	}
	free(text);
	assert_true(played >= 30);
}

/* ---- limits ---- */

static enum nj_err submit(uint8_t dcs, unsigned length, size_t octets)
{
	static uint8_t in[256];
	struct nj_writer w = nj_writer_of(in, sizeof(in));
	struct nj_tpdu tpdu;
	nj_write_bytes(&w, "\x01\x00\x02\x91\x21\x00", 6);
	nj_write_u8(&w, dcs);
	nj_write_u8(&w, (uint8_t)length);
	nj_write_zero(&w, octets);
	return nj_tpdu_decode(nj_view_of(in, w.pos), NJ_TPDU_FROM_DEVICE, false, &tpdu);
}

static void user_data_at_its_limits(void **state)
{
	assert_int_equal(submit(0x00, 159, 140), NJ_OK);
	assert_int_equal(submit(0x00, 160, 140), NJ_OK);
	assert_int_equal(submit(0x00, 161, 141), NJ_ERR_RANGE);
	assert_int_equal(submit(0x04, 139, 139), NJ_OK);
	assert_int_equal(submit(0x04, 140, 140), NJ_OK);
	assert_int_equal(submit(0x04, 141, 141), NJ_ERR_RANGE);
	assert_int_equal(submit(0x20, 140, 140), NJ_OK); /* compressed: octets */
	assert_int_equal(submit(0x20, 141, 141), NJ_ERR_RANGE);
}

static enum nj_err decode_address(const char *hex, struct nj_address *out)
{
	uint8_t octets[32];
	size_t len = strlen(hex) / 2;
	assert_int_equal(nj_hex_decode(nj_view_str(hex), octets, len), NJ_OK);
	struct nj_reader r = nj_reader_of(octets, len);
	nj_address_read(&r, out);
	return nj_reader_end(&r);
}

static void addresses(void **state)
{
	static const struct {
		const char *hex;
		unsigned ton, npi;
		const char *text;
	} rows[] = {
		{ "0080", 0, 0, "" },
		{ "0191f1", 1, 1, "1" },
		{ "029121", 1, 1, "12" },
		{ "0581a1cbfd", 0, 1, "1*#ab" },
		{ "149111111111111111111111", 1, 1, "11111111111111111111" },
		{ "02d041", 5, 0, "A" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_address address;
		assert_int_equal(decode_address(rows[i].hex, &address), NJ_OK);
		assert_int_equal(address.ton, rows[i].ton);
		assert_int_equal(address.npi, rows[i].npi);
		assert_string_equal(address.text, rows[i].text);
	}
}

static void alphanumeric_addresses_of_every_length(void **state)
{
	static const char text[] = "Ab3 -@Z@9[";
	for (size_t len = 0; len < sizeof(text); len++) {
		struct nj_address address = { .ton = NJ_TON_ALPHANUMERIC };
		struct nj_address back;
		uint8_t octets[16];
		memcpy(address.text, text, len);
		struct nj_writer w = nj_writer_of(octets, sizeof(octets));
		nj_address_write(&w, &address);
		assert_int_equal(w.err, NJ_OK);
		struct nj_reader r = nj_reader_of(octets, w.pos);
		nj_address_read(&r, &back);
		assert_int_equal(nj_reader_end(&r), NJ_OK);
		assert_string_equal(back.text, address.text);
	}
}

static void what_is_no_address(void **state)
{
	static const struct nj_address rows[] = {
		{ .ton = 1, .text = "12x" },
		{ .ton = 1, .text = "111111111111111111111" },
		{ .ton = 8, .text = "1" },
		{ .npi = 16, .text = "1" },
		{ .ton = NJ_TON_ALPHANUMERIC, .text = "123456789012" },
		{ .ton = NJ_TON_ALPHANUMERIC, .text = "1234567890[" },
		{ .ton = NJ_TON_ALPHANUMERIC, .text = "я" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t octets[16];
		struct nj_writer w = nj_writer_of(octets, sizeof(octets));
		nj_address_write(&w, &rows[i]);
		assert_int_equal(w.err, NJ_ERR_RANGE);
	}
}

static void addresses_of_service_centres(void **state)
{
	static const char *const texts[] = { "", "1", "12", "27831000015" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct nj_address address = { .ton = NJ_TON_INTERNATIONAL, .npi = NJ_NPI_E164 };
		struct nj_address back;
		uint8_t octets[16];
		memcpy(address.text, texts[i], strlen(texts[i]));
		struct nj_writer w = nj_writer_of(octets, sizeof(octets));
		nj_address_write_rp(&w, &address);
		assert_int_equal(w.pos, 1 + (texts[i][0] != '\0') + (strlen(texts[i]) + 1) / 2);
		struct nj_reader r = nj_reader_of(octets, w.pos);
		nj_address_read_rp(&r, &back);
		assert_int_equal(nj_reader_end(&r), NJ_OK);
		assert_string_equal(back.text, texts[i]);
	}
}

/* Each part of a long message, encoded and decoded, gives back its units. */
static void parts_come_back(void **state)
{
	static const struct nj_sms_text_rules rules = { .gsm7 = true,
							.ucs2 = true,
							.locking = NJ_GSM7_ALL_LOCKING,
							.single = NJ_GSM7_ALL_SINGLE,
							.wide_reference = true };
	static const char text[] = "Not defteri: ğüşiöç İstanbul'da [yağmur] €1. ";
	static char all[sizeof(text) * 20];
	static uint8_t units[NJ_SMS_UNITS_MAX];
	struct nj_sms_text_plan plan;
	struct nj_sms_split split;
	struct nj_view part;
	size_t count = 0;
	uint8_t sequence = 1;
	for (size_t i = 0; i < 20; i++)
		memcpy(all + i * (sizeof(text) - 1), text, sizeof(text) - 1);
	struct nj_view in = nj_view_of(all, 20 * (sizeof(text) - 1));
	assert_int_equal(nj_sms_text_plan(&rules, in, &plan, NULL), NJ_OK);
	assert_int_equal(plan.layout.tables.locking, NJ_GSM7_TURKISH);
	assert_int_equal(nj_sms_text_encode(&plan, in, units, sizeof(units), &count), NJ_OK);
	assert_int_equal(nj_sms_split_begin(&split, &plan.layout, nj_view_of(units, count)), NJ_OK);
	for (; nj_sms_split_next(&split, &part); sequence++) {
		uint8_t octets[NJ_SMS_USER_DATA_MAX];
		uint8_t back[NJ_SMS_PART_UNITS_MAX];
		struct nj_user_data data;
		struct nj_udh header;
		struct nj_sms_place place = { .reference = 0x1234, .total = (uint8_t)plan.parts, .sequence = sequence };
		assert_int_equal(nj_user_data_make(&plan.layout, place, part, octets, &data), NJ_OK);
		assert_int_equal(nj_udh_read(nj_user_data_elements(&data), &header), NJ_OK);
		assert_true(header.concatenated && header.wide);
		assert_int_equal(header.reference, 0x1234);
		assert_int_equal(header.total, plan.parts);
		assert_int_equal(header.sequence, sequence);
		assert_int_equal(header.tables.locking, plan.layout.tables.locking);
		assert_int_equal(nj_user_data_units(&data, 0, back), part.len);
		assert_memory_equal(back, part.data, part.len);
	}
	assert_int_equal(sequence, plan.parts + 1);
}

static void a_part_that_is_too_long(void **state)
{
	static uint8_t units[161];
	uint8_t octets[NJ_SMS_USER_DATA_MAX];
	struct nj_user_data data;
	struct nj_sms_layout layout = { .charset = NJ_SMS_GSM7 };
	struct nj_sms_place one = { .total = 1, .sequence = 1 };
	struct nj_sms_place two = { .total = 2, .sequence = 1 };
	assert_int_equal(nj_user_data_make(&layout, one, nj_view_of(units, 160), octets, &data), NJ_OK);
	assert_int_equal(nj_user_data_make(&layout, one, nj_view_of(units, 161), octets, &data), NJ_ERR_FULL);
	assert_int_equal(nj_user_data_make(&layout, two, nj_view_of(units, 153), octets, &data), NJ_OK);
	assert_int_equal(nj_user_data_make(&layout, two, nj_view_of(units, 154), octets, &data), NJ_ERR_FULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(user_data_at_its_limits),
		cmocka_unit_test(addresses),
		cmocka_unit_test(alphanumeric_addresses_of_every_length),
		cmocka_unit_test(what_is_no_address),
		cmocka_unit_test(addresses_of_service_centres),
		cmocka_unit_test(parts_come_back),
		cmocka_unit_test(a_part_that_is_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
