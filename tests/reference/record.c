#include "reference/record.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "crypto/crypto.h"

#define MAGIC UINT32_C(0x4e4a4142) /* "NJAB" */
#define PLACE_BYTES 4096           /* a sector of its own each */
#define HEAD_BYTES 12
#define KEY_BYTES (4 + 1 + 8 + 8 + NJ_KNOCK_KEY_BYTES)
#define RECOVERY_BYTES (1 + 8 + 8 + 8 + NJ_KNOCK_KEY_BYTES)
#define BODY_BYTES (NJ_UID_BYTES + 8 + 1 + NJ_REKEY_DEVICE_KEYS * KEY_BYTES + RECOVERY_BYTES)
#define RECORD_BYTES (HEAD_BYTES + BODY_BYTES + NJ_SHA256_BYTES)

static void make_mac(const uint8_t *record, uint8_t out[NJ_SHA256_BYTES])
{
	static const uint8_t key[] = "nightjar reference record";
	struct nj_view covered = nj_view_of(record, HEAD_BYTES + BODY_BYTES);

	nj_hmac_sha256(key, sizeof(key), &covered, 1, out);
}

static void lay_out(uint64_t sequence, const struct nj_rekey_device *device, uint8_t out[RECORD_BYTES])
{
	struct nj_writer w = nj_writer_of(out, RECORD_BYTES);

	nj_write_u32(&w, MAGIC);
	nj_write_u64(&w, sequence);
	nj_write_bytes(&w, device->uid, sizeof(device->uid));
	nj_write_u64(&w, device->counter);
	nj_write_u8(&w, device->count);
	for (size_t i = 0; i < NJ_REKEY_DEVICE_KEYS; i++) {
		nj_write_u32(&w, device->keys[i].epoch);
		nj_write_u8(&w, device->keys[i].recovered);
		nj_write_u64(&w, device->keys[i].attempt);
		nj_write_u64(&w, device->keys[i].base);
		nj_write_bytes(&w, device->keys[i].key, sizeof(device->keys[i].key));
	}
	nj_write_u8(&w, device->recovery.held);
	nj_write_u64(&w, device->recovery.counter);
	nj_write_u64(&w, device->recovery.attempt);
	nj_write_u64(&w, device->recovery.turn);
	nj_write_bytes(&w, device->recovery.key, sizeof(device->recovery.key));
	make_mac(out, out + HEAD_BYTES + BODY_BYTES);
}

/* Returns the sequence, 0 for a place without a valid record. */
static uint64_t take(const uint8_t record[RECORD_BYTES], struct nj_rekey_device *out_device)
{
	struct nj_reader r = nj_reader_of(record, HEAD_BYTES + BODY_BYTES);
	uint8_t mac[NJ_SHA256_BYTES];
	uint32_t magic = nj_read_u32(&r);
	uint64_t sequence = nj_read_u64(&r);

	make_mac(record, mac);
	if (magic != MAGIC || !nj_equal_ct(mac, record + HEAD_BYTES + BODY_BYTES, sizeof(mac)))
		return 0;
	nj_read_bytes(&r, out_device->uid, sizeof(out_device->uid));
	out_device->counter = nj_read_u64(&r);
	out_device->count = nj_read_u8(&r);
	for (size_t i = 0; i < NJ_REKEY_DEVICE_KEYS; i++) {
		out_device->keys[i].epoch = nj_read_u32(&r);
		out_device->keys[i].recovered = nj_read_u8(&r) != 0;
		out_device->keys[i].attempt = nj_read_u64(&r);
		out_device->keys[i].base = nj_read_u64(&r);
		nj_read_bytes(&r, out_device->keys[i].key, sizeof(out_device->keys[i].key));
	}
	out_device->recovery.held = nj_read_u8(&r) != 0;
	out_device->recovery.counter = nj_read_u64(&r);
	out_device->recovery.attempt = nj_read_u64(&r);
	out_device->recovery.turn = nj_read_u64(&r);
	nj_read_bytes(&r, out_device->recovery.key, sizeof(out_device->recovery.key));
	return nj_reader_end(&r) == NJ_OK && out_device->count >= 1 && out_device->count <= NJ_REKEY_DEVICE_KEYS
		   ? sequence
		   : 0;
}

enum nj_err record_open(const char *path, struct record_file *out_file, struct nj_rekey_device *out_device,
			bool *out_found)
{
	struct record_file file = { .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
	uint8_t record[RECORD_BYTES];
	struct nj_rekey_device device;

	if (file.fd < 0)
		return nj_err_from_errno(errno);
	for (off_t place = 0; place < 2; place++) {
		if (pread(file.fd, record, sizeof(record), place * PLACE_BYTES) != sizeof(record))
			continue;
		uint64_t sequence = take(record, &device);
		if (sequence <= file.sequence)
			continue;
		file.sequence = sequence;
		*out_device = device;
	}
	*out_file = file;
	*out_found = file.sequence > 0;
	return NJ_OK;
}

enum nj_err record_write(struct record_file *file, const struct nj_rekey_device *device, bool torn)
{
	uint8_t record[RECORD_BYTES];
	size_t len = torn ? RECORD_BYTES / 2 : RECORD_BYTES;
	off_t place = (off_t)((file->sequence + 1) % 2);

	lay_out(file->sequence + 1, device, record);
	if (pwrite(file->fd, record, len, place * PLACE_BYTES) != (ssize_t)len || fdatasync(file->fd) != 0)
		return nj_err_from_errno(errno);
	file->sequence++;
	return NJ_OK;
}
