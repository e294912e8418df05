/*
 * What SMPP calls an error: command_status (3.4 section 5.1.3, and those of 5.0 that a peer may answer), and the faults
 * that a decoder finds, each with the status that it gets and whether the session can go on. Constants and their texts;
 * no state, any thread.
 */
#ifndef NJ_SMS_SMPP_STATUS_H
#define NJ_SMS_SMPP_STATUS_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, code, text for people) */
#define NJ_SMPP_STATUS_TABLE(X)                                                 \
	X(ROK, 0x00, "no error")                                                \
	X(RINVMSGLEN, 0x01, "message length is invalid")                        \
	X(RINVCMDLEN, 0x02, "command length is invalid")                        \
	X(RINVCMDID, 0x03, "invalid command id")                                \
	X(RINVBNDSTS, 0x04, "incorrect bind status for given command")          \
	X(RALYBND, 0x05, "already in bound state")                              \
	X(RINVPRTFLG, 0x06, "invalid priority flag")                            \
	X(RINVREGDLVFLG, 0x07, "invalid registered delivery flag")              \
	X(RSYSERR, 0x08, "system error")                                        \
	X(RINVSRCADR, 0x0A, "invalid source address")                           \
	X(RINVDSTADR, 0x0B, "invalid destination address")                      \
	X(RINVMSGID, 0x0C, "message id is invalid")                             \
	X(RBINDFAIL, 0x0D, "bind failed")                                       \
	X(RINVPASWD, 0x0E, "invalid password")                                  \
	X(RINVSYSID, 0x0F, "invalid system id")                                 \
	X(RCANCELFAIL, 0x11, "cancel_sm failed")                                \
	X(RREPLACEFAIL, 0x13, "replace_sm failed")                              \
	X(RMSGQFUL, 0x14, "message queue full")                                 \
	X(RINVSERTYP, 0x15, "invalid service type")                             \
	X(RINVNUMDESTS, 0x33, "invalid number of destinations")                 \
	X(RINVDLNAME, 0x34, "invalid distribution list name")                   \
	X(RINVDESTFLAG, 0x40, "destination flag is invalid")                    \
	X(RINVSUBREP, 0x42, "invalid submit with replace request")              \
	X(RINVESMCLASS, 0x43, "invalid esm_class field data")                   \
	X(RCNTSUBDL, 0x44, "cannot submit to distribution list")                \
	X(RSUBMITFAIL, 0x45, "submit_sm or submit_multi failed")                \
	X(RINVSRCTON, 0x48, "invalid source address TON")                       \
	X(RINVSRCNPI, 0x49, "invalid source address NPI")                       \
	X(RINVDSTTON, 0x50, "invalid destination address TON")                  \
	X(RINVDSTNPI, 0x51, "invalid destination address NPI")                  \
	X(RINVSYSTYP, 0x53, "invalid system_type field")                        \
	X(RINVREPFLAG, 0x54, "invalid replace_if_present flag")                 \
	X(RINVNUMMSGS, 0x55, "invalid number of messages")                      \
	X(RTHROTTLED, 0x58, "throttling error")                                 \
	X(RINVSCHED, 0x61, "invalid scheduled delivery time")                   \
	X(RINVEXPIRY, 0x62, "invalid message validity period")                  \
	X(RINVDFTMSGID, 0x63, "predefined message is invalid or not found")     \
	X(RX_T_APPN, 0x64, "ESME receiver temporary application error")         \
	X(RX_P_APPN, 0x65, "ESME receiver permanent application error")         \
	X(RX_R_APPN, 0x66, "ESME receiver reject message error")                \
	X(RQUERYFAIL, 0x67, "query_sm failed")                                  \
	X(RINVOPTPARSTREAM, 0xC0, "error in the optional part of the PDU body") \
	X(ROPTPARNOTALLWD, 0xC1, "optional parameter not allowed")              \
	X(RINVPARLEN, 0xC2, "invalid parameter length")                         \
	X(RMISSINGOPTPARAM, 0xC3, "expected optional parameter missing")        \
	X(RINVOPTPARAMVAL, 0xC4, "invalid optional parameter value")            \
	X(RDELIVERYFAILURE, 0xFE, "delivery failure")                           \
	X(RUNKNOWNERR, 0xFF, "unknown error")                                   \
	X(RSERTYPUNAUTH, 0x100, "not authorised to use the service type")       \
	X(RPROHIBITED, 0x101, "prohibited from the operation")                  \
	X(RSERTYPUNAVAIL, 0x102, "service type is unavailable")                 \
	X(RSERTYPDENIED, 0x103, "service type is denied")                       \
	X(RINVDCS, 0x104, "invalid data coding scheme")                         \
	X(RINVSRCADDRSUBUNIT, 0x105, "source address sub unit is invalid")      \
	X(RINVDSTADDRSUBUNIT, 0x106, "destination address sub unit is invalid")

enum nj_smpp_status {
#define NJ_SMPP_STATUS_ENUM(name, code, text) NJ_SMPP_##name = code,
	NJ_SMPP_STATUS_TABLE(NJ_SMPP_STATUS_ENUM)
#undef NJ_SMPP_STATUS_ENUM
};

/* X(name, text for the log): what can be wrong with a PDU */
#define NJ_SMPP_FAULT_TABLE(X)                                                            \
	X(NONE, "none")                                                                   \
	X(LENGTH, "command_length is out of range")                                       \
	X(COMMAND, "an unknown command")                                                  \
	X(TRUNCATED, "the body ends too early")                                           \
	X(TOO_LONG, "a field is longer than it may be")                                   \
	X(VALUE, "a field has a value that it cannot have")                               \
	X(TLV_STREAM, "the optional parameters end in the middle of one")                 \
	X(TLV_LENGTH, "an optional parameter has a length that it cannot have")           \
	X(TLV_VALUE, "an optional parameter has a value that it cannot have")             \
	X(TLV_MISSING, "an optional parameter stands without another that belongs to it") \
	X(TLV_EXCLUDED, "message_payload and a short_message exclude each other")

enum nj_smpp_fault_kind {
#define NJ_SMPP_FAULT_ENUM(name, text) NJ_SMPP_FAULT_##name,
	NJ_SMPP_FAULT_TABLE(NJ_SMPP_FAULT_ENUM)
#undef NJ_SMPP_FAULT_ENUM
};

struct nj_smpp_fault {
	uint8_t kind;      /* enum nj_smpp_fault_kind */
	uint32_t status;   /* enum nj_smpp_status: what the response says */
	const char *field; /* its name in the standard, never NULL; "" where it is the whole PDU */
};

/* "ESME_RINVMSGLEN"; "reserved" for what has no name. */
const char *nj_smpp_status_name(uint32_t status);
const char *nj_smpp_status_text(uint32_t status);
/* The code of a name with or without "ESME_", in any case; false when there is none. */
bool nj_smpp_status_find(const char *name, uint32_t *out_status);
const char *nj_smpp_fault_text(uint8_t kind);
/* Nothing behind this PDU can be found any more: the session must close. */
bool nj_smpp_fault_ends(uint8_t kind);

#endif
