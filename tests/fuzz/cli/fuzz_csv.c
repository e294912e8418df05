/* Any bytes as CSV: never past the end, always an end, lines only grow, fields terminated. */
#include "cli/csv.h"

#include <stdlib.h>
#include <string.h>

#include "cli/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nj_csv csv = nj_csv_of(nj_view_of(data, size));
	struct nj_why why;
	struct nj_names names;
	char first[16];
	uint32_t line = 0;
	uint32_t before = 0;
	size_t left = nj_reader_left(&csv.in);

	while (nj_csv_next(&csv, first, sizeof(first), &line, &why) == NJ_OK) {
		if (line <= before || nj_reader_left(&csv.in) >= left || strnlen(first, sizeof(first)) == sizeof(first))
			abort();
		before = line;
		left = nj_reader_left(&csv.in);
	}
	nj_names_init(&names);
	if (nj_names_from_csv(&names, nj_view_of(data, size), &why) == NJ_OK && names.count == 0)
		abort();
	nj_names_done(&names);
	return 0;
}
