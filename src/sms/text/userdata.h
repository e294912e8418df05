/*
 * The user data of a TPDU (3GPP TS 23.040 9.2.3.24): a header, perhaps, and text or octets behind it. Read as views of
 * the TPDU; written from a layout and the units of one part. Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_USERDATA_H
#define NJ_SMS_TEXT_USERDATA_H

#include "sms/text/split.h"
#include "sms/text/udh.h"

#define NJ_SMS_PART_UNITS_MAX 160

struct nj_user_data {
	struct nj_view octets; /* with the header and its length octet */
	uint8_t length;        /* TP-UDL: septets when the coding scheme says so, else octets */
	bool has_header;
};

/* Reads TP-UDL and TP-UD. Fails the reader: NJ_ERR_RANGE over 160 septets or 140 octets, NJ_ERR_MALFORMED when the
 * header's length exceeds them. */
void nj_user_data_read(struct nj_reader *r, uint8_t dcs, bool has_header, struct nj_user_data *out);
void nj_user_data_write(struct nj_writer *w, const struct nj_user_data *data);
/* The header's elements; empty when there is none. */
struct nj_view nj_user_data_elements(const struct nj_user_data *data);
/* The units behind the header in `out`; returns how many. */
size_t nj_user_data_units(const struct nj_user_data *data, uint8_t dcs, uint8_t out[NJ_SMS_PART_UNITS_MAX]);

/* Of a message of several parts; total 1: of one. */
struct nj_sms_place {
	uint16_t reference; /* of which 8 bits count unless the layout is wide */
	uint8_t total;
	uint8_t sequence; /* from 1 */
};
/* The user data of one part, its octets in `octets`. NJ_ERR_FULL: units and header exceed a part. */
NJ_MUST_USE enum nj_err nj_user_data_make(const struct nj_sms_layout *layout, struct nj_sms_place place,
					  struct nj_view units, uint8_t octets[NJ_SMS_USER_DATA_MAX],
					  struct nj_user_data *out);

#endif
