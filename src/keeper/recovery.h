/*
 * The operator's window, the keeper's part (docs/protocol/knock.md, "Recovery"): for a while knocks under recovery keys
 * open the enrolment service, where a device gets a new root key. Shut by default; opened with the private half of the
 * recovery pair, which whoever types the printed recovery key derives; kept in locked memory alone, so that a window
 * ends with its time, with the operator's word, and with the keeper. Included by the keeper's files; its main thread.
 */
#ifndef NJ_KEEPER_RECOVERY_H
#define NJ_KEEPER_RECOVERY_H

#include "crypto/secret.h"
#include "keeper/core.h"
#include "wire/recover.h"

#define NJ_RECOVERY_MINUTES 1440 /* by default */
#define NJ_RECOVERY_MINUTES_MAX (30 * 1440)
#define NJ_RECOVERY_DEVICES_MAX 65536 /* in the window at one time; the next enter as these are done */

enum nj_recovery_whom {
	NJ_RECOVERY_RESTORED, /* who has not been seen since a restore */
	NJ_RECOVERY_ONE,
	NJ_RECOVERY_ALL,
};

/* A part of the keeper. */
struct nj_keeper_recovery {
	struct nj_secret *private_key; /* NULL: the window is shut */
	enum nj_recovery_whom whom;
	uint8_t after[NJ_UID_BYTES]; /* who comes next */
	bool filling;                /* there may be more to let in */
	uint64_t ends_ms;            /* boot clock */
	uint64_t ends_wall_ms;       /* for people */
	uint64_t left_out;           /* devices without a recovery key, or with one of another printed key */
	uint64_t recovered;
};

struct nj_recovery_asked {
	const uint8_t *private_key; /* NJ_KEY_BYTES */
	enum nj_recovery_whom whom;
	const uint8_t *uid; /* of NJ_RECOVERY_ONE */
	const char *name;   /* and its name */
	uint32_t minutes;
	const char *caller;
};

/* NJ_ERR_FORGED: the key is not of this vault; NJ_ERR_STATE: the keeper does not serve, or the enrolment service is
 * off; NJ_ERR_NOT_FOUND: nobody to let in. A window that is open is replaced. */
NJ_MUST_USE enum nj_err nj_keeper_recovery_open(struct nj_keeper *keeper, const struct nj_recovery_asked *asked,
						struct nj_why *why);
/* Harmless when it is shut. What waits is written first. */
void nj_keeper_recovery_shut(struct nj_keeper *keeper, const char *caller, const char *reason);
/* At the keeper's end: wipes and says nothing. */
void nj_keeper_recovery_done(struct nj_keeper *keeper);
/* A window that a keeper before this one left open ended with it: audited once. */
NJ_MUST_USE enum nj_err nj_keeper_recovery_left(struct nj_keeper *keeper);
/* Lets the next ones in, and ends what is over. */
void nj_keeper_recovery_tick(struct nj_keeper *keeper);
bool nj_keeper_recovery_busy(const struct nj_keeper *keeper);
/* For status. */
json_t *nj_keeper_recovery_json(const struct nj_keeper *keeper);
/* The device needs its recovery key no more. Nothing may be staged. */
void nj_keeper_recovery_served(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES]);

/* What the device of `row` is offered, and the new key: the offer that it may have had already, or a fresh one.
 * `out_sealed` holds NJ_SEALED_KEY_MAX. NJ_ERR_STATE: the window is shut. */
NJ_MUST_USE enum nj_err nj_keeper_recovery_offer(struct nj_keeper *keeper, const struct nj_keeper_device *row,
						 struct nj_recover_message *out_offer, uint8_t out_key[NJ_KEY_BYTES],
						 uint8_t *out_sealed, size_t *out_sealed_len);

#endif
