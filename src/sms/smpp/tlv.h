/*
 * SMPP's optional parameters (3.4 section 5.3.2): one row says all there is to know about one, and decode, encode and
 * log text read it. A decoded set borrows the PDU's bytes and allocates nothing. What is unknown, a vendor's, or not
 * expected in this PDU is no fault (section 3.3): it stays in the set and is written again. No state, any thread.
 */
#ifndef NJ_SMS_SMPP_TLV_H
#define NJ_SMS_SMPP_TLV_H

#include "base/wire.h"
#include "sms/smpp/status.h"

enum nj_smpp_tlv_type { NJ_SMPP_TLV_U8, NJ_SMPP_TLV_U16, NJ_SMPP_TLV_U32, NJ_SMPP_TLV_OCTETS, NJ_SMPP_TLV_STRING };

/* Where an optional parameter is expected: section 4's tables. */
enum nj_smpp_in {
	NJ_SMPP_IN_SUBMIT = 0x01,
	NJ_SMPP_IN_MULTI = 0x02,
	NJ_SMPP_IN_DELIVER = 0x04,
	NJ_SMPP_IN_DATA = 0x08,
	NJ_SMPP_IN_DATA_RESP = 0x10,
	NJ_SMPP_IN_BIND_RESP = 0x20,
	NJ_SMPP_IN_ALERT = 0x40,
	NJ_SMPP_IN_SENT = NJ_SMPP_IN_SUBMIT | NJ_SMPP_IN_MULTI | NJ_SMPP_IN_DATA,
	NJ_SMPP_IN_ANY_MESSAGE = NJ_SMPP_IN_SENT | NJ_SMPP_IN_DELIVER,
};

/* X(name, tag, log text, type, least and greatest value or length (with the zero of a string), where) */
#define NJ_SMPP_TLV_TABLE(X)                                                                                         \
	X(DEST_ADDR_SUBUNIT, 0x0005, "dest_addr_subunit", U8, 0, 0xff, NJ_SMPP_IN_SENT)                              \
	X(DEST_NETWORK_TYPE, 0x0006, "dest_network_type", U8, 0, 0xff, NJ_SMPP_IN_DATA)                              \
	X(DEST_BEARER_TYPE, 0x0007, "dest_bearer_type", U8, 0, 0xff, NJ_SMPP_IN_DATA)                                \
	X(DEST_TELEMATICS_ID, 0x0008, "dest_telematics_id", U16, 0, 0xffff, NJ_SMPP_IN_DATA)                         \
	X(SOURCE_ADDR_SUBUNIT, 0x000D, "source_addr_subunit", U8, 0, 0xff, NJ_SMPP_IN_SENT)                          \
	X(SOURCE_NETWORK_TYPE, 0x000E, "source_network_type", U8, 0, 0xff, NJ_SMPP_IN_DATA)                          \
	X(SOURCE_BEARER_TYPE, 0x000F, "source_bearer_type", U8, 0, 0xff, NJ_SMPP_IN_DATA)                            \
	X(SOURCE_TELEMATICS_ID, 0x0010, "source_telematics_id", U8, 0, 0xff, NJ_SMPP_IN_DATA)                        \
	X(QOS_TIME_TO_LIVE, 0x0017, "qos_time_to_live", U32, 0, 0xffffffff, NJ_SMPP_IN_DATA)                         \
	X(PAYLOAD_TYPE, 0x0019, "payload_type", U8, 0, 0xff, NJ_SMPP_IN_ANY_MESSAGE)                                 \
	X(ADDITIONAL_STATUS_INFO_TEXT, 0x001D, "additional_status_info_text", STRING, 1, 256, NJ_SMPP_IN_DATA_RESP)  \
	X(RECEIPTED_MESSAGE_ID, 0x001E, "receipted_message_id", STRING, 1, 65, NJ_SMPP_IN_DELIVER | NJ_SMPP_IN_DATA) \
	X(MS_MSG_WAIT_FACILITIES, 0x0030, "ms_msg_wait_facilities", U8, 0, 0xff, NJ_SMPP_IN_SENT)                    \
	X(PRIVACY_INDICATOR, 0x0201, "privacy_indicator", U8, 0, 3, NJ_SMPP_IN_ANY_MESSAGE)                          \
	X(SOURCE_SUBADDRESS, 0x0202, "source_subaddress", OCTETS, 2, 23, NJ_SMPP_IN_ANY_MESSAGE)                     \
	X(DEST_SUBADDRESS, 0x0203, "dest_subaddress", OCTETS, 2, 23, NJ_SMPP_IN_ANY_MESSAGE)                         \
	X(USER_MESSAGE_REFERENCE, 0x0204, "user_message_reference", U16, 0, 0xffff, NJ_SMPP_IN_ANY_MESSAGE)          \
	X(USER_RESPONSE_CODE, 0x0205, "user_response_code", U8, 0, 0xff,                                             \
	  NJ_SMPP_IN_SUBMIT | NJ_SMPP_IN_DELIVER | NJ_SMPP_IN_DATA)                                                  \
	X(SOURCE_PORT, 0x020A, "source_port", U16, 0, 0xffff, NJ_SMPP_IN_ANY_MESSAGE)                                \
	X(DESTINATION_PORT, 0x020B, "destination_port", U16, 0, 0xffff, NJ_SMPP_IN_ANY_MESSAGE)                      \
	X(SAR_MSG_REF_NUM, 0x020C, "sar_msg_ref_num", U16, 0, 0xffff, NJ_SMPP_IN_ANY_MESSAGE)                        \
	X(LANGUAGE_INDICATOR, 0x020D, "language_indicator", U8, 0, 0xff, NJ_SMPP_IN_ANY_MESSAGE)                     \
	X(SAR_TOTAL_SEGMENTS, 0x020E, "sar_total_segments", U8, 1, 0xff, NJ_SMPP_IN_ANY_MESSAGE)                     \
	X(SAR_SEGMENT_SEQNUM, 0x020F, "sar_segment_seqnum", U8, 1, 0xff, NJ_SMPP_IN_ANY_MESSAGE)                     \
	X(SC_INTERFACE_VERSION, 0x0210, "sc_interface_version", U8, 0, 0xff, NJ_SMPP_IN_BIND_RESP)                   \
	X(CALLBACK_NUM_PRES_IND, 0x0302, "callback_num_pres_ind", U8, 0, 0x0f, NJ_SMPP_IN_SENT)                      \
	X(CALLBACK_NUM_ATAG, 0x0303, "callback_num_atag", OCTETS, 1, 65, NJ_SMPP_IN_SENT)                            \
	X(NUMBER_OF_MESSAGES, 0x0304, "number_of_messages", U8, 0, 99, NJ_SMPP_IN_SUBMIT | NJ_SMPP_IN_DATA)          \
	X(CALLBACK_NUM, 0x0381, "callback_num", OCTETS, 4, 19, NJ_SMPP_IN_ANY_MESSAGE)                               \
	X(DPF_RESULT, 0x0420, "dpf_result", U8, 0, 1, NJ_SMPP_IN_DATA_RESP)                                          \
	X(SET_DPF, 0x0421, "set_dpf", U8, 0, 1, NJ_SMPP_IN_DATA)                                                     \
	X(MS_AVAILABILITY_STATUS, 0x0422, "ms_availability_status", U8, 0, 0xff, NJ_SMPP_IN_ALERT)                   \
	X(NETWORK_ERROR_CODE, 0x0423, "network_error_code", OCTETS, 3, 3,                                            \
	  NJ_SMPP_IN_DELIVER | NJ_SMPP_IN_DATA | NJ_SMPP_IN_DATA_RESP)                                               \
	X(MESSAGE_PAYLOAD, 0x0424, "message_payload", OCTETS, 0, 0xffff, NJ_SMPP_IN_ANY_MESSAGE)                     \
	X(DELIVERY_FAILURE_REASON, 0x0425, "delivery_failure_reason", U8, 0, 0xff, NJ_SMPP_IN_DATA_RESP)             \
	X(MORE_MESSAGES_TO_SEND, 0x0426, "more_messages_to_send", U8, 0, 0xff, NJ_SMPP_IN_SUBMIT | NJ_SMPP_IN_DATA)  \
	X(MESSAGE_STATE, 0x0427, "message_state", U8, 0, 0xff, NJ_SMPP_IN_DELIVER | NJ_SMPP_IN_DATA)                 \
	X(USSD_SERVICE_OP, 0x0501, "ussd_service_op", OCTETS, 1, 1, NJ_SMPP_IN_SUBMIT)                               \
	X(DISPLAY_TIME, 0x1201, "display_time", U8, 0, 0xff, NJ_SMPP_IN_SENT)                                        \
	X(SMS_SIGNAL, 0x1203, "sms_signal", U16, 0, 0xffff, NJ_SMPP_IN_SENT)                                         \
	X(MS_VALIDITY, 0x1204, "ms_validity", U8, 0, 0xff, NJ_SMPP_IN_SENT)                                          \
	X(ALERT_ON_MESSAGE_DELIVERY, 0x130C, "alert_on_message_delivery", OCTETS, 0, 1, NJ_SMPP_IN_SENT)             \
	X(ITS_REPLY_TYPE, 0x1380, "its_reply_type", U8, 0, 0xff, NJ_SMPP_IN_SUBMIT | NJ_SMPP_IN_DATA)                \
	X(ITS_SESSION_INFO, 0x1383, "its_session_info", OCTETS, 2, 2,                                                \
	  NJ_SMPP_IN_SUBMIT | NJ_SMPP_IN_DELIVER | NJ_SMPP_IN_DATA)

enum nj_smpp_tlv {
#define NJ_SMPP_TLV_ENUM(name, tag, text, type, min, max, where) NJ_SMPP_TLV_##name,
	NJ_SMPP_TLV_TABLE(NJ_SMPP_TLV_ENUM)
#undef NJ_SMPP_TLV_ENUM
	    NJ_SMPP_TLV_COUNT
};

#define NJ_SMPP_TLV_BIT(which) (UINT64_C(1) << (which))
#define NJ_SMPP_TLV_ALL UINT64_MAX

/* Of one that stands several times (callback_num) `values` holds the first, `raw` all. */
struct nj_smpp_tlvs {
	uint64_t present; /* NJ_SMPP_TLV_BIT of what is expected in this PDU and there */
	struct nj_view
	    raw; /* the whole optional part as it came; what else is in it is written again after the others */
	union {
		uint32_t number;
		struct nj_view data;
	} values[NJ_SMPP_TLV_COUNT]; /* meaningful where `present` */
};

struct nj_smpp_tlv_item {
	uint16_t tag;
	struct nj_view data;
};

void nj_smpp_tlvs_clear(struct nj_smpp_tlvs *set);
bool nj_smpp_has(const struct nj_smpp_tlvs *set, enum nj_smpp_tlv which);
/* `otherwise` where it is absent. */
uint32_t nj_smpp_tlv_number(const struct nj_smpp_tlvs *set, enum nj_smpp_tlv which, uint32_t otherwise);
/* Empty where it is absent; a string without its zero. */
struct nj_view nj_smpp_tlv_data(const struct nj_smpp_tlvs *set, enum nj_smpp_tlv which);
void nj_smpp_tlv_set_number(struct nj_smpp_tlvs *set, enum nj_smpp_tlv which, uint32_t number);
void nj_smpp_tlv_set_data(struct nj_smpp_tlvs *set, enum nj_smpp_tlv which, struct nj_view data);
/* Walks all of `raw` from *cursor = 0; false at the end. */
bool nj_smpp_tlv_next(const struct nj_smpp_tlvs *set, size_t *cursor, struct nj_smpp_tlv_item *out_item);
/* Appends to a block that will be a set's `raw`: a vendor's parameter. */
void nj_smpp_tlv_append(struct nj_writer *w, uint16_t tag, struct nj_view data);
/* Appends the vendors' of `set` to a block for another PDU: what goes through us. */
void nj_smpp_tlv_vendors(const struct nj_smpp_tlvs *set, struct nj_writer *w);
/* "sar_total_segments"; NULL for a tag that the standard does not name. */
const char *nj_smpp_tlv_name(uint16_t tag);

#endif
