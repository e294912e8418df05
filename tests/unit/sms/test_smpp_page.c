/* docs/protocol/smpp.md holds the tables that the program reads. With --write, this program brings it up to date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "sms/smpp/octets.h"
#include "sms/smpp/session.h"
#include "sms/smpp/table.h"

#define DOCUMENT NJ_TEST_DIR "/../docs/protocol/smpp.md"
#define DOCUMENT_MAX (256 * 1024)
#define BEGIN "<!-- tables: begin -->\n"
#define END "<!-- tables: end -->\n"

static const uint32_t commands[] = {
#define COMMAND(name, text, id, answered, esme, smsc) id,
	NJ_SMPP_OPERATION_TABLE(COMMAND)
#undef COMMAND
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_states(FILE *out, unsigned states)
{
	const char *comma = "";
	for (unsigned left = states; left != 0; left &= left - 1, comma = ", ")
		fprintf(out, "%s%s", comma, nj_smpp_state_name((enum nj_smpp_state)(left & -left)));
	fputs(states == 0 ? "never |" : " |", out);
}

static void print_operations(FILE *out)
{
	fputs(
	    "### Operations (section 4), and who may send them when (2.3)\n| request | id | response | ESME | SMSC |\n"
	    "| --- | --- | --- | --- | --- |\n",
	    out);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		bool answered = nj_smpp_command_answered(commands[i]);
		fprintf(out, "| %s | 0x%08x | %s | ", nj_smpp_command_name(commands[i]), commands[i],
			answered ? nj_smpp_command_name(commands[i] | NJ_SMPP_RESPONSE) : "none");
		print_states(out, nj_smpp_command_states(commands[i], NJ_SMPP_ESME));
		fputc(' ', out);
		print_states(out, nj_smpp_command_states(commands[i], NJ_SMPP_SMSC));
		fputc('\n', out);
	}
}

static void print_field(FILE *out, const char *command, const struct nj_smpp_field *field)
{
	static const char *const types[] = { "octet", "string", "octets", "addresses", "addresses with a status" };
	static const char *const rules[] = { "any",
					     "0–6",
					     "0, 1, 3, 4, 6, 8, 9, 10, 14, 18",
					     "up to 0x34, and 0x50",
					     "a type that its sender may send",
					     "no reserved bit or value",
					     "0–1",
					     "0–3",
					     "0–254",
					     "not empty",
					     "7.1.1, or empty",
					     "at least one; each as in submit_sm" };
	fprintf(out, "| %s | %s | %s", command, field->name, types[field->type]);
	if (field->type != NJ_SMPP_U8)
		fprintf(out, ", at most %u", field->max);
	bool may_fail = field->type != NJ_SMPP_U8 || field->rule != NJ_SMPP_ANY;
	fprintf(out, " | %s | %s |\n", rules[field->rule], may_fail ? nj_smpp_status_name(field->status) : "");
}

static void print_fields(FILE *out)
{
	fputs("\n### Fields: a string's length counts its zero\n| PDU | field | type | value | status of a fault |\n"
	      "| --- | --- | --- | --- | --- |\n",
	      out);
	for (size_t i = 0; i < 2 * COMMAND_COUNT; i++) {
		uint32_t command = commands[i / 2] | (i % 2 != 0 ? NJ_SMPP_RESPONSE : 0);
		const struct nj_smpp_body *body = nj_smpp_body_of(command);
		for (unsigned k = 0; body != NULL && k < body->count; k++)
			print_field(out, k == 0 ? nj_smpp_command_name(command) : "", &body->fields[k]);
	}
}

static void print_where(FILE *out, unsigned where)
{
	static const char *const names[] = { "submit_sm",    "submit_multi", "deliver_sm",        "data_sm",
					     "data_sm_resp", "bind_*_resp",  "alert_notification" };
	const char *comma = "";
	for (unsigned left = where; left != 0; left &= left - 1, comma = ", ")
		fprintf(out, "%s%s", comma, names[__builtin_ctz(left)]);
}

static void print_parameters(FILE *out)
{
	static const struct {
		uint16_t tag;
		uint8_t type;
		uint32_t min;
		uint32_t max;
		unsigned where;
		const char *name;
	} rows[] = {
#define ROW(name, tag, text, type, min, max, where) { tag, NJ_SMPP_TLV_##type, min, max, where, text },
		NJ_SMPP_TLV_TABLE(ROW)
#undef ROW
	};
	static const char *const types[] = { "1 octet", "2 octets", "4 octets", "octets", "string" };
	fputs("\n### Optional parameters (5.3.2): of numbers the values, of the others the lengths\n"
	      "| tag | parameter | type | from | to | expected in |\n| --- | --- | --- | --- | --- | --- |\n",
	      out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fprintf(out, "| 0x%04x | %s | %s | %u | %u | ", rows[i].tag, rows[i].name, types[rows[i].type],
			rows[i].min, rows[i].max);
		print_where(out, rows[i].where);
		fputs(" |\n", out);
	}
}

static void print_faults(FILE *out)
{
	static const char *const texts[] = {
#define ROW(name, text) text,
		NJ_SMPP_FAULT_TABLE(ROW)
#undef ROW
	};
	static const char *const ends[] = {
#define ROW(name, text) text,
		NJ_SMPP_END_TABLE(ROW)
#undef ROW
	};
	fputs("\n### What the log says of a PDU\n| fault | the session |\n| --- | --- |\n", out);
	for (uint8_t i = 1; i < sizeof(texts) / sizeof(texts[0]); i++)
		fprintf(out, "| %s | %s |\n", texts[i], nj_smpp_fault_ends(i) ? "ends" : "goes on");
	fputs("\n### Why a session ends\n", out);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		fprintf(out, "- %s\n", ends[i]);
}

static void print_octets(FILE *out)
{
	static const struct {
		unsigned first;
		unsigned last;
		const char *text;
	} codings[] = {
#define ROW(first, last, text, alphabet, kind) { first, last, text },
		NJ_SMPP_CODING_TABLE(ROW)
#undef ROW
	};
	fputs("\n### data_coding (5.2.19; 0x10 to 0x1f as in 3GPP TS 23.038)\n| value | meaning |\n| --- | --- |\n",
	      out);
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		if (codings[i].first == codings[i].last)
			fprintf(out, "| 0x%02x | %s |\n", codings[i].first, codings[i].text);
		else
			fprintf(out, "| 0x%02x–0x%02x | %s |\n", codings[i].first, codings[i].last, codings[i].text);
	fputs("\n### message_state (5.2.28; 0 and 9 are 5.0's)\n| value | state | in a receipt | final |\n"
	      "| --- | --- | --- | --- |\n",
	      out);
	for (uint8_t i = 0; i < NJ_SMPP_STATE_COUNT; i++)
		fprintf(out, "| %u | %s | %s | %s |\n", i, nj_smpp_state_text(i), nj_smpp_state_word(i),
			nj_smpp_state_final(i) ? "yes" : "no");
}

static void print_statuses(FILE *out)
{
	static const uint32_t statuses[] = {
#define ROW(name, code, text) code,
		NJ_SMPP_STATUS_TABLE(ROW)
#undef ROW
	};
	fputs("\n### command_status (5.1.3; from 0x100 on 5.0's)\n| code | name | meaning |\n| --- | --- | --- |\n",
	      out);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		fprintf(out, "| 0x%02x | %s | %s |\n", statuses[i], nj_smpp_status_name(statuses[i]),
			nj_smpp_status_text(statuses[i]));
}

/* The document with the program's tables between the marks. A new block. */
static char *written_anew(const char *document)
{
	const char *begin = strstr(document, BEGIN);
	const char *end = begin == NULL ? NULL : strstr(begin, END);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	assert_non_null(begin);
	assert_non_null(end);
	begin += strlen(BEGIN);
	assert_int_equal(fwrite(document, 1, (size_t)(begin - document), out), begin - document);
	print_operations(out);
	print_fields(out);
	print_parameters(out);
	print_faults(out);
	print_octets(out);
	print_statuses(out);
	fputs(end, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *document(void)
{
	char *text = NULL;
	size_t len = 0;
	struct nj_why why = { "" };
	if (nj_file_read(DOCUMENT, DOCUMENT_MAX, &text, &len, &why) != NJ_OK)
		fail_msg("%s", why.text);
	return text;
}

static void the_page_shows_what_the_program_reads(void **state)
{
	char *there = document();
	char *anew = written_anew(there);
	assert_string_equal(there, anew);
	free(there);
	free(anew);
}

static void write_page(void **state)
{
	char *there = document();
	char *anew = written_anew(there);
	struct nj_why why = { "" };
	if (nj_file_write(DOCUMENT, anew, strlen(anew), 0644, &why) != NJ_OK)
		fail_msg("%s", why.text);
	free(there);
	free(anew);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_shows_what_the_program_reads),
	};
	const struct CMUnitTest writing[] = {
		cmocka_unit_test(write_page),
	};
	if (argc == 2 && strcmp(argv[1], "--write") == 0)
		return cmocka_run_group_tests(writing, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
