/*
 * What the bits of a message's octets mean: esm_class (3.4 section 5.2.12), registered_delivery (5.2.17), data_coding
 * (5.2.19), message_state (5.2.28). Tables and what is read from them; no state, any thread.
 */
#ifndef NJ_SMS_SMPP_OCTETS_H
#define NJ_SMS_SMPP_OCTETS_H

#include "sms/smpp/pdu.h"

#define NJ_SMPP_ESM_MODE 0x03
#define NJ_SMPP_ESM_TYPE 0x3c
#define NJ_SMPP_ESM_UDHI 0x40
#define NJ_SMPP_ESM_REPLY_PATH 0x80

/* X(name, bits, text): how it is sent */
#define NJ_SMPP_ESM_MODE_TABLE(X)     \
	X(DEFAULT, 0x00, "default")   \
	X(DATAGRAM, 0x01, "datagram") \
	X(FORWARD, 0x02, "forward")   \
	X(STORE, 0x03, "store-and-forward")

/* X(name, bits, text, an ESME may send it): what it is; an SMSC may send all */
#define NJ_SMPP_ESM_TYPE_TABLE(X)                          \
	X(MESSAGE, 0x00, "message", true)                  \
	X(RECEIPT, 0x04, "delivery-receipt", false)        \
	X(SME_ACK, 0x08, "delivery-acknowledgement", true) \
	X(USER_ACK, 0x10, "user-acknowledgement", true)    \
	X(ABORT, 0x18, "conversation-abort", false)        \
	X(INTERMEDIATE, 0x20, "intermediate-notification", false)

enum nj_smpp_esm {
#define NJ_SMPP_ESM_MODE_ENUM(name, bits, text) NJ_SMPP_ESM_##name = bits,
	NJ_SMPP_ESM_MODE_TABLE(NJ_SMPP_ESM_MODE_ENUM)
#undef NJ_SMPP_ESM_MODE_ENUM
#define NJ_SMPP_ESM_TYPE_ENUM(name, bits, text, esme) NJ_SMPP_ESM_##name = bits,
	    NJ_SMPP_ESM_TYPE_TABLE(NJ_SMPP_ESM_TYPE_ENUM)
#undef NJ_SMPP_ESM_TYPE_ENUM
};

enum nj_smpp_registered {
	NJ_SMPP_REGISTERED_RECEIPT = 0x03, /* a field of two bits: */
	NJ_SMPP_REGISTERED_NONE = 0,
	NJ_SMPP_REGISTERED_FINAL = 1,    /* success or failure */
	NJ_SMPP_REGISTERED_FAILURES = 2, /* failure alone */
	NJ_SMPP_REGISTERED_SME_ACK = 0x04,
	NJ_SMPP_REGISTERED_USER_ACK = 0x08,
	NJ_SMPP_REGISTERED_INTERMEDIATE = 0x10,
	NJ_SMPP_REGISTERED_RESERVED = 0xe0,
};

enum nj_smpp_alphabet {
	NJ_SMPP_ALPHABET_DEFAULT, /* what the account says */
	NJ_SMPP_ALPHABET_ASCII,
	NJ_SMPP_ALPHABET_OCTETS,
	NJ_SMPP_ALPHABET_LATIN1,
	NJ_SMPP_ALPHABET_CYRILLIC,
	NJ_SMPP_ALPHABET_HEBREW,
	NJ_SMPP_ALPHABET_UCS2,
	NJ_SMPP_ALPHABET_OTHER, /* defined, and none of ours; or reserved */
};

/* X(first value, last value, text, alphabet where the value does not tell it, what else the bits say) */
#define NJ_SMPP_CODING_TABLE(X)                                \
	X(0x00, 0x00, "default", DEFAULT, PLAIN)               \
	X(0x01, 0x01, "ascii", ASCII, PLAIN)                   \
	X(0x02, 0x02, "octets", OCTETS, PLAIN)                 \
	X(0x03, 0x03, "latin1", LATIN1, PLAIN)                 \
	X(0x04, 0x04, "octets", OCTETS, PLAIN)                 \
	X(0x05, 0x05, "jis", OTHER, PLAIN)                     \
	X(0x06, 0x06, "cyrillic", CYRILLIC, PLAIN)             \
	X(0x07, 0x07, "hebrew", HEBREW, PLAIN)                 \
	X(0x08, 0x08, "ucs2", UCS2, PLAIN)                     \
	X(0x09, 0x09, "pictogram", OTHER, PLAIN)               \
	X(0x0A, 0x0A, "iso-2022-jp", OTHER, PLAIN)             \
	X(0x0B, 0x0C, "reserved", OTHER, PLAIN)                \
	X(0x0D, 0x0D, "jis-x-0212", OTHER, PLAIN)              \
	X(0x0E, 0x0E, "ks-c-5601", OTHER, PLAIN)               \
	X(0x0F, 0x0F, "reserved", OTHER, PLAIN)                \
	X(0x10, 0x1F, "gsm-with-class", OTHER, GENERAL)        \
	X(0x20, 0xBF, "reserved", OTHER, PLAIN)                \
	X(0xC0, 0xDF, "gsm-message-waiting", DEFAULT, WAITING) \
	X(0xE0, 0xEF, "reserved", OTHER, PLAIN)                \
	X(0xF0, 0xFF, "gsm-message-class", DEFAULT, CLASS)

struct nj_smpp_coding {
	const char *text;
	uint8_t alphabet; /* enum nj_smpp_alphabet */
	bool has_class;
	uint8_t message_class; /* 0 flash, 1 device, 2 SIM, 3 terminal */
	bool waiting;          /* an indication of 3GPP TS 23.038: the value's bits are its own */
};

/* X(name, value, word in a receipt, text, final) */
#define NJ_SMPP_STATE_TABLE(X)                                \
	X(SCHEDULED, 0, "SCHEDLD", "scheduled", false)        \
	X(ENROUTE, 1, "ENROUTE", "enroute", false)            \
	X(DELIVERED, 2, "DELIVRD", "delivered", true)         \
	X(EXPIRED, 3, "EXPIRED", "expired", true)             \
	X(DELETED, 4, "DELETED", "deleted", true)             \
	X(UNDELIVERABLE, 5, "UNDELIV", "undeliverable", true) \
	X(ACCEPTED, 6, "ACCEPTD", "accepted", false)          \
	X(UNKNOWN, 7, "UNKNOWN", "unknown", true)             \
	X(REJECTED, 8, "REJECTD", "rejected", true)           \
	X(SKIPPED, 9, "SKIPPED", "skipped", true)

enum nj_smpp_message_state {
#define NJ_SMPP_STATE_ENUM(name, value, word, text, final) NJ_SMPP_STATE_##name = value,
	NJ_SMPP_STATE_TABLE(NJ_SMPP_STATE_ENUM)
#undef NJ_SMPP_STATE_ENUM
	    NJ_SMPP_STATE_COUNT
};

/* "delivery-receipt"; "reserved". */
const char *nj_smpp_esm_type_text(uint8_t esm_class);
const char *nj_smpp_esm_mode_text(uint8_t esm_class);
/* Its type is one that `sender` may send. */
bool nj_smpp_esm_valid(uint8_t esm_class, enum nj_smpp_side sender);
bool nj_smpp_registered_valid(uint8_t registered_delivery);
struct nj_smpp_coding nj_smpp_coding_of(uint8_t data_coding);
/* The value for default, octets or UCS-2 with a class (0–3), or without one (any greater number). */
uint8_t nj_smpp_coding_make(enum nj_smpp_alphabet alphabet, unsigned message_class);
/* "DELIVRD"; that of UNKNOWN for what has none. */
const char *nj_smpp_state_word(uint8_t state);
const char *nj_smpp_state_text(uint8_t state);
bool nj_smpp_state_final(uint8_t state);
/* The state of a receipt's word, in any case, also as it is spelt in full; NJ_SMPP_STATE_UNKNOWN for what is none. */
uint8_t nj_smpp_state_of(struct nj_view word);

#endif
