/*
 * The rows that decode and encode read: an operation's fields in their order. Included in src/sms/smpp alone.
 * Constants; any thread.
 */
#ifndef NJ_SMS_SMPP_TABLE_H
#define NJ_SMS_SMPP_TABLE_H

#include "sms/smpp/pdu.h"

enum nj_smpp_field_type {
	NJ_SMPP_U8,
	NJ_SMPP_STRING,   /* up to a zero, which counts towards `max` */
	NJ_SMPP_OCTETS,   /* a length in one byte before them */
	NJ_SMPP_DESTS,    /* a number in one byte, then as many dest_address (4.5.1.1) */
	NJ_SMPP_FAILURES, /* the same of unsuccess_sme (4.5.2.1) */
};

/* What a value must be: nj_smpp_check. */
enum nj_smpp_rule {
	NJ_SMPP_ANY,
	NJ_SMPP_TON,
	NJ_SMPP_NPI,
	NJ_SMPP_VERSION,
	NJ_SMPP_ESM,
	NJ_SMPP_REGISTERED,
	NJ_SMPP_AT_MOST_1,
	NJ_SMPP_AT_MOST_3,
	NJ_SMPP_AT_MOST_254,
	NJ_SMPP_NOT_EMPTY,
	NJ_SMPP_TIME,
	NJ_SMPP_ADDRESSEES,
};

struct nj_smpp_field {
	const char *name;
	uint8_t type;    /* enum nj_smpp_field_type */
	uint8_t rule;    /* enum nj_smpp_rule */
	uint16_t max;    /* bytes of a string with its zero, of octets without their length */
	uint16_t offset; /* in struct nj_smpp_pdu */
	uint16_t status; /* what a fault in it gets */
};

struct nj_smpp_body {
	const struct nj_smpp_field *fields;
	uint8_t count;
	uint8_t where; /* enum nj_smpp_in; 0: no optional parameter is expected */
};

/* NULL: no such command. */
const struct nj_smpp_body *nj_smpp_body_of(uint32_t command);

/* Takes all that is left of a PDU. enum nj_smpp_fault_kind; *out_field only with a fault. */
uint8_t nj_smpp_tlvs_read(struct nj_reader *r, unsigned where, struct nj_smpp_tlvs *out_set, const char **out_field);
uint8_t nj_smpp_tlvs_check(const struct nj_smpp_tlvs *set, const char **out_field);
/* In the table's order, then the rest of `raw`. NJ_ERR_RANGE: one is not expected here. */
NJ_MUST_USE enum nj_err nj_smpp_tlvs_write(const struct nj_smpp_tlvs *set, unsigned where, struct nj_writer *w);

#endif
