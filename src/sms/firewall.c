#include "sms/firewall.h"

#include "sms/text/status.h"

static const struct {
	const char *name;
	const char *text;
} rules[] = {
#define NJ_FIREWALL_ROW(name, written, text) { written, text },
	NJ_FIREWALL_RULES(NJ_FIREWALL_ROW)
#undef NJ_FIREWALL_ROW
};

const char *nj_firewall_rule_name(enum nj_firewall_rule rule)
{
	return rules[rule].name;
}

const char *nj_firewall_rule_text(enum nj_firewall_rule rule)
{
	return rules[rule].text;
}

/* ---- what always holds ---- */

static enum nj_firewall_rule identity(const struct nj_firewall_question *q)
{
	if (q->sender_owner != NJ_FIREWALL_NOBODY && !q->proven)
		return q->direction == NJ_FIREWALL_MO ? NJ_RULE_UNPROVEN : NJ_RULE_SPOOFED;
	bool application = q->kind == NJ_FIREWALL_A2P && q->direction == NJ_FIREWALL_MT;
	if (q->sender->kind == NJ_SMS_PARTY_NAME && !application)
		return NJ_RULE_NAME;
	return NJ_RULE_ALLOWED;
}

/* ---- settings ---- */

static bool is_own(enum nj_firewall_owner owner)
{
	return owner == NJ_FIREWALL_OWN_DEVICE || owner == NJ_FIREWALL_OWN_SERVICE;
}

static enum nj_firewall_rule services(const struct nj_firewall *f, const struct nj_firewall_question *q)
{
	if (f->service == 0)
		return NJ_RULE_NO_SERVICE;
	if ((f->service & NJ_FIREWALL_BIT(q->kind)) == 0)
		return q->kind == NJ_FIREWALL_P2P ? NJ_RULE_NO_P2P : NJ_RULE_NO_A2P;
	return NJ_RULE_ALLOWED;
}

static enum nj_firewall_rule reach(const struct nj_firewall *f, const struct nj_firewall_question *q)
{
	bool own = is_own(q->sender_owner) && is_own(q->receiver_owner);
	unsigned far = own ? NJ_FIREWALL_OWN : NJ_FIREWALL_FOREIGN;
	if (q->kind == NJ_FIREWALL_A2P) {
		if (f->a2p_reach == NJ_FIREWALL_REACH_NONE)
			return NJ_RULE_A2P_BLOCK;
		if ((f->a2p_reach & far) == 0)
			return own ? NJ_RULE_A2P_OWN : NJ_RULE_A2P_FOREIGN;
		return NJ_RULE_ALLOWED;
	}
	if ((f->p2p_block & NJ_FIREWALL_BIT(q->direction)) != 0)
		return q->direction == NJ_FIREWALL_MO ? NJ_RULE_BLOCK_MO : NJ_RULE_BLOCK_MT;
	if ((f->p2p_reach & far) == 0)
		return own ? NJ_RULE_P2P_OWN : NJ_RULE_P2P_FOREIGN;
	return NJ_RULE_ALLOWED;
}

static const struct {
	uint8_t content;
	enum nj_firewall_rule rule;
	const char *name;
} contents[] = {
	{ NJ_FIREWALL_BINARY, NJ_RULE_BINARY, "binary" },       { NJ_FIREWALL_OTA, NJ_RULE_OTA, "ota" },
	{ NJ_FIREWALL_FLASH, NJ_RULE_FLASH, "flash" },          { NJ_FIREWALL_SILENT, NJ_RULE_SILENT, "silent" },
	{ NJ_FIREWALL_WAP_PUSH, NJ_RULE_WAP_PUSH, "wap-push" },
};
#define CONTENTS (sizeof(contents) / sizeof(contents[0]))

static enum nj_firewall_rule content(const struct nj_firewall *f, const struct nj_firewall_question *q)
{
	for (size_t i = 0; i < CONTENTS; i++)
		if ((q->content & contents[i].content & ~f->content) != 0)
			return contents[i].rule;
	if (f->parts_max != 0 && q->parts > f->parts_max)
		return NJ_RULE_LENGTH;
	return NJ_RULE_ALLOWED;
}

/* ---- lists ---- */

/* The length of the longest prefix that matches, and one for the match itself; 0: none does. */
static size_t longest(const char *const *prefixes, size_t count, const char *text)
{
	size_t best = 0;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(prefixes[i]);
		if (len + 1 > best && strncmp(prefixes[i], text, len) == 0)
			best = len + 1;
	}
	return best;
}

static enum nj_firewall_rule lists(const struct nj_firewall *f, const struct nj_firewall_question *q)
{
	const struct nj_sms_party *other = is_own(q->sender_owner) ? q->receiver : q->sender;
	char text[sizeof(other->text) + 1] = "+";
	size_t sign = other->kind == NJ_SMS_PARTY_NUMBER ? 1 : 0;
	memcpy(text + sign, other->text, sizeof(other->text));
	size_t allow = longest(f->lists.allow, f->lists.allow_count, text);
	size_t deny = longest(f->lists.deny, f->lists.deny_count, text);
	if (deny > 0 && deny >= allow)
		return NJ_RULE_DENIED;
	return allow == 0 && f->lists.allow_count > 0 ? NJ_RULE_NOT_LISTED : NJ_RULE_ALLOWED;
}

/* ---- the question ---- */

typedef enum nj_firewall_rule (*check_fn)(const struct nj_firewall *f, const struct nj_firewall_question *q);
static const check_fn checks[] = { services, reach, content, lists };

static enum nj_firewall_rule settings_say(const struct nj_firewall *f, const struct nj_firewall_question *q)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		enum nj_firewall_rule rule = checks[i](f, q);
		if (rule != NJ_RULE_ALLOWED)
			return rule;
	}
	return NJ_RULE_ALLOWED;
}

struct nj_firewall_verdict nj_firewall_ask(const struct nj_firewall *customer, const struct nj_firewall *profile,
					   const struct nj_firewall_question *question)
{
	struct nj_firewall_verdict verdict = { .rule = identity(question) };
	if (verdict.rule == NJ_RULE_ALLOWED)
		verdict.rule = settings_say(customer, question);
	if (verdict.rule == NJ_RULE_ALLOWED && profile != NULL) {
		verdict.rule = settings_say(profile, question);
		verdict.profile = verdict.rule != NJ_RULE_ALLOWED;
	}
	return verdict;
}

/* ---- what a message is ---- */

#define WAP_PUSH_PORT 2948
#define WAP_PUSH_SECURE_PORT 2949

static uint8_t content_of_protocol(uint8_t protocol)
{
	switch (nj_sms_pid_kind(protocol)) {
	case NJ_SMS_PID_TYPE_0:
		return NJ_FIREWALL_SILENT;
	case NJ_SMS_PID_DEVICE_TRIGGER:
		return NJ_FIREWALL_BINARY;
	case NJ_SMS_PID_ME_DOWNLOAD:
	case NJ_SMS_PID_SIM_DOWNLOAD:
		return NJ_FIREWALL_OTA;
	case NJ_SMS_PID_PLAIN:
	case NJ_SMS_PID_TELEMATIC:
	case NJ_SMS_PID_REPLACE:
	case NJ_SMS_PID_RETURN_CALL:
	case NJ_SMS_PID_OTHER:
		break;
	}
	return 0;
}

uint8_t nj_firewall_content_of(uint8_t protocol, uint8_t coding, const struct nj_udh *header)
{
	struct nj_dcs dcs = nj_dcs_decode(coding);
	unsigned is = content_of_protocol(protocol);
	if (dcs.charset == NJ_SMS_BINARY || dcs.compressed || header->wireless_control)
		is |= NJ_FIREWALL_BINARY;
	if (dcs.class == NJ_SMS_CLASS_SIM || header->sim)
		is |= NJ_FIREWALL_OTA;
	if (dcs.class == NJ_SMS_CLASS_FLASH)
		is |= NJ_FIREWALL_FLASH;
	if (header->has_ports &&
	    (header->destination_port == WAP_PUSH_PORT || header->destination_port == WAP_PUSH_SECURE_PORT))
		is |= NJ_FIREWALL_WAP_PUSH;
	return (uint8_t)is;
}
