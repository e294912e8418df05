/* One PDU of each kind, with all that it can have: for tests that hold for every PDU. */
#ifndef NJ_TESTS_SMPP_SAMPLES_H
#define NJ_TESTS_SMPP_SAMPLES_H

#include "sms/smpp/octets.h"
#include "sms/smpp/pdu.h"

struct sample_room {
	uint8_t list[1024];
	uint8_t raw[512];
};

struct sample {
	const char *what;
	uint32_t command;
	uint32_t status;
	void (*fill)(struct nj_smpp_pdu *pdu, struct sample_room *room);
};

static inline struct nj_smpp_address sample_address(uint8_t ton, uint8_t npi, const char *addr)
{
	return (struct nj_smpp_address){ ton, npi, nj_view_str(addr) };
}

static inline void sample_vendor(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	struct nj_writer w = nj_writer_of(room->raw, sizeof(room->raw));
	nj_smpp_tlv_append(&w, 0x1400, nj_view_str("cost centre"));
	nj_smpp_tlv_append(&w, 0x3fff, nj_view_of(NULL, 0));
	pdu->tlvs.raw = nj_view_of(room->raw, w.pos);
}

static inline void sample_tlvs(struct nj_smpp_pdu *pdu, bool payload)
{
	struct nj_smpp_tlvs *tlvs = &pdu->tlvs;
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_USER_MESSAGE_REFERENCE, 0x1234);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SOURCE_PORT, 5000);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_DESTINATION_PORT, 2948);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SAR_MSG_REF_NUM, 7);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SAR_TOTAL_SEGMENTS, 3);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SAR_SEGMENT_SEQNUM, 2);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_PAYLOAD_TYPE, 0);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_PRIVACY_INDICATOR, 3);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_LANGUAGE_INDICATOR, 4);
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_CALLBACK_NUM,
			     nj_view_of("\x01\x01\x01"
					"49123",
					8));
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_SOURCE_SUBADDRESS,
			     nj_view_of("\xa0"
					"12",
					3));
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_DEST_SUBADDRESS,
			     nj_view_of("\x80"
					"34",
					3));
	if (payload)
		nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_MESSAGE_PAYLOAD, nj_view_str("a text of any length"));
}

/* What is sent towards a device has these besides. */
static inline void sample_tlvs_sent(struct nj_smpp_pdu *pdu)
{
	struct nj_smpp_tlvs *tlvs = &pdu->tlvs;
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_DEST_ADDR_SUBUNIT, 2);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SOURCE_ADDR_SUBUNIT, 4);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_CALLBACK_NUM_PRES_IND, 5);
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_CALLBACK_NUM_ATAG,
			     nj_view_of("\x00"
					"Depot",
					6));
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_DISPLAY_TIME, 1);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SMS_SIGNAL, 1);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_MS_VALIDITY, 2);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_MS_MSG_WAIT_FACILITIES, 0x81);
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_ALERT_ON_MESSAGE_DELIVERY, nj_view_of(NULL, 0));
}

static inline void sample_tlvs_one(struct nj_smpp_pdu *pdu)
{
	struct nj_smpp_tlvs *tlvs = &pdu->tlvs;
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_USER_RESPONSE_CODE, 9);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_MORE_MESSAGES_TO_SEND, 1);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_NUMBER_OF_MESSAGES, 99);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_ITS_REPLY_TYPE, 1);
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_ITS_SESSION_INFO, nj_view_of("\x05\x02", 2));
}

static inline void fill_bind(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	pdu->system_id = nj_view_str("meter-reading-1");
	pdu->password = nj_view_str("secret08");
	pdu->system_type = nj_view_str("TELEMETRY123");
	pdu->interface_version = NJ_SMPP_VERSION_34;
	pdu->source = sample_address(1, 1, "49*");
}

static inline void fill_bind_resp(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	pdu->system_id = nj_view_str("nightjar");
	nj_smpp_tlv_set_number(&pdu->tlvs, NJ_SMPP_TLV_SC_INTERFACE_VERSION, NJ_SMPP_VERSION_34);
}

static inline void fill_outbind(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	pdu->system_id = nj_view_str("nightjar");
	pdu->password = nj_view_str("darkness");
}

static inline void fill_nothing(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
}

static inline void fill_content(struct nj_smpp_pdu *pdu)
{
	pdu->service_type = nj_view_str("WAP");
	pdu->source = sample_address(5, 0, "Depot");
	pdu->dest = sample_address(1, 1, "491701234567");
	pdu->protocol_id = 0x40;
	pdu->priority = 2;
	pdu->short_message = nj_view_str("open the gate");
}

static inline void fill_submit(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_content(pdu);
	pdu->schedule = nj_view_str("261122143000004+");
	pdu->validity = nj_view_str("000001000000000R");
	pdu->registered_delivery = NJ_SMPP_REGISTERED_FINAL | NJ_SMPP_REGISTERED_INTERMEDIATE;
	pdu->replace_if_present = 1;
	pdu->default_msg_id = 7;
	sample_tlvs(pdu, false);
	sample_tlvs_sent(pdu);
	sample_tlvs_one(pdu);
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_USSD_SERVICE_OP, nj_view_of("\x02", 1));
	sample_vendor(pdu, room);
}

static inline void fill_submit_plain(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	pdu->source = sample_address(3, 1, "12345");
	pdu->dest = sample_address(1, 1, "491701234567");
	pdu->short_message = nj_view_str("x");
}

static inline void fill_submit_ucs2(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_content(pdu);
	pdu->esm_class = NJ_SMPP_ESM_STORE | NJ_SMPP_ESM_UDHI;
	pdu->data_coding = nj_smpp_coding_make(NJ_SMPP_ALPHABET_UCS2, 4);
	pdu->short_message = nj_view_of("\x05\x00\x03\x2a\x02\x01\x04\x1f\x04\x40", 10);
}

static inline void fill_message_id(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	pdu->message_id = nj_view_str("01HF9Z4Q7N");
}

static inline void fill_multi(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	static const struct nj_smpp_dest dests[] = {
		{ false, { 1, 1, { (const uint8_t *)"491701234567", 12 } } },
		{ true, { 0, 0, { (const uint8_t *)"all-gates", 9 } } },
		{ false, { 2, 8, { (const uint8_t *)"01701234567", 11 } } },
	};
	struct nj_writer w = nj_writer_of(room->list, sizeof(room->list));
	fill_content(pdu);
	pdu->dest = (struct nj_smpp_address){ 0 };
	for (size_t i = 0; i < 3; i++)
		nj_smpp_dest_write(&w, &dests[i]);
	pdu->list = (struct nj_smpp_list){ 3, nj_view_of(room->list, w.pos) };
	pdu->registered_delivery = NJ_SMPP_REGISTERED_FAILURES | NJ_SMPP_REGISTERED_USER_ACK;
	sample_tlvs(pdu, false);
	sample_tlvs_sent(pdu);
}

static inline void fill_multi_resp(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	static const struct nj_smpp_failure failures[] = {
		{ { 1, 1, { (const uint8_t *)"491701234567", 12 } }, NJ_SMPP_RINVDSTADR },
		{ { 2, 8, { (const uint8_t *)"01701234567", 11 } }, NJ_SMPP_RMSGQFUL },
	};
	struct nj_writer w = nj_writer_of(room->list, sizeof(room->list));
	fill_message_id(pdu, room);
	for (size_t i = 0; i < 2; i++)
		nj_smpp_failure_write(&w, &failures[i]);
	pdu->list = (struct nj_smpp_list){ 2, nj_view_of(room->list, w.pos) };
}

static inline void fill_deliver(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_content(pdu);
	pdu->source = sample_address(1, 1, "491701234567");
	pdu->dest = sample_address(3, 9, "4711");
	sample_tlvs(pdu, false);
	nj_smpp_tlv_set_number(&pdu->tlvs, NJ_SMPP_TLV_USER_RESPONSE_CODE, 1);
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_ITS_SESSION_INFO, nj_view_of("\x05\x02", 2));
	sample_vendor(pdu, room);
}

static inline void fill_receipt(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	pdu->source = sample_address(1, 1, "491701234567");
	pdu->dest = sample_address(3, 9, "4711");
	pdu->esm_class = NJ_SMPP_ESM_RECEIPT;
	pdu->short_message = nj_view_str("id:0123456789 sub:001 dlvrd:001 submit date:2611221430 done date:2611221431 "
					 "stat:DELIVRD err:000 Text:open the gate");
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID, nj_view_str("0123456789"));
	nj_smpp_tlv_set_number(&pdu->tlvs, NJ_SMPP_TLV_MESSAGE_STATE, NJ_SMPP_STATE_DELIVERED);
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE, nj_view_of("\x03\x00\x1b", 3));
}

static inline void fill_data(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	struct nj_smpp_tlvs *tlvs = &pdu->tlvs;
	fill_content(pdu);
	pdu->short_message = nj_view_of(NULL, 0);
	pdu->dest = sample_address(1, 1, "4917012345678901234567890123456789012345678901234567890123456789");
	pdu->registered_delivery = NJ_SMPP_REGISTERED_SME_ACK;
	sample_tlvs(pdu, true);
	sample_tlvs_sent(pdu);
	sample_tlvs_one(pdu);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_DEST_NETWORK_TYPE, 1);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_DEST_BEARER_TYPE, 1);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_DEST_TELEMATICS_ID, 0x25);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SOURCE_NETWORK_TYPE, 4);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SOURCE_BEARER_TYPE, 3);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SOURCE_TELEMATICS_ID, 1);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_QOS_TIME_TO_LIVE, 86400);
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_SET_DPF, 1);
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_RECEIPTED_MESSAGE_ID, nj_view_str("abc"));
	nj_smpp_tlv_set_number(tlvs, NJ_SMPP_TLV_MESSAGE_STATE, NJ_SMPP_STATE_EXPIRED);
	nj_smpp_tlv_set_data(tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE, nj_view_of("\x03\x01\x02", 3));
}

static inline void fill_data_resp(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_message_id(pdu, room);
	nj_smpp_tlv_set_number(&pdu->tlvs, NJ_SMPP_TLV_DELIVERY_FAILURE_REASON, 1);
	nj_smpp_tlv_set_number(&pdu->tlvs, NJ_SMPP_TLV_DPF_RESULT, 1);
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_NETWORK_ERROR_CODE, nj_view_of("\x03\x00\x1b", 3));
	nj_smpp_tlv_set_data(&pdu->tlvs, NJ_SMPP_TLV_ADDITIONAL_STATUS_INFO_TEXT, nj_view_str("the phone is off"));
}

static inline void fill_query(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_message_id(pdu, room);
	pdu->source = sample_address(1, 1, "4711");
}

static inline void fill_query_resp(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_message_id(pdu, room);
	pdu->final_date = nj_view_str("261122143000000+");
	pdu->message_state = NJ_SMPP_STATE_DELIVERED;
	pdu->error_code = 5;
}

static inline void fill_cancel(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_query(pdu, room);
	pdu->service_type = nj_view_str("CMT");
	pdu->dest = sample_address(1, 1, "491701234567");
}

static inline void fill_replace(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	fill_query(pdu, room);
	pdu->schedule = nj_view_str("");
	pdu->validity = nj_view_str("261123143000032-");
	pdu->registered_delivery = NJ_SMPP_REGISTERED_FINAL;
	pdu->default_msg_id = 254;
	pdu->short_message = nj_view_str("close the gate");
}

static inline void fill_alert(struct nj_smpp_pdu *pdu, struct sample_room *room)
{
	pdu->source = sample_address(1, 1, "491701234567");
	pdu->dest = sample_address(1, 1, "4711");
	nj_smpp_tlv_set_number(&pdu->tlvs, NJ_SMPP_TLV_MS_AVAILABILITY_STATUS, 0);
}

#define RESP NJ_SMPP_RESPONSE
static const struct sample samples[] = {
	{ "bind_transmitter", NJ_SMPP_BIND_TRANSMITTER, 0, fill_bind },
	{ "bind_transmitter_resp", NJ_SMPP_BIND_TRANSMITTER | RESP, 0, fill_bind_resp },
	{ "bind_receiver", NJ_SMPP_BIND_RECEIVER, 0, fill_bind },
	{ "bind_receiver_resp", NJ_SMPP_BIND_RECEIVER | RESP, 0, fill_bind_resp },
	{ "bind_transceiver", NJ_SMPP_BIND_TRANSCEIVER, 0, fill_bind },
	{ "bind_transceiver_resp", NJ_SMPP_BIND_TRANSCEIVER | RESP, 0, fill_bind_resp },
	{ "bind_transceiver_resp that refuses", NJ_SMPP_BIND_TRANSCEIVER | RESP, NJ_SMPP_RINVPASWD, fill_nothing },
	{ "outbind", NJ_SMPP_OUTBIND, 0, fill_outbind },
	{ "unbind", NJ_SMPP_UNBIND, 0, fill_nothing },
	{ "unbind_resp", NJ_SMPP_UNBIND | RESP, 0, fill_nothing },
	{ "generic_nack", NJ_SMPP_GENERIC_NACK, NJ_SMPP_RINVCMDID, fill_nothing },
	{ "submit_sm", NJ_SMPP_SUBMIT_SM, 0, fill_submit },
	{ "submit_sm, plain", NJ_SMPP_SUBMIT_SM, 0, fill_submit_plain },
	{ "submit_sm, a part in UCS-2", NJ_SMPP_SUBMIT_SM, 0, fill_submit_ucs2 },
	{ "submit_sm_resp", NJ_SMPP_SUBMIT_SM | RESP, 0, fill_message_id },
	{ "submit_sm_resp, throttled", NJ_SMPP_SUBMIT_SM | RESP, NJ_SMPP_RTHROTTLED, fill_nothing },
	{ "submit_multi", NJ_SMPP_SUBMIT_MULTI, 0, fill_multi },
	{ "submit_multi_resp", NJ_SMPP_SUBMIT_MULTI | RESP, 0, fill_multi_resp },
	{ "deliver_sm", NJ_SMPP_DELIVER_SM, 0, fill_deliver },
	{ "deliver_sm, a receipt", NJ_SMPP_DELIVER_SM, 0, fill_receipt },
	{ "deliver_sm_resp", NJ_SMPP_DELIVER_SM | RESP, 0, fill_nothing },
	{ "data_sm", NJ_SMPP_DATA_SM, 0, fill_data },
	{ "data_sm_resp", NJ_SMPP_DATA_SM | RESP, 0, fill_data_resp },
	{ "data_sm_resp that fails", NJ_SMPP_DATA_SM | RESP, NJ_SMPP_RDELIVERYFAILURE, fill_data_resp },
	{ "query_sm", NJ_SMPP_QUERY_SM, 0, fill_query },
	{ "query_sm_resp", NJ_SMPP_QUERY_SM | RESP, 0, fill_query_resp },
	{ "cancel_sm", NJ_SMPP_CANCEL_SM, 0, fill_cancel },
	{ "cancel_sm_resp", NJ_SMPP_CANCEL_SM | RESP, 0, fill_nothing },
	{ "replace_sm", NJ_SMPP_REPLACE_SM, 0, fill_replace },
	{ "replace_sm_resp", NJ_SMPP_REPLACE_SM | RESP, 0, fill_nothing },
	{ "enquire_link", NJ_SMPP_ENQUIRE_LINK, 0, fill_nothing },
	{ "enquire_link_resp", NJ_SMPP_ENQUIRE_LINK | RESP, 0, fill_nothing },
	{ "alert_notification", NJ_SMPP_ALERT_NOTIFICATION, 0, fill_alert },
};
#undef RESP
#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

/* The sample as a PDU, and as bytes; their number. */
static inline size_t sample_write(size_t index, uint32_t sequence, struct nj_smpp_pdu *pdu, struct sample_room *room,
				  void *out, size_t cap)
{
	size_t len = 0;
	nj_smpp_pdu_init(pdu, samples[index].command, samples[index].status, sequence);
	samples[index].fill(pdu, room);
	return nj_smpp_encode(pdu, out, cap, &len) == NJ_OK ? len : 0;
}

#endif
