/*
 * Continuous keys in the keeper: which keys a device has, and how they change (docs/protocol/knock.md, "Continuous
 * keys"). Key state moves at a bound handshake and on STORED alone. Included by the keeper's files; its main thread.
 */
#ifndef NJ_KEEPER_REKEY_H
#define NJ_KEEPER_REKEY_H

#include "base/map.h"
#include "keeper/core.h"

/* A part of the keeper. */
struct nj_keeper_rekeying {
	struct nj_spares *spares; /* NULL until started */
	uint32_t rekey_ms;        /* between two of a device; 0: never */
	bool was_bound;           /* a grant was consumed just now, and it was this one */
	struct nj_grant_spec bound_spec;
	struct nj_map exchanges; /* under way, by grant */
	struct nj_map cuts;      /* that the gateway could not be told of, by device */
	uint64_t damaged;        /* pending keys and tombstones that do not open */
};

void nj_keeper_rekey_init(struct nj_keeper *keeper);
void nj_keeper_rekey_done(struct nj_keeper *keeper);
/* Pending keys and tombstones, after the devices. */
NJ_MUST_USE enum nj_err nj_keeper_rekey_load(struct nj_keeper *keeper);
/* May the device of an accepted knock be offered a new key? */
bool nj_keeper_rekey_due(const struct nj_keeper *keeper, const struct nj_knock_fact *fact);
/* A connection was bound; key state follows it. */
void nj_keeper_rekey_bound(struct nj_keeper *keeper, uint64_t grant_id, const struct nj_grant_spec *spec);
/* Every second. */
void nj_keeper_rekey_tick(struct nj_keeper *keeper);
/* Forgets the exchanges of a gateway that is gone. */
void nj_keeper_rekey_gone(struct nj_keeper *keeper);
/* A device leaves: its spares too. */
void nj_keeper_rekey_expel(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES]);

#endif
