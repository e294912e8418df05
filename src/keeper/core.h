/*
 * The keeper: store, vault, audit, window, grants and cloak put together, driven by its owner (keeper/process.h in the
 * running gateway, the command line for a stopped one, a test). Invariants: no grant before its burn is on disk, no
 * open cloak before the gateway holds the key, no lease while the store refuses writes. One thread. Never logs: it
 * tells its watcher.
 */
#ifndef NJ_KEEPER_CORE_H
#define NJ_KEEPER_CORE_H

#include "base/config/listeners.h"
#include "bus/admin.h"
#include "identity/audit.h"
#include "identity/authority.h"
#include "keeper/cloak/cloak.h"
#include "keeper/guards.h"
#include "keeper/knock.h"
#include "keeper/link.h"

#define NJ_KEEPER_GROUP_MS 20 /* knocks and records of this time share a commit */

struct nj_keeper;

/* Texts and arrays are copied where they are needed longer than the call. */
struct nj_keeper_config {
	const char *store_path;
	const char *key_file;
	const struct nj_clock *clock;
	struct nj_random *random;
	const char *host;         /* what credentials tell devices to knock at, and the certificate's first name */
	const char *const *names; /* further names of the certificate */
	size_t name_count;
	uint16_t knock_port;
	uint16_t ports[NJ_SERVICE_END]; /* by service; 0 = not offered */
	uint32_t max_devices;           /* applications too; 0 = 2,000,000 */
	uint32_t max_grants;            /* at one time; 0 = 8,192 */
	uint32_t grant_ms;              /* of profiles that do not say; 0 = NJ_PROFILE_GRANT_MS_DEFAULT */
	bool rekey_off;                 /* devices keep their root keys */
	uint32_t rekey_ms;              /* a device gets a new one at most once in this time; 0 = one hour */
	struct nj_knock_limits limits;
	const struct nj_settings_guard *guards; /* services of the host that are not ours */
	size_t guard_count;
	const struct nj_settings_proxy *proxies; /* before cloaked services */
	size_t proxy_count;
	const struct nj_settings_local *locals; /* of these, the exposed ones are audited */
	size_t local_count;
	bool may_lock; /* a vault whose key file does not open it waits for a passphrase, where it has a slot for one */
};

/* What an owner may want to log. Every member may be NULL. */
struct nj_keeper_watch {
	void (*knock)(void *arg, const struct nj_knock_fact *fact); /* accepted or refused, on disk */
	void (*forged)(void *arg, const struct nj_knock_fact *fact);
	void (*limited)(void *arg, const struct nj_knock_fact *fact);
	void (*not_granted)(void *arg, const struct nj_knock_fact *fact, enum nj_err err);
	void (*opened)(void *arg, uint64_t grant_id);
	void (*ended)(void *arg, uint64_t grant_id, const struct nj_grant_spec *spec, enum nj_grant_end end);
	/* The store failed (the lease stops), or works again (NJ_OK). */
	void (*store)(void *arg, enum nj_err err);
	void (*cloak_failed)(void *arg, enum nj_err err);
	void (*reconciled)(void *arg, const char *name, const char *what);
	/* Somebody asks for a reload: nj_keeper_reloaded or nj_keeper_reload_refused is to follow. */
	void (*reload)(void *arg);
	/* A passphrase opened the vault: the owner may start the keeper now. */
	void (*unlocked)(void *arg);
	void (*unlock_failed)(void *arg, uint32_t failures);
	void *arg;
};

/* Opens store, vault, authority and audit log. `out_report` (may be NULL) is filled also on failure. NJ_OK with a
 * locked keeper where the configuration allows it: then only nj_keeper_locked_verbs may be called, until unlocked. */
NJ_MUST_USE enum nj_err nj_keeper_open(const struct nj_keeper_config *config, struct nj_keeper **out_keeper,
				       struct nj_vault_report *out_report, struct nj_why *why);
bool nj_keeper_locked(const struct nj_keeper *keeper);
/* Without an orderly end: call nj_keeper_stop first for that. Link and cloak stay the owner's. */
void nj_keeper_close(struct nj_keeper *keeper);
void nj_keeper_watch(struct nj_keeper *keeper, const struct nj_keeper_watch *watch);
/* Borrowed; before any verb is called. */
void nj_keeper_set_link(struct nj_keeper *keeper, struct nj_link *link);
/* The cloak of guards, borrowed; before the start. Without one, knocks for them are refused. */
void nj_keeper_set_guards(struct nj_keeper *keeper, struct nj_cloak *cloak);
/* Clears the cloak (borrowed), loads every live device, builds the hint filter, audits the start. */
NJ_MUST_USE enum nj_err nj_keeper_start(struct nj_keeper *keeper, struct nj_cloak *cloak, struct nj_why *why);
/* Opens the cloak for the listed proxies; again when it may have forgotten them. The start does it, too. */
void nj_keeper_let_proxies_in(struct nj_keeper *keeper);
/* Ends grants, signs a checkpoint, audits the stop. */
NJ_MUST_USE enum nj_err nj_keeper_stop(struct nj_keeper *keeper);

void nj_keeper_datagrams(struct nj_keeper *keeper, const struct nj_udp_datagram *datagrams, size_t count);
/* Lease, expiries, group commit, checkpoints, slices of long work. Call it at least after nj_keeper_wait_ms. */
void nj_keeper_tick(struct nj_keeper *keeper);
uint32_t nj_keeper_wait_ms(const struct nj_keeper *keeper);
/* Commits what waits. NJ_OK also when nothing did. */
NJ_MUST_USE enum nj_err nj_keeper_flush(struct nj_keeper *keeper);
/* Takes over the limits of knocks and the length of grants. */
void nj_keeper_reconfigure(struct nj_keeper *keeper, const struct nj_keeper_config *config);
/* What came of a reload: audited, and told to whoever asked. `changes` is as bus/control.h says. */
void nj_keeper_reloaded(struct nj_keeper *keeper, struct nj_view changes);
void nj_keeper_reload_refused(struct nj_keeper *keeper, struct nj_view reason);
/* One audit record with the next group. */
void nj_keeper_note(struct nj_keeper *keeper, const struct nj_audit_record *record);

/* ---- the gateway ---- */

/* Certificate and key for HELLO: `out_pair` is the caller's to wipe, the CA is borrowed. */
NJ_MUST_USE enum nj_err nj_keeper_server_pair(struct nj_keeper *keeper, struct nj_x509_pair *out_pair,
					      const char **out_ca_pem);
/* The link reaches a gateway: finishes or undoes what a crash left half-made. */
void nj_keeper_gateway_here(struct nj_keeper *keeper);
void nj_keeper_gateway_gone(struct nj_keeper *keeper);
void nj_keeper_ack(struct nj_keeper *keeper, uint64_t grant_id);
void nj_keeper_bound(struct nj_keeper *keeper, const struct nj_ipc_bound *bound);
/* A bound session of a device that can rekey is ready for messages; `ready` holds its exporter. */
void nj_keeper_rekey_ready(struct nj_keeper *keeper, const struct nj_ipc_rekey *ready);
/* The device answered that it stored its new key. */
void nj_keeper_rekey_stored(struct nj_keeper *keeper, const struct nj_ipc_rekey *stored);
void nj_keeper_flow_end(struct nj_keeper *keeper, const struct nj_ipc_flow *flow);
/* False: a record that the gateway may not write, or with broken text; nothing of the batch is kept. */
bool nj_keeper_gateway_audit(struct nj_keeper *keeper, const struct nj_ipc_audit *audit);

/* The warden tells that somebody turned the perimeter. */
void nj_keeper_perimeter_changed(struct nj_keeper *keeper, const char *caller, const char *detail);

/* ---- administration (keeper.sock); the verbs' argument is the keeper ---- */

extern const struct nj_admin_verb nj_keeper_verbs[];
extern const size_t nj_keeper_verb_count;
/* The same verbs while the vault is locked: all but status, vault.slot.list and vault.unlock say so. Room for
 * nj_keeper_verb_count rows. */
void nj_keeper_locked_verbs(struct nj_admin_verb *out_verbs);

/* ---- for status and tests ---- */

const struct nj_window *nj_keeper_window(const struct nj_keeper *keeper);
const struct nj_spares *nj_keeper_spares(const struct nj_keeper *keeper);
const struct nj_knocks_counters *nj_keeper_counters(const struct nj_keeper *keeper);
uint32_t nj_keeper_grants(const struct nj_keeper *keeper);
/* False while the store refuses writes: the lease is not renewed then. */
bool nj_keeper_store_works(const struct nj_keeper *keeper);

#endif
