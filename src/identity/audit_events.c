#include "identity/audit_events.h"

#include <stddef.h>

static const struct {
	const char *name;
	const char *help;
} rows[] = {
#define ROW(constant, name, help) { name, help },
	NJ_AUDIT_EVENT_TABLE(ROW)
#undef ROW
};

const char *nj_audit_event_name(enum nj_audit_event event)
{
	return (unsigned)event < NJ_AUDIT_EVENT_COUNT ? rows[event].name : NULL;
}

const char *nj_audit_event_help(enum nj_audit_event event)
{
	return (unsigned)event < NJ_AUDIT_EVENT_COUNT ? rows[event].help : NULL;
}
