/*
 * The user data header (3GPP TS 23.040 9.2.3.24): information elements of a type, a length and a value, behind one
 * length octet. Unknown elements are kept and skipped. Pure: no clock, no allocation. Any thread.
 */
#ifndef NJ_SMS_TEXT_UDH_H
#define NJ_SMS_TEXT_UDH_H

#include "base/wire.h"
#include "sms/text/gsm7.h"

/* Information element identifiers, 9.2.3.24. */
enum nj_ie {
	NJ_IE_CONCAT_8 = 0x00,
	NJ_IE_SPECIAL_INDICATION = 0x01,
	NJ_IE_PORT_8 = 0x04,
	NJ_IE_PORT_16 = 0x05,
	NJ_IE_SMSC_CONTROL = 0x06,
	NJ_IE_SOURCE_INDICATOR = 0x07,
	NJ_IE_CONCAT_16 = 0x08,
	NJ_IE_WIRELESS_CONTROL = 0x09,
	NJ_IE_RFC_5322 = 0x20,
	NJ_IE_HYPERLINK = 0x21,
	NJ_IE_REPLY_ADDRESS = 0x22,
	NJ_IE_SINGLE_SHIFT = 0x24,
	NJ_IE_LOCKING_SHIFT = 0x25,
	NJ_IE_SIM_FIRST = 0x70, /* (U)SIM toolkit security headers, 3GPP TS 31.115 */
	NJ_IE_SIM_LAST = 0x7F,
};

struct nj_udh_element {
	uint8_t id;
	struct nj_view value;
};

/* What a header says. When an element comes twice, the last one counts (9.2.3.24). */
struct nj_udh {
	bool concatenated; /* with total 1–255 and sequence 1–total; else the element is as if it were not there */
	bool wide;
	uint16_t reference;
	uint8_t total;
	uint8_t sequence;
	bool has_ports;
	uint16_t destination_port;
	uint16_t source_port;
	struct nj_gsm7_tables tables; /* languages as received */
	bool sim;                     /* an element for the SIM toolkit */
	bool wireless_control;
};

/* Reads the elements (without the header's length octet). NJ_ERR_TRUNCATED: one reaches past the end; then the whole
 * header counts as none. An element of known type and wrong length is skipped. */
NJ_MUST_USE enum nj_err nj_udh_read(struct nj_view elements, struct nj_udh *out);
/* The next element; false at the end and where one is truncated. */
bool nj_udh_next(struct nj_reader *r, struct nj_udh_element *out);

void nj_udh_write_concatenation(struct nj_writer *w, bool wide, uint16_t reference, uint8_t total, uint8_t sequence);
void nj_udh_write_ports(struct nj_writer *w, uint16_t destination, uint16_t source);
/* What `tables` has beside the default. */
void nj_udh_write_tables(struct nj_writer *w, struct nj_gsm7_tables tables);

#endif
