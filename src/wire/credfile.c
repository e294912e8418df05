#include "wire/credfile.h"

#include <inttypes.h>

#include "crypto/crypto.h"

#define MAGIC "nightjar-credentials "
#define VERSION 1
#define VERSION_TEXT "1"
#define NOTE "# Secret: whoever reads this file can act as what it names.\n"
#define BLOCK_INDENT "  "
#define PEM_CERT_FIRST "-----BEGIN CERTIFICATE-----\n"
#define PEM_CERT_LAST "-----END CERTIFICATE-----\n"
#define PEM_KEY_FIRST "-----BEGIN PRIVATE KEY-----\n"
#define PEM_KEY_LAST "-----END PRIVATE KEY-----\n"
#define NUMBER_TEXT_BYTES 21
#define KEY_TEXT_BYTES 64
#define HEX_MAX_BYTES NJ_KNOCK_KEY_BYTES

enum type {
	TYPE_KIND,
	TYPE_NAME,
	TYPE_HOST,
	TYPE_HEX,
	TYPE_NUMBER,
	TYPE_PEM,     /* certificates, an indented block */
	TYPE_PEM_KEY, /* a private key, likewise */
};

/* One row says all there is to know about a key; the order is that of the written file. */
struct row {
	const char *key;
	enum type type;
	bool required;
	size_t offset;
	size_t size;
	uint64_t min;
	uint64_t max;
};

#define MEMBER(member) offsetof(struct nj_credfile, member), sizeof(((struct nj_credfile *)0)->member)

static const struct row rows[] = {
	{ "kind", TYPE_KIND, true, MEMBER(kind) },
	{ "name", TYPE_NAME, true, MEMBER(name) },
	{ "customer", TYPE_NAME, true, MEMBER(customer) },
	{ "uid", TYPE_HEX, true, MEMBER(uid) },
	{ "key", TYPE_HEX, true, MEMBER(key) },
	{ "epoch", TYPE_NUMBER, true, MEMBER(epoch), 0, UINT32_MAX },
	{ "recovery", TYPE_HEX, false, MEMBER(recovery) },
	{ "host", TYPE_HOST, false, MEMBER(host) },
	{ "knock-port", TYPE_NUMBER, true, MEMBER(knock_port), 1, UINT16_MAX },
#define PORT_ROW(constant, id, text, port_number, tls, bindings) \
	{ "port." text, TYPE_NUMBER, false, MEMBER(port[id]), 1, UINT16_MAX },
	NJ_SERVICE_TABLE(PORT_ROW)
#undef PORT_ROW
	    { "counter", TYPE_NUMBER, true, MEMBER(counter), 0, NJ_KNOCK_COUNTER_MAX },
	{ "attempt", TYPE_NUMBER, true, MEMBER(attempt), 0, NJ_KNOCK_ATTEMPT_MAX },
	{ "ca", TYPE_PEM, false, MEMBER(ca) },
	{ "cert", TYPE_PEM, false, MEMBER(cert) },
	{ "cert-key", TYPE_PEM_KEY, false, MEMBER(cert_key) },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROWS <= 32, "a bit a row");

static const char *const kinds[] = { [NJ_CREDFILE_DEVICE] = "device", [NJ_CREDFILE_APPLICATION] = "application" };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct parser {
	struct nj_reader reader;
	unsigned line; /* of the line read last */
	struct nj_credfile *file;
	uint32_t seen; /* a bit a row */
	struct nj_why *why;
};

static uint64_t load_number(const struct row *row, const struct nj_credfile *file)
{
	const uint8_t *at = (const uint8_t *)file + row->offset;
	if (row->size == sizeof(uint16_t))
		return *(const uint16_t *)(const void *)at;
	if (row->size == sizeof(uint32_t))
		return *(const uint32_t *)(const void *)at;
	return *(const uint64_t *)(const void *)at;
}

static void store_number(const struct row *row, struct nj_credfile *file, uint64_t value)
{
	uint8_t *at = (uint8_t *)file + row->offset;
	if (row->size == sizeof(uint16_t))
		*(uint16_t *)(void *)at = (uint16_t)value;
	else if (row->size == sizeof(uint32_t))
		*(uint32_t *)(void *)at = (uint32_t)value;
	else
		*(uint64_t *)(void *)at = value;
}

/* A host name or a numeric address: what a resolver may be given, and no more. */
static bool host_valid(const char *host)
{
	for (const char *c = host; *c; c++) {
		bool alnum = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
		if (!alnum && !strchr("-_.:%", *c))
			return false;
	}
	return host[0] != '\0' && host[0] != '-';
}

static bool starts_with(struct nj_view view, const char *text)
{
	size_t len = strlen(text);
	return view.len >= len && memcmp(view.data, text, len) == 0;
}

static bool ends_with(struct nj_view view, const char *text)
{
	size_t len = strlen(text);
	return view.len >= len && memcmp(view.data + view.len - len, text, len) == 0;
}

static bool is_block(const struct row *row)
{
	return row->type == TYPE_PEM || row->type == TYPE_PEM_KEY;
}

/* Whole objects of the row's kind, every line printable, ended and not empty; what is inside is for TLS to judge. */
static bool pem_valid(const struct row *row, const char *pem)
{
	struct nj_view view = nj_view_str(pem);
	bool key = row->type == TYPE_PEM_KEY;
	if (!starts_with(view, key ? PEM_KEY_FIRST : PEM_CERT_FIRST) ||
	    !ends_with(view, key ? PEM_KEY_LAST : PEM_CERT_LAST))
		return false;
	for (const char *c = pem; *c; c++)
		if (*c == '\n' ? c[1] == '\n' : (*c < ' ' || *c > '~'))
			return false;
	return true;
}

static enum nj_err parse_kind(struct nj_view value, enum nj_credfile_kind *out_kind)
{
	for (size_t i = NJ_CREDFILE_DEVICE; i < KINDS; i++)
		if (nj_view_equal(value, nj_view_str(kinds[i]))) {
			*out_kind = (enum nj_credfile_kind)i;
			return NJ_OK;
		}
	return NJ_ERR_MALFORMED;
}

/* Decimal without leading zeros, so that a number has one text. */
static enum nj_err parse_number(const struct row *row, struct nj_view value, struct nj_credfile *file)
{
	char text[NUMBER_TEXT_BYTES];
	uint64_t number = 0;
	NJ_TRY(nj_text_copy_view(text, sizeof(text), value));
	if (text[0] == '0' && text[1] != '\0')
		return NJ_ERR_MALFORMED;
	NJ_TRY(nj_number_parse(text, row->min, row->max, &number));
	store_number(row, file, number);
	return NJ_OK;
}

static enum nj_err parse_value(const struct row *row, struct nj_view value, struct nj_credfile *file)
{
	char *text = (char *)file + row->offset;
	switch (row->type) {
	case TYPE_KIND:
		return parse_kind(value, &file->kind);
	case TYPE_NAME:
		NJ_TRY(nj_text_copy_view(text, row->size, value));
		return nj_name_valid(text) ? NJ_OK : NJ_ERR_MALFORMED;
	case TYPE_HOST:
		NJ_TRY(nj_text_copy_view(text, row->size, value));
		return host_valid(text) ? NJ_OK : NJ_ERR_MALFORMED;
	case TYPE_HEX:
		return nj_hex_decode(value, text, row->size);
	case TYPE_NUMBER:
		return parse_number(row, value, file);
	case TYPE_PEM:
	case TYPE_PEM_KEY:
		break;
	}
	return NJ_ERR_MALFORMED;
}

/* The rest up to the next line feed, which is not part of it. Does not move. */
static struct nj_view peek_line(const struct parser *p)
{
	size_t left = nj_reader_left(&p->reader);
	if (left == 0)
		return nj_view_of(NULL, 0);
	const uint8_t *start = p->reader.data + p->reader.pos;
	const uint8_t *end = memchr(start, '\n', left);
	return nj_view_of(start, end ? (size_t)(end - start) : left);
}

static struct nj_view next_line(struct parser *p)
{
	struct nj_view line = nj_read_view(&p->reader, peek_line(p).len);
	if (nj_reader_left(&p->reader) > 0)
		nj_read_u8(&p->reader);
	p->line++;
	return line;
}

/* Lines that begin with the indent are the block; the first other line, or the end, ends it. */
static enum nj_err parse_block(struct parser *p, const struct row *row)
{
	char *text = (char *)p->file + row->offset;
	struct nj_writer w = nj_writer_of(text, row->size - 1);
	size_t len = 0;
	while (nj_reader_left(&p->reader) > 0 && starts_with(peek_line(p), BLOCK_INDENT)) {
		struct nj_reader line = nj_reader_view(next_line(p));
		nj_read_view(&line, strlen(BLOCK_INDENT));
		struct nj_view content = nj_read_view(&line, nj_reader_left(&line));
		/* A zero byte would end the text early and hide what follows it. */
		if (content.len == 0 || memchr(content.data, '\0', content.len))
			return NJ_ERR_MALFORMED;
		nj_write_bytes(&w, content.data, content.len);
		nj_write_u8(&w, '\n');
	}
	if (nj_writer_end(&w, &len) != NJ_OK)
		return NJ_ERR_TOO_LARGE;
	text[len] = '\0';
	return pem_valid(row, text) ? NJ_OK : NJ_ERR_MALFORMED;
}

static const struct row *find_row(struct nj_view key)
{
	for (size_t i = 0; i < ROWS; i++)
		if (nj_view_equal(key, nj_view_str(rows[i].key)))
			return &rows[i];
	return NULL;
}

static enum nj_err unknown_key(struct parser *p, struct nj_view key)
{
	char text[KEY_TEXT_BYTES];
	const char *keys[ROWS];
	for (size_t i = 0; i < ROWS; i++)
		keys[i] = rows[i].key;
	if (nj_text_copy_view(text, sizeof(text), key) != NJ_OK)
		return nj_why(p->why, NJ_ERR_NOT_FOUND, "line %u: unknown key", p->line);
	const char *nearest = nj_text_nearest(text, keys, ROWS);
	if (!nearest)
		return nj_why(p->why, NJ_ERR_NOT_FOUND, "line %u: unknown key", p->line);
	return nj_why(p->why, NJ_ERR_NOT_FOUND, "line %u: unknown key; '%s' is the nearest", p->line, nearest);
}

static enum nj_err parse_pair(struct parser *p, struct nj_view line)
{
	struct nj_reader r = nj_reader_view(line);
	const uint8_t *colon = memchr(line.data, ':', line.len);
	if (!colon)
		return nj_why(p->why, NJ_ERR_MALFORMED, "line %u: not of the form 'key: value'", p->line);
	struct nj_view key = nj_read_view(&r, (size_t)(colon - line.data));
	nj_read_u8(&r);
	const struct row *row = find_row(key);
	if (!row)
		return unknown_key(p, key);
	uint32_t bit = UINT32_C(1) << (row - rows);
	if (p->seen & bit)
		return nj_why(p->why, NJ_ERR_EXISTS, "line %u: '%s' is given a second time", p->line, row->key);
	p->seen |= bit;
	bool block = is_block(row);
	if (block ? nj_reader_left(&r) > 0 : nj_read_u8(&r) != ' ')
		return nj_why(p->why, NJ_ERR_MALFORMED, "line %u: '%s:' wants %s", p->line, row->key,
			      block ? "lines of its own, indented by two spaces" : "one space and a value");
	unsigned line_number = p->line;
	enum nj_err err = block ? parse_block(p, row) : parse_value(row, nj_read_view(&r, nj_reader_left(&r)), p->file);
	if (err != NJ_OK)
		return nj_why(p->why, err, "line %u: the value of '%s' is wrong: %s", line_number, row->key,
			      nj_err_text(err));
	return NJ_OK;
}

static enum nj_err parse_first_line(struct parser *p)
{
	struct nj_view line = next_line(p);
	if (nj_view_equal(line, nj_view_str(MAGIC VERSION_TEXT)))
		return NJ_OK;
	struct nj_reader r = nj_reader_view(line);
	char version[NUMBER_TEXT_BYTES];
	uint64_t number = 0;
	if (nj_view_equal(nj_read_view(&r, strlen(MAGIC)), nj_view_str(MAGIC)) &&
	    nj_text_copy_view(version, sizeof(version), nj_read_view(&r, nj_reader_left(&r))) == NJ_OK &&
	    nj_number_parse(version, VERSION + 1, UINT64_MAX, &number) == NJ_OK)
		return nj_why(p->why, NJ_ERR_NEWER, "line 1: version %" PRIu64 " of the format; this program knows %d",
			      number, VERSION);
	return nj_why(p->why, NJ_ERR_MALFORMED,
		      "line 1: not a credentials file: it begins with '" MAGIC VERSION_TEXT "'");
}

static enum nj_err check_complete(const struct parser *p)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].required && !(p->seen & UINT32_C(1) << i))
			return nj_why(p->why, NJ_ERR_NOT_FOUND, "'%s' is missing", rows[i].key);
	return NJ_OK;
}

enum nj_err nj_credfile_parse(const char *text, size_t len, struct nj_credfile *out_file, struct nj_why *why)
{
	NJ_CLEANUP_CREDFILE struct nj_credfile file = { 0 };
	struct parser p = { .reader = nj_reader_of(text, len), .file = &file, .why = why };
	if (len > NJ_CREDFILE_MAX_BYTES)
		return nj_why(why, NJ_ERR_TOO_LARGE, "a credentials file has at most %d bytes", NJ_CREDFILE_MAX_BYTES);
	NJ_TRY(parse_first_line(&p));
	while (nj_reader_left(&p.reader) > 0) {
		struct nj_view line = next_line(&p);
		if (line.len > 0 && line.data[0] != '#')
			NJ_TRY(parse_pair(&p, line));
	}
	NJ_TRY(check_complete(&p));
	*out_file = file;
	return NJ_OK;
}

static void write_text(struct nj_writer *w, const char *text)
{
	nj_write_bytes(w, text, strlen(text));
}

static enum nj_err write_number(struct nj_writer *w, const struct row *row, uint64_t value)
{
	char text[NUMBER_TEXT_BYTES];
	if (value < row->min || value > row->max)
		return NJ_ERR_RANGE;
	NJ_TRY(nj_text_format(text, sizeof(text), "%" PRIu64, value));
	write_text(w, text);
	return NJ_OK;
}

static void write_hex(struct nj_writer *w, const uint8_t *data, size_t len)
{
	char hex[2 * HEX_MAX_BYTES + 1];
	nj_hex_encode(data, len, hex);
	write_text(w, hex);
	nj_wipe(hex, sizeof(hex));
}

static void write_block(struct nj_writer *w, const char *text)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		write_text(w, "\n" BLOCK_INDENT);
		nj_write_bytes(w, line, len);
		line += len + 1;
	}
}

static enum nj_err write_value(struct nj_writer *w, const struct row *row, const struct nj_credfile *file)
{
	const char *text = (const char *)file + row->offset;
	switch (row->type) {
	case TYPE_KIND:
		if (file->kind < NJ_CREDFILE_DEVICE || file->kind >= KINDS)
			return NJ_ERR_MALFORMED;
		write_text(w, kinds[file->kind]);
		return NJ_OK;
	case TYPE_NAME:
		write_text(w, text);
		return nj_name_valid(text) ? NJ_OK : NJ_ERR_MALFORMED;
	case TYPE_HOST:
		write_text(w, text);
		return host_valid(text) ? NJ_OK : NJ_ERR_MALFORMED;
	case TYPE_HEX:
		write_hex(w, (const uint8_t *)text, row->size);
		return NJ_OK;
	case TYPE_NUMBER:
		return write_number(w, row, load_number(row, file));
	case TYPE_PEM:
	case TYPE_PEM_KEY:
		if (!pem_valid(row, text))
			return NJ_ERR_MALFORMED;
		write_block(w, text);
		return NJ_OK;
	}
	return NJ_ERR_MALFORMED;
}

/* An optional key whose member is zero is not written. */
static bool is_absent(const struct row *row, const struct nj_credfile *file)
{
	const char *member = (const char *)file + row->offset;
	if (row->required)
		return false;
	if (row->type == TYPE_NUMBER)
		return load_number(row, file) == 0;
	for (size_t i = 0; i < (row->type == TYPE_HEX ? row->size : 1); i++)
		if (member[i] != '\0')
			return false;
	return true;
}

static enum nj_err write_file(struct nj_writer *w, const struct nj_credfile *file)
{
	write_text(w, MAGIC VERSION_TEXT "\n" NOTE);
	for (size_t i = 0; i < ROWS; i++) {
		if (is_absent(&rows[i], file))
			continue;
		write_text(w, rows[i].key);
		write_text(w, is_block(&rows[i]) ? ":" : ": ");
		NJ_TRY(write_value(w, &rows[i], file));
		write_text(w, "\n");
	}
	nj_write_u8(w, '\0');
	return NJ_OK;
}

enum nj_err nj_credfile_format(const struct nj_credfile *file, char *out, size_t cap, size_t *out_len)
{
	struct nj_writer w = nj_writer_of(out, cap);
	size_t len = 0;
	enum nj_err err = write_file(&w, file);
	if (err == NJ_OK)
		err = nj_writer_end(&w, &len);
	if (err != NJ_OK) {
		nj_wipe(out, cap);
		return err;
	}
	*out_len = len - 1;
	return NJ_OK;
}

void nj_credfile_wipe(struct nj_credfile *file)
{
	nj_wipe(file, sizeof(*file));
}
