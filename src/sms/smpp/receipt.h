/*
 * Delivery receipts: the text of 3.4's Appendix B, read whatever its order and case and written exactly, with the
 * optional parameters receipted_message_id, message_state and network_error_code; and message ids, which come back in
 * another case, with or without leading zeros, in hexadecimal or decimal. Views borrow the PDU's bytes. No state, any
 * thread.
 */
#ifndef NJ_SMS_SMPP_RECEIPT_H
#define NJ_SMS_SMPP_RECEIPT_H

#include "sms/smpp/octets.h"

#define NJ_SMPP_RECEIPT_TEXT_MAX 20 /* octets of the message that a receipt repeats */
#define NJ_SMPP_NETWORK_ERROR_BYTES 3
#define NJ_SMPP_ID_FORMS 3

struct nj_smpp_receipt {
	struct nj_view id;
	uint16_t submitted; /* "sub": messages sent; 0: not said */
	uint16_t delivered;
	uint64_t submit_ms; /* wall time; 0: not said */
	uint64_t done_ms;
	uint8_t state; /* enum nj_smpp_message_state */
	bool intermediate;
	struct nj_view error;  /* "err": at most three characters when written; empty: "000" */
	uint8_t network;       /* network_error_code's type: 1 ANSI-136, 2 IS-95, 3 GSM; 0: there is none */
	uint16_t network_code; /* its error */
	struct nj_view text;
};

/* Where a written receipt's bytes stand, for as long as its PDU. */
struct nj_smpp_receipt_room {
	char text[NJ_SMPP_MESSAGE_MAX + 1];
	uint8_t network[NJ_SMPP_NETWORK_ERROR_BYTES];
};

/* The forms that an id may come back in, its own first, for a look-up one by one. */
struct nj_smpp_id_forms {
	unsigned count;
	char text[NJ_SMPP_ID_FORMS][NJ_SMPP_MESSAGE_ID_BYTES];
};

/* NJ_ERR_MALFORMED: neither an id nor a state in it. What is not readable counts as not said. */
NJ_MUST_USE enum nj_err nj_smpp_receipt_parse(struct nj_view text, struct nj_smpp_receipt *out_receipt);
/* A deliver_sm's or data_sm's: what its optional parameters say goes before its text. NJ_ERR_NOT_FOUND: by esm_class
 * and optional parameters it is none; NJ_ERR_MALFORMED: it is, and says nothing. */
NJ_MUST_USE enum nj_err nj_smpp_receipt_read(const struct nj_smpp_pdu *pdu, struct nj_smpp_receipt *out_receipt);
/* Fills esm_class, short_message and the optional parameters of a deliver_sm. NJ_ERR_TOO_LARGE: the id. */
NJ_MUST_USE enum nj_err nj_smpp_receipt_fill(const struct nj_smpp_receipt *receipt, struct nj_smpp_receipt_room *room,
					     struct nj_smpp_pdu *pdu);

/* NJ_ERR_TOO_LARGE, NJ_ERR_MALFORMED (empty, or a zero in it). */
NJ_MUST_USE enum nj_err nj_smpp_id_forms(struct nj_view id, struct nj_smpp_id_forms *out_forms);
/* One is a form of the other. */
bool nj_smpp_id_same(struct nj_view a, struct nj_view b);

#endif
