#include "sms/text/text.h"

#include "base/text.h"

#define REPLACEMENT 0xFFFD
#define CANDIDATES_MAX (NJ_GSM7_LANGUAGES * NJ_GSM7_LANGUAGES + 1)

/* ---- the text's characters, one by one ---- */

struct source {
	struct nj_view text;
	size_t at;
	size_t began; /* the first byte of the character that was given last */
	bool transliterate;
	bool changed;
	const char *pending; /* the rest of what stands for a character */
};

static bool in_default(uint32_t code)
{
	uint16_t locking;
	uint16_t single;
	nj_gsm7_reach(code, &locking, &single);
	return ((locking | single) & NJ_GSM7_BIT(NJ_GSM7_DEFAULT)) != 0;
}

/* false at the end, and at ill-formed text, where `at` stays short of it. */
static bool next(struct source *s, uint32_t *out_code)
{
	uint32_t code = 0;
	if (s->pending != NULL && *s->pending != '\0') {
		*out_code = (uint8_t)*s->pending++;
		return true;
	}
	size_t len = nj_utf8_decode(nj_view_of(s->text.data + s->at, s->text.len - s->at), &code);
	if (len == 0 || code == 0)
		return false;
	s->began = s->at;
	s->at += len;
	const char *stands = s->transliterate && !in_default(code) ? nj_sms_transliterate(code) : NULL;
	if (stands != NULL) {
		s->changed = true;
		code = (uint8_t)*stands;
		s->pending = stands + 1;
	}
	*out_code = code;
	return true;
}

/* ---- planning ---- */

struct candidate {
	struct nj_sms_layout layout;
	struct nj_sms_tally tally;
};

struct field {
	struct candidate all[CANDIDATES_MAX];
	size_t count;
};

static void enter(struct field *field, const struct nj_sms_text_rules *rules, enum nj_sms_charset charset,
		  unsigned locking, unsigned single)
{
	struct candidate *c = &field->all[field->count++];
	c->layout = (struct nj_sms_layout){
		.charset = charset,
		.tables = { .locking = (uint8_t)locking, .single = (uint8_t)single },
		.elements = rules->elements,
		.wide_reference = rules->wide_reference,
	};
	nj_sms_tally_begin(&c->tally, &c->layout);
}

static void enter_all(struct field *field, const struct nj_sms_text_rules *rules)
{
	unsigned locking = (rules->locking & NJ_GSM7_ALL_LOCKING) | NJ_GSM7_BIT(NJ_GSM7_DEFAULT);
	unsigned single = (rules->single & NJ_GSM7_ALL_SINGLE) | NJ_GSM7_BIT(NJ_GSM7_DEFAULT);
	field->count = 0;
	for (unsigned l = 0; rules->gsm7 && l < NJ_GSM7_LANGUAGES; l++)
		for (unsigned s = 0; s < NJ_GSM7_LANGUAGES; s++)
			if ((locking >> l & 1) != 0 && (single >> s & 1) != 0)
				enter(field, rules, NJ_SMS_GSM7, l, s);
	if (rules->ucs2)
		enter(field, rules, NJ_SMS_UCS2, NJ_GSM7_DEFAULT, NJ_GSM7_DEFAULT);
}

/* Units that the character costs; 0: it cannot be written so. */
static size_t width_of(const struct nj_sms_layout *layout, uint32_t code, uint16_t locking, uint16_t single)
{
	if (layout->charset == NJ_SMS_UCS2)
		return code > 0xFFFF ? 4 : 2;
	if ((locking >> layout->tables.locking & 1) != 0)
		return 1;
	return (single >> layout->tables.single & 1) != 0 ? 2 : 0;
}

/* Charges the character to everyone; those that cannot write it are out. */
static void charge(struct field *field, uint32_t code)
{
	uint16_t locking;
	uint16_t single;
	size_t kept = 0;
	nj_gsm7_reach(code, &locking, &single);
	for (size_t i = 0; i < field->count; i++) {
		size_t width = width_of(&field->all[i].layout, code, locking, single);
		if (width == 0)
			continue;
		nj_sms_tally_add(&field->all[i].tally, width);
		if (kept != i)
			field->all[kept] = field->all[i];
		kept++;
	}
	field->count = kept;
}

static bool is_default(const struct nj_sms_layout *layout)
{
	return layout->charset == NJ_SMS_GSM7 && layout->tables.locking == NJ_GSM7_DEFAULT &&
	       layout->tables.single == NJ_GSM7_DEFAULT;
}

static size_t octets(const struct candidate *c)
{
	size_t bits = c->layout.charset == NJ_SMS_GSM7 ? 7 : 8;
	size_t parts = nj_sms_tally_parts(&c->tally);
	return parts * nj_sms_header_octets(&c->layout, parts > 1) + (c->tally.units * bits + 7) / 8;
}

/* `b` was entered before `a`: where they cost the same, it is preferred. */
static bool cheaper(const struct candidate *a, const struct candidate *b)
{
	size_t a_parts = nj_sms_tally_parts(&a->tally);
	size_t b_parts = nj_sms_tally_parts(&b->tally);
	if (a_parts != b_parts)
		return a_parts < b_parts;
	return !is_default(&b->layout) && octets(a) < octets(b);
}

static enum nj_err fault(enum nj_err err, const struct source *s, size_t at, uint32_t code,
			 struct nj_sms_text_fault *out_fault)
{
	if (out_fault != NULL)
		*out_fault = (struct nj_sms_text_fault){ .at = at, .code = code };
	return err;
}

static enum nj_err compete(struct field *field, struct source *s, struct nj_sms_text_plan *out_plan,
			   struct nj_sms_text_fault *out_fault)
{
	uint32_t code;
	while (next(s, &code)) {
		charge(field, code);
		if (field->count == 0)
			return fault(NJ_ERR_UNSUPPORTED, s, s->began, code, out_fault);
	}
	if (s->at < s->text.len)
		return fault(NJ_ERR_MALFORMED, s, s->at, s->text.data[s->at], out_fault);
	/* They stand in the order of their preference: the default alphabet first, UCS-2 last. */
	const struct candidate *best = &field->all[0];
	for (size_t i = 1; i < field->count; i++)
		if (cheaper(&field->all[i], best))
			best = &field->all[i];
	if (nj_sms_tally_parts(&best->tally) > NJ_SMS_PARTS_MAX)
		return NJ_ERR_TOO_LARGE;
	*out_plan = (struct nj_sms_text_plan){
		.layout = best->layout,
		.units = best->tally.units,
		.parts = nj_sms_tally_parts(&best->tally),
		.transliterated = s->changed,
	};
	return NJ_OK;
}

/* The default alphabet alone, transliterated or not. */
static enum nj_err plan_default(const struct nj_sms_text_rules *rules, struct nj_view text, bool transliterate,
				struct nj_sms_text_plan *out_plan)
{
	struct field field;
	struct source s = { .text = text, .transliterate = transliterate };
	field.count = 0;
	enter(&field, rules, NJ_SMS_GSM7, NJ_GSM7_DEFAULT, NJ_GSM7_DEFAULT);
	return compete(&field, &s, out_plan, NULL);
}

enum nj_err nj_sms_text_plan(const struct nj_sms_text_rules *rules, struct nj_view text,
			     struct nj_sms_text_plan *out_plan, struct nj_sms_text_fault *out_fault)
{
	struct nj_sms_text_plan plan;
	struct field field;
	struct source s = { .text = text };
	if (rules->gsm7) {
		enum nj_err err = plan_default(rules, text, rules->transliterate, &plan);
		/* One part is not beaten; and nothing else is that was asked to be in this alphabet. */
		if (err == NJ_OK && (plan.parts == 1 || rules->transliterate)) {
			*out_plan = plan;
			return NJ_OK;
		}
		if (err == NJ_ERR_TOO_LARGE && rules->transliterate)
			return err;
	}
	enter_all(&field, rules);
	return field.count == 0 ? NJ_ERR_USAGE : compete(&field, &s, out_plan, out_fault);
}

/* ---- encoding and decoding ---- */

static void write_utf16(struct nj_writer *w, uint32_t code)
{
	if (code > 0xFFFF) {
		nj_write_u16(w, (uint16_t)(0xD800 | (code - 0x10000) >> 10));
		nj_write_u16(w, (uint16_t)(0xDC00 | (code & 0x3FF)));
	} else {
		nj_write_u16(w, (uint16_t)code);
	}
}

enum nj_err nj_sms_text_encode(const struct nj_sms_text_plan *plan, struct nj_view text, uint8_t *out, size_t cap,
			       size_t *out_units)
{
	struct source s = { .text = text, .transliterate = plan->transliterated };
	struct nj_writer w = nj_writer_of(out, cap);
	uint32_t code;
	while (next(&s, &code)) {
		if (plan->layout.charset == NJ_SMS_UCS2) {
			write_utf16(&w, code);
			continue;
		}
		uint8_t septets[2];
		size_t width = nj_gsm7_encode(plan->layout.tables, code, septets);
		if (width == 0)
			return NJ_ERR_UNSUPPORTED;
		nj_write_bytes(&w, septets, width);
	}
	if (s.at < text.len)
		return NJ_ERR_MALFORMED;
	return nj_writer_end(&w, out_units);
}

static void decode_utf16(struct nj_view units, struct nj_writer *utf8)
{
	struct nj_reader r = nj_reader_view(units);
	while (nj_reader_left(&r) >= 2) {
		bool pair = nj_sms_unit_width(NJ_SMS_UCS2, units, r.pos) == 4;
		uint32_t code = nj_read_u16(&r);
		if (pair)
			code = 0x10000 + ((code & 0x3FF) << 10) + (nj_read_u16(&r) & 0x3FF);
		nj_utf8_write(utf8, code >= 0xD800 && code <= 0xDFFF ? REPLACEMENT : code);
	}
	if (nj_reader_left(&r) > 0)
		nj_utf8_write(utf8, REPLACEMENT);
}

enum nj_err nj_sms_text_decode(enum nj_sms_charset charset, struct nj_gsm7_tables tables, struct nj_view units,
			       struct nj_writer *utf8)
{
	if (charset == NJ_SMS_BINARY)
		return NJ_ERR_UNSUPPORTED;
	if (charset == NJ_SMS_GSM7)
		nj_gsm7_decode(tables, units, utf8);
	else
		decode_utf16(units, utf8);
	return utf8->err;
}
