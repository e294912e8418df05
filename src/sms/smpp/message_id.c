#include "base/text.h"
#include "sms/smpp/receipt.h"

/* Lower case, without leading zeros. */
static void plain(struct nj_view id, char out[NJ_SMPP_MESSAGE_ID_BYTES])
{
	size_t start = 0;
	while (start + 1 < id.len && id.data[start] == '0')
		start++;
	size_t len = id.len - start;
	for (size_t i = 0; i < len; i++) {
		char c = (char)id.data[start + i];
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
	}
	out[len] = '\0';
}

/* A number of 64 bits in base 10 or 16; false when it is none. */
static bool number(const char *text, unsigned base, uint64_t *out_value)
{
	uint64_t value = 0;
	for (; *text != '\0'; text++) {
		unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
				 : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
								: 16;
		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*out_value = value;
	return true;
}

enum nj_err nj_smpp_id_forms(struct nj_view id, struct nj_smpp_id_forms *out_forms)
{
	uint64_t value = 0;
	struct nj_smpp_id_forms forms = { .count = 1 };
	if (id.len >= NJ_SMPP_MESSAGE_ID_BYTES)
		return NJ_ERR_TOO_LARGE;
	if (id.len == 0 || memchr(id.data, 0, id.len) != NULL)
		return NJ_ERR_MALFORMED;
	plain(id, forms.text[0]);
	if (number(forms.text[0], 10, &value) && value > 9)
		(void)!nj_text_format(forms.text[forms.count++], sizeof(forms.text[0]), "%llx",
				      (unsigned long long)value);
	if (number(forms.text[0], 16, &value) && value > 9)
		(void)!nj_text_format(forms.text[forms.count++], sizeof(forms.text[0]), "%llu",
				      (unsigned long long)value);
	*out_forms = forms;
	return NJ_OK;
}

bool nj_smpp_id_same(struct nj_view a, struct nj_view b)
{
	struct nj_smpp_id_forms forms;
	char other[NJ_SMPP_MESSAGE_ID_BYTES];
	if (b.len == 0 || b.len >= NJ_SMPP_MESSAGE_ID_BYTES || nj_smpp_id_forms(a, &forms) != NJ_OK)
		return false;
	if (memchr(b.data, 0, b.len) != NULL)
		return false;
	plain(b, other);
	for (unsigned i = 0; i < forms.count; i++)
		if (strcmp(forms.text[i], other) == 0)
			return true;
	return false;
}
