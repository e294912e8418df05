/*
 * The knock: one datagram of 112 bytes that opens one service to one device once (docs/protocol/knock.md).
 * Pure: no I/O, no clock, no allocation; shared by gateway, command line and device library. Any thread.
 */
#ifndef NJ_WIRE_KNOCK_H
#define NJ_WIRE_KNOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/service.h"
#include "base/wire.h"

#define NJ_KNOCK_BYTES 112
#define NJ_KNOCK_BODY_BYTES 56
#define NJ_KNOCK_HINT_BYTES 8
#define NJ_KNOCK_RANDOM_BYTES 16
#define NJ_KNOCK_KEY_BYTES 32
#define NJ_KNOCK_VERSION 1
#define NJ_KNOCK_WINDOW 16 /* hints that the gateway accepts above its floor */
#define NJ_KNOCK_COUNTER_MAX ((UINT64_C(1) << 63) - 1)
#define NJ_KNOCK_ATTEMPT_MAX UINT32_MAX
#define NJ_UID_BYTES 16

#define NJ_KNOCK_FLAG_CAN_REKEY 0x01
#define NJ_KNOCK_FLAG_NEWER_KEY 0x02
#define NJ_KNOCK_FLAGS_KNOWN 0x03

/* X(member, label): the keys that a root key K yields, HKDF-SHA-256 with salt = uid, info = label. */
#define NJ_KNOCK_KEY_TABLE(X)        \
	X(hint, "nightjar/1 hint")   \
	X(seal, "nightjar/1 seal")   \
	X(mac, "nightjar/1 mac")     \
	X(psk, "nightjar/1 psk")     \
	X(plain, "nightjar/1 plain") \
	X(rnd, "nightjar/1 rnd")

struct nj_knock_keys {
#define NJ_KNOCK_KEY_MEMBER(member, label) uint8_t member[NJ_KNOCK_KEY_BYTES];
	NJ_KNOCK_KEY_TABLE(NJ_KNOCK_KEY_MEMBER)
#undef NJ_KNOCK_KEY_MEMBER
};

struct nj_knock_body {
	uint8_t version;
	uint8_t flags;
	uint16_t service;
	uint16_t wanted_seconds; /* 0 = what the gateway's policy says */
	uint64_t time_ms;        /* Unix; 0 = not known from an authenticated source */
	uint8_t source[16];      /* IPv6 or v4-mapped; all zero = where the packet comes from */
	uint8_t uid[NJ_UID_BYTES];
};

/* All six keys; the caller wipes them. */
void nj_knock_derive(const uint8_t root_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES],
		     struct nj_knock_keys *out_keys);
/* The hint key alone: all that the gateway derives at start. */
void nj_knock_derive_hint_key(const uint8_t root_key[NJ_KNOCK_KEY_BYTES], const uint8_t uid[NJ_UID_BYTES],
			      uint8_t out_key[NJ_KNOCK_KEY_BYTES]);
void nj_knock_hint(const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t counter, uint8_t out[NJ_KNOCK_HINT_BYTES]);

/* The hints of `count` counters from `counter` on, faster than one by one. */
void nj_knock_hints(const uint8_t hint_key[NJ_KNOCK_KEY_BYTES], uint64_t counter, size_t count,
		    uint8_t (*out)[NJ_KNOCK_HINT_BYTES]);

/* Device: lays out and seals a datagram. `fresh` is 16 random bytes (see the field "random"). Counter ≤ COUNTER_MAX. */
void nj_knock_seal(const struct nj_knock_keys *keys, uint64_t counter, const uint8_t fresh[NJ_KNOCK_RANDOM_BYTES],
		   const struct nj_knock_body *body, uint8_t out[NJ_KNOCK_BYTES]);

/* Gateway: authenticates (HMAC, then the seal) and reads. NJ_ERR_FORGED for either; NJ_ERR_MALFORMED when authentic,
 * but version, reserved bits or zero fields are wrong: `out_body` is filled then too, and the counter is burnt. */
NJ_MUST_USE enum nj_err nj_knock_open(const struct nj_knock_keys *keys, uint64_t counter,
				      const uint8_t datagram[NJ_KNOCK_BYTES], struct nj_knock_body *out_body);

/* The one-time TLS 1.3 PSK: HKDF(K_psk, salt = the packet's random, info = hint). */
void nj_knock_psk(const struct nj_knock_keys *keys, const uint8_t datagram[NJ_KNOCK_BYTES], uint8_t out[32]);
/* The one-time password of plain MQTT, before hex: HMAC(K_plain, counter ‖ random ‖ service as 2 bytes). */
void nj_knock_password(const struct nj_knock_keys *keys, uint64_t counter, const uint8_t datagram[NJ_KNOCK_BYTES],
		       uint16_t service, uint8_t out[32]);

/* The device's attempt rule: the counter of attempt n (0-based) since `bound`, the counter of the last knock whose
 * connection was bound. 0…15: bound+1+n; then sweeps of growing length over bound+16, bound+32, … NJ_ERR_RANGE past
 * NJ_KNOCK_COUNTER_MAX (rekey or enrol again) and past NJ_KNOCK_ATTEMPT_MAX. */
NJ_MUST_USE enum nj_err nj_knock_attempt_counter(uint64_t bound, uint64_t attempt, uint64_t *out_counter);

#endif
