#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/text/status.h"
#include "sms/text/udh.h"

/* 9.2.3.15: four ranges of 32, then what is reserved. */
static void fates(void **state)
{
	for (unsigned status = 0; status < 256; status++) {
		enum nj_sms_fate want = status < 0x20   ? NJ_SMS_DELIVERED
					: status < 0x40 ? NJ_SMS_TRYING
					: status < 0x60 ? NJ_SMS_FAILED
					: status < 0x80 ? NJ_SMS_GIVEN_UP
							: NJ_SMS_FAILED;
		assert_int_equal(nj_sms_status_fate((uint8_t)status), want);
		assert_non_null(nj_sms_status_text((uint8_t)status));
		assert_non_null(nj_sms_cause_text((uint8_t)status));
	}
	assert_string_equal(nj_sms_status_text(NJ_SMS_STATUS_EXPIRED), "validity period expired");
	assert_string_equal(nj_sms_status_text(0x30), "tried again, for a reason of the service centre's own");
	assert_string_equal(nj_sms_status_text(0x4F), "failed, for a reserved reason");
	assert_string_equal(nj_sms_status_text(0x80), "a reserved status");
}

static void causes(void **state)
{
	static const uint8_t temporary[] = { NJ_SMS_CAUSE_CENTRE_BUSY, NJ_SMS_CAUSE_CENTRE_FAILURE,
					     NJ_SMS_CAUSE_SIM_FULL, NJ_SMS_CAUSE_MEMORY_FULL,
					     NJ_SMS_CAUSE_TOOLKIT_BUSY };
	unsigned count = 0;
	for (unsigned cause = 0; cause < 256; cause++)
		count += nj_sms_cause_temporary((uint8_t)cause);
	assert_int_equal(count, sizeof(temporary));
	for (size_t i = 0; i < sizeof(temporary); i++)
		assert_true(nj_sms_cause_temporary(temporary[i]));
	assert_string_equal(nj_sms_cause_text(NJ_SMS_CAUSE_MEMORY_FULL), "memory capacity exceeded");
	assert_string_equal(nj_sms_cause_text(0xE5), "a cause of the application's own");
	assert_string_equal(nj_sms_cause_text(0xB1), "a reserved cause");
	assert_string_equal(nj_sms_cause_text(0x10), "no cause");
}

static void protocol_identifiers(void **state)
{
	static const struct {
		uint8_t pid;
		enum nj_sms_pid kind;
	} rows[] = {
		{ 0x00, NJ_SMS_PID_PLAIN },       { 0x1F, NJ_SMS_PID_PLAIN },          { 0x20, NJ_SMS_PID_TELEMATIC },
		{ 0x3F, NJ_SMS_PID_TELEMATIC },   { 0x40, NJ_SMS_PID_TYPE_0 },         { 0x41, NJ_SMS_PID_REPLACE },
		{ 0x47, NJ_SMS_PID_REPLACE },     { 0x48, NJ_SMS_PID_DEVICE_TRIGGER }, { 0x49, NJ_SMS_PID_OTHER },
		{ 0x5F, NJ_SMS_PID_RETURN_CALL }, { 0x7C, NJ_SMS_PID_OTHER },          { 0x7D, NJ_SMS_PID_ME_DOWNLOAD },
		{ 0x7E, NJ_SMS_PID_ME_DOWNLOAD }, { 0x7F, NJ_SMS_PID_SIM_DOWNLOAD },   { 0x80, NJ_SMS_PID_OTHER },
		{ 0xC0, NJ_SMS_PID_OTHER },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nj_sms_pid_kind(rows[i].pid), rows[i].kind);
}

/* ---- headers ---- */

static struct nj_udh reads(const char *octets, size_t len)
{
	struct nj_udh header;
	assert_int_equal(nj_udh_read(nj_view_of(octets, len), &header), NJ_OK);
	return header;
}

static void concatenation(void **state)
{
	struct nj_udh header = reads("\x00\x03\xd0\x02\x01", 5);
	assert_true(header.concatenated && !header.wide);
	assert_int_equal(header.reference, 0xd0);
	assert_int_equal(header.total, 2);
	assert_int_equal(header.sequence, 1);
	header = reads("\x08\x04\x12\x34\xff\xff", 6);
	assert_true(header.concatenated && header.wide);
	assert_int_equal(header.reference, 0x1234);
	assert_int_equal(header.sequence, 255);
	assert_false(reads("\x00\x03\xd0\x00\x00", 5).concatenated); /* no parts */
	assert_false(reads("\x00\x03\xd0\x02\x00", 5).concatenated); /* before the first */
	assert_false(reads("\x00\x03\xd0\x02\x03", 5).concatenated); /* past the last */
	assert_false(reads("\x00\x02\xd0\x02", 4).concatenated);
	assert_false(reads("\x00\x04\xd0\x02\x01\x00", 6).concatenated);
	/* The last one counts. */
	assert_int_equal(reads("\x00\x03\x01\x02\x01\x08\x04\x00\x02\x03\x03", 11).sequence, 3);
}

static void other_elements(void **state)
{
	struct nj_udh header = reads("\x05\x04\x0b\x84\x23\xf0", 6);
	assert_true(header.has_ports);
	assert_int_equal(header.destination_port, 2948);
	assert_int_equal(header.source_port, 9200);
	header = reads("\x04\x02\xe2\x01\x24\x01\x06\x25\x01\x04", 10);
	assert_int_equal(header.destination_port, 0xe2);
	assert_int_equal(header.tables.single, NJ_GSM7_HINDI);
	assert_int_equal(header.tables.locking, NJ_GSM7_BENGALI);
	assert_false(reads("\x05\x03\x0b\x84\x23", 5).has_ports);
	assert_int_equal(reads("\x24\x02\x06\x06", 4).tables.single, 0);
	assert_false(reads("\x6f\x00", 2).sim);
	assert_true(reads("\x70\x00", 2).sim);
	assert_true(reads("\x7f\x01\xaa", 3).sim);
	assert_false(reads("\x80\x00", 2).sim);
	assert_true(reads("\x09\x01\x00", 3).wireless_control);
	assert_false(reads("", 0).concatenated);
}

static void a_header_that_is_cut_short(void **state)
{
	struct nj_udh header = { .total = 77 };
	assert_int_equal(nj_udh_read(nj_view_of("\x00", 1), &header), NJ_ERR_TRUNCATED);
	assert_int_equal(nj_udh_read(nj_view_of("\x00\x03\xd0\x02", 4), &header), NJ_ERR_TRUNCATED);
	assert_int_equal(nj_udh_read(nj_view_of("\x00\x03\xd0\x02\x01\x99", 6), &header), NJ_ERR_TRUNCATED);
	assert_int_equal(header.total, 77);
}

static void what_is_written_reads_the_same(void **state)
{
	uint8_t octets[32];
	struct nj_writer w = nj_writer_of(octets, sizeof(octets));
	nj_udh_write_concatenation(&w, true, 0xBEEF, 7, 5);
	nj_udh_write_ports(&w, 2948, 9200);
	nj_udh_write_tables(&w, (struct nj_gsm7_tables){ .locking = NJ_GSM7_TURKISH, .single = NJ_GSM7_SPANISH });
	struct nj_udh header = reads((const char *)octets, w.pos);
	assert_int_equal(header.reference, 0xBEEF);
	assert_int_equal(header.sequence, 5);
	assert_int_equal(header.destination_port, 2948);
	assert_int_equal(header.tables.locking, NJ_GSM7_TURKISH);
	assert_int_equal(header.tables.single, NJ_GSM7_SPANISH);
	w = nj_writer_of(octets, sizeof(octets));
	nj_udh_write_concatenation(&w, false, 0xEF, 7, 5);
	nj_udh_write_tables(&w, (struct nj_gsm7_tables){ 0, 0 });
	assert_int_equal(w.pos, 5);
	assert_int_equal(reads((const char *)octets, w.pos).reference, 0xEF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fates),
		cmocka_unit_test(causes),
		cmocka_unit_test(protocol_identifiers),
		cmocka_unit_test(concatenation),
		cmocka_unit_test(other_elements),
		cmocka_unit_test(a_header_that_is_cut_short),
		cmocka_unit_test(what_is_written_reads_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
