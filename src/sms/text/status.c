#include "sms/text/status.h"

#include <stddef.h>

struct row {
	uint8_t code;
	bool temporary; /* of causes */
	const char *text;
};

static const char *look_up(const struct row *rows, size_t count, uint8_t code)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].code == code)
			return rows[i].text;
	return NULL;
}

/* ---- status ---- */

static const struct row statuses[] = {
	{ 0x00, false, "received by the receiver" },
	{ 0x01, false, "forwarded, but delivery cannot be confirmed" },
	{ 0x02, false, "replaced by the service centre" },
	{ 0x20, true, "congestion; tried again" },
	{ 0x21, true, "receiver busy; tried again" },
	{ 0x22, true, "no response from the receiver; tried again" },
	{ 0x23, true, "service rejected; tried again" },
	{ 0x24, true, "quality of service not available; tried again" },
	{ 0x25, true, "error in the receiver; tried again" },
	{ 0x40, false, "remote procedure error" },
	{ 0x41, false, "incompatible destination" },
	{ 0x42, false, "connection rejected by the receiver" },
	{ 0x43, false, "not obtainable" },
	{ 0x44, false, "quality of service not available" },
	{ 0x45, false, "no interworking available" },
	{ 0x46, false, "validity period expired" },
	{ 0x47, false, "deleted by the sender" },
	{ 0x48, false, "deleted by the service centre's administration" },
	{ 0x49, false, "the message does not exist" },
	{ 0x60, true, "congestion; not tried again" },
	{ 0x61, true, "receiver busy; not tried again" },
	{ 0x62, true, "no response from the receiver; not tried again" },
	{ 0x63, true, "service rejected; not tried again" },
	{ 0x64, true, "quality of service not available; not tried again" },
	{ 0x65, true, "error in the receiver; not tried again" },
};

/* By the upper three bits of the code. */
static const struct {
	enum nj_sms_fate outcome;
	const char *reserved;
	const char *specific;
} ranges[] = {
	{ NJ_SMS_DELIVERED, "completed, for a reserved reason", "completed, for a reason of the service centre's own" },
	{ NJ_SMS_TRYING, "tried again, for a reserved reason",
	  "tried again, for a reason of the service centre's own" },
	{ NJ_SMS_FAILED, "failed, for a reserved reason", "failed, for a reason of the service centre's own" },
	{ NJ_SMS_GIVEN_UP, "not tried again, for a reserved reason",
	  "not tried again, for a reason of the service centre's own" },
};
#define RANGE_SHIFT 5
#define RANGES (sizeof(ranges) / sizeof(ranges[0]))
#define SPECIFIC 0x10

enum nj_sms_fate nj_sms_status_fate(uint8_t status)
{
	size_t range = status >> RANGE_SHIFT;
	return range < RANGES ? ranges[range].outcome : NJ_SMS_FAILED;
}

const char *nj_sms_status_text(uint8_t status)
{
	const char *text = look_up(statuses, sizeof(statuses) / sizeof(statuses[0]), status);
	size_t range = status >> RANGE_SHIFT;
	if (text != NULL)
		return text;
	if (range >= RANGES)
		return "a reserved status";
	return (status & SPECIFIC) != 0 ? ranges[range].specific : ranges[range].reserved;
}

/* ---- causes ---- */

static const struct row causes[] = {
	{ 0x80, false, "telematic interworking not supported" },
	{ 0x81, false, "short message type 0 not supported" },
	{ 0x82, false, "cannot replace the short message" },
	{ 0x8F, false, "unspecified error of the protocol identifier" },
	{ 0x90, false, "alphabet not supported" },
	{ 0x91, false, "message class not supported" },
	{ 0x9F, false, "unspecified error of the data coding scheme" },
	{ 0xA0, false, "command cannot be actioned" },
	{ 0xA1, false, "command not supported" },
	{ 0xAF, false, "unspecified error of the command" },
	{ 0xB0, false, "TPDU not supported" },
	{ 0xC0, true, "service centre busy" },
	{ 0xC1, false, "no subscription at the service centre" },
	{ 0xC2, true, "failure of the service centre" },
	{ 0xC3, false, "invalid address" },
	{ 0xC4, false, "destination barred" },
	{ 0xC5, false, "rejected as a duplicate" },
	{ 0xC6, false, "validity period format not supported" },
	{ 0xC7, false, "validity period not supported" },
	{ 0xD0, true, "SIM storage full" },
	{ 0xD1, false, "no storage for short messages in the SIM" },
	{ 0xD2, false, "error in the device" },
	{ 0xD3, true, "memory capacity exceeded" },
	{ 0xD4, true, "SIM application toolkit busy" },
	{ 0xD5, false, "SIM data download error" },
	{ 0xFF, false, "unspecified error" },
};
#define CAUSES (sizeof(causes) / sizeof(causes[0]))
#define CAUSE_FIRST 0x80
#define APPLICATION_FIRST 0xE0

bool nj_sms_cause_temporary(uint8_t cause)
{
	for (size_t i = 0; i < CAUSES; i++)
		if (causes[i].code == cause)
			return causes[i].temporary;
	return false;
}

const char *nj_sms_cause_text(uint8_t cause)
{
	const char *text = look_up(causes, CAUSES, cause);
	if (text != NULL)
		return text;
	return cause < CAUSE_FIRST         ? "no cause"
	       : cause < APPLICATION_FIRST ? "a reserved cause"
					   : "a cause of the application's own";
}

/* ---- protocol identifiers ---- */

enum nj_sms_pid nj_sms_pid_kind(uint8_t pid)
{
	switch (pid) {
	case 0x40:
		return NJ_SMS_PID_TYPE_0;
	case 0x48:
		return NJ_SMS_PID_DEVICE_TRIGGER;
	case 0x5F:
		return NJ_SMS_PID_RETURN_CALL;
	case 0x7D:
	case 0x7E:
		return NJ_SMS_PID_ME_DOWNLOAD;
	case 0x7F:
		return NJ_SMS_PID_SIM_DOWNLOAD;
	default:
		break;
	}
	if (pid < 0x20)
		return NJ_SMS_PID_PLAIN;
	if (pid < 0x40)
		return NJ_SMS_PID_TELEMATIC;
	return pid >= 0x41 && pid <= 0x47 ? NJ_SMS_PID_REPLACE : NJ_SMS_PID_OTHER;
}
