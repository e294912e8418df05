#include "sms/firewall.h"

#include "base/text.h"

#define KINDS (NJ_FIREWALL_BIT(NJ_FIREWALL_P2P) | NJ_FIREWALL_BIT(NJ_FIREWALL_A2P))

struct nj_firewall nj_firewall_fresh(void)
{
	return (struct nj_firewall){
		.service = KINDS,
		.p2p_reach = NJ_FIREWALL_OWN,
		.a2p_reach = NJ_FIREWALL_BOTH,
		.device = { .count = 6, .per_s = 60 },
	};
}

struct nj_firewall nj_firewall_open(void)
{
	return (struct nj_firewall){
		.service = KINDS,
		.p2p_reach = NJ_FIREWALL_BOTH,
		.a2p_reach = NJ_FIREWALL_BOTH,
		.content = NJ_FIREWALL_CONTENT_ALL,
	};
}

/* ---- by name ---- */

struct value {
	const char *text;
	uint8_t bits;
};

#define MO NJ_FIREWALL_BIT(NJ_FIREWALL_MO)
#define MT NJ_FIREWALL_BIT(NJ_FIREWALL_MT)

static const struct value services[] = { { "p2p", NJ_FIREWALL_BIT(NJ_FIREWALL_P2P) },
					 { "a2p", NJ_FIREWALL_BIT(NJ_FIREWALL_A2P) },
					 { "both", KINDS },
					 { "none", 0 },
					 { NULL, 0 } };
static const struct value p2p_reaches[] = {
	{ "open", NJ_FIREWALL_BOTH }, { "own", NJ_FIREWALL_OWN }, { "foreign", NJ_FIREWALL_FOREIGN }, { NULL, 0 }
};
static const struct value blocks[] = { { "none", 0 }, { "mo", MO }, { "mt", MT }, { "mo,mt", MO | MT }, { NULL, 0 } };
static const struct value a2p_reaches[] = { { "own", NJ_FIREWALL_OWN },
					    { "foreign", NJ_FIREWALL_FOREIGN },
					    { "both", NJ_FIREWALL_BOTH },
					    { "block", 0 },
					    { NULL, 0 } };
/* A set: any of them, with commas. */
static const struct value contents[] = { { "binary", NJ_FIREWALL_BINARY },     { "ota", NJ_FIREWALL_OTA },
					 { "flash", NJ_FIREWALL_FLASH },       { "silent", NJ_FIREWALL_SILENT },
					 { "wap-push", NJ_FIREWALL_WAP_PUSH }, { NULL, 0 } };

enum form { FORM_ONE, FORM_SET, FORM_NUMBER, FORM_RATE };

static const struct setting {
	const char *name;
	enum form form;
	const struct value *values;
	size_t at;
} settings[] = {
	{ "service", FORM_ONE, services, offsetof(struct nj_firewall, service) },
	{ "p2p.reach", FORM_ONE, p2p_reaches, offsetof(struct nj_firewall, p2p_reach) },
	{ "p2p.block", FORM_ONE, blocks, offsetof(struct nj_firewall, p2p_block) },
	{ "a2p", FORM_ONE, a2p_reaches, offsetof(struct nj_firewall, a2p_reach) },
	{ "content", FORM_SET, contents, offsetof(struct nj_firewall, content) },
	{ "parts", FORM_NUMBER, NULL, offsetof(struct nj_firewall, parts_max) },
	{ "rate.device", FORM_RATE, NULL, offsetof(struct nj_firewall, device) },
	{ "rate.application", FORM_RATE, NULL, offsetof(struct nj_firewall, application) },
	{ "rate.customer", FORM_RATE, NULL, offsetof(struct nj_firewall, customer) },
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

const char *nj_firewall_setting(size_t index)
{
	return index < SETTINGS ? settings[index].name : NULL;
}

static const struct setting *find(const char *name)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

static const struct value *value_of(const struct value *values, struct nj_view text)
{
	for (const struct value *value = values; value->text != NULL; value++)
		if (nj_view_equal(text, nj_view_str(value->text)))
			return value;
	return NULL;
}

static enum nj_err refuse(const struct setting *setting, struct nj_why *why)
{
	char list[128] = "";
	size_t len = 0;
	for (const struct value *value = setting->values; value->text != NULL; value++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len == 0 ? "" : ", ", value->text);
	return nj_why(why, NJ_ERR_RANGE, "%s is %s: %s", setting->name,
		      setting->form == FORM_SET ? "none, or any of" : "one of", list);
}

static enum nj_err set_of(const struct setting *setting, const char *text, struct nj_why *why, uint8_t *out)
{
	unsigned bits = 0;
	if (strcmp(text, "none") != 0)
		for (const char *at = text;;) {
			size_t len = strcspn(at, ",");
			const struct value *value = value_of(setting->values, nj_view_of(at, len));
			if (value == NULL)
				return refuse(setting, why);
			bits |= value->bits;
			if (at[len] == '\0')
				break;
			at += len + 1;
		}
	*out = (uint8_t)bits;
	return NJ_OK;
}

/* ---- rates ---- */

static const struct {
	const char *text;
	uint32_t seconds;
} periods[] = { { "/s", 1 }, { "/min", 60 }, { "/h", 3600 }, { "/day", 86400 } };
#define PERIODS (sizeof(periods) / sizeof(periods[0]))

static enum nj_err parse_rate(const char *text, struct nj_sms_rate *out)
{
	char number[16];
	uint64_t count = 0;
	size_t len = strcspn(text, "/");
	if (strcmp(text, "none") == 0) {
		*out = (struct nj_sms_rate){ 0 };
		return NJ_OK;
	}
	NJ_TRY(nj_text_copy_view(number, sizeof(number), nj_view_of(text, len)));
	NJ_TRY(nj_number_parse(number, 1, UINT32_MAX, &count));
	for (size_t i = 0; i < PERIODS; i++)
		if (strcmp(text + len, periods[i].text) == 0) {
			*out = (struct nj_sms_rate){ .count = (uint32_t)count, .per_s = periods[i].seconds };
			return NJ_OK;
		}
	return NJ_ERR_RANGE;
}

static enum nj_err say_rate(struct nj_sms_rate rate, char *out, size_t cap)
{
	if (rate.count == 0)
		return nj_text_copy(out, cap, "none");
	for (size_t i = 0; i < PERIODS; i++)
		if (periods[i].seconds == rate.per_s)
			return nj_text_format(out, cap, "%u%s", rate.count, periods[i].text);
	return NJ_ERR_RANGE;
}

/* ---- setting and getting ---- */

static enum nj_err set_one(const struct setting *setting, const char *text, struct nj_why *why, uint8_t *out)
{
	const struct value *value = value_of(setting->values, nj_view_str(text));
	if (value == NULL)
		return refuse(setting, why);
	*out = value->bits;
	return NJ_OK;
}

static enum nj_err set_number(const struct setting *setting, const char *text, struct nj_why *why, uint8_t *out)
{
	uint64_t number = 0;
	if (nj_number_parse(text, 0, UINT8_MAX, &number) != NJ_OK)
		return nj_why(why, NJ_ERR_RANGE, "%s is 0 (any number) to %u", setting->name, UINT8_MAX);
	*out = (uint8_t)number;
	return NJ_OK;
}

static enum nj_err set_rate(const struct setting *setting, const char *text, struct nj_why *why, void *field)
{
	struct nj_sms_rate rate;
	if (parse_rate(text, &rate) != NJ_OK)
		return nj_why(why, NJ_ERR_RANGE, "%s is none, or a number with /s, /min, /h or /day", setting->name);
	memcpy(field, &rate, sizeof(rate));
	return NJ_OK;
}

enum nj_err nj_firewall_set(struct nj_firewall *firewall, const char *name, const char *text, struct nj_why *why)
{
	const struct setting *setting = find(name);
	if (setting == NULL)
		return nj_why(why, NJ_ERR_NOT_FOUND, "there is no setting '%s'", name);
	uint8_t *field = (uint8_t *)firewall + setting->at;
	switch (setting->form) {
	case FORM_SET:
		return set_of(setting, text, why, field);
	case FORM_NUMBER:
		return set_number(setting, text, why, field);
	case FORM_RATE:
		return set_rate(setting, text, why, field);
	case FORM_ONE:
		break;
	}
	return set_one(setting, text, why, field);
}

static enum nj_err say_one(const struct setting *setting, uint8_t bits, char *out, size_t cap)
{
	for (const struct value *value = setting->values; value->text != NULL; value++)
		if (value->bits == bits)
			return nj_text_copy(out, cap, value->text);
	return NJ_ERR_RANGE;
}

static enum nj_err say_set(const struct setting *setting, uint8_t bits, char *out, size_t cap)
{
	struct nj_writer w = nj_writer_of(out, cap);
	for (const struct value *value = setting->values; value->text != NULL; value++)
		if ((bits & value->bits) != 0) {
			nj_write_bytes(&w, ",", w.pos > 0);
			nj_write_bytes(&w, value->text, strlen(value->text));
		}
	if (w.pos == 0)
		nj_write_bytes(&w, "none", 4);
	nj_write_u8(&w, '\0');
	return w.err;
}

enum nj_err nj_firewall_get(const struct nj_firewall *firewall, const char *name, char *out, size_t cap)
{
	const struct setting *setting = find(name);
	if (setting == NULL)
		return NJ_ERR_NOT_FOUND;
	const uint8_t *field = (const uint8_t *)firewall + setting->at;
	struct nj_sms_rate rate;
	switch (setting->form) {
	case FORM_SET:
		return say_set(setting, *field, out, cap);
	case FORM_NUMBER:
		return nj_text_format(out, cap, "%u", *field);
	case FORM_RATE:
		memcpy(&rate, field, sizeof(rate));
		return say_rate(rate, out, cap);
	case FORM_ONE:
		break;
	}
	return say_one(setting, *field, out, cap);
}
