/*
 * The SMS firewall: may this message pass? A pure function of a customer's settings, perhaps a profile's, and what is
 * known of the message; the answer is "allowed" or the rule that refused. A profile is asked after its customer, so
 * that it can only be stricter. Whether the sender is who it claims to be is asked first, whatever the settings say.
 * Settings are plain data; lists are borrowed. No clock, no allocation. Any thread; rates are in sms/rate.h.
 */
#ifndef NJ_SMS_FIREWALL_H
#define NJ_SMS_FIREWALL_H

#include "sms/number.h"
#include "sms/text/dcs.h"
#include "sms/text/udh.h"

enum nj_firewall_kind { NJ_FIREWALL_P2P, NJ_FIREWALL_A2P }; /* A2P: an application is at one end, whichever */
enum nj_firewall_direction { NJ_FIREWALL_MO, NJ_FIREWALL_MT };

/* To whom a number or name belongs, seen from the customer whose settings are asked. */
enum nj_firewall_owner {
	NJ_FIREWALL_NOBODY, /* nobody here: the outside */
	NJ_FIREWALL_OWN_DEVICE,
	NJ_FIREWALL_OWN_SERVICE, /* an application: its short code, its name, whatever it sends as */
	NJ_FIREWALL_OTHER_DEVICE,
	NJ_FIREWALL_OTHER_SERVICE, /* of another customer */
	NJ_FIREWALL_OWNERS,
};

/* What a message is beside text, as a set: all are off unless allowed. */
enum nj_firewall_content {
	NJ_FIREWALL_BINARY = 0x01,   /* 8 bit data, compressed text, device triggers, wireless control */
	NJ_FIREWALL_OTA = 0x02,      /* for SIM or modem: PID 0x7D–0x7F, class 2, toolkit security headers */
	NJ_FIREWALL_FLASH = 0x04,    /* class 0 */
	NJ_FIREWALL_SILENT = 0x08,   /* PID 0x40: type 0 */
	NJ_FIREWALL_WAP_PUSH = 0x10, /* ports 2948 and 2949 */
	NJ_FIREWALL_CONTENT_ALL = 0x1F,
};

/* Sets of kinds, of directions, and of far ends. */
#define NJ_FIREWALL_BIT(value) ((uint8_t)(1U << (value)))
enum nj_firewall_reach {
	NJ_FIREWALL_REACH_NONE = 0,
	NJ_FIREWALL_OWN = 1,
	NJ_FIREWALL_FOREIGN = 2,
	NJ_FIREWALL_BOTH = 3
};

/* Prefixes: "+49" of numbers, digits of short codes, letters of names. The longest that matches decides, of two alike
 * the one that denies; with anything allowed by name, what matches nothing is denied. */
struct nj_firewall_lists {
	const char *const *allow;
	const char *const *deny;
	size_t allow_count;
	size_t deny_count;
};

/* `count` messages in `per_s` seconds, all of them at once if need be. count 0: no limit. Charged by sms/rate.h. */
struct nj_sms_rate {
	uint32_t count;
	uint32_t per_s;
};

struct nj_firewall {
	uint8_t service;   /* NJ_FIREWALL_BIT of kinds */
	uint8_t p2p_block; /* NJ_FIREWALL_BIT of directions */
	uint8_t p2p_reach; /* enum nj_firewall_reach: own devices, everybody else */
	uint8_t a2p_reach; /* own: own applications with own devices; foreign: where either end is not the customer's */
	uint8_t content;   /* what is allowed */
	uint8_t parts_max; /* 0: any number */
	/* What each of them may send, and what all of them together may. */
	struct nj_sms_rate device;
	struct nj_sms_rate application;
	struct nj_sms_rate customer;
	/* Of the other party: the receiver of what the customer sends, else the sender. */
	struct nj_firewall_lists lists;
};

struct nj_firewall_question {
	enum nj_firewall_kind kind;
	enum nj_firewall_direction direction;
	enum nj_firewall_owner sender_owner;
	enum nj_firewall_owner receiver_owner;
	bool proven; /* by the sender's bearer or binding, not by what the message says */
	uint8_t content;
	uint8_t parts;
	const struct nj_sms_party *sender;
	const struct nj_sms_party *receiver;
};

/* X(name, as it is written, for people) in the order in which they are asked. */
#define NJ_FIREWALL_RULES(X)                                                                                 \
	X(ALLOWED, "allowed", "nothing speaks against it")                                                   \
	X(SPOOFED, "anti-spoof.claimed", "the sender's number belongs to somebody here who did not send it") \
	X(UNPROVEN, "anti-spoof.unproven", "the device's bearer does not prove the sender's number")         \
	X(NAME, "sender.name", "only an application sends under a name")                                     \
	X(NO_SERVICE, "service.none", "the service is off")                                                  \
	X(NO_P2P, "service.p2p", "P2P is not among the services")                                            \
	X(NO_A2P, "service.a2p", "A2P is not among the services")                                            \
	X(BLOCK_MO, "p2p.block.mo", "devices send no P2P")                                                   \
	X(BLOCK_MT, "p2p.block.mt", "P2P does not arrive at devices")                                        \
	X(P2P_OWN, "p2p.reach.own", "P2P with own devices is not allowed")                                   \
	X(P2P_FOREIGN, "p2p.reach.foreign", "P2P with others is not allowed")                                \
	X(A2P_BLOCK, "a2p.block", "A2P is blocked")                                                          \
	X(A2P_OWN, "a2p.own", "A2P between own applications and devices is not allowed")                     \
	X(A2P_FOREIGN, "a2p.foreign", "A2P with others is not allowed")                                      \
	X(BINARY, "content.binary", "binary content is not allowed")                                         \
	X(OTA, "content.ota", "content for a SIM or modem is not allowed")                                   \
	X(FLASH, "content.flash", "flash messages are not allowed")                                          \
	X(SILENT, "content.silent", "silent messages are not allowed")                                       \
	X(WAP_PUSH, "content.wap-push", "WAP push is not allowed")                                           \
	X(LENGTH, "length", "more parts than are allowed")                                                   \
	X(DENIED, "list.deny", "the other party's prefix is on the list of those denied")                    \
	X(NOT_LISTED, "list.allow", "the other party's prefix is not on the list of those allowed")          \
	X(RATE_PARTY, "rate.sender", "the device or application sends too many")                             \
	X(RATE_CUSTOMER, "rate.customer", "the customer sends too many")

enum nj_firewall_rule {
#define NJ_FIREWALL_ENUM(name, written, text) NJ_RULE_##name,
	NJ_FIREWALL_RULES(NJ_FIREWALL_ENUM)
#undef NJ_FIREWALL_ENUM
	    NJ_RULE_COUNT,
};
const char *nj_firewall_rule_name(enum nj_firewall_rule rule);
const char *nj_firewall_rule_text(enum nj_firewall_rule rule);

struct nj_firewall_verdict {
	enum nj_firewall_rule rule;
	bool profile; /* the profile's, not the customer's */
};
/* `profile` may be NULL. */
struct nj_firewall_verdict nj_firewall_ask(const struct nj_firewall *customer, const struct nj_firewall *profile,
					   const struct nj_firewall_question *question);

/* What a message is, by TP-PID, TP-DCS and its header. */
uint8_t nj_firewall_content_of(uint8_t protocol, uint8_t coding, const struct nj_udh *header);
/* A fresh customer's: both services, P2P among own devices, A2P with everybody, text alone, 6 a minute from a device.
 */
struct nj_firewall nj_firewall_fresh(void);
/* A profile's that adds nothing. */
struct nj_firewall nj_firewall_open(void);
/* Settings by name, as operators write them: service, p2p.reach, p2p.block, a2p, content, parts, and rate.device,
 * rate.application, rate.customer ("6/min", "100/s", "none"). NJ_ERR_NOT_FOUND: no such setting; NJ_ERR_RANGE: no such
 * value, and `why` says which there are. */
NJ_MUST_USE enum nj_err nj_firewall_set(struct nj_firewall *settings, const char *name, const char *value,
					struct nj_why *why);
/* The value's text; NJ_ERR_NOT_FOUND. 48 bytes hold any. */
NJ_MUST_USE enum nj_err nj_firewall_get(const struct nj_firewall *settings, const char *name, char *out, size_t cap);
/* The names there are, in order; NULL past the last. */
const char *nj_firewall_setting(size_t index);

#endif
