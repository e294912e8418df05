/* One line a number: the region of its account, "national" or "international" first, what is written. Answers the
 * number it is, or the name of an error. For numbers.py. */
#include "base/text.h"
#include "sms/number.h"

#define LINE_BYTES 256

static char *word(char **at)
{
	char *start = *at;
	size_t len = strcspn(start, "\t\n");
	*at = start + len + (start[len] != '\0');
	start[len] = '\0';
	return start;
}

int main(void)
{
	char line[LINE_BYTES];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *at = line;
		struct nj_sms_numbering numbering = { .home = nj_country_of(nj_view_str(word(&at))) };
		struct nj_sms_party party;
		numbering.national = strcmp(word(&at), "national") == 0;
		enum nj_err err = nj_sms_party_parse(nj_view_str(word(&at)), &numbering, &party);
		puts(err == NJ_OK ? party.text : nj_err_name(err));
	}
	return 0;
}
