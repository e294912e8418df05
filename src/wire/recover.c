#include "wire/recover.h"

#include <assert.h>

#include "crypto/crypto.h"

#define INFO_LABEL "nightjar/1 recover"
#define INFO_BYTES (sizeof(INFO_LABEL) - 1 + 4 + 8)

/* ---- messages ---- */

enum nj_err nj_recover_decode(struct nj_view in, struct nj_recover_message *out, size_t *out_len)
{
	struct nj_recover_message message = { .type = NJ_RECOVER_OFFER };
	struct nj_reader r = nj_reader_view(in);
	uint8_t type = nj_read_u8(&r);
	if (r.err == NJ_OK && (type < NJ_RECOVER_OFFER || type > NJ_RECOVER_DONE))
		return NJ_ERR_UNSUPPORTED;
	message.type = (enum nj_recover_type)type;
	message.epoch = nj_read_u32(&r);
	if (type == NJ_RECOVER_OFFER) {
		message.floor = nj_read_u64(&r);
		nj_read_bytes(&r, message.nonce, sizeof(message.nonce));
	} else {
		nj_read_bytes(&r, message.proof, sizeof(message.proof));
	}
	if (r.err != NJ_OK)
		return r.err;
	if (message.epoch == 0 || message.floor > NJ_KNOCK_COUNTER_MAX)
		return NJ_ERR_RANGE;
	*out = message;
	*out_len = r.pos;
	return NJ_OK;
}

size_t nj_recover_encode(const struct nj_recover_message *message, uint8_t out[NJ_RECOVER_MESSAGE_MAX_BYTES])
{
	struct nj_writer w = nj_writer_of(out, NJ_RECOVER_MESSAGE_MAX_BYTES);
	nj_write_u8(&w, (uint8_t)message->type);
	nj_write_u32(&w, message->epoch);
	if (message->type == NJ_RECOVER_OFFER) {
		nj_write_u64(&w, message->floor);
		nj_write_bytes(&w, message->nonce, sizeof(message->nonce));
	} else {
		nj_write_bytes(&w, message->proof, sizeof(message->proof));
	}
	assert(w.err == NJ_OK);
	return w.pos;
}

void nj_recover_derive(const uint8_t recovery_key[NJ_KNOCK_KEY_BYTES], const struct nj_recover_message *offer,
		       const uint8_t uid[NJ_UID_BYTES], uint8_t out_key[NJ_KNOCK_KEY_BYTES])
{
	uint8_t ikm[NJ_KNOCK_KEY_BYTES + NJ_RECOVER_NONCE_BYTES];
	uint8_t info[INFO_BYTES];
	struct nj_writer w = nj_writer_of(info, sizeof(info));
	nj_write_bytes(&w, INFO_LABEL, sizeof(INFO_LABEL) - 1);
	nj_write_u32(&w, offer->epoch);
	nj_write_u64(&w, offer->floor);
	memcpy(ikm, recovery_key, NJ_KNOCK_KEY_BYTES);
	memcpy(ikm + NJ_KNOCK_KEY_BYTES, offer->nonce, NJ_RECOVER_NONCE_BYTES);
	nj_hkdf_sha256(nj_view_of(ikm, sizeof(ikm)), nj_view_of(uid, NJ_UID_BYTES), nj_view_of(info, w.pos), out_key,
		       NJ_KNOCK_KEY_BYTES);
	nj_wipe(ikm, sizeof(ikm));
}

/* ---- the device ---- */

enum nj_err nj_recover_device_next(struct nj_rekey_device *device, struct nj_rekey_attempt *out_attempt)
{
	struct nj_rekey_attempt attempt = { .recovery = true, .flags = NJ_KNOCK_FLAG_CAN_REKEY };
	struct nj_rekey_recovery *recovery = &device->recovery;
	if (!recovery->held)
		return nj_rekey_device_next(device, out_attempt);
	if (recovery->turn++ / NJ_KNOCK_WINDOW % 2 == 0)
		return nj_rekey_device_next(device, out_attempt);
	NJ_TRY(nj_knock_attempt_counter(recovery->counter, recovery->attempt, &attempt.counter));
	recovery->attempt++;
	*out_attempt = attempt;
	return NJ_OK;
}

/* Makes room at the first place. The same offer once more replaces what it made before; else the oldest key goes. */
static void make_room(struct nj_rekey_device *device, uint32_t epoch)
{
	if (device->keys[0].recovered && device->keys[0].epoch == epoch)
		return;
	for (size_t i = NJ_REKEY_DEVICE_KEYS - 1; i > 0; i--)
		device->keys[i] = device->keys[i - 1];
	if (device->count < NJ_REKEY_DEVICE_KEYS)
		device->count++;
}

enum nj_err nj_recover_device_offered(struct nj_rekey_device *device, struct nj_rekey_attempt *session,
				      const struct nj_recover_message *offer, struct nj_recover_message *out_stored)
{
	if (!session->recovery || session->offered || offer->type != NJ_RECOVER_OFFER)
		return NJ_ERR_STATE;
	struct nj_rekey_key fresh = { .epoch = offer->epoch, .recovered = true, .base = offer->floor };
	nj_recover_derive(device->recovery.key, offer, device->uid, fresh.key);
	make_room(device, offer->epoch);
	device->keys[0] = fresh;
	/* The new key first, from now on, and then the others as if nothing had failed. */
	for (size_t i = 0; i < device->count; i++)
		device->keys[i].attempt = 0;
	session->offered = true;
	*out_stored = (struct nj_recover_message){ .type = NJ_RECOVER_STORED, .epoch = offer->epoch };
	nj_rekey_prove(fresh.key, device->uid, NJ_REKEY_STORED, offer->epoch, out_stored->proof);
	nj_wipe(&fresh, sizeof(fresh));
	return NJ_OK;
}

enum nj_err nj_recover_device_done(struct nj_rekey_device *device, const struct nj_recover_message *done)
{
	struct nj_rekey_message same = { .type = NJ_REKEY_DONE, .epoch = done->epoch };
	if (done->type != NJ_RECOVER_DONE || !device->keys[0].recovered)
		return NJ_ERR_STATE;
	memcpy(same.proof, done->proof, sizeof(same.proof));
	return nj_rekey_device_done(device, &same);
}
