#include "sms/smpp/pdu.h"

#include <stddef.h>

#include "sms/smpp/table.h"

#define AT(member) offsetof(struct nj_smpp_pdu, member)
#define U8(name, member, rule, status)                                            \
	{                                                                         \
		name, NJ_SMPP_U8, NJ_SMPP_##rule, 0, AT(member), NJ_SMPP_##status \
	}
#define TEXT(name, member, max, rule, status)                                           \
	{                                                                               \
		name, NJ_SMPP_STRING, NJ_SMPP_##rule, max, AT(member), NJ_SMPP_##status \
	}
#define SOURCE(max)                                                                                             \
	U8("source_addr_ton", source.ton, TON, RINVSRCTON), U8("source_addr_npi", source.npi, NPI, RINVSRCNPI), \
	    TEXT("source_addr", source.addr, max, ANY, RINVSRCADR)
#define DEST(max, rule)                                                                                 \
	U8("dest_addr_ton", dest.ton, TON, RINVDSTTON), U8("dest_addr_npi", dest.npi, NPI, RINVDSTNPI), \
	    TEXT("destination_addr", dest.addr, max, rule, RINVDSTADR)
#define SERVICE TEXT("service_type", service_type, 6, ANY, RINVSERTYP)
#define MESSAGE_ID(rule) TEXT("message_id", message_id, NJ_SMPP_MESSAGE_ID_BYTES, rule, RINVMSGID)
#define SCHEDULE TEXT("schedule_delivery_time", schedule, 17, TIME, RINVSCHED)
#define VALIDITY TEXT("validity_period", validity, 17, TIME, RINVEXPIRY)
#define ESM U8("esm_class", esm_class, ESM, RINVESMCLASS)
#define REGISTERED U8("registered_delivery", registered_delivery, REGISTERED, RINVREGDLVFLG)
#define CODING U8("data_coding", data_coding, ANY, RINVDCS)
#define DEFAULT_MESSAGE U8("sm_default_msg_id", default_msg_id, AT_MOST_254, RINVDFTMSGID)
#define SHORT_MESSAGE                                                                                 \
	{                                                                                             \
		"short_message", NJ_SMPP_OCTETS, NJ_SMPP_ANY, NJ_SMPP_MESSAGE_MAX, AT(short_message), \
		    NJ_SMPP_RINVMSGLEN                                                                \
	}
/* What submit_sm, submit_multi and deliver_sm have behind their addresses. */
#define CONTENT                                                                                                        \
	ESM, U8("protocol_id", protocol_id, ANY, ROK), U8("priority_flag", priority, AT_MOST_3, RINVPRTFLG), SCHEDULE, \
	    VALIDITY, REGISTERED, U8("replace_if_present_flag", replace_if_present, AT_MOST_1, RINVREPFLAG), CODING,   \
	    DEFAULT_MESSAGE, SHORT_MESSAGE

/* 4.1.1, 4.1.3, 4.1.5 */
static const struct nj_smpp_field bind_fields[] = {
	TEXT("system_id", system_id, 16, ANY, RINVSYSID),
	TEXT("password", password, 9, ANY, RINVPASWD),
	TEXT("system_type", system_type, 13, ANY, RINVSYSTYP),
	U8("interface_version", interface_version, VERSION, RBINDFAIL),
	U8("addr_ton", source.ton, ANY, RBINDFAIL),
	U8("addr_npi", source.npi, ANY, RBINDFAIL),
	TEXT("address_range", source.addr, 41, ANY, RBINDFAIL),
};
static const struct nj_smpp_field bind_resp_fields[] = {
	TEXT("system_id", system_id, 16, ANY, RINVSYSID),
};
/* 4.1.7 */
static const struct nj_smpp_field outbind_fields[] = {
	TEXT("system_id", system_id, 16, ANY, RINVSYSID),
	TEXT("password", password, 9, ANY, RINVPASWD),
};
/* 4.4.1, 4.6.1 */
static const struct nj_smpp_field submit_fields[] = { SERVICE, SOURCE(21), DEST(21, NOT_EMPTY), CONTENT };
static const struct nj_smpp_field deliver_fields[] = { SERVICE, SOURCE(21), DEST(21, ANY), CONTENT };
/* 4.4.2, 4.6.2, 4.7.2 */
static const struct nj_smpp_field message_id_fields[] = { MESSAGE_ID(ANY) };
/* 4.5.1, 4.5.2 */
static const struct nj_smpp_field multi_fields[] = {
	SERVICE,
	SOURCE(21),
	{ "number_of_dests", NJ_SMPP_DESTS, NJ_SMPP_ADDRESSEES, 254, AT(list), NJ_SMPP_RINVNUMDESTS },
	CONTENT,
};
static const struct nj_smpp_field multi_resp_fields[] = {
	MESSAGE_ID(ANY),
	{ "no_unsuccess", NJ_SMPP_FAILURES, NJ_SMPP_ANY, 255, AT(list), NJ_SMPP_RINVNUMDESTS },
};
/* 4.7.1 */
static const struct nj_smpp_field data_fields[] = { SERVICE, SOURCE(65), DEST(65, NOT_EMPTY), ESM, REGISTERED, CODING };
/* 4.8.1, 4.8.2 */
static const struct nj_smpp_field query_fields[] = { MESSAGE_ID(NOT_EMPTY), SOURCE(21) };
static const struct nj_smpp_field query_resp_fields[] = {
	MESSAGE_ID(ANY),
	TEXT("final_date", final_date, 17, ANY, RQUERYFAIL),
	U8("message_state", message_state, ANY, RQUERYFAIL),
	U8("error_code", error_code, ANY, RQUERYFAIL),
};
/* 4.9.1 */
static const struct nj_smpp_field cancel_fields[] = { SERVICE, MESSAGE_ID(ANY), SOURCE(21), DEST(21, ANY) };
/* 4.10.1 */
static const struct nj_smpp_field replace_fields[] = {
	MESSAGE_ID(NOT_EMPTY), SOURCE(21), SCHEDULE, VALIDITY, REGISTERED, DEFAULT_MESSAGE, SHORT_MESSAGE,
};
/* 4.12.1 */
static const struct nj_smpp_field alert_fields[] = {
	SOURCE(65),
	U8("esme_addr_ton", dest.ton, TON, RINVDSTTON),
	U8("esme_addr_npi", dest.npi, NPI, RINVDSTNPI),
	TEXT("esme_addr", dest.addr, 65, ANY, RINVDSTADR),
};

#define BODY(fields, where)                                         \
	{                                                           \
		fields, sizeof(fields) / sizeof((fields)[0]), where \
	}
#define NO_BODY            \
	{                  \
		NULL, 0, 0 \
	}

enum operation_index {
#define INDEX(name, text, id, answered, esme, smsc) OP_##name,
	NJ_SMPP_OPERATION_TABLE(INDEX)
#undef INDEX
	    OP_NACK,
	OP_COUNT
};

static const struct {
	struct nj_smpp_body request;
	struct nj_smpp_body response;
} bodies[OP_COUNT] = {
	[OP_BIND_RECEIVER] = { BODY(bind_fields, 0), BODY(bind_resp_fields, NJ_SMPP_IN_BIND_RESP) },
	[OP_BIND_TRANSMITTER] = { BODY(bind_fields, 0), BODY(bind_resp_fields, NJ_SMPP_IN_BIND_RESP) },
	[OP_BIND_TRANSCEIVER] = { BODY(bind_fields, 0), BODY(bind_resp_fields, NJ_SMPP_IN_BIND_RESP) },
	[OP_QUERY_SM] = { BODY(query_fields, 0), BODY(query_resp_fields, 0) },
	[OP_SUBMIT_SM] = { BODY(submit_fields, NJ_SMPP_IN_SUBMIT), BODY(message_id_fields, 0) },
	[OP_DELIVER_SM] = { BODY(deliver_fields, NJ_SMPP_IN_DELIVER), BODY(message_id_fields, 0) },
	[OP_UNBIND] = { NO_BODY, NO_BODY },
	[OP_REPLACE_SM] = { BODY(replace_fields, 0), NO_BODY },
	[OP_CANCEL_SM] = { BODY(cancel_fields, 0), NO_BODY },
	[OP_OUTBIND] = { BODY(outbind_fields, 0), NO_BODY },
	[OP_ENQUIRE_LINK] = { NO_BODY, NO_BODY },
	[OP_SUBMIT_MULTI] = { BODY(multi_fields, NJ_SMPP_IN_MULTI), BODY(multi_resp_fields, 0) },
	[OP_ALERT_NOTIFICATION] = { BODY(alert_fields, NJ_SMPP_IN_ALERT), NO_BODY },
	[OP_DATA_SM] = { BODY(data_fields, NJ_SMPP_IN_DATA), BODY(message_id_fields, NJ_SMPP_IN_DATA_RESP) },
	[OP_NACK] = { NO_BODY, NO_BODY },
};

static const struct operation_row {
	const char *name;
	const char *response_name;
	bool answered;
	uint8_t states[2];
} operations[OP_COUNT] = {
#define OPERATION(name, text, id, answered, esme, smsc) { text, text "_resp", answered, { esme, smsc } },
	NJ_SMPP_OPERATION_TABLE(OPERATION)
#undef OPERATION
	    [OP_NACK] = { "unknown", "generic_nack", true, { 0, 0 } },
};

/* By id: index + 1; 0: no such command. Id 0 is not a request; what would be its response is generic_nack. */
#define ID_LIMIT 0x104
static const uint8_t index_of_id[ID_LIMIT] = { [0] = OP_NACK + 1,
#define BY_ID(name, text, id, answered, esme, smsc) [id] = OP_##name + 1,
					       NJ_SMPP_OPERATION_TABLE(BY_ID)
#undef BY_ID
};

static const struct operation_row *find(uint32_t command, unsigned *out_index)
{
	uint32_t id = command & ~NJ_SMPP_RESPONSE;
	bool response = (command & NJ_SMPP_RESPONSE) != 0;
	if (id >= ID_LIMIT || index_of_id[id] == 0)
		return NULL;
	unsigned index = index_of_id[id] - 1u;
	if (response ? !operations[index].answered : index == OP_NACK)
		return NULL;
	*out_index = index;
	return &operations[index];
}

const struct nj_smpp_body *nj_smpp_body_of(uint32_t command)
{
	unsigned index = 0;
	if (find(command, &index) == NULL)
		return NULL;
	return (command & NJ_SMPP_RESPONSE) != 0 ? &bodies[index].response : &bodies[index].request;
}

const char *nj_smpp_command_name(uint32_t command)
{
	unsigned index = 0;
	const struct operation_row *row = find(command, &index);
	return row == NULL ? "unknown" : (command & NJ_SMPP_RESPONSE) != 0 ? row->response_name : row->name;
}

bool nj_smpp_command_known(uint32_t command)
{
	unsigned index = 0;
	return find(command, &index) != NULL;
}

bool nj_smpp_is_bind(uint32_t command)
{
	return command == NJ_SMPP_BIND_RECEIVER || command == NJ_SMPP_BIND_TRANSMITTER ||
	       command == NJ_SMPP_BIND_TRANSCEIVER;
}

bool nj_smpp_command_answered(uint32_t command)
{
	unsigned index = 0;
	const struct operation_row *row = find(command, &index);
	return row != NULL && (command & NJ_SMPP_RESPONSE) == 0 && row->answered;
}

unsigned nj_smpp_command_states(uint32_t command, enum nj_smpp_side side)
{
	unsigned index = 0;
	const struct operation_row *row = find(command, &index);
	return row == NULL || (command & NJ_SMPP_RESPONSE) != 0 ? 0 : row->states[side];
}

void nj_smpp_pdu_init(struct nj_smpp_pdu *pdu, uint32_t command, uint32_t status, uint32_t sequence)
{
	/* A parameter's value is read only where `present` says that it is there. */
	memset(pdu, 0, offsetof(struct nj_smpp_pdu, tlvs));
	nj_smpp_tlvs_clear(&pdu->tlvs);
	pdu->command = command;
	pdu->status = status;
	pdu->sequence = sequence;
}
