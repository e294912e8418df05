#include "base/text.h"
#include "identity/vault.h"

/*
 * 32 bytes are 256 bits: 52 characters of five bits, the last four bits of them zero. Four more characters carry 20
 * bits of a hash, so that a slip of the finger is caught at the keyboard, all but once in a million.
 */
#define KEY_CHARACTERS 52
#define CHECK_CHARACTERS 4
#define CHARACTERS (KEY_CHARACTERS + CHECK_CHARACTERS)
#define GROUP 7
#define PAD_BITS (KEY_CHARACTERS * 5 - NJ_KEY_BYTES * 8)
#define CHECK_LABEL "nightjar/1 recovery check"
#define NO_DIGIT 0xff

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Bits [at, at + 5) of `data`, zero past its end. */
static uint8_t five_bits(const uint8_t *data, size_t len, size_t at)
{
	uint8_t value = 0;

	for (size_t bit = at; bit < at + 5; bit++) {
		uint8_t byte = bit / 8 < len ? data[bit / 8] : 0;

		value = (uint8_t)(value << 1 | (byte >> (7 - bit % 8) & 1));
	}
	return value;
}

static void key_check(const uint8_t key[NJ_KEY_BYTES], uint8_t out_values[CHECK_CHARACTERS])
{
	const struct nj_view parts[] = { nj_view_str(CHECK_LABEL), nj_view_of(key, NJ_KEY_BYTES) };
	uint8_t hash[NJ_SHA256_BYTES];

	nj_sha256(parts, 2, hash);
	for (size_t i = 0; i < CHECK_CHARACTERS; i++)
		out_values[i] = five_bits(hash, sizeof(hash), i * 5);
	nj_wipe(hash, sizeof(hash));
}

void nj_recovery_format(const uint8_t key[NJ_KEY_BYTES], char out[NJ_RECOVERY_TEXT_BYTES])
{
	uint8_t values[CHARACTERS];
	size_t at = 0;

	for (size_t i = 0; i < KEY_CHARACTERS; i++)
		values[i] = five_bits(key, NJ_KEY_BYTES, i * 5);
	key_check(key, values + KEY_CHARACTERS);
	for (size_t i = 0; i < CHARACTERS; i++) {
		if (i > 0 && i % GROUP == 0)
			out[at++] = '-';
		out[at++] = digits[values[i]];
	}
	out[at] = '\0';
	nj_wipe(values, sizeof(values));
}

static uint8_t digit_value(uint8_t character)
{
	const char *at;

	if (character >= 'a' && character <= 'z')
		character = (uint8_t)(character - 'a' + 'A');
	if (character == 'O')
		return 0;
	if (character == 'I' || character == 'L')
		return 1;
	at = character == '\0' ? NULL : strchr(digits, character);
	return at == NULL ? NO_DIGIT : (uint8_t)(at - digits);
}

static bool is_blank(uint8_t character)
{
	return character == '-' || character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

static enum nj_err read_values(struct nj_view text, uint8_t out_values[CHARACTERS])
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t value = digit_value(text.data[i]);

		if (is_blank(text.data[i]))
			continue;
		if (value == NO_DIGIT)
			return NJ_ERR_MALFORMED;
		if (count == CHARACTERS)
			return NJ_ERR_TOO_LARGE;
		out_values[count++] = value;
	}
	return count == CHARACTERS ? NJ_OK : NJ_ERR_TRUNCATED;
}

static enum nj_err join_values(const uint8_t values[CHARACTERS], uint8_t out_key[NJ_KEY_BYTES])
{
	uint8_t check[CHECK_CHARACTERS];

	if ((values[KEY_CHARACTERS - 1] & ((1u << PAD_BITS) - 1)) != 0)
		return NJ_ERR_FORGED;
	memset(out_key, 0, NJ_KEY_BYTES);
	for (size_t bit = 0; bit < NJ_KEY_BYTES * 8; bit++)
		out_key[bit / 8] |= (uint8_t)((values[bit / 5] >> (4 - bit % 5) & 1) << (7 - bit % 8));
	key_check(out_key, check);
	return memcmp(check, values + KEY_CHARACTERS, sizeof(check)) == 0 ? NJ_OK : NJ_ERR_FORGED;
}

enum nj_err nj_recovery_parse(struct nj_view text, uint8_t out_key[NJ_KEY_BYTES])
{
	uint8_t values[CHARACTERS];
	uint8_t key[NJ_KEY_BYTES];
	enum nj_err err = read_values(text, values);

	if (err == NJ_OK)
		err = join_values(values, key);
	if (err == NJ_OK)
		memcpy(out_key, key, sizeof(key));
	nj_wipe(values, sizeof(values));
	nj_wipe(key, sizeof(key));
	return err;
}
