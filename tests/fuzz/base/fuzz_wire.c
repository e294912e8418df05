/*
 * Sequences of cursor operations: the first half of the input names them, the second half is what is read. A reader
 * never passes its end, stays failed once failed, and what it read without failure writes back to the same bytes.
 */
#include "base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* One operation on the reader, and its mirror on the writer. */
static void step(struct nj_reader *r, struct nj_writer *w, uint8_t op)
{
	uint8_t bytes[32] = { 0 };
	size_t len = op >> 3;
	struct nj_reader sub;

	switch (op & 7) {
	case 0:
		nj_write_u8(w, nj_read_u8(r));
		break;
	case 1:
		nj_write_u16(w, nj_read_u16(r));
		break;
	case 2:
		nj_write_u32(w, nj_read_u32(r));
		break;
	case 3:
		nj_write_u64(w, nj_read_u64(r));
		break;
	case 4:
		nj_write_view16(w, nj_read_view16(r));
		break;
	case 5:
		nj_read_bytes(r, bytes, len);
		nj_write_bytes(w, bytes, len);
		break;
	case 6:
		sub = nj_read_sub(r, len);
		nj_read_u16(&sub);
		check(sub.pos <= len);
		nj_write_bytes(w, sub.data, sub.len);
		break;
	default:
		if (op == 0xff)
			nj_reader_fail(r, NJ_ERR_RANGE);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[4096];
	size_t ops = size / 2;
	struct nj_reader r = nj_reader_of(data + ops, size - ops);
	struct nj_writer w = nj_writer_of(room, sizeof(room));
	size_t wrote = 0;

	for (size_t i = 0; i < ops; i++) {
		enum nj_err before = r.err;
		size_t pos = r.pos;

		step(&r, &w, data[i]);
		check(r.pos <= r.len && r.pos >= pos);
		check(before == NJ_OK || (r.err == before && r.pos == pos));
		if (r.err != NJ_OK)
			check(nj_reader_left(&r) == 0 && nj_read_u64(&r) == 0 && nj_reader_end(&r) != NJ_OK);
		if (r.err != NJ_OK)
			break;
		if (w.err == NJ_OK)
			check(nj_writer_end(&w, &wrote) == NJ_OK && wrote == r.pos &&
			      memcmp(room, data + ops, wrote) == 0);
	}
	return 0;
}
