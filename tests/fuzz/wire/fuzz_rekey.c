/* Rekey messages: whatever decodes encodes to the same bytes, and no message moves a device that it does not prove. */
#include <stdlib.h>

#include "crypto/crypto.h"
#include "wire/rekey.h"

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void try_device(const struct nj_rekey_message *message)
{
	struct nj_rekey_device device = { .count = 2,
					  .keys = { { .epoch = 2, .key = { 2 } }, { .epoch = 1, .key = { 1 } } } };
	struct nj_rekey_device before = device;
	struct nj_rekey_attempt session = { .which = 1, .epoch = 1 };
	struct nj_rekey_message stored;
	const uint8_t exporter[NJ_REKEY_EXPORTER_BYTES] = { 3 };

	if (nj_rekey_device_done(&device, message) == NJ_OK)
		require(message->type == NJ_REKEY_DONE && nj_rekey_proves(before.keys[0].key, before.uid, message));
	else
		require(memcmp(&device, &before, sizeof(device)) == 0);
	device = before;
	if (nj_rekey_device_offered(&device, &session, exporter, message, &stored) == NJ_OK)
		require(message->epoch == 2 && memcmp(&device.keys[1], &before.keys[1], sizeof(device.keys[1])) == 0);
	else
		require(memcmp(&device, &before, sizeof(device)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct nj_rekey_message message;
	uint8_t again[NJ_REKEY_MESSAGE_MAX_BYTES];

	if (!ready)
		require(nj_crypto_init() == NJ_OK);
	ready = true;
	if (size == 0)
		return 0;
	struct nj_view payload = nj_view_of(data + 1, size - 1);
	struct nj_view topic = data[0] % 4 == 3 ? payload : nj_view_str(nj_rekey_topic(data[0] % 4));
	if (nj_rekey_decode(topic, payload, &message) != NJ_OK)
		return 0;
	size_t len = nj_rekey_encode(&message, again);
	require(len == payload.len && memcmp(again, payload.data, len) == 0);
	try_device(&message);
	return 0;
}
