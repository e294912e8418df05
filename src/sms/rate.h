/*
 * How many messages somebody may send: token buckets as pure state (GCRA in its form of virtual scheduling, ITU-T I.371
 * A.1), so that a bucket is one number and an idle one is nothing. The time is given. One owner, no locking.
 */
#ifndef NJ_SMS_RATE_H
#define NJ_SMS_RATE_H

#include "sms/firewall.h"

/* All zero: nothing was sent. */
struct nj_sms_bucket {
	uint64_t paid_until_ns;
};

/* Whoever is charged for a message: the device or application, and the customer of it. */
struct nj_sms_charge {
	struct nj_sms_bucket *party;
	struct nj_sms_bucket *customer;
	struct nj_sms_rate party_rate;
	struct nj_sms_rate profile_rate; /* of the party's profile: the stricter of the two holds */
	struct nj_sms_rate customer_rate;
};

/* Charges both for `messages`, or neither: NJ_RULE_RATE_PARTY, NJ_RULE_RATE_CUSTOMER. More messages than a bucket holds
 * never pass. */
enum nj_firewall_rule nj_sms_rate_charge(const struct nj_sms_charge *charge, uint32_t messages, uint64_t now_ns);
/* The same answer, and nothing is charged. */
enum nj_firewall_rule nj_sms_rate_peek(const struct nj_sms_charge *charge, uint32_t messages, uint64_t now_ns);
/* When `messages` more would pass the bucket; 0: now; UINT64_MAX: never. */
uint64_t nj_sms_rate_wait_ns(const struct nj_sms_bucket *bucket, struct nj_sms_rate rate, uint32_t messages,
			     uint64_t now_ns);
/* The stricter of two: the fewer messages a second, then the fewer at once. */
struct nj_sms_rate nj_sms_rate_stricter(struct nj_sms_rate a, struct nj_sms_rate b);
/* As if nothing had been sent: the bucket may be forgotten. */
bool nj_sms_bucket_idle(const struct nj_sms_bucket *bucket, uint64_t now_ns);

#endif
