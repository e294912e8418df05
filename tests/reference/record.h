/*
 * A device's state in a file, written A/B: each record goes to the place that the last one does not use, with a counter
 * and a MAC, so that a write cut short leaves the record before it. The MAC finds wear and cuts, not an attacker.
 */
#ifndef REFERENCE_RECORD_H
#define REFERENCE_RECORD_H

#include "wire/rekey.h"

struct record_file {
	int fd;
	uint64_t sequence; /* of the record that is valid; 0: none yet */
};

/* Opens or makes the file. True in `out_found` when it held a record, which is then in `out_device`. */
NJ_MUST_USE enum nj_err record_open(const char *path, struct record_file *out_file, struct nj_rekey_device *out_device,
				    bool *out_found);
/* Returns when it is on disk. With `torn` only half of it is written and synced. */
NJ_MUST_USE enum nj_err record_write(struct record_file *file, const struct nj_rekey_device *device, bool torn);

#endif
