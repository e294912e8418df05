#include "wire/rekey.h"

#include <assert.h>

#include "crypto/crypto.h"

#define EPOCH_BYTES 4
#define INFO_LABEL "nightjar/1 rekey"
#define INFO_BYTES (sizeof(INFO_LABEL) - 1 + EPOCH_BYTES)

static const char *const topics[] = {
#define TOPIC(name, topic, from_gateway) [name] = topic,
	NJ_REKEY_MESSAGE_TABLE(TOPIC)
#undef TOPIC
};
#define TYPES (sizeof(topics) / sizeof(topics[0]))

const char *nj_rekey_topic(enum nj_rekey_type type)
{
	return topics[type];
}

enum nj_err nj_rekey_decode(struct nj_view topic, struct nj_view payload, struct nj_rekey_message *out)
{
	struct nj_rekey_message message = { .type = NJ_REKEY_OFFER };
	struct nj_reader r = nj_reader_view(payload);
	size_t type = 0;
	while (type < TYPES && !nj_view_equal(topic, nj_view_str(topics[type])))
		type++;
	if (type == TYPES)
		return NJ_ERR_UNSUPPORTED;
	message.type = (enum nj_rekey_type)type;
	message.epoch = nj_read_u32(&r);
	if (message.type != NJ_REKEY_OFFER)
		nj_read_bytes(&r, message.proof, sizeof(message.proof));
	NJ_TRY(nj_reader_end(&r));
	if (message.epoch == 0)
		return NJ_ERR_RANGE;
	*out = message;
	return NJ_OK;
}

size_t nj_rekey_encode(const struct nj_rekey_message *message, uint8_t out[NJ_REKEY_MESSAGE_MAX_BYTES])
{
	struct nj_writer w = nj_writer_of(out, NJ_REKEY_MESSAGE_MAX_BYTES);
	nj_write_u32(&w, message->epoch);
	if (message->type != NJ_REKEY_OFFER)
		nj_write_bytes(&w, message->proof, sizeof(message->proof));
	assert(w.err == NJ_OK);
	return w.pos;
}

void nj_rekey_derive(const uint8_t key[NJ_KNOCK_KEY_BYTES], const uint8_t exporter[NJ_REKEY_EXPORTER_BYTES],
		     const uint8_t uid[NJ_UID_BYTES], uint32_t epoch, uint8_t out_key[NJ_KNOCK_KEY_BYTES])
{
	uint8_t ikm[NJ_KNOCK_KEY_BYTES + NJ_REKEY_EXPORTER_BYTES];
	uint8_t info[INFO_BYTES];
	memcpy(ikm, key, NJ_KNOCK_KEY_BYTES);
	memcpy(ikm + NJ_KNOCK_KEY_BYTES, exporter, NJ_REKEY_EXPORTER_BYTES);
	memcpy(info, INFO_LABEL, sizeof(INFO_LABEL) - 1);
	nj_put_u32(info + sizeof(INFO_LABEL) - 1, epoch);
	nj_hkdf_sha256(nj_view_of(ikm, sizeof(ikm)), nj_view_of(uid, NJ_UID_BYTES), nj_view_of(info, sizeof(info)),
		       out_key, NJ_KNOCK_KEY_BYTES);
	nj_wipe(ikm, sizeof(ikm));
}

void nj_rekey_prove(const uint8_t new_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES], enum nj_rekey_type type,
		    uint32_t epoch, uint8_t out_proof[NJ_REKEY_PROOF_BYTES])
{
	struct nj_knock_keys keys;
	uint8_t epoch_bytes[EPOCH_BYTES];
	nj_knock_derive(new_key, uid, &keys);
	nj_put_u32(epoch_bytes, epoch);
	struct nj_view parts[] = { nj_view_str(type == NJ_REKEY_STORED ? "stored" : "done"),
				   nj_view_of(epoch_bytes, sizeof(epoch_bytes)) };
	nj_hmac_sha256(keys.mac, sizeof(keys.mac), parts, 2, out_proof);
	nj_wipe(&keys, sizeof(keys));
}

bool nj_rekey_proves(const uint8_t new_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES],
		     const struct nj_rekey_message *message)
{
	uint8_t proof[NJ_REKEY_PROOF_BYTES];
	if (message->type == NJ_REKEY_OFFER)
		return false;
	nj_rekey_prove(new_key, uid, message->type, message->epoch, proof);
	bool same = nj_equal_ct(proof, message->proof, sizeof(proof));
	nj_wipe(proof, sizeof(proof));
	return same;
}

enum nj_rekey_change nj_rekey_on_bound(uint32_t epoch, bool pending, uint32_t bound)
{
	if (bound == epoch)
		return pending ? NJ_REKEY_DROP : NJ_REKEY_KEEP;
	return pending && bound == epoch + 1 ? NJ_REKEY_PROMOTE : NJ_REKEY_STALE;
}

/* --- the device --- */

/* Blocks of 16 attempts: a newer key has gone through as many as an older one, or one more. */
static uint8_t next_key(const struct nj_rekey_device *device)
{
	uint8_t next = 0;
	for (uint8_t i = 1; i < device->count; i++)
		if (device->keys[i].attempt / NJ_KNOCK_WINDOW < device->keys[next].attempt / NJ_KNOCK_WINDOW)
			next = i;
	return next;
}

enum nj_err nj_rekey_device_next(struct nj_rekey_device *device, struct nj_rekey_attempt *out_attempt)
{
	struct nj_rekey_attempt attempt = { .which = next_key(device), .flags = NJ_KNOCK_FLAG_CAN_REKEY };
	struct nj_rekey_key *key = &device->keys[attempt.which];
	uint64_t bound = key->recovered ? key->base : device->counter;
	NJ_TRY(nj_knock_attempt_counter(bound, key->attempt, &attempt.counter));
	if (attempt.which > 0)
		attempt.flags |= NJ_KNOCK_FLAG_NEWER_KEY;
	attempt.epoch = key->epoch;
	key->attempt++;
	*out_attempt = attempt;
	return NJ_OK;
}

/* Keeps keys[which] alone, at the first place. */
static void keep_one(struct nj_rekey_device *device, uint8_t which)
{
	if (which > 0)
		device->keys[0] = device->keys[which];
	for (size_t i = 1; i < NJ_REKEY_DEVICE_KEYS; i++)
		nj_wipe(&device->keys[i], sizeof(device->keys[i]));
	device->count = 1;
}

const uint8_t *nj_rekey_device_key(const struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt)
{
	return attempt->recovery ? device->recovery.key : device->keys[attempt->which].key;
}

/* Whatever key it was: the device has not failed for long any more. */
static void recovery_rests(struct nj_rekey_recovery *recovery)
{
	recovery->attempt = 0;
	recovery->turn = 0;
}

bool nj_rekey_device_bound(struct nj_rekey_device *device, const struct nj_rekey_attempt *attempt)
{
	bool drops = attempt->which == 0 && device->count > 1;
	recovery_rests(&device->recovery);
	if (attempt->recovery) {
		device->recovery.counter = attempt->counter;
		return false;
	}
	device->counter = attempt->counter;
	device->keys[attempt->which].recovered = false;
	for (size_t i = 0; i < NJ_REKEY_DEVICE_KEYS; i++)
		device->keys[i].attempt = 0;
	if (drops)
		keep_one(device, 0);
	return drops;
}

static const struct nj_rekey_key *key_of_session(const struct nj_rekey_device *device,
						 const struct nj_rekey_attempt *session)
{
	const struct nj_rekey_key *key = &device->keys[session->which];
	return !session->recovery && session->which < device->count && key->epoch == session->epoch ? key : NULL;
}

enum nj_err nj_rekey_device_offered(struct nj_rekey_device *device, struct nj_rekey_attempt *session,
				    const uint8_t exporter[NJ_REKEY_EXPORTER_BYTES],
				    const struct nj_rekey_message *offer, struct nj_rekey_message *out_stored)
{
	const struct nj_rekey_key *from = key_of_session(device, session);
	struct nj_rekey_key fresh = { .epoch = offer->epoch };
	if (from == NULL || session->offered || offer->type != NJ_REKEY_OFFER || from->epoch == UINT32_MAX ||
	    offer->epoch != from->epoch + 1)
		return NJ_ERR_STATE;
	nj_rekey_derive(from->key, exporter, device->uid, offer->epoch, fresh.key);
	if (from != &device->keys[1])
		device->keys[1] = *from;
	device->keys[0] = fresh;
	for (size_t i = 2; i < NJ_REKEY_DEVICE_KEYS; i++)
		nj_wipe(&device->keys[i], sizeof(device->keys[i]));
	device->count = 2;
	session->offered = true;
	*out_stored = (struct nj_rekey_message){ .type = NJ_REKEY_STORED, .epoch = offer->epoch };
	nj_rekey_prove(fresh.key, device->uid, NJ_REKEY_STORED, offer->epoch, out_stored->proof);
	nj_wipe(&fresh, sizeof(fresh));
	return NJ_OK;
}

enum nj_err nj_rekey_device_done(struct nj_rekey_device *device, const struct nj_rekey_message *done)
{
	if (done->type != NJ_REKEY_DONE || device->count < 2 || done->epoch != device->keys[0].epoch)
		return NJ_ERR_STATE;
	if (!nj_rekey_proves(device->keys[0].key, device->uid, done))
		return NJ_ERR_FORGED;
	keep_one(device, 0);
	if (device->keys[0].recovered)
		device->counter = device->keys[0].base;
	device->keys[0].recovered = false;
	return NJ_OK;
}
