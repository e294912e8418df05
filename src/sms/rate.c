#include "sms/rate.h"

#define SECOND_NS UINT64_C(1000000000)

/* What all the messages of a bucket cost. */
static uint64_t whole_ns(struct nj_sms_rate rate)
{
	return rate.per_s * SECOND_NS;
}

/* Rounded up, but never so that the whole count exceeds the whole. */
static uint64_t cost_ns(struct nj_sms_rate rate, uint32_t messages)
{
	if (messages >= rate.count)
		return messages == rate.count ? whole_ns(rate) : UINT64_MAX;
	return whole_ns(rate) / rate.count * messages;
}

static uint64_t owed_ns(const struct nj_sms_bucket *bucket, uint64_t now_ns)
{
	return bucket->paid_until_ns > now_ns ? bucket->paid_until_ns - now_ns : 0;
}

uint64_t nj_sms_rate_wait_ns(const struct nj_sms_bucket *bucket, struct nj_sms_rate rate, uint32_t messages,
			     uint64_t now_ns)
{
	if (rate.count == 0)
		return 0;
	uint64_t cost = cost_ns(rate, messages);
	uint64_t room = whole_ns(rate);
	if (cost > room)
		return UINT64_MAX;
	uint64_t owed = owed_ns(bucket, now_ns);
	return owed + cost > room ? owed + cost - room : 0;
}

static void charge_one(struct nj_sms_bucket *bucket, struct nj_sms_rate rate, uint32_t messages, uint64_t now_ns)
{
	if (rate.count != 0)
		bucket->paid_until_ns = now_ns + owed_ns(bucket, now_ns) + cost_ns(rate, messages);
}

/* Does a / a.per_s say less than b / b.per_s? */
static bool slower(struct nj_sms_rate a, struct nj_sms_rate b)
{
	return (uint64_t)a.count * b.per_s < (uint64_t)b.count * a.per_s;
}

struct nj_sms_rate nj_sms_rate_stricter(struct nj_sms_rate a, struct nj_sms_rate b)
{
	if (a.count == 0 || b.count == 0)
		return a.count == 0 ? b : a;
	if (slower(a, b) || slower(b, a))
		return slower(a, b) ? a : b;
	return a.count <= b.count ? a : b;
}

enum nj_firewall_rule nj_sms_rate_peek(const struct nj_sms_charge *charge, uint32_t messages, uint64_t now_ns)
{
	struct nj_sms_rate rate = nj_sms_rate_stricter(charge->party_rate, charge->profile_rate);
	if (nj_sms_rate_wait_ns(charge->party, rate, messages, now_ns) > 0)
		return NJ_RULE_RATE_PARTY;
	if (nj_sms_rate_wait_ns(charge->customer, charge->customer_rate, messages, now_ns) > 0)
		return NJ_RULE_RATE_CUSTOMER;
	return NJ_RULE_ALLOWED;
}

enum nj_firewall_rule nj_sms_rate_charge(const struct nj_sms_charge *charge, uint32_t messages, uint64_t now_ns)
{
	enum nj_firewall_rule rule = nj_sms_rate_peek(charge, messages, now_ns);
	if (rule != NJ_RULE_ALLOWED)
		return rule;
	charge_one(charge->party, nj_sms_rate_stricter(charge->party_rate, charge->profile_rate), messages, now_ns);
	charge_one(charge->customer, charge->customer_rate, messages, now_ns);
	return NJ_RULE_ALLOWED;
}

bool nj_sms_bucket_idle(const struct nj_sms_bucket *bucket, uint64_t now_ns)
{
	return bucket->paid_until_ns <= now_ns;
}
