/* Texts from outside: hex, numbers, durations, sizes, addresses, UTF-8, and the escaping of values in the log, whose
 * format and length the first byte chooses. */
#include "base/addr.h"
#include "base/log.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TEXT 512

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void try_numbers(const char *text)
{
	uint64_t value = 0;
	char again[32];
	uint64_t second = 0;

	if (nj_number_parse(text, 0, UINT64_MAX, &value) == NJ_OK) {
		check(nj_text_format(again, sizeof(again), "%llu", (unsigned long long)value) == NJ_OK);
		check(nj_number_parse(again, value, value, &second) == NJ_OK && second == value);
	}
	if (nj_duration_parse(text, &value) == NJ_OK)
		check(text[0] >= '0' && text[0] <= '9');
	if (nj_bytes_parse(text, &value) == NJ_OK)
		check(text[0] >= '0' && text[0] <= '9');
}

static void try_hex(struct nj_view text)
{
	uint8_t bytes[MAX_TEXT / 2];
	char again[MAX_TEXT + 1];

	if (nj_hex_decode(text, bytes, text.len / 2) != NJ_OK)
		return;
	nj_hex_encode(bytes, text.len / 2, again);
	check(strncasecmp(again, (const char *)text.data, text.len) == 0);
}

static void try_addr(const char *text)
{
	struct nj_addr addr;
	struct nj_addr again;
	char canonical[NJ_ADDR_TEXT_BYTES];

	if (nj_addr_parse(text, &addr) != NJ_OK)
		return;
	check(nj_addr_parse(nj_addr_text(&addr, canonical), &again) == NJ_OK);
	check(nj_addr_same_host(&addr, &again) && addr.port == again.port);
}

/* What comes out is one line of well-formed UTF-8 without a control character, whatever went in and however long. */
static void try_log(struct nj_view text, enum nj_log_format format, size_t cap)
{
	char out[NJ_LOG_LINE_BYTES];
	const struct nj_log_field fields[] = { NJ_V("a", text), NJ_X("b", text.data, text.len), NJ_V("c", text) };
	const struct nj_log_line line = {
		.format = format, .process = "p", .event = "e", .fields = fields, .count = 3
	};
	size_t len = nj_log_line_format(&line, out, cap);
	size_t quotes = 0;

	check(len > 0 && len <= cap && out[len - 1] == '\n');
	check(nj_utf8_valid(nj_view_of(out, len)));
	for (size_t i = 0; i + 1 < len; i++) {
		check((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
		if (out[i] == '\\')
			i++;
		else if (out[i] == '"')
			quotes++;
	}
	check(quotes % 2 == 0);
	if (format == NJ_LOG_JSON)
		check(out[0] == '{' && out[len - 2] == '}');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = { "ports", "limits", "host", "listen" };
	char text[MAX_TEXT + 1];
	struct nj_view view;

	if (size == 0 || size > MAX_TEXT)
		return 0;
	view = nj_view_of(data, size);
	try_hex(view);
	try_log(view, data[0] % 2 == 0 ? NJ_LOG_LOGFMT : NJ_LOG_JSON,
		data[0] < 0x40 ? NJ_LOG_LINE_BYTES : NJ_LOG_LINE_MIN + data[0]);
	if (nj_text_copy_view(text, sizeof(text), view) != NJ_OK)
		return 0;
	try_numbers(text);
	try_addr(text);
	nj_text_nearest(text, known, sizeof(known) / sizeof(known[0]));
	if (nj_name_valid(text))
		check(nj_utf8_valid(view) && size < NJ_NAME_BYTES);
	return 0;
}
