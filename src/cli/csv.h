/*
 * CSV as RFC 4180 has it, one record at a time: commas, quoted fields with doubled quotes, CRLF or LF, a byte order
 * mark skipped. Gives the first field of each record and checks the rest of it. Borrows the text; allocates nothing.
 */
#ifndef NJ_CLI_CSV_H
#define NJ_CLI_CSV_H

#include "base/wire.h"

struct nj_csv {
	struct nj_reader in;
	uint32_t line; /* of the next byte, from 1 */
};

struct nj_csv nj_csv_of(struct nj_view text);
/* The next record that is not empty: its first field, terminated, and the line on which it begins.
 * NJ_ERR_CLOSED at the end. NJ_ERR_MALFORMED and NJ_ERR_TOO_LARGE name the line in `why`; do not go on then. */
NJ_MUST_USE enum nj_err nj_csv_next(struct nj_csv *csv, char *out_first, size_t out_bytes, uint32_t *out_line,
				    struct nj_why *why);

#endif
