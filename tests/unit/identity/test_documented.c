/* docs/operations.md explains every audit event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "identity/audit_events.h"

#define DOCUMENT NJ_TEST_DIR "/../docs/operations.md"
#define DOCUMENT_MAX (256 * 1024)
#define SECTION "### Audit events\n"
#define SECTION_END "\n## "

static void every_event_has_its_row(void **state)
{
	char *text = NULL;
	size_t len = 0;
	struct nj_why why = { "" };

	(void)state;
	if (nj_file_read(DOCUMENT, DOCUMENT_MAX, &text, &len, &why) != NJ_OK)
		fail_msg("%s", why.text);
	char *section = strstr(text, SECTION);
	assert_non_null(section);
	char *end = strstr(section, SECTION_END);
	assert_non_null(end);
	*end = '\0';
	for (int event = 0; event < NJ_AUDIT_EVENT_COUNT; event++) {
		const char *name = nj_audit_event_name((enum nj_audit_event)event);
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "`%s`", name);
		if (strstr(section, quoted) == NULL)
			fail_msg("the audit event %s is not explained in docs/operations.md", name);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_has_its_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
