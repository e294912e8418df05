#include "wire/knock.h"

#include <assert.h>

#include "crypto/crypto.h"

#define RANDOM_AT NJ_KNOCK_HINT_BYTES
#define SEALED_AT (RANDOM_AT + NJ_KNOCK_RANDOM_BYTES)
#define SEALED_BYTES (NJ_KNOCK_BODY_BYTES + NJ_AEAD_TAG_BYTES)
#define MAC_AT (SEALED_AT + SEALED_BYTES)
#define MAC_BYTES 16
_Static_assert(MAC_AT + MAC_BYTES == NJ_KNOCK_BYTES, "the fields fill the datagram");

#define COUNTER_BYTES 8
_Static_assert(COUNTER_BYTES + NJ_KNOCK_RANDOM_BYTES == NJ_XCHACHA_NONCE_BYTES, "counter and random fill the nonce");

#define BODY_ZERO_MIDDLE 2
#define BODY_ZERO_END 8

enum key {
#define KEY_ENUM(member, label) KEY_##member,
	NJ_KNOCK_KEY_TABLE(KEY_ENUM)
#undef KEY_ENUM
	    KEYS
};

static const struct {
	const char *label;
	size_t offset;
} key_rows[KEYS] = {
#define KEY_ROW(member, label) { label, offsetof(struct nj_knock_keys, member) },
	NJ_KNOCK_KEY_TABLE(KEY_ROW)
#undef KEY_ROW
};

static void derive(const uint8_t root_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES], enum key key,
		   uint8_t out_key[NJ_KNOCK_KEY_BYTES])
{
	nj_hkdf_sha256(nj_view_of(root_key, NJ_KNOCK_KEY_BYTES), nj_view_of(uid, NJ_UID_BYTES),
		       nj_view_str(key_rows[key].label), out_key, NJ_KNOCK_KEY_BYTES);
}

void nj_knock_derive(const uint8_t root_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES],
		     struct nj_knock_keys *out_keys)
{
	for (enum key key = 0; key < KEYS; key++)
		derive(root_key, uid, key, (uint8_t *)out_keys + key_rows[key].offset);
}

void nj_knock_derive_hint_key(const uint8_t root_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES],
			      uint8_t out_key[NJ_KNOCK_KEY_BYTES])
{
	derive(root_key, uid, KEY_hint, out_key);
}

void nj_knock_hint(const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t counter, uint8_t out[NJ_KNOCK_HINT_BYTES])
{
	uint8_t message[COUNTER_BYTES];
	uint8_t digest[NJ_SHA256_BYTES];
	nj_put_u64(message, counter);
	struct nj_view part = nj_view_of(message, sizeof(message));
	nj_hmac_sha256(hint_key, NJ_KNOCK_KEY_BYTES, &part, 1, digest);
	memcpy(out, digest, NJ_KNOCK_HINT_BYTES);
}

void nj_knock_hints(const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t counter, size_t count,
		    uint8_t (*out)[NJ_KNOCK_HINT_BYTES])
{
	uint8_t message[COUNTER_BYTES];
	uint8_t digest[NJ_SHA256_BYTES];
	struct nj_hmac_key hmac;
	nj_hmac_key_init(&hmac, hint_key, NJ_KNOCK_KEY_BYTES);
	for (size_t i = 0; i < count; i++) {
		nj_put_u64(message, counter + i);
		nj_hmac_key_of(&hmac, message, sizeof(message), digest);
		memcpy(out[i], digest, NJ_KNOCK_HINT_BYTES);
	}
	nj_wipe(&hmac, sizeof(hmac));
}

static void write_body(const struct nj_knock_body *body, uint8_t out[NJ_KNOCK_BODY_BYTES])
{
	struct nj_writer w = nj_writer_of(out, NJ_KNOCK_BODY_BYTES);
	nj_write_u8(&w, body->version);
	nj_write_u8(&w, body->flags);
	nj_write_u16(&w, body->service);
	nj_write_u16(&w, body->wanted_seconds);
	nj_write_zero(&w, BODY_ZERO_MIDDLE);
	nj_write_u64(&w, body->time_ms);
	nj_write_bytes(&w, body->source, sizeof(body->source));
	nj_write_bytes(&w, body->uid, sizeof(body->uid));
	nj_write_zero(&w, BODY_ZERO_END);
	assert(w.err == NJ_OK && w.pos == NJ_KNOCK_BODY_BYTES);
}

static bool all_zero(struct nj_view view)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < view.len; i++)
		sum |= view.data[i];
	return sum == 0;
}

/* Fills every member whatever is wrong: the audit record names what an authentic device asked for. */
static enum nj_err read_body(const uint8_t in[NJ_KNOCK_BODY_BYTES], struct nj_knock_body *body)
{
	struct nj_reader r = nj_reader_of(in, NJ_KNOCK_BODY_BYTES);
	body->version = nj_read_u8(&r);
	body->flags = nj_read_u8(&r);
	body->service = nj_read_u16(&r);
	body->wanted_seconds = nj_read_u16(&r);
	bool zero = all_zero(nj_read_view(&r, BODY_ZERO_MIDDLE));
	body->time_ms = nj_read_u64(&r);
	nj_read_bytes(&r, body->source, sizeof(body->source));
	nj_read_bytes(&r, body->uid, sizeof(body->uid));
	zero = all_zero(nj_read_view(&r, BODY_ZERO_END)) && zero;
	NJ_TRY(nj_reader_end(&r));
	if (body->version != NJ_KNOCK_VERSION || (body->flags & ~NJ_KNOCK_FLAGS_KNOWN) != 0 || !zero)
		return NJ_ERR_MALFORMED;
	return NJ_OK;
}

/* Hashed from the fresh bytes with all that the nonce must separate, so that a dead generator repeats no nonce. */
static void make_random(const struct nj_knock_keys *keys, uint64_t counter, const uint8_t fresh[NJ_KNOCK_RANDOM_BYTES],
			const uint8_t body[NJ_KNOCK_BODY_BYTES], uint8_t out[NJ_KNOCK_RANDOM_BYTES])
{
	uint8_t counter_bytes[COUNTER_BYTES];
	uint8_t digest[NJ_SHA256_BYTES];
	nj_put_u64(counter_bytes, counter);
	struct nj_view parts[] = { nj_view_of(counter_bytes, sizeof(counter_bytes)),
				   nj_view_of(fresh, NJ_KNOCK_RANDOM_BYTES), nj_view_of(body, NJ_KNOCK_BODY_BYTES) };
	nj_hmac_sha256(keys->rnd, sizeof(keys->rnd), parts, 3, digest);
	memcpy(out, digest, NJ_KNOCK_RANDOM_BYTES);
}

static void make_nonce(uint64_t counter, const uint8_t random[NJ_KNOCK_RANDOM_BYTES],
		       uint8_t out[NJ_XCHACHA_NONCE_BYTES])
{
	nj_put_u64(out, counter);
	memcpy(out + COUNTER_BYTES, random, NJ_KNOCK_RANDOM_BYTES);
}

static void make_mac(const struct nj_knock_keys *keys, const uint8_t datagram[NJ_KNOCK_BYTES], uint8_t out[MAC_BYTES])
{
	uint8_t digest[NJ_SHA256_BYTES];
	struct nj_view covered = nj_view_of(datagram, MAC_AT);
	nj_hmac_sha256(keys->mac, sizeof(keys->mac), &covered, 1, digest);
	memcpy(out, digest, MAC_BYTES);
}

void nj_knock_seal(const struct nj_knock_keys *keys, uint64_t counter, const uint8_t fresh[NJ_KNOCK_RANDOM_BYTES],
		   const struct nj_knock_body *body, uint8_t out[NJ_KNOCK_BYTES])
{
	assert(counter <= NJ_KNOCK_COUNTER_MAX);
	uint8_t plain[NJ_KNOCK_BODY_BYTES];
	uint8_t nonce[NJ_XCHACHA_NONCE_BYTES];
	write_body(body, plain);
	nj_knock_hint(keys->hint, counter, out);
	make_random(keys, counter, fresh, plain, out + RANDOM_AT);
	make_nonce(counter, out + RANDOM_AT, nonce);
	nj_xchacha_seal(keys->seal, nonce, nj_view_of(out, SEALED_AT), nj_view_of(plain, sizeof(plain)),
			out + SEALED_AT);
	make_mac(keys, out, out + MAC_AT);
	nj_wipe(plain, sizeof(plain));
}

enum nj_err nj_knock_open(const struct nj_knock_keys *keys, uint64_t counter, const uint8_t datagram[NJ_KNOCK_BYTES],
			  struct nj_knock_body *out_body)
{
	uint8_t mac[MAC_BYTES];
	uint8_t nonce[NJ_XCHACHA_NONCE_BYTES];
	uint8_t plain[NJ_KNOCK_BODY_BYTES];
	make_mac(keys, datagram, mac);
	if (!nj_equal_ct(mac, datagram + MAC_AT, MAC_BYTES))
		return NJ_ERR_FORGED;
	make_nonce(counter, datagram + RANDOM_AT, nonce);
	NJ_TRY(nj_xchacha_open(keys->seal, nonce, nj_view_of(datagram, SEALED_AT),
			       nj_view_of(datagram + SEALED_AT, SEALED_BYTES), plain));
	enum nj_err err = read_body(plain, out_body);
	nj_wipe(plain, sizeof(plain));
	return err;
}

void nj_knock_psk(const struct nj_knock_keys *keys, const uint8_t datagram[NJ_KNOCK_BYTES], uint8_t out[32])
{
	nj_hkdf_sha256(nj_view_of(keys->psk, sizeof(keys->psk)),
		       nj_view_of(datagram + RANDOM_AT, NJ_KNOCK_RANDOM_BYTES),
		       nj_view_of(datagram, NJ_KNOCK_HINT_BYTES), out, NJ_SHA256_BYTES);
}

void nj_knock_password(const struct nj_knock_keys *keys, uint64_t counter, const uint8_t datagram[NJ_KNOCK_BYTES],
		       uint16_t service, uint8_t out[32])
{
	uint8_t counter_bytes[COUNTER_BYTES];
	uint8_t service_bytes[2];
	nj_put_u64(counter_bytes, counter);
	nj_put_u16(service_bytes, service);
	struct nj_view parts[] = { nj_view_of(counter_bytes, sizeof(counter_bytes)),
				   nj_view_of(datagram + RANDOM_AT, NJ_KNOCK_RANDOM_BYTES),
				   nj_view_of(service_bytes, sizeof(service_bytes)) };
	nj_hmac_sha256(keys->plain, sizeof(keys->plain), parts, 3, out);
}
