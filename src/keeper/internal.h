/* The keeper's inside, shared by the files of this folder alone. */
#ifndef NJ_KEEPER_INTERNAL_H
#define NJ_KEEPER_INTERNAL_H

#include "base/log.h"
#include "base/map.h"
#include "bus/defaults.h"
#include "identity/audit_verify.h"
#include "identity/party.h"
#include "keeper/core.h"
#include "keeper/graves.h"
#include "keeper/journal.h"
#include "keeper/reach.h"
#include "keeper/recovery.h"
#include "keeper/rekey.h"
#include "keeper/verbs.h"
#include "store/copy.h"
#include "store/keeper_certificates.h"

#define NJ_KEEPER_HOST_BYTES 256
#define NJ_KEEPER_PROFILE_JSON_MAX (256 * 1024)
/* A gateway's records: so many at once, and then one in this time. What is more is counted, and the count recorded:
 * whoever takes that process over must not fill the disk, which shuts the door for everybody. */
#define NJ_KEEPER_REPORTS_BURST 4096
#define NJ_KEEPER_REPORT_MS 20

struct nj_keeper_policy {
	struct nj_door_policy door;
};

/* Changes that a crash or a dead gateway left half-made, one after the other. */
struct nj_keeper_reconcile {
	struct nj_keeper_unsettled {
		uint8_t uid[NJ_UID_BYTES];
		bool pending; /* else revoked, not cut */
	} * rows;
	size_t count;
	size_t next;
	bool running;
	bool waiting;
	bool pumping;
};

struct nj_keeper {
	const struct nj_clock *clock;
	struct nj_random *random;
	char host[NJ_KEEPER_HOST_BYTES];
	char names[NJ_AUTHORITY_NAMES_MAX][NJ_KEEPER_HOST_BYTES];
	size_t name_count; /* host among them, first */
	uint16_t knock_port;
	uint16_t ports[NJ_SERVICE_END];
	uint32_t max_devices;
	uint32_t max_grants;
	uint32_t grant_ms;
	struct nj_knock_limits limits;
	struct nj_keeper_guards guard;
	struct nj_keeper_reach reach;

	struct nj_keeper_store *store;
	struct nj_vault *vault;
	struct nj_vault_report vault_report;
	struct nj_keeper_unlocking {
		uint32_t failures;    /* since the last success */
		uint32_t unrecorded;  /* of them, not yet audited: that needs the open vault */
		uint64_t next_try_ms; /* boot clock; 0 = at once */
		uint32_t opened_by;   /* slot that a passphrase opened, 0 = the key file did */
		char caller[128];
	} unlocking;
	struct nj_authority *authority;
	struct nj_audit *audit;
	struct nj_map policies; /* of struct nj_keeper_policy, by profile */

	struct nj_link *link;
	struct nj_cloak *cloak;
	struct nj_window *window; /* NULL until started */
	struct nj_knocks *knocks;
	struct nj_grants *grants;
	struct nj_journal journal;
	struct nj_keeper_watch watch;
	struct nj_log_brake forged_brake;
	struct nj_log_brake limited_brake;
	struct nj_log_brake report_brake; /* of records that the gateway sends */

	uint64_t started_ms; /* wall clock; 0 = not serving */
	uint64_t kinds[NJ_PARTY_APPLICATION + 1];
	bool store_works;
	bool group_waits;
	uint64_t group_due_ms;
	uint64_t group_last_ms;
	uint64_t renew_due_ms;
	uint64_t second_due_ms, server_due_ms; /* server: whether the gateway needs a newer certificate */

	bool rebuilding;
	enum { NJ_REBUILD_DEVICES, NJ_REBUILD_SPARES, NJ_REBUILD_GRAVES } rebuild_part; /* in this order */
	uint64_t planned_hints; /* what the filter was last sized for */
	struct nj_window_walk walk;

	const struct nj_ipc_bound *binding; /* while a grant is consumed */
	struct nj_keeper_rekeying rekeying;
	struct nj_keeper_graves graves;
	struct nj_keeper_recovery recovery;

	uint64_t restored_ms;   /* when the store was put back from a backup, Unix time; 0 = never */
	uint64_t restored_left; /* devices that have not proved themselves since */
	bool restored_strict;   /* their knocks must carry a time, or be made with the recovery key */

	struct nj_store_copy *copy; /* under way, for copy_call */
	struct nj_admin_call *copy_call;
	struct nj_admin_call *reload_call;
	char reload_caller[128];

	struct nj_audit_verifier *verifier;
	struct nj_admin_call *verify_call;

	uint64_t trust_due_ms, trust_made_ms; /* the built-in CA's list: boot clock, 0 = never sent; wall clock */

	bool unsettled; /* the store may hold rows that are half-made */
	bool uncut;     /* of these, a revocation that a gateway did not confirm: asked again every second */
	bool profile_busy;
	struct nj_keeper_reconcile reconcile;
};

/* A commit of the store failed or succeeded: decides about the lease. */
void nj_keeper_store_result(struct nj_keeper *keeper, enum nj_err err);
/* Begins an audit transaction with nothing staged before it. */
NJ_MUST_USE enum nj_err nj_keeper_begin(struct nj_keeper *keeper);
/* Ends it: commits when `err` is NJ_OK, else rolls back. Returns what came of it. */
NJ_MUST_USE enum nj_err nj_keeper_end(struct nj_keeper *keeper, enum nj_err err);

/* A live device enters the window; harmless when it is there, or when the keeper does not serve. */
NJ_MUST_USE enum nj_err nj_keeper_admit(struct nj_keeper *keeper, const struct nj_keeper_device *row,
					const uint8_t root_key[NJ_KEY_BYTES]);
/* A device leaves window, keyring and grants. */
void nj_keeper_expel(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES]);

const struct nj_door_policy *nj_keeper_policy(const struct nj_keeper *keeper, const char *profile);
NJ_MUST_USE enum nj_err nj_keeper_policy_set(struct nj_keeper *keeper, const struct nj_door_policy *policy);

/* The live rows' way into memory at start (load.c). */
NJ_MUST_USE enum nj_err nj_keeper_load(struct nj_keeper *keeper, struct nj_why *why);
NJ_MUST_USE enum nj_err nj_keeper_load_policies(struct nj_keeper *keeper);
/* The kernel's hint filter, kept fresh in slices. */
void nj_keeper_rebuild_step(struct nj_keeper *keeper);

/* A slice of audit.verify, if one is asked for. */
void nj_keeper_verify_step(struct nj_keeper *keeper);
void nj_keeper_verify_abort(struct nj_keeper *keeper);
/* Asks a gateway again for cuts that it did not confirm; every second. */
void nj_keeper_reconcile_tick(struct nj_keeper *keeper);
/* Sends the profile that a crash left half-made once more. */
void nj_keeper_profile_resume(struct nj_keeper *keeper);

/* What needs the open vault, after the key has come. */
NJ_MUST_USE enum nj_err nj_keeper_open_unlocked(struct nj_keeper *keeper, struct nj_why *why);
struct nj_vault_slot;
/* "in use", "ok", "degraded" or "damaged". */
const char *nj_keeper_slot_state(const struct nj_vault_report *report, const struct nj_vault_slot *slot);
/* Audits slots that failed, and who opened the vault with a passphrase. */
NJ_MUST_USE enum nj_err nj_keeper_note_vault(struct nj_keeper *keeper);

/* What a restore left to do; and a device has proved itself by a bound connection. */
NJ_MUST_USE enum nj_err nj_keeper_restored_open(struct nj_keeper *keeper);
void nj_keeper_restored_seen(struct nj_keeper *keeper, const uint8_t uid[NJ_UID_BYTES]);
void nj_keeper_restored_recount(struct nj_keeper *keeper);
/* Is it not known whether a knock without a time is newer than the restore, and does that matter? */
bool nj_keeper_restored_doubtful(void *keeper, const uint8_t uid[NJ_UID_BYTES]);

/* What certifies whom (trust.c). The built-in CA's list: of `live` parties, or of all; the caller frees it. */
NJ_MUST_USE enum nj_err nj_keeper_list(struct nj_keeper *keeper, bool live, char **out_list_pem);
/* To the gateway: the built-in CA, or a customer's own, or that it has none; answered as the link answers. */
void nj_keeper_trust_own(struct nj_keeper *keeper, nj_link_done_fn done, void *arg);
void nj_keeper_trust_of(struct nj_keeper *keeper, const char *customer, nj_link_done_fn done, void *arg);
/* All of it, to a gateway that is new. */
void nj_keeper_trust_all(struct nj_keeper *keeper);
void nj_keeper_trust_tick(struct nj_keeper *keeper);

/* ---- certificates of the built-in CA (admin_certificate.c) ---- */
#define NJ_KEEPER_CERTIFICATES_OF_ONE 8 /* of a party, valid at one time */

/* Whether it certifies parties of a customer: not where the customer has a CA of its own. */
bool nj_keeper_certifies(const struct nj_keeper *keeper, const char *customer);
/* For the key of a request; nothing is stored, the caller frees the text. */
NJ_MUST_USE enum nj_err nj_keeper_certify(struct nj_keeper *keeper, const char *request, const char *name,
					  const uint8_t uid[NJ_UID_BYTES], char **out_pem, struct nj_why *why);
struct nj_keeper_certified {
	const uint8_t *uid;
	const char *customer, *name, *pem, *caller;
};
/* Its row and its audit record, in the caller's transaction. */
NJ_MUST_USE enum nj_err nj_keeper_certificate_record(struct nj_keeper *keeper, const struct nj_keeper_certified *what);
/* The gateway gets the new revocation list, then the call is answered with `ok`, which is taken over. */
void nj_keeper_trust_then_answer(struct nj_keeper *keeper, struct nj_admin_call *call, json_t *ok);

/* A slice of the copy, if one is made. */
void nj_keeper_copy_step(struct nj_keeper *keeper);
void nj_keeper_copy_abort(struct nj_keeper *keeper);
/* The keeper stops: whoever waits for a reload is told. */
void nj_keeper_reload_abort(struct nj_keeper *keeper);

#endif
