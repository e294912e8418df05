/* Recovery's messages: whatever decodes encodes to the same bytes, feeding it in parts says the same, and no message
 * moves a device that it does not prove. */
#include <stdlib.h>

#include "crypto/crypto.h"
#include "wire/recover.h"

static void require(bool holds)
{
	if (!holds)
		abort();
}

static struct nj_rekey_device device_of(void)
{
	return (struct nj_rekey_device){ .count = 2,
					 .counter = 7,
					 .keys = { { .epoch = 2, .key = { 2 } }, { .epoch = 1, .key = { 1 } } },
					 .recovery = { .held = true, .key = { 9 } } };
}

static void try_device(const struct nj_recover_message *message)
{
	struct nj_rekey_device device = device_of();
	const struct nj_rekey_device before = device;
	struct nj_rekey_attempt session = { .recovery = true };
	struct nj_recover_message stored;

	require(nj_recover_device_done(&device, message) == NJ_ERR_STATE);
	require(memcmp(&device, &before, sizeof(device)) == 0);
	if (nj_recover_device_offered(&device, &session, message, &stored) != NJ_OK) {
		require(message->type != NJ_RECOVER_OFFER && memcmp(&device, &before, sizeof(device)) == 0);
		return;
	}
	require(message->type == NJ_RECOVER_OFFER && device.count == 3);
	require(memcmp(device.keys[1].key, before.keys[0].key, sizeof(device.keys[1].key)) == 0);
	require(memcmp(device.recovery.key, before.recovery.key, sizeof(device.recovery.key)) == 0);
	/* STORED is no DONE. */
	require(nj_recover_device_done(&device, &stored) == NJ_ERR_STATE);
}

static void feed_in_parts(struct nj_view in, enum nj_err want, size_t want_len)
{
	struct nj_recover_message message;
	size_t len = 0;

	for (size_t given = 0; given < in.len; given++) {
		enum nj_err err = nj_recover_decode(nj_view_of(in.data, given), &message, &len);

		if (err != NJ_ERR_TRUNCATED) {
			require(err == want && (err != NJ_OK || (len == want_len && len <= given)));
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct nj_recover_message message;
	uint8_t again[NJ_RECOVER_MESSAGE_MAX_BYTES];
	struct nj_view in = nj_view_of(data, size);
	size_t len = 0;

	if (!ready)
		require(nj_crypto_init() == NJ_OK);
	ready = true;
	enum nj_err err = nj_recover_decode(in, &message, &len);
	feed_in_parts(in, err, len);
	if (err != NJ_OK)
		return 0;
	require(len <= size && nj_recover_encode(&message, again) == len && memcmp(again, data, len) == 0);
	try_device(&message);
	return 0;
}
