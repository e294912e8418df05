/*
 * Two clients of one broker, fed with any bytes in any order over real connections: the input is a list of
 * {who, how many bytes, bytes}; who also opens, closes and lets time pass. Held: no crash, no leak, memory under its
 * ceiling, nothing counted twice; when all is gone, nothing is left.
 */
#include "fuzz/mqtt/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gate gate;
	struct nj_reader r = nj_reader_of(data, size);

	gate_open(&gate);
	while (nj_reader_left(&r) > 0) {
		uint8_t step = nj_read_u8(&r);
		size_t len = nj_read_u8(&r);

		if (len > nj_reader_left(&r))
			len = nj_reader_left(&r);
		size_t which = gate_step(&gate, step);
		gate_send(&gate, which, nj_read_view(&r, len));
	}
	gate_close(&gate);
	return 0;
}
