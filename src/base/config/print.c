#include "base/config/config.h"
#include "base/config/value.h"

#define LINE_CHARS 100

struct page {
	FILE *out;
	unsigned int indent;
	bool commented; /* a key without a value: its line is a comment */
	bool help;
	bool dash; /* the next line begins an item of a list */
};

static void print_rows(struct page *p, const struct nj_config_section *section, const char *target);

static void begin_line(struct page *p)
{
	int spaces = (int)(2 * p->indent) - (p->dash ? 2 : 0);

	fprintf(p->out, "%s%*s%s", p->commented ? "#" : "", spaces, "", p->dash ? "- " : "");
	p->dash = false;
}

/* A comment, broken between words; `hang` more spaces stand before the text. */
static void print_comment(const struct page *p, int hang, const char *text)
{
	while (*text != '\0') {
		size_t len = strlen(text);

		if (len > LINE_CHARS) {
			len = LINE_CHARS;
			while (len > 1 && text[len] != ' ')
				len--;
		}
		fprintf(p->out, "%*s# %*s%.*s\n", (int)(2 * p->indent), "", hang, "", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static bool is_list(const struct nj_config_row *row)
{
	return row->type == NJ_CONFIG_STRINGS || row->type == NJ_CONFIG_SECTIONS;
}

static void print_limits(const struct page *p, int hang, const struct nj_config_row *row)
{
	char allowed[NJ_CONFIG_ALLOWED_BYTES];
	const char *rule = row->text == NULL ? "No default" : "Default: ";
	char text[512];

	if (is_list(row))
		snprintf(text, sizeof(text), "At most %zu items.%s", row->max_count,
			 row->live ? " Taken over by a reload." : "");
	else if (row->required)
		snprintf(text, sizeof(text), "Allowed: %s. Required.", nj_config_value_allowed(row, allowed));
	else
		snprintf(text, sizeof(text), "Allowed: %s. %s%s.%s", nj_config_value_allowed(row, allowed), rule,
			 row->text == NULL ? "" : row->text, row->live ? " Taken over by a reload." : "");
	print_comment(p, hang, text);
}

/* Of an item of a list; recursion ends with the schema. */
static void print_keys(const struct page *p, int hang, const struct nj_config_row *row)
{
	print_comment(p, hang, "Keys of an item:");
	for (size_t i = 0; i < row->section->count; i++) {
		const struct nj_config_row *key = &row->section->rows[i];

		print_comment(p, hang + 2, key->key);
		print_comment(p, hang + 4, key->help);
		print_limits(p, hang + 4, key);
		if (key->type == NJ_CONFIG_SECTIONS)
			print_keys(p, hang + 4, key);
	}
}

static void print_help(const struct page *p, const struct nj_config_row *row)
{
	if (!p->help)
		return;
	print_comment(p, 0, row->help);
	if (row->type != NJ_CONFIG_SECTION)
		print_limits(p, 0, row);
	if (row->type != NJ_CONFIG_SECTIONS)
		return;
	print_keys(p, 0, row);
}

static size_t list_count(const struct nj_config_row *row, const char *target)
{
	return *(const size_t *)(const void *)(target + row->count_offset);
}

/* Whether the file must name the key, so that reading it back gives the same values. */
static bool is_set(const struct nj_config_row *row, const char *target)
{
	switch (row->type) {
	case NJ_CONFIG_STRING:
		return row->text != NULL || target[row->offset] != '\0';
	case NJ_CONFIG_STRINGS:
	case NJ_CONFIG_SECTIONS:
		return row->text != NULL || list_count(row, target) > 0;
	case NJ_CONFIG_SECTION:
		for (size_t i = 0; i < row->section->count; i++)
			if (is_set(&row->section->rows[i], target + row->offset))
				return true;
		return false;
	default:
		return true;
	}
}

/* The line that a user would uncomment and change. */
static void print_example(struct page *p, const struct nj_config_row *row)
{
	begin_line(p);
	if (row->type == NJ_CONFIG_SECTIONS) {
		fprintf(p->out, "%s:\n", row->key);
		p->indent += 2;
		p->dash = true;
		for (size_t i = 0; i < row->section->count; i++)
			print_example(p, &row->section->rows[i]);
		p->dash = false;
		p->indent -= 2;
		return;
	}
	fprintf(p->out, "%s: %s\n", row->key, row->example != NULL ? row->example : row->text != NULL ? row->text : "");
}

static void print_text_item(struct page *p, const struct nj_config_row *row, const char *at)
{
	begin_line(p);
	nj_config_value_print(row, at, p->out);
	fputc('\n', p->out);
}

static void print_item(struct page *p, const struct nj_config_row *row, const char *at)
{
	p->indent += 2;
	p->dash = true;
	if (row->type == NJ_CONFIG_SECTIONS)
		print_rows(p, row->section, at);
	else
		print_text_item(p, row, at);
	/* An item of which no key is set is an item all the same. */
	if (p->dash) {
		begin_line(p);
		fputs("{}\n", p->out);
	}
	p->indent -= 2;
}

static void print_list(struct page *p, const struct nj_config_row *row, const char *target)
{
	size_t count = list_count(row, target);
	bool help = p->help;

	fprintf(p->out, "%s:%s\n", row->key, count == 0 ? " []" : "");
	p->help = false;
	for (size_t i = 0; i < count; i++)
		print_item(p, row, target + row->offset + i * row->size);
	p->help = help;
}

static void print_section(struct page *p, const struct nj_config_row *row, const char *target)
{
	fprintf(p->out, "%s:\n", row->key);
	p->indent++;
	print_rows(p, row->section, target + row->offset);
	p->indent--;
}

static void print_value(struct page *p, const struct nj_config_row *row, const char *target)
{
	begin_line(p);
	if (row->type == NJ_CONFIG_SECTION) {
		print_section(p, row, target);
	} else if (is_list(row)) {
		print_list(p, row, target);
	} else {
		fprintf(p->out, "%s: ", row->key);
		nj_config_value_print(row, target + row->offset, p->out);
		fputc('\n', p->out);
	}
}

static void print_row(struct page *p, const struct nj_config_row *row, const char *target)
{
	bool commented = p->commented;

	if (!is_set(row, target)) {
		if (!p->help)
			return;
		p->commented = true;
	}
	print_help(p, row);
	if (p->commented && row->type != NJ_CONFIG_SECTION)
		print_example(p, row);
	else
		print_value(p, row, target);
	p->commented = commented;
}

static void print_rows(struct page *p, const struct nj_config_section *section, const char *target)
{
	for (size_t i = 0; i < section->count; i++) {
		if (p->help && i > 0 && p->indent == 0)
			fputc('\n', p->out);
		print_row(p, &section->rows[i], target);
	}
}

void nj_config_print(const struct nj_config_section *schema, const void *target, FILE *out)
{
	struct page p = { .out = out, .help = true };

	print_rows(&p, schema, target);
}
