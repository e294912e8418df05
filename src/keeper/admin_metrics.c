#include "keeper/admin_metrics.h"

#include "keeper/internal.h"
#include "keeper/verbs.h"

struct snapshot {
	uint64_t started_s;
	struct nj_knocks_counters knocks;
	struct nj_cloak_stats cloak;
	uint64_t dark;
	uint64_t grants;
	uint64_t devices;
	uint64_t applications;
	uint64_t store_works;
	uint64_t gateway_up;
	uint64_t locked;
	uint64_t audit_seq;
	uint64_t audit_lost;
};

#define ROW(metric, kind, text, at)                                                             \
	{                                                                                       \
		.name = "nightjar_" metric, .type = NJ_METRIC_##kind, .unit = "", .help = text, \
		.offset = offsetof(struct snapshot, at)                                         \
	}
#define LABELLED(metric, kind, label, text, at)                                                                  \
	{                                                                                                        \
		.name = "nightjar_" metric, .type = NJ_METRIC_##kind, .unit = "", .help = text, .labels = label, \
		.offset = offsetof(struct snapshot, at)                                                          \
	}
#define KNOCKS(outcome, at) LABELLED("knocks", COUNTER, "outcome=\"" outcome "\"", "Datagrams at the knock port", at)

const struct nj_metric nj_keeper_metrics[] = {
	{ "nightjar_keeper_start_time_seconds", NJ_METRIC_GAUGE, "seconds", "When the keeper started, Unix time", NULL,
	  offsetof(struct snapshot, started_s) },
	KNOCKS("accepted", knocks.accepted),
	KNOCKS("refused", knocks.refused),
	KNOCKS("forged", knocks.forged),
	KNOCKS("unknown", knocks.unknown),
	KNOCKS("replayed", knocks.replayed),
	KNOCKS("limited", knocks.limited),
	KNOCKS("rolled_back", knocks.rolled_back),
	KNOCKS("old_key", knocks.old_key),
	ROW("keys_cloned", COUNTER, "Knocks under a replaced key that raised the alarm", knocks.cloned),
	ROW("cloak_dark", GAUGE, "1 where the ports answer no stranger", dark),
	LABELLED("cloak_syns", COUNTER, "verdict=\"passed\"", "SYN segments at cloaked ports", cloak.syn_passed),
	LABELLED("cloak_syns", COUNTER, "verdict=\"dropped\"", "SYN segments at cloaked ports", cloak.syn_dropped),
	ROW("cloak_segments_dropped", COUNTER, "Segments of no connection at cloaked ports", cloak.other_dropped),
	LABELLED("cloak_knocks", COUNTER, "verdict=\"passed\"", "Datagrams at the kernel's filter", cloak.knock_passed),
	LABELLED("cloak_knocks", COUNTER, "verdict=\"dropped\"", "Datagrams at the kernel's filter",
		 cloak.knock_dropped),
	ROW("grants", GAUGE, "Doors that are open now", grants),
	ROW("devices", GAUGE, "Live devices", devices),
	ROW("applications", GAUGE, "Live applications", applications),
	ROW("keeper_store_works", GAUGE, "1 while the keeper's store takes commits", store_works),
	ROW("gateway_link_up", GAUGE, "1 while the gateway process is reached", gateway_up),
	ROW("vault_locked", GAUGE, "1 while the vault waits for a passphrase", locked),
	ROW("audit_records", COUNTER, "Records of the audit log, by the number of the last", audit_seq),
	ROW("audit_records_held_back", GAUGE, "Records that came too fast and are recorded as a count", audit_lost),
};
const size_t nj_keeper_metric_count = sizeof(nj_keeper_metrics) / sizeof(nj_keeper_metrics[0]);

static struct snapshot snapshot_of(const struct nj_keeper *keeper)
{
	struct snapshot s = {
		.started_s = keeper->started_ms / 1000,
		.dark = keeper->cloak != NULL && keeper->cloak->ops->dark,
		.grants = keeper->grants == NULL ? 0 : nj_grants_count(keeper->grants),
		.devices = keeper->kinds[NJ_PARTY_DEVICE],
		.applications = keeper->kinds[NJ_PARTY_APPLICATION],
		.store_works = keeper->store_works,
		.gateway_up = keeper->link != NULL && keeper->link->ops->connected(keeper->link),
		.locked = nj_keeper_locked(keeper),
		.audit_seq = keeper->audit == NULL ? 0 : nj_audit_seq(keeper->audit),
		.audit_lost = keeper->journal.lost,
	};

	if (keeper->knocks != NULL)
		s.knocks = *nj_knocks_counters(keeper->knocks);
	if (keeper->cloak != NULL)
		keeper->cloak->ops->stats(keeper->cloak, &s.cloak);
	return s;
}

void nj_keeper_verb_metrics(void *arg, struct nj_admin_call *call)
{
	const struct snapshot s = snapshot_of(arg);
	char *text = nj_metrics_text(nj_keeper_metrics, nj_keeper_metric_count, &s);

	nj_admin_ok(call, text != NULL ? json_pack("{s:s}", "text", text) : NULL);
	free(text);
}
