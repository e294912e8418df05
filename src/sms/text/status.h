/*
 * What became of a short message, by the codes of 3GPP TS 23.040: the status of a report (TP-ST, 9.2.3.15), the cause
 * of a failure (TP-FCS, 9.2.3.22) and what a protocol identifier asks for (TP-PID, 9.2.3.9). Tables; constant. Any
 * thread.
 */
#ifndef NJ_SMS_TEXT_STATUS_H
#define NJ_SMS_TEXT_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum nj_sms_fate {
	NJ_SMS_DELIVERED, /* the transaction is over, and the message is with the receiver or as good as */
	NJ_SMS_TRYING,    /* a temporary error, and the service centre tries again */
	NJ_SMS_FAILED,    /* a permanent error */
	NJ_SMS_GIVEN_UP,  /* a temporary error, but the service centre does not try again */
};

enum nj_sms_status {
	NJ_SMS_STATUS_RECEIVED = 0x00,
	NJ_SMS_STATUS_FORWARDED = 0x01,
	NJ_SMS_STATUS_REPLACED = 0x02,
	NJ_SMS_STATUS_CONGESTION = 0x20,
	NJ_SMS_STATUS_BUSY = 0x21,
	NJ_SMS_STATUS_NO_RESPONSE = 0x22,
	NJ_SMS_STATUS_REMOTE_ERROR = 0x40,
	NJ_SMS_STATUS_NOT_OBTAINABLE = 0x43,
	NJ_SMS_STATUS_EXPIRED = 0x46,
	NJ_SMS_STATUS_DELETED_BY_SENDER = 0x47,
	NJ_SMS_STATUS_DELETED_BY_CENTRE = 0x48,
	NJ_SMS_STATUS_UNKNOWN_MESSAGE = 0x49,
};

/* Reserved codes are of the range that they stand in; those from 0x80 on have failed. */
enum nj_sms_fate nj_sms_status_fate(uint8_t status);
/* For people; never NULL. Reserved and service centre specific codes have a text of their range. */
const char *nj_sms_status_text(uint8_t status);

enum nj_sms_cause {
	NJ_SMS_CAUSE_TYPE_0_UNSUPPORTED = 0x81,
	NJ_SMS_CAUSE_CANNOT_REPLACE = 0x82,
	NJ_SMS_CAUSE_ALPHABET = 0x90,
	NJ_SMS_CAUSE_CLASS = 0x91,
	NJ_SMS_CAUSE_COMMAND_UNSUPPORTED = 0xA1,
	NJ_SMS_CAUSE_TPDU_UNSUPPORTED = 0xB0,
	NJ_SMS_CAUSE_CENTRE_BUSY = 0xC0,
	NJ_SMS_CAUSE_NO_SUBSCRIPTION = 0xC1,
	NJ_SMS_CAUSE_CENTRE_FAILURE = 0xC2,
	NJ_SMS_CAUSE_INVALID_ADDRESS = 0xC3,
	NJ_SMS_CAUSE_BARRED = 0xC4,
	NJ_SMS_CAUSE_DUPLICATE = 0xC5,
	NJ_SMS_CAUSE_SIM_FULL = 0xD0,
	NJ_SMS_CAUSE_MS_ERROR = 0xD2,
	NJ_SMS_CAUSE_MEMORY_FULL = 0xD3,
	NJ_SMS_CAUSE_TOOLKIT_BUSY = 0xD4,
	NJ_SMS_CAUSE_UNSPECIFIED = 0xFF,
};

/* The same message may get through later: memory is full, the toolkit or the service centre is busy. */
bool nj_sms_cause_temporary(uint8_t cause);
const char *nj_sms_cause_text(uint8_t cause);

enum nj_sms_pid {
	NJ_SMS_PID_PLAIN,
	NJ_SMS_PID_TELEMATIC,      /* interworking: fax, paging, mail … */
	NJ_SMS_PID_TYPE_0,         /* 0x40: acknowledged by the device and thrown away */
	NJ_SMS_PID_REPLACE,        /* 0x41–0x47: replaces the one of its type before it */
	NJ_SMS_PID_DEVICE_TRIGGER, /* 0x48 */
	NJ_SMS_PID_RETURN_CALL,    /* 0x5F */
	NJ_SMS_PID_ME_DOWNLOAD,    /* 0x7D, and 0x7E de-personalisation */
	NJ_SMS_PID_SIM_DOWNLOAD,   /* 0x7F: (U)SIM toolkit */
	NJ_SMS_PID_OTHER,          /* reserved, or the service centre's own */
};
enum nj_sms_pid nj_sms_pid_kind(uint8_t pid);

#endif
