/* Settings from arbitrary text: refused with a reason, or printed and read back to the same values. */
#include "base/config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_prints_back(const struct nj_settings *settings)
{
	static char page[65536];
	struct nj_settings again;
	struct nj_why why = { "" };
	FILE *out = fmemopen(page, sizeof(page), "w");
	size_t len;

	if (out == NULL)
		return;
	nj_settings_print(settings, out);
	len = (size_t)ftell(out);
	fclose(out);
	if (len >= sizeof(page))
		abort();
	if (nj_settings_parse("again", page, len, &again, &why) != NJ_OK) {
		fprintf(stderr, "%s\n%s\n", why.text, page);
		abort();
	}
	if (memcmp(settings, &again, sizeof(again)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_settings settings;
	struct nj_why why = { "" };

	if (nj_settings_parse("fuzz", (const char *)data, size, &settings, &why) == NJ_OK)
		check_prints_back(&settings);
	else if (why.text[0] == '\0')
		abort();
	return 0;
}
