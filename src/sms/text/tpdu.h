/*
 * The six TPDUs of short messages (3GPP TS 23.040 9.2.2): decoded into a struct of views, encoded from it. Nothing here
 * judges what a message may do. Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_TPDU_H
#define NJ_SMS_TEXT_TPDU_H

#include "sms/text/address.h"
#include "sms/text/stamp.h"
#include "sms/text/userdata.h"

#define NJ_TPDU_BYTES_MAX 176 /* the longest: a status report with 140 octets of user data, and some room */

enum nj_tpdu_type {
	NJ_TPDU_DELIVER,
	NJ_TPDU_DELIVER_REPORT,
	NJ_TPDU_SUBMIT,
	NJ_TPDU_SUBMIT_REPORT,
	NJ_TPDU_STATUS_REPORT,
	NJ_TPDU_COMMAND,
};

/* Who sent it: the type is two bits and the direction. */
enum nj_tpdu_from { NJ_TPDU_FROM_DEVICE, NJ_TPDU_FROM_CENTRE };

/* Which optional fields are there: the bits of TP-PI (9.2.3.27). */
enum nj_tpdu_parameter { NJ_TPDU_HAS_PID = 1, NJ_TPDU_HAS_DCS = 2, NJ_TPDU_HAS_USER_DATA = 4 };

/* What SMS-COMMAND asks for (9.2.3.19). */
enum nj_tpdu_command { NJ_TPDU_ENQUIRY, NJ_TPDU_CANCEL_REPORT, NJ_TPDU_DELETE, NJ_TPDU_ENABLE_REPORT };

struct nj_tpdu {
	enum nj_tpdu_type type;
	bool no_more;                  /* TP-MMS: DELIVER, STATUS-REPORT */
	bool loop;                     /* TP-LP: DELIVER, STATUS-REPORT */
	bool reject_duplicates;        /* TP-RD: SUBMIT */
	bool reply_path;               /* TP-RP: DELIVER, SUBMIT */
	bool report;                   /* TP-SRI, TP-SRR or TP-SRQ: DELIVER, SUBMIT and COMMAND, STATUS-REPORT */
	bool failed;                   /* reports: of an RP-ERROR, so that `cause` is there */
	uint8_t cause;                 /* TP-FCS */
	uint8_t parameters;            /* TP-PI: the reports */
	uint8_t reference;             /* TP-MR: SUBMIT, STATUS-REPORT, COMMAND */
	uint8_t protocol;              /* TP-PID */
	uint8_t coding;                /* TP-DCS */
	uint8_t status;                /* TP-ST: STATUS-REPORT */
	uint8_t command;               /* TP-CT */
	uint8_t message;               /* TP-MN: COMMAND */
	struct nj_address address;     /* TP-OA, TP-DA or TP-RA; none in DELIVER-REPORT and SUBMIT-REPORT */
	struct nj_stamp time;          /* TP-SCTS: DELIVER, SUBMIT-REPORT, STATUS-REPORT */
	struct nj_stamp discharge;     /* TP-DT: STATUS-REPORT */
	struct nj_validity validity;   /* SUBMIT */
	struct nj_user_data user_data; /* of COMMAND the command data: no header, octets */
};

/*
 * `failed`: the TPDU came in an RP-ERROR, which only reports do. NJ_ERR_UNSUPPORTED: a type that a device may not send.
 * NJ_ERR_TRUNCATED, NJ_ERR_TRAILING, NJ_ERR_MALFORMED, NJ_ERR_RANGE. A reserved type from a service centre is a DELIVER
 * (9.2.3.1). Optional fields that this version of the standard does not have are skipped.
 */
NJ_MUST_USE enum nj_err nj_tpdu_decode(struct nj_view in, enum nj_tpdu_from from, bool failed, struct nj_tpdu *out);
/* NJ_ERR_RANGE: an address or user data that has no such form; NJ_ERR_FULL. */
NJ_MUST_USE enum nj_err nj_tpdu_encode(const struct nj_tpdu *tpdu, uint8_t *out, size_t cap, size_t *out_len);

#endif
