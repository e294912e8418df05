/* SMPP PDUs: bytes and what they mean, each field's and parameter's limits, and the status that each defect gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sms/smpp/table.h"
#include "unit/sms/smpp_samples.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define CAP 4096

/* The standard's own example (3.2.2). */
static void the_example_of_the_standard(void **state)
{
	static const uint8_t bytes[] = "\0\0\0\x2f\0\0\0\2\0\0\0\0\0\0\0\1SMPP3TEST\0secret08\0SUBMIT1\0\0\1\1";
	struct nj_smpp_pdu pdu;
	assert_int_equal(sizeof(bytes), 0x2f);
	assert_int_equal(nj_smpp_decode(nj_view_of(bytes, sizeof(bytes)), &pdu).kind, NJ_SMPP_FAULT_NONE);
	assert_int_equal(pdu.command, NJ_SMPP_BIND_TRANSMITTER);
	assert_int_equal(pdu.sequence, 1);
	assert_true(nj_view_equal(pdu.system_id, nj_view_str("SMPP3TEST")));
	assert_true(nj_view_equal(pdu.password, nj_view_str("secret08")));
	assert_true(nj_view_equal(pdu.system_type, nj_view_str("SUBMIT1")));
	assert_int_equal(pdu.interface_version, 0);
	assert_int_equal(pdu.source.ton, 1);
	assert_int_equal(pdu.source.npi, 1);
	assert_int_equal(pdu.source.addr.len, 0);
	assert_int_equal(nj_smpp_check(&pdu, NJ_SMPP_ESME).kind, NJ_SMPP_FAULT_NONE);
}

/* Bodies by hand, from section 4's tables. */
static const struct vector {
	uint32_t command;
	uint32_t status;
	const uint8_t *body;
	size_t len;
} vectors[] = {
	{ NJ_SMPP_BIND_RECEIVER, 0, BYTES("a\0b\0c\0\x34\1\2d\0") },
	{ NJ_SMPP_BIND_TRANSCEIVER | NJ_SMPP_RESPONSE, 0, BYTES("smsc\0\x02\x10\0\1\x34") },
	{ NJ_SMPP_BIND_TRANSCEIVER | NJ_SMPP_RESPONSE, NJ_SMPP_RINVPASWD, BYTES("") },
	{ NJ_SMPP_OUTBIND, 0, BYTES("smsc\0pw\0") },
	{ NJ_SMPP_UNBIND, 0, BYTES("") },
	{ NJ_SMPP_UNBIND | NJ_SMPP_RESPONSE, 0, BYTES("") },
	{ NJ_SMPP_GENERIC_NACK, NJ_SMPP_RINVCMDID, BYTES("") },
	{ NJ_SMPP_SUBMIT_SM, 0,
	  BYTES("CMT\0\5\0Depot\0\1\1"
		"49170\0\3\0\1\0\0\1\0\0\0\5hello") },
	{ NJ_SMPP_SUBMIT_SM, 0,
	  BYTES("\0\0\0\0\1\1"
		"4\0\0\0\0\0\0\0\0\0\0\0\2\4\0\2\0\7\4\x24\0\2hi") },
	{ NJ_SMPP_SUBMIT_SM | NJ_SMPP_RESPONSE, 0, BYTES("0a1b\0") },
	{ NJ_SMPP_SUBMIT_MULTI, 0,
	  BYTES("\0\0\0"
		"1\0\2\1\1\1"
		"49\0\2list\0\0\0\0\0\0\0\0\0\0\1x") },
	{ NJ_SMPP_SUBMIT_MULTI | NJ_SMPP_RESPONSE, 0,
	  BYTES("7\0\1\1\1"
		"49\0\0\0\0\x0b") },
	{ NJ_SMPP_DELIVER_SM, 0,
	  BYTES("\0\1\1"
		"49\0\3\0"
		"47\0\4\0\0\0\0\0\0\0\0\2id\x04\x27\0\1\2") },
	{ NJ_SMPP_DELIVER_SM | NJ_SMPP_RESPONSE, 0, BYTES("\0") },
	{ NJ_SMPP_DATA_SM, 0,
	  BYTES("\0\1\1"
		"49\0\3\0"
		"47\0\0\1\x08\x04\x24\0\2\x04\x1f") },
	{ NJ_SMPP_DATA_SM | NJ_SMPP_RESPONSE, 0, BYTES("9\0\4\x20\0\1\1") },
	{ NJ_SMPP_DATA_SM | NJ_SMPP_RESPONSE, NJ_SMPP_RDELIVERYFAILURE, BYTES("\0\4\x25\0\1\2") },
	{ NJ_SMPP_QUERY_SM, 0,
	  BYTES("0a1b\0\1\1"
		"47\0") },
	{ NJ_SMPP_QUERY_SM | NJ_SMPP_RESPONSE, 0,
	  BYTES("0a1b\0"
		"261122143000000+\0\2\0") },
	{ NJ_SMPP_CANCEL_SM, 0,
	  BYTES("CMT\0"
		"0a\0\1\1"
		"47\0\1\1"
		"49\0") },
	{ NJ_SMPP_REPLACE_SM, 0,
	  BYTES("0a\0\1\1"
		"47\0\0\0\1\0\3new") },
	{ NJ_SMPP_REPLACE_SM | NJ_SMPP_RESPONSE, 0, BYTES("") },
	{ NJ_SMPP_ENQUIRE_LINK, 0, BYTES("") },
	{ NJ_SMPP_ALERT_NOTIFICATION, 0,
	  BYTES("\1\1"
		"49\0\3\0"
		"47\0\4\x22\0\1\0") },
};

static size_t frame_of(const struct vector *vector, uint8_t out[CAP])
{
	struct nj_writer w = nj_writer_of(out, CAP);
	nj_write_u32(&w, (uint32_t)(NJ_SMPP_HEADER + vector->len));
	nj_write_u32(&w, vector->command);
	nj_write_u32(&w, vector->status);
	nj_write_u32(&w, 0x01020304);
	nj_write_bytes(&w, vector->body, vector->len);
	return w.pos;
}

static void vectors_are_read_and_written_the_same(void **state)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t bytes[CAP];
		uint8_t again[CAP];
		size_t again_len = 0;
		struct nj_smpp_pdu pdu;
		size_t len = frame_of(&vectors[i], bytes);
		struct nj_smpp_fault fault = nj_smpp_decode(nj_view_of(bytes, len), &pdu);
		if (fault.kind != NJ_SMPP_FAULT_NONE)
			fail_msg("vector %zu (%s): %s in %s", i, nj_smpp_command_name(vectors[i].command),
				 nj_smpp_fault_text(fault.kind), fault.field);
		assert_int_equal(pdu.sequence, 0x01020304);
		assert_int_equal(nj_smpp_encode(&pdu, again, sizeof(again), &again_len), NJ_OK);
		assert_int_equal(again_len, len);
		assert_memory_equal(bytes, again, len);
	}
}

static void a_submits_fields(void **state)
{
	uint8_t bytes[CAP];
	struct nj_smpp_pdu pdu;
	size_t len = frame_of(&vectors[7], bytes);
	assert_int_equal(nj_smpp_decode(nj_view_of(bytes, len), &pdu).kind, NJ_SMPP_FAULT_NONE);
	assert_true(nj_view_equal(pdu.service_type, nj_view_str("CMT")));
	assert_int_equal(pdu.source.ton, 5);
	assert_true(nj_view_equal(pdu.source.addr, nj_view_str("Depot")));
	assert_true(nj_view_equal(pdu.dest.addr, nj_view_str("49170")));
	assert_int_equal(pdu.esm_class, 3);
	assert_int_equal(pdu.priority, 1);
	assert_int_equal(pdu.registered_delivery, 1);
	assert_true(nj_view_equal(pdu.short_message, nj_view_str("hello")));
	assert_int_equal(pdu.tlvs.present, 0);
}

/* Any PDU: every prefix is incomplete, asks for no more than is missing, and is read the same when it is whole. */
static void splits_at_every_byte(void **state)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		uint8_t bytes[CAP];
		struct nj_smpp_pdu pdu;
		struct sample_room room;
		size_t len = sample_write(i, 5, &pdu, &room, bytes, sizeof(bytes));
		size_t got = 0;
		size_t need = 0;
		uint32_t sequence = 0;
		assert_true(len >= NJ_SMPP_HEADER);
		for (size_t cut = 0; cut < len; cut++) {
			struct nj_smpp_fault fault = nj_smpp_frame(nj_view_of(bytes, cut), CAP, &got, &need, &sequence);
			assert_int_equal(fault.kind, NJ_SMPP_FAULT_NONE);
			assert_true(need > 0 && cut + need <= len);
		}
		assert_int_equal(nj_smpp_frame(nj_view_of(bytes, len), CAP, &got, &need, &sequence).kind, 0);
		assert_int_equal(need, 0);
		assert_int_equal(got, len);
	}
}

static void samples_round_trip_and_pass(void **state)
{
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		uint8_t bytes[CAP];
		uint8_t again[CAP];
		struct nj_smpp_pdu pdu;
		struct nj_smpp_pdu back;
		struct sample_room room;
		size_t again_len = 0;
		size_t len = sample_write(i, 5, &pdu, &room, bytes, sizeof(bytes));
		if (len == 0)
			fail_msg("%s cannot be written", samples[i].what);
		struct nj_smpp_fault fault = nj_smpp_decode(nj_view_of(bytes, len), &back);
		if (fault.kind != NJ_SMPP_FAULT_NONE)
			fail_msg("%s: %s in %s", samples[i].what, nj_smpp_fault_text(fault.kind), fault.field);
		assert_int_equal(nj_smpp_encode(&back, again, sizeof(again), &again_len), NJ_OK);
		assert_int_equal(again_len, len);
		assert_memory_equal(bytes, again, len);
		fault = nj_smpp_check(&back, (nj_smpp_command_states(back.command, NJ_SMPP_ESME) != 0) ? NJ_SMPP_ESME
												       : NJ_SMPP_SMSC);
		if (fault.kind != NJ_SMPP_FAULT_NONE)
			fail_msg("%s: %s in %s", samples[i].what, nj_smpp_fault_text(fault.kind), fault.field);
		/* Every room that is too small says so, and no smaller PDU is written. */
		for (size_t cap = 0; cap < len; cap++)
			assert_int_equal(nj_smpp_encode(&back, again, cap, &again_len), NJ_ERR_FULL);
	}
}

/* ---- defects, field by field. What the standard names, said again here. ---- */

static uint32_t status_of(const char *field)
{
	static const struct {
		const char *field;
		uint32_t status;
	} rows[] = {
		{ "system_id", 0x0f },         { "password", 0x0e },         { "system_type", 0x53 },
		{ "interface_version", 0x0d }, { "address_range", 0x0d },    { "service_type", 0x15 },
		{ "source_addr_ton", 0x48 },   { "source_addr_npi", 0x49 },  { "source_addr", 0x0a },
		{ "dest_addr_ton", 0x50 },     { "dest_addr_npi", 0x51 },    { "destination_addr", 0x0b },
		{ "esm_class", 0x43 },         { "priority_flag", 0x06 },    { "schedule_delivery_time", 0x61 },
		{ "validity_period", 0x62 },   { "registered_delivery", 7 }, { "replace_if_present_flag", 0x54 },
		{ "sm_default_msg_id", 0x63 }, { "short_message", 0x01 },    { "message_id", 0x0c },
		{ "number_of_dests", 0x33 },   { "esme_addr_ton", 0x50 },    { "esme_addr_npi", 0x51 },
		{ "esme_addr", 0x0b },         { "final_date", 0x67 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].field, field) == 0)
			return rows[i].status;
	fail_msg("no status for %s", field);
	return 0;
}

/* What a field holds in the PDU that is made for a defect: the one that is `wrong` in its way, others as they should.
 */
enum way { RIGHT, LONGEST, TOO_LONG, CUT, BAD_VALUE, EMPTY };

static void put_text(struct nj_writer *w, size_t len, bool zero)
{
	for (size_t i = 0; i < len; i++)
		nj_write_u8(w, '1');
	if (zero)
		nj_write_u8(w, 0);
}

static void put_string(struct nj_writer *w, const struct nj_smpp_field *field, enum way way)
{
	if (way == LONGEST && field->rule == NJ_SMPP_TIME)
		nj_write_bytes(w, "261122143000000+", 17);
	else if (way == LONGEST)
		put_text(w, field->max - 1u, true);
	else if (way == TOO_LONG)
		put_text(w, field->max, true);
	else if (way == BAD_VALUE || way == RIGHT)
		put_text(w, field->rule == NJ_SMPP_NOT_EMPTY || way == BAD_VALUE ? 1 : 0, true);
	else if (way == EMPTY)
		nj_write_u8(w, 0);
}

static void put_octets(struct nj_writer *w, const struct nj_smpp_field *field, enum way way)
{
	size_t len = way == LONGEST ? field->max : way == TOO_LONG ? field->max + 1u : 0;
	nj_write_u8(w, (uint8_t)len);
	put_text(w, len, false);
}

static void put_list(struct nj_writer *w, const struct nj_smpp_field *field, enum way way)
{
	unsigned count = way == LONGEST ? field->max : way == TOO_LONG ? field->max + 1u : way == EMPTY ? 0 : 1;
	struct nj_smpp_dest dest = { .address = sample_address(1, 1, "49") };
	struct nj_smpp_failure failure = { sample_address(1, 1, "49"), 1 };
	nj_write_u8(w, (uint8_t)count);
	for (unsigned i = 0; i < count; i++) {
		if (field->type == NJ_SMPP_DESTS)
			nj_smpp_dest_write(w, &dest);
		else
			nj_smpp_failure_write(w, &failure);
	}
}

static void put_field(struct nj_writer *w, const struct nj_smpp_field *field, enum way way)
{
	if (way == CUT)
		return;
	switch ((enum nj_smpp_field_type)field->type) {
	case NJ_SMPP_U8:
		nj_write_u8(w, way == BAD_VALUE ? 0xff : 0);
		break;
	case NJ_SMPP_STRING:
		put_string(w, field, way);
		break;
	case NJ_SMPP_OCTETS:
		put_octets(w, field, way);
		break;
	case NJ_SMPP_DESTS:
	case NJ_SMPP_FAILURES:
		put_list(w, field, way);
		break;
	}
}

/* Decodes and checks a PDU of which one field is as `way` says; with CUT it ends there. */
static struct nj_smpp_fault with(uint32_t command, unsigned wrong, enum way way)
{
	const struct nj_smpp_body *body = nj_smpp_body_of(command);
	static uint8_t bytes[32768];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	static struct nj_smpp_pdu pdu;
	uint8_t *length = nj_write_reserve(&w, 4);
	nj_write_u32(&w, command);
	nj_write_u64(&w, 1);
	for (unsigned i = 0; i < body->count && (way != CUT || i <= wrong); i++)
		put_field(&w, &body->fields[i], i == wrong ? way : RIGHT);
	assert_int_equal(w.err, NJ_OK);
	nj_put_u32(length, (uint32_t)w.pos);
	struct nj_smpp_fault fault = nj_smpp_decode(nj_view_of(bytes, w.pos), &pdu);
	assert_int_equal(pdu.command, command);
	assert_int_equal(pdu.sequence, 1);
	return fault.kind != NJ_SMPP_FAULT_NONE ? fault : nj_smpp_check(&pdu, NJ_SMPP_ESME);
}

static const uint32_t commands[] = {
#define COMMAND(name, text, id, answered, esme, smsc) id,
	NJ_SMPP_OPERATION_TABLE(COMMAND)
#undef COMMAND
#define RESPONSE(name, text, id, answered, esme, smsc) (answered) ? ((id) | NJ_SMPP_RESPONSE) : (id),
	    NJ_SMPP_OPERATION_TABLE(RESPONSE)
#undef RESPONSE
};

static void expect(uint32_t command, const struct nj_smpp_field *field, enum way way, uint32_t want)
{
	const struct nj_smpp_body *body = nj_smpp_body_of(command);
	struct nj_smpp_fault fault = with(command, (unsigned)(field - body->fields), way);
	if (fault.status != want)
		fail_msg("%s, %s, way %d: %s (%s in %s), not %s", nj_smpp_command_name(command), field->name, way,
			 nj_smpp_status_name(fault.status), nj_smpp_fault_text(fault.kind), fault.field,
			 nj_smpp_status_name(want));
	assert_false(nj_smpp_fault_ends(fault.kind));
}

static bool limited(const struct nj_smpp_field *field)
{
	return field->rule != NJ_SMPP_ANY && field->rule != NJ_SMPP_ADDRESSEES && field->rule != NJ_SMPP_NOT_EMPTY;
}

static void every_defect_of_every_field(void **state)
{
	for (size_t c = 0; c < sizeof(commands) / sizeof(commands[0]); c++) {
		const struct nj_smpp_body *body = nj_smpp_body_of(commands[c]);
		for (unsigned i = 0; i < body->count; i++) {
			const struct nj_smpp_field *field = &body->fields[i];
			bool failures = field->type == NJ_SMPP_FAILURES; /* 255 of them are possible */
			bool bare = i == 0 && commands[c] == (NJ_SMPP_DELIVER_SM | NJ_SMPP_RESPONSE);
			expect(commands[c], field, RIGHT, NJ_SMPP_ROK);
			expect(commands[c], field, CUT, bare ? NJ_SMPP_ROK : NJ_SMPP_RINVCMDLEN);
			if (field->type != NJ_SMPP_U8)
				expect(commands[c], field, LONGEST, NJ_SMPP_ROK);
			if (field->type != NJ_SMPP_U8 && !failures)
				expect(commands[c], field, TOO_LONG, status_of(field->name));
			if (limited(field))
				expect(commands[c], field, BAD_VALUE, status_of(field->name));
			if (field->rule == NJ_SMPP_NOT_EMPTY || field->rule == NJ_SMPP_ADDRESSEES)
				expect(commands[c], field, EMPTY, status_of(field->name));
		}
	}
}

/* ---- single values, n − 1, n, n + 1 ---- */

static struct nj_smpp_fault check_submit(void (*change)(struct nj_smpp_pdu *, unsigned), unsigned value)
{
	struct nj_smpp_pdu pdu;
	struct sample_room room;
	nj_smpp_pdu_init(&pdu, NJ_SMPP_SUBMIT_SM, 0, 1);
	fill_submit_plain(&pdu, &room);
	change(&pdu, value);
	return nj_smpp_check(&pdu, NJ_SMPP_ESME);
}

static void set_ton(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->source.ton = (uint8_t)value;
}
static void set_npi(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->dest.npi = (uint8_t)value;
}
static void set_esm(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->esm_class = (uint8_t)value;
}
static void set_priority(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->priority = (uint8_t)value;
}
static void set_registered(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->registered_delivery = (uint8_t)value;
}
static void set_replace(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->replace_if_present = (uint8_t)value;
}
static void set_default_message(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->default_msg_id = (uint8_t)value;
}
static void set_coding(struct nj_smpp_pdu *pdu, unsigned value)
{
	pdu->data_coding = (uint8_t)value;
}

static void values_at_their_limits(void **state)
{
	static const struct {
		void (*change)(struct nj_smpp_pdu *pdu, unsigned value);
		unsigned value;
		uint32_t want;
	} rows[] = {
		{ set_ton, 6, 0 },
		{ set_ton, 7, NJ_SMPP_RINVSRCTON },
		{ set_npi, 0, 0 },
		{ set_npi, 1, 0 },
		{ set_npi, 2, 0x51 },
		{ set_npi, 3, 0 },
		{ set_npi, 4, 0 },
		{ set_npi, 5, 0x51 },
		{ set_npi, 6, 0 },
		{ set_npi, 7, 0x51 },
		{ set_npi, 8, 0 },
		{ set_npi, 9, 0 },
		{ set_npi, 10, 0 },
		{ set_npi, 11, 0x51 },
		{ set_npi, 14, 0 },
		{ set_npi, 18, 0 },
		{ set_npi, 19, 0x51 },
		{ set_npi, 32, 0x51 },
		{ set_npi, 33, 0x51 },
		{ set_esm, 0xc3, 0 },
		{ set_esm, 0x04, 0x43 },
		{ set_esm, 0x08, 0 },
		{ set_esm, 0x0c, 0x43 },
		{ set_esm, 0x10, 0 },
		{ set_esm, 0x18, 0x43 },
		{ set_esm, 0x20, 0x43 },
		{ set_priority, 3, 0 },
		{ set_priority, 4, NJ_SMPP_RINVPRTFLG },
		{ set_registered, 2, 0 },
		{ set_registered, 3, NJ_SMPP_RINVREGDLVFLG },
		{ set_registered, 0x1d, 0 },
		{ set_registered, 0x20, NJ_SMPP_RINVREGDLVFLG },
		{ set_registered, 0x11, 0 },
		{ set_replace, 1, 0 },
		{ set_replace, 2, 0x54 },
		{ set_default_message, 254, 0 },
		{ set_default_message, 255, 0x63 },
		{ set_coding, 0xff, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (check_submit(rows[i].change, rows[i].value).status != rows[i].want)
			fail_msg("row %zu (value %u)", i, rows[i].value);
}

static void an_smsc_may_say_what_it_is(void **state)
{
	assert_true(nj_smpp_esm_valid(NJ_SMPP_ESM_RECEIPT, NJ_SMPP_SMSC));
	assert_true(nj_smpp_esm_valid(NJ_SMPP_ESM_INTERMEDIATE | NJ_SMPP_ESM_UDHI, NJ_SMPP_SMSC));
	assert_false(nj_smpp_esm_valid(0x3c, NJ_SMPP_SMSC));
}

static void versions(void **state)
{
	static const struct {
		uint8_t version;
		uint32_t want;
	} rows[] = { { 0, 0 },
		     { 0x33, 0 },
		     { 0x34, 0 },
		     { 0x35, NJ_SMPP_RBINDFAIL },
		     { 0x4f, NJ_SMPP_RBINDFAIL },
		     { 0x50, 0 },
		     { 0x51, NJ_SMPP_RBINDFAIL } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_smpp_pdu pdu;
		struct sample_room room;
		nj_smpp_pdu_init(&pdu, NJ_SMPP_BIND_TRANSCEIVER, 0, 1);
		fill_bind(&pdu, &room);
		pdu.interface_version = rows[i].version;
		assert_int_equal(nj_smpp_check(&pdu, NJ_SMPP_ESME).status, rows[i].want);
	}
}

/* ---- addressees ---- */

static struct nj_smpp_fault multi(const char *items, size_t len, uint8_t count)
{
	uint8_t bytes[CAP];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	struct nj_smpp_pdu pdu;
	uint8_t *length = nj_write_reserve(&w, 4);
	nj_write_u32(&w, NJ_SMPP_SUBMIT_MULTI);
	nj_write_u64(&w, 1);
	nj_write_bytes(&w, "\0\0\0", 4);
	nj_write_u8(&w, count);
	nj_write_bytes(&w, items, len);
	nj_write_zero(&w, 10);
	nj_put_u32(length, (uint32_t)w.pos);
	struct nj_smpp_fault fault = nj_smpp_decode(nj_view_of(bytes, w.pos), &pdu);
	return fault.kind != NJ_SMPP_FAULT_NONE ? fault : nj_smpp_check(&pdu, NJ_SMPP_ESME);
}

static void addressees(void **state)
{
#define ITEMS(text) text, sizeof(text) - 1
	static const struct {
		const char *items;
		size_t len;
		uint8_t count;
		uint32_t want;
	} rows[] = {
		{ ITEMS("\1\1\1"
			"49\0"),
		  1, 0 },
		{ ITEMS("\2friends\0"), 1, 0 },
		{ ITEMS("\3\1\1"
			"49\0"),
		  1, NJ_SMPP_RINVDESTFLAG },
		{ ITEMS("\0\1\1"
			"49\0"),
		  1, NJ_SMPP_RINVDESTFLAG },
		{ ITEMS("\1\7\1"
			"49\0"),
		  1, NJ_SMPP_RINVDSTTON },
		{ ITEMS("\1\1\2"
			"49\0"),
		  1, NJ_SMPP_RINVDSTNPI },
		{ ITEMS("\1\1\1\0"), 1, NJ_SMPP_RINVDSTADR },
		{ ITEMS("\2\0"), 1, NJ_SMPP_RINVDLNAME },
		{ ITEMS("\1\1\1"
			"12345678901234567890\0"),
		  1, 0 },
		{ ITEMS("\1\1\1"
			"123456789012345678901\0"),
		  1, NJ_SMPP_RINVDSTADR },
		{ ITEMS("\2"
			"12345678901234567890\0"),
		  1, 0 },
		{ ITEMS("\2"
			"123456789012345678901\0"),
		  1, NJ_SMPP_RINVDLNAME },
		{ ITEMS(""), 0, NJ_SMPP_RINVNUMDESTS },
		{ ITEMS(""), 255, NJ_SMPP_RINVNUMDESTS },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (multi(rows[i].items, rows[i].len, rows[i].count).status != rows[i].want)
			fail_msg("row %zu: %s", i,
				 nj_smpp_status_name(multi(rows[i].items, rows[i].len, rows[i].count).status));
}

/* ---- lengths, unknown commands, responses ---- */

static void lengths(void **state)
{
	static const struct {
		uint32_t length;
		size_t given;
		uint8_t kind;
		uint32_t sequence;
		size_t need;
	} rows[] = {
		{ 15, 16, NJ_SMPP_FAULT_LENGTH, 0, 0 },
		{ 0, 4, NJ_SMPP_FAULT_LENGTH, 0, 0 },
		{ 16, 16, 0, 0, 0 },
		{ 17, 16, 0, 0, 1 },
		{ 100, 16, 0, 0, 84 },
		{ 101, 16, NJ_SMPP_FAULT_LENGTH, 0x0708090a, 0 },
		{ 0xffffffff, 15, 0, 0, 1 },
		{ 0xffffffff, 16, NJ_SMPP_FAULT_LENGTH, 0x0708090a, 0 },
		{ 16, 3, 0, 0, 13 },
		{ 16, 0, 0, 0, 16 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[16] = { 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 7, 8, 9, 10 };
		size_t len = 0;
		size_t need = 99;
		uint32_t sequence = 99;
		nj_put_u32(bytes, rows[i].length);
		struct nj_smpp_fault fault =
		    nj_smpp_frame(nj_view_of(bytes, rows[i].given), 100, &len, &need, &sequence);
		assert_int_equal(fault.kind, rows[i].kind);
		assert_int_equal(fault.status, rows[i].kind == 0 ? 0 : NJ_SMPP_RINVCMDLEN);
		assert_int_equal(nj_smpp_fault_ends(fault.kind), rows[i].kind != 0);
		assert_int_equal(sequence, rows[i].sequence);
		assert_int_equal(need, rows[i].need);
	}
}

static struct nj_smpp_fault decode_raw(uint32_t command, uint32_t status, const char *body, size_t len,
				       struct nj_smpp_pdu *out_pdu)
{
	static uint8_t bytes[CAP];
	struct vector vector = { command, status, (const uint8_t *)body, len };
	return nj_smpp_decode(nj_view_of(bytes, frame_of(&vector, bytes)), out_pdu);
}

static void unknown_commands(void **state)
{
	static const uint32_t unknown[] = { 0,          0x0a,       0x0c,       0x14,       0x16,
					    0x22,       0x100,      0x101,      0x104,      0x7fffffff,
					    0x8000000b, 0x80000102, 0x8000000a, 0xffffffff, 0x10004 };
	struct nj_smpp_pdu pdu;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct nj_smpp_fault fault = decode_raw(unknown[i], 0, "", 0, &pdu);
		assert_int_equal(fault.status, NJ_SMPP_RINVCMDID);
		assert_int_equal(pdu.sequence, 0x01020304);
		assert_false(nj_smpp_command_known(unknown[i]));
		assert_string_equal(nj_smpp_command_name(unknown[i]), "unknown");
	}
}

static void bodies_of_responses(void **state)
{
	static const struct {
		uint32_t command;
		uint32_t status;
		const char *body;
		size_t len;
		uint8_t want;
	} rows[] = {
		{ NJ_SMPP_SUBMIT_SM, 0, ITEMS(""), NJ_SMPP_FAULT_TRUNCATED },
		{ NJ_SMPP_SUBMIT_SM, 0, ITEMS("abc"), NJ_SMPP_FAULT_TRUNCATED },
		{ NJ_SMPP_SUBMIT_SM, 8, ITEMS(""), NJ_SMPP_FAULT_NONE },
		{ NJ_SMPP_SUBMIT_SM, 8, ITEMS("\0"), NJ_SMPP_FAULT_NONE },
		{ NJ_SMPP_SUBMIT_SM, 8, ITEMS("garbage"), NJ_SMPP_FAULT_NONE },
		{ NJ_SMPP_DELIVER_SM, 0, ITEMS(""), NJ_SMPP_FAULT_NONE },
		{ NJ_SMPP_DELIVER_SM, 0, ITEMS("x"), NJ_SMPP_FAULT_TRUNCATED },
		{ NJ_SMPP_BIND_RECEIVER, 0x0d, ITEMS("xxxxxxxxxxxxxxxxxxxxxxxxx"), NJ_SMPP_FAULT_NONE },
		{ NJ_SMPP_UNBIND, 0, ITEMS("x"), NJ_SMPP_FAULT_TLV_STREAM },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nj_smpp_pdu pdu;
		struct nj_smpp_fault fault =
		    decode_raw(rows[i].command | NJ_SMPP_RESPONSE, rows[i].status, rows[i].body, rows[i].len, &pdu);
		if (fault.kind != rows[i].want)
			fail_msg("row %zu: %s", i, nj_smpp_fault_text(fault.kind));
		assert_int_equal(pdu.status, rows[i].status);
	}
}

/* A string that the PDU's end cuts: too short a PDU as long as its zero could still have come. */
static void strings_without_an_end(void **state)
{
	char text[NJ_SMPP_MESSAGE_ID_BYTES];
	struct nj_smpp_pdu pdu;
	memset(text, 'x', sizeof(text));
	assert_int_equal(decode_raw(NJ_SMPP_QUERY_SM, 0, text, sizeof(text) - 1, &pdu).status, NJ_SMPP_RINVCMDLEN);
	assert_int_equal(decode_raw(NJ_SMPP_QUERY_SM, 0, text, sizeof(text), &pdu).status, NJ_SMPP_RINVMSGID);
}

static void what_cannot_be_written(void **state)
{
	uint8_t out[CAP];
	uint8_t long_text[300] = { 0 };
	size_t len = 77;
	struct nj_smpp_pdu pdu;
	struct sample_room room;
	memset(long_text, 'x', sizeof(long_text));
	nj_smpp_pdu_init(&pdu, NJ_SMPP_SUBMIT_SM, 0, 1);
	pdu.source.addr = nj_view_of(long_text, 21);
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_ERR_TOO_LARGE);
	pdu.source.addr = nj_view_of(long_text, 20);
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_OK);
	pdu.source.addr = nj_view_of("a\0b", 3);
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_ERR_MALFORMED);
	pdu.source.addr = nj_view_of(NULL, 0);
	pdu.short_message = nj_view_of(long_text, 255);
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_ERR_TOO_LARGE);
	pdu.short_message = nj_view_of(long_text, 254);
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_OK);
	nj_smpp_tlv_set_number(&pdu.tlvs, NJ_SMPP_TLV_SC_INTERFACE_VERSION, 0x34);
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_ERR_RANGE);
	nj_smpp_tlvs_clear(&pdu.tlvs);
	nj_smpp_tlv_set_data(&pdu.tlvs, NJ_SMPP_TLV_CALLBACK_NUM, nj_view_of(long_text, 20));
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_ERR_TOO_LARGE);
	pdu.command = 0x99;
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_ERR_UNSUPPORTED);
	nj_smpp_pdu_init(&pdu, NJ_SMPP_SUBMIT_MULTI, 0, 1);
	fill_multi(&pdu, &room);
	pdu.list.count++;
	assert_int_equal(nj_smpp_encode(&pdu, out, sizeof(out), &len), NJ_ERR_MALFORMED);
}

static void names(void **state)
{
	uint32_t status = 0;
	assert_string_equal(nj_smpp_command_name(NJ_SMPP_SUBMIT_MULTI | NJ_SMPP_RESPONSE), "submit_multi_resp");
	assert_string_equal(nj_smpp_command_name(NJ_SMPP_GENERIC_NACK), "generic_nack");
	assert_string_equal(nj_smpp_status_name(0x58), "ESME_RTHROTTLED");
	assert_string_equal(nj_smpp_status_name(0x401), "reserved");
	assert_true(nj_smpp_status_find("rmsgqful", &status));
	assert_int_equal(status, 0x14);
	assert_true(nj_smpp_status_find("ESME_RINVDCS", &status));
	assert_int_equal(status, 0x104);
	assert_false(nj_smpp_status_find("ESME_", &status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_standard),
		cmocka_unit_test(vectors_are_read_and_written_the_same),
		cmocka_unit_test(a_submits_fields),
		cmocka_unit_test(splits_at_every_byte),
		cmocka_unit_test(samples_round_trip_and_pass),
		cmocka_unit_test(every_defect_of_every_field),
		cmocka_unit_test(values_at_their_limits),
		cmocka_unit_test(an_smsc_may_say_what_it_is),
		cmocka_unit_test(versions),
		cmocka_unit_test(addressees),
		cmocka_unit_test(lengths),
		cmocka_unit_test(unknown_commands),
		cmocka_unit_test(bodies_of_responses),
		cmocka_unit_test(strings_without_an_end),
		cmocka_unit_test(what_cannot_be_written),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
