#include "sms/smpp/status.h"

#include <stddef.h>
#include <strings.h>

static const struct status_row {
	uint32_t code;
	const char *name;
	const char *text;
} status_rows[] = {
#define STATUS_ROW(name, code, text) { code, "ESME_" #name, text },
	NJ_SMPP_STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

static const char *const fault_texts[] = {
#define FAULT_ROW(name, text) text,
	NJ_SMPP_FAULT_TABLE(FAULT_ROW)
#undef FAULT_ROW
};

static const struct status_row *row_of(uint32_t status)
{
	static const struct status_row reserved = { 0, "reserved", "an error that has no name" };
	for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++)
		if (status_rows[i].code == status)
			return &status_rows[i];
	return &reserved;
}

const char *nj_smpp_status_name(uint32_t status)
{
	return row_of(status)->name;
}

const char *nj_smpp_status_text(uint32_t status)
{
	return row_of(status)->text;
}

bool nj_smpp_status_find(const char *name, uint32_t *out_status)
{
	for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
		if (strcasecmp(status_rows[i].name, name) != 0 && strcasecmp(status_rows[i].name + 5, name) != 0)
			continue;
		*out_status = status_rows[i].code;
		return true;
	}
	return false;
}

const char *nj_smpp_fault_text(uint8_t kind)
{
	return kind < sizeof(fault_texts) / sizeof(fault_texts[0]) ? fault_texts[kind] : "unknown";
}

bool nj_smpp_fault_ends(uint8_t kind)
{
	return kind == NJ_SMPP_FAULT_LENGTH;
}
