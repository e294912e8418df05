#include "sms/smpp/octets.h"

#include <strings.h>

static const struct esm_row {
	const char *text;
	bool known;
	bool esme;
} esm_types[16] = {
#define ESM_TYPE(name, bits, text, esme) [(bits) >> 2] = { text, true, esme },
	NJ_SMPP_ESM_TYPE_TABLE(ESM_TYPE)
#undef ESM_TYPE
};

static const char *const esm_modes[4] = {
#define ESM_MODE(name, bits, text) [bits] = text,
	NJ_SMPP_ESM_MODE_TABLE(ESM_MODE)
#undef ESM_MODE
};

enum coding_kind { PLAIN, GENERAL, WAITING, CLASS };

static const struct coding_row {
	uint8_t first;
	uint8_t last;
	uint8_t alphabet;
	uint8_t kind;
	const char *text;
} codings[] = {
#define CODING(first, last, text, alphabet, kind) { first, last, NJ_SMPP_ALPHABET_##alphabet, kind, text },
	NJ_SMPP_CODING_TABLE(CODING)
#undef CODING
};

static const struct state_row {
	const char *word;
	const char *text;
	bool final;
} states[NJ_SMPP_STATE_COUNT] = {
#define STATE(name, value, word, text, final) [value] = { word, text, final },
	NJ_SMPP_STATE_TABLE(STATE)
#undef STATE
};

static const struct esm_row *esm_type(uint8_t esm_class)
{
	return &esm_types[(esm_class & NJ_SMPP_ESM_TYPE) >> 2];
}

const char *nj_smpp_esm_type_text(uint8_t esm_class)
{
	return esm_type(esm_class)->known ? esm_type(esm_class)->text : "reserved";
}

const char *nj_smpp_esm_mode_text(uint8_t esm_class)
{
	return esm_modes[esm_class & NJ_SMPP_ESM_MODE];
}

bool nj_smpp_esm_valid(uint8_t esm_class, enum nj_smpp_side sender)
{
	const struct esm_row *row = esm_type(esm_class);
	return row->known && (sender == NJ_SMPP_SMSC || row->esme);
}

bool nj_smpp_registered_valid(uint8_t registered_delivery)
{
	return (registered_delivery & NJ_SMPP_REGISTERED_RESERVED) == 0 &&
	       (registered_delivery & NJ_SMPP_REGISTERED_RECEIPT) != NJ_SMPP_REGISTERED_RECEIPT;
}

/* 3GPP TS 23.038 section 4, groups 00x1: bits 3 and 2 are the alphabet. */
static uint8_t general_alphabet(uint8_t data_coding)
{
	static const uint8_t alphabets[4] = { NJ_SMPP_ALPHABET_DEFAULT, NJ_SMPP_ALPHABET_OCTETS, NJ_SMPP_ALPHABET_UCS2,
					      NJ_SMPP_ALPHABET_OTHER };
	return alphabets[data_coding >> 2 & 3];
}

struct nj_smpp_coding nj_smpp_coding_of(uint8_t data_coding)
{
	const struct coding_row *row = codings;
	while (data_coding > row->last)
		row++;
	struct nj_smpp_coding coding = { .text = row->text, .alphabet = row->alphabet };
	coding.waiting = row->kind == WAITING;
	coding.has_class = row->kind == GENERAL || row->kind == CLASS;
	coding.message_class = coding.has_class ? data_coding & 3 : 0;
	if (row->kind == GENERAL)
		coding.alphabet = general_alphabet(data_coding);
	if (row->kind == CLASS && (data_coding & 4) != 0)
		coding.alphabet = NJ_SMPP_ALPHABET_OCTETS;
	return coding;
}

uint8_t nj_smpp_coding_make(enum nj_smpp_alphabet alphabet, unsigned message_class)
{
	if (alphabet == NJ_SMPP_ALPHABET_UCS2)
		return message_class > 3 ? 0x08 : (uint8_t)(0x18 | message_class);
	if (alphabet == NJ_SMPP_ALPHABET_OCTETS)
		return message_class > 3 ? 0x04 : (uint8_t)(0xf4 | message_class);
	return message_class > 3 ? 0x00 : (uint8_t)(0xf0 | message_class);
}

static const struct state_row *state_row(uint8_t state)
{
	return &states[state < NJ_SMPP_STATE_COUNT ? state : NJ_SMPP_STATE_UNKNOWN];
}

const char *nj_smpp_state_word(uint8_t state)
{
	return state_row(state)->word;
}

const char *nj_smpp_state_text(uint8_t state)
{
	return state_row(state)->text;
}

bool nj_smpp_state_final(uint8_t state)
{
	return state_row(state)->final;
}

static bool same(struct nj_view a, const char *b)
{
	return a.len == strlen(b) && strncasecmp((const char *)a.data, b, a.len) == 0;
}

uint8_t nj_smpp_state_of(struct nj_view word)
{
	for (uint8_t state = 0; state < NJ_SMPP_STATE_COUNT; state++)
		if (word.len > 0 && (same(word, states[state].word) || same(word, states[state].text)))
			return state;
	return NJ_SMPP_STATE_UNKNOWN;
}
