/*
 * The data coding scheme of a short message (3GPP TS 23.038 section 4): which alphabet, which class, and what the
 * message is besides. Every octet means something: reserved codings are the default alphabet, as the standard says.
 * Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_DCS_H
#define NJ_SMS_TEXT_DCS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum nj_sms_charset {
	NJ_SMS_GSM7,
	NJ_SMS_BINARY, /* 8 bit data */
	NJ_SMS_UCS2,   /* in fact UTF-16, big end first */
};

/* What happens to a message that says that others wait elsewhere. */
enum nj_dcs_waiting { NJ_DCS_WAITING_NONE, NJ_DCS_WAITING_DISCARD, NJ_DCS_WAITING_STORE };

enum nj_sms_class {
	NJ_SMS_CLASS_FLASH,  /* 0: shown at once, not kept */
	NJ_SMS_CLASS_DEVICE, /* 1: the mobile equipment's */
	NJ_SMS_CLASS_SIM,    /* 2: the (U)SIM's */
	NJ_SMS_CLASS_TE,     /* 3: the terminal equipment's */
	NJ_SMS_CLASS_NONE,
};

struct nj_dcs {
	enum nj_sms_charset charset;
	enum nj_sms_class class;
	bool compressed;  /* 3GPP TS 23.042: its octets are not text to us */
	bool auto_delete; /* group 01xx */
	enum nj_dcs_waiting waiting;
	bool indicate;        /* of `waiting`: set the indication active, else clear it */
	uint8_t waiting_type; /* 0 voice mail, 1 fax, 2 electronic mail, 3 other */
};

struct nj_dcs nj_dcs_decode(uint8_t octet);
/* NJ_ERR_RANGE for what no octet says: 8 bit, class or compression with `waiting`; UCS-2 that is to be discarded. */
NJ_MUST_USE enum nj_err nj_dcs_encode(struct nj_dcs dcs, uint8_t *out);
/* The user data's length is in septets, not octets (3GPP TS 23.040 9.2.3.16). */
bool nj_dcs_in_septets(struct nj_dcs dcs);

#endif
