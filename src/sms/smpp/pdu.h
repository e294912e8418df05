/*
 * SMPP 3.4's PDUs (issue 1.2, sections 3 to 5): bytes to a struct of views and back, both by one table. Decoding is
 * about form alone and allocates nothing; nj_smpp_check is about values, for the side that has to answer with the
 * status that the standard names; a client of a foreign SMSC does without it. Views borrow the PDU's bytes. No state,
 * any thread.
 */
#ifndef NJ_SMS_SMPP_PDU_H
#define NJ_SMS_SMPP_PDU_H

#include "sms/smpp/tlv.h"

#define NJ_SMPP_HEADER 16
#define NJ_SMPP_RESPONSE 0x80000000u
#define NJ_SMPP_GENERIC_NACK 0x80000000u
#define NJ_SMPP_SEQUENCE_MAX 0x7fffffffu /* 3.2: 1 to this */
#define NJ_SMPP_VERSION_33 0x33
#define NJ_SMPP_VERSION_34 0x34
#define NJ_SMPP_VERSION_50 0x50
#define NJ_SMPP_MESSAGE_MAX 254     /* octets of short_message */
#define NJ_SMPP_MESSAGE_ID_BYTES 65 /* with its zero */
#define NJ_SMPP_DEST_ADDRESS 1      /* dest_flag (5.2.25) */
#define NJ_SMPP_DEST_LIST 2
#define NJ_SMPP_PDU_MAX (128u * 1024) /* more than the largest that 3.4 can make of its own parameters */

enum nj_smpp_side { NJ_SMPP_ESME, NJ_SMPP_SMSC };

/* Section 2.2, and two states that 5.0 has given names to. */
enum nj_smpp_state {
	NJ_SMPP_OPEN = 0x01,
	NJ_SMPP_OUTBOUND = 0x02, /* outbind went from the SMSC to the ESME */
	NJ_SMPP_BOUND_TX = 0x04,
	NJ_SMPP_BOUND_RX = 0x08,
	NJ_SMPP_BOUND_TRX = 0x10,
	NJ_SMPP_UNBOUND = 0x20,
	NJ_SMPP_CLOSED = 0x40,
	NJ_SMPP_UNTIED = NJ_SMPP_OPEN | NJ_SMPP_OUTBOUND,
	NJ_SMPP_SENDING = NJ_SMPP_BOUND_TX | NJ_SMPP_BOUND_TRX,
	NJ_SMPP_RECEIVING = NJ_SMPP_BOUND_RX | NJ_SMPP_BOUND_TRX,
	NJ_SMPP_BOUND = NJ_SMPP_SENDING | NJ_SMPP_RECEIVING,
};

/* X(name, name in the standard, id, has a response, states in which an ESME sends it, states in which an SMSC
 * does): 2.3 */
#define NJ_SMPP_OPERATION_TABLE(X)                                                      \
	X(BIND_RECEIVER, "bind_receiver", 0x001, true, NJ_SMPP_UNTIED, 0)               \
	X(BIND_TRANSMITTER, "bind_transmitter", 0x002, true, NJ_SMPP_UNTIED, 0)         \
	X(QUERY_SM, "query_sm", 0x003, true, NJ_SMPP_SENDING, 0)                        \
	X(SUBMIT_SM, "submit_sm", 0x004, true, NJ_SMPP_SENDING, 0)                      \
	X(DELIVER_SM, "deliver_sm", 0x005, true, 0, NJ_SMPP_RECEIVING)                  \
	X(UNBIND, "unbind", 0x006, true, NJ_SMPP_BOUND, NJ_SMPP_BOUND)                  \
	X(REPLACE_SM, "replace_sm", 0x007, true, NJ_SMPP_SENDING, 0)                    \
	X(CANCEL_SM, "cancel_sm", 0x008, true, NJ_SMPP_SENDING, 0)                      \
	X(BIND_TRANSCEIVER, "bind_transceiver", 0x009, true, NJ_SMPP_UNTIED, 0)         \
	X(OUTBIND, "outbind", 0x00B, false, 0, NJ_SMPP_OPEN)                            \
	X(ENQUIRE_LINK, "enquire_link", 0x015, true, NJ_SMPP_BOUND, NJ_SMPP_BOUND)      \
	X(SUBMIT_MULTI, "submit_multi", 0x021, true, NJ_SMPP_SENDING, 0)                \
	X(ALERT_NOTIFICATION, "alert_notification", 0x102, false, 0, NJ_SMPP_RECEIVING) \
	X(DATA_SM, "data_sm", 0x103, true, NJ_SMPP_BOUND, NJ_SMPP_BOUND)

enum nj_smpp_command {
#define NJ_SMPP_COMMAND_ENUM(name, text, id, answered, esme, smsc) NJ_SMPP_##name = id,
	NJ_SMPP_OPERATION_TABLE(NJ_SMPP_COMMAND_ENUM)
#undef NJ_SMPP_COMMAND_ENUM
};

struct nj_smpp_address {
	uint8_t ton;
	uint8_t npi;
	struct nj_view addr;
};

/* Items as they stand in the PDU, `count` of them. */
struct nj_smpp_list {
	uint8_t count;
	struct nj_view items;
};

/* One struct for all: what a command has no field for stays empty. */
struct nj_smpp_pdu {
	uint32_t command;
	uint32_t status;
	uint32_t sequence;
	uint8_t interface_version;
	uint8_t esm_class;
	uint8_t protocol_id;
	uint8_t priority;
	uint8_t registered_delivery;
	uint8_t replace_if_present;
	uint8_t data_coding;
	uint8_t default_msg_id;
	uint8_t message_state;
	uint8_t error_code;
	struct nj_view system_id;
	struct nj_view password;
	struct nj_view system_type;
	struct nj_view service_type;
	struct nj_smpp_address source; /* of a bind: addr_ton, addr_npi, address_range */
	struct nj_smpp_address dest;   /* of alert_notification: esme_addr */
	struct nj_view schedule;
	struct nj_view validity;
	struct nj_view final_date;
	struct nj_view message_id;
	struct nj_view short_message;
	struct nj_smpp_list list; /* submit_multi: dest_address; submit_multi_resp: unsuccess_sme */
	struct nj_smpp_tlvs tlvs; /* last */
};

struct nj_smpp_dest {
	bool is_list; /* dest_flag 2: `address.addr` is a distribution list's name */
	struct nj_smpp_address address;
};

struct nj_smpp_failure {
	struct nj_smpp_address address;
	uint32_t status;
};

/*
 * The length of the PDU at the start of `in`. Complete: *out_need = 0. Incomplete: *out_need is how many bytes more are
 * wanted at least. A fault: NJ_SMPP_FAULT_LENGTH, as soon as the first four bytes tell; *out_sequence is what the nack
 * carries, 0 where the header cannot be trusted.
 */
NJ_MUST_USE struct nj_smpp_fault nj_smpp_frame(struct nj_view in, size_t max_bytes, size_t *out_len, size_t *out_need,
					       uint32_t *out_sequence);
/* Reads one whole PDU, of at least NJ_SMPP_HEADER bytes. The header is filled whatever is wrong behind it; with a fault
 * nothing else is. The body of a response with an error may be absent, or anything. */
NJ_MUST_USE struct nj_smpp_fault nj_smpp_decode(struct nj_view whole, struct nj_smpp_pdu *out_pdu);
/* The values of a decoded request that `sender` sent. */
NJ_MUST_USE struct nj_smpp_fault nj_smpp_check(const struct nj_smpp_pdu *pdu, enum nj_smpp_side sender);
/* Writes a whole PDU; a response with an error and no optional parameters has no body. NJ_ERR_FULL (no room),
 * NJ_ERR_TOO_LARGE (a field), NJ_ERR_MALFORMED (a zero inside a string, or items that are none), NJ_ERR_RANGE (an
 * optional parameter that this command has not), NJ_ERR_UNSUPPORTED (no such command). */
NJ_MUST_USE enum nj_err nj_smpp_encode(const struct nj_smpp_pdu *pdu, void *out, size_t cap, size_t *out_len);

/* An empty PDU of a command, ready to be filled. */
void nj_smpp_pdu_init(struct nj_smpp_pdu *pdu, uint32_t command, uint32_t status, uint32_t sequence);
/* From *cursor = 0; false at the end. */
bool nj_smpp_dest_next(const struct nj_smpp_list *list, size_t *cursor, struct nj_smpp_dest *out_dest);
bool nj_smpp_failure_next(const struct nj_smpp_list *list, size_t *cursor, struct nj_smpp_failure *out_failure);
/* Appends to what will be a list's items. */
void nj_smpp_dest_write(struct nj_writer *w, const struct nj_smpp_dest *dest);
void nj_smpp_failure_write(struct nj_writer *w, const struct nj_smpp_failure *failure);

/* "submit_sm_resp"; "unknown". */
const char *nj_smpp_command_name(uint32_t command);
bool nj_smpp_command_known(uint32_t command);
bool nj_smpp_is_bind(uint32_t command);
/* A request that is answered by `command | NJ_SMPP_RESPONSE`. */
bool nj_smpp_command_answered(uint32_t command);
/* The states (a set) in which `side` may send a request. */
unsigned nj_smpp_command_states(uint32_t command, enum nj_smpp_side side);

#endif
