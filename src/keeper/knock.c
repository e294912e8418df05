#include "keeper/knock.h"

#include "base/service.h"
#include "base/text.h"
#include "bus/defaults.h"
#include "crypto/crypto.h"
#include "crypto/secret.h"
#include "identity/profile.h"
#include "keeper/keyring.h"
#include "keeper/tombstone.h"

#define EXACT_BITS 128

/* The one-time keys of a staged knock: all of them lie in one block of locked memory. */
struct staged_keys {
	uint8_t psk[32];
	uint8_t password[32];
};

struct staged {
	uint32_t device;
	struct nj_spare *spare; /* NULL: under the current key */
	const struct nj_spare *line;
	struct nj_knock_fact fact; /* names point into this */
	char customer[NJ_STORE_NAME_BYTES];
	char name[NJ_STORE_NAME_BYTES];
};

struct nj_knocks {
	struct nj_knocks_config config;
	struct nj_keyring *keyring;
	struct nj_knocks_counters counters;
	uint64_t global_at_ms;
	uint64_t global_tokens; /* thousandths of a knock */
	struct nj_secret *keys; /* NJ_KNOCKS_STAGED_MAX × struct staged_keys */
	size_t staged_count;
	struct staged staged[NJ_KNOCKS_STAGED_MAX];
};

const char *nj_knock_verdict_text(enum nj_knock_verdict verdict)
{
	static const char *const texts[] = {
#define VERDICT_TEXT(name, text) text,
		NJ_KNOCK_VERDICT_TABLE(VERDICT_TEXT)
#undef VERDICT_TEXT
	};

	return texts[verdict];
}

const char *nj_knock_service_text(const struct nj_knock_fact *fact, char out[NJ_KNOCK_SERVICE_BYTES])
{
	const char *service = nj_service_name(fact->service);

	if (fact->guard == NULL)
		return service == NULL ? "unknown" : service;
	(void)!nj_text_format(out, NJ_KNOCK_SERVICE_BYTES, "guard:%s", fact->guard->name);
	return out;
}

static void limits_fill(struct nj_knock_limits *limits)
{
	if (limits->device_burst == 0)
		limits->device_burst = 8;
	if (limits->device_burst > UINT8_MAX)
		limits->device_burst = UINT8_MAX;
	if (limits->device_refill_ms == 0)
		limits->device_refill_ms = 5000;
	if (limits->global_per_s == 0)
		limits->global_per_s = 20000;
	if (limits->time_window_ms == 0)
		limits->time_window_ms = 60000;
}

enum nj_err nj_knocks_new(const struct nj_knocks_config *config, struct nj_knocks **out_knocks)
{
	struct nj_knocks *knocks = calloc(1, sizeof(*knocks));
	enum nj_err err;

	if (knocks == NULL)
		return NJ_ERR_NO_MEMORY;
	knocks->config = *config;
	limits_fill(&knocks->config.limits);
	knocks->global_at_ms = nj_clock_boot_ms(config->clock);
	knocks->global_tokens = (uint64_t)knocks->config.limits.global_per_s * 1000;
	err = nj_keyring_new(config->vault, &knocks->keyring);
	if (err == NJ_OK)
		err = nj_secret_new(NJ_KNOCKS_STAGED_MAX * sizeof(struct staged_keys), &knocks->keys);
	if (err != NJ_OK) {
		nj_knocks_free(knocks);
		return err;
	}
	*out_knocks = knocks;
	return NJ_OK;
}

void nj_knocks_set_limits(struct nj_knocks *knocks, const struct nj_knock_limits *limits)
{
	knocks->config.limits = *limits;
	limits_fill(&knocks->config.limits);
}

void nj_knocks_free(struct nj_knocks *knocks)
{
	if (knocks == NULL)
		return;
	nj_keyring_free(knocks->keyring);
	nj_secret_free(knocks->keys);
	free(knocks);
}

static struct staged_keys *keys_of(struct nj_knocks *knocks, size_t place)
{
	return (struct staged_keys *)(void *)nj_secret_bytes(knocks->keys) + place;
}

/* ---- buckets ---- */

/* `bucket` counts what was spent, so that a new device's is full. */
static bool device_bucket_pass(const struct nj_knocks *knocks, struct nj_window_device *device)
{
	const struct nj_knock_limits *limits = &knocks->config.limits;
	uint32_t now_ms = (uint32_t)nj_clock_boot_ms(knocks->config.clock);
	uint32_t refilled = (now_ms - device->bucket_at_ms) / limits->device_refill_ms;

	if (refilled >= device->bucket) {
		device->bucket = 0;
		device->bucket_at_ms = now_ms;
	} else {
		device->bucket -= (uint8_t)refilled;
		device->bucket_at_ms += refilled * limits->device_refill_ms;
	}
	if (device->bucket >= limits->device_burst)
		return false;
	device->bucket++;
	return true;
}

static bool global_bucket_pass(struct nj_knocks *knocks)
{
	const uint64_t full = (uint64_t)knocks->config.limits.global_per_s * 1000;
	uint64_t now_ms = nj_clock_boot_ms(knocks->config.clock);
	uint64_t passed_ms = now_ms - knocks->global_at_ms;

	knocks->global_at_ms = now_ms;
	if (passed_ms > 1000)
		passed_ms = 1000;
	knocks->global_tokens += passed_ms * knocks->config.limits.global_per_s;
	if (knocks->global_tokens > full)
		knocks->global_tokens = full;
	if (knocks->global_tokens < 1000)
		return false;
	knocks->global_tokens -= 1000;
	return true;
}

/* ---- the body ---- */

static bool all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static bool time_fits(const struct nj_knocks *knocks, uint64_t time_ms)
{
	uint64_t now_ms = nj_clock_wall_ms(knocks->config.clock);
	uint64_t off_ms = now_ms > time_ms ? now_ms - time_ms : time_ms - now_ms;

	return time_ms == 0 ||
	       (off_ms <= knocks->config.limits.time_window_ms && time_ms >= knocks->config.restored_ms);
}

static uint8_t source_prefix(const struct nj_door_policy *policy, const struct nj_addr *source)
{
	return nj_addr_is_v4(source) ? (uint8_t)(96 + policy->source_bits_v4) : policy->source_bits_v6;
}

static const struct nj_settings_guard *guard_of(const struct nj_knocks *knocks, uint16_t service)
{
	for (size_t i = 0; service >= NJ_SERVICE_GUARD_MIN && i < knocks->config.guard_count; i++)
		if (knocks->config.guards[i].id == service)
			return &knocks->config.guards[i];
	return NULL;
}

/* "name" means the first customer's, "customer/name" any. */
static bool is_party(const char *text, const struct nj_keyring_entry *known)
{
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - text);

	if (slash == NULL)
		return strcmp(known->customer, NJ_CUSTOMER_DEFAULT) == 0 && strcmp(known->name, text) == 0;
	return strlen(known->customer) == len && memcmp(known->customer, text, len) == 0 &&
	       strcmp(known->name, slash + 1) == 0;
}

static bool guard_allows(const struct nj_settings_guard *guard, const struct nj_keyring_entry *known)
{
	for (size_t i = 0; i < guard->profile_count; i++)
		if (strcmp(guard->profiles[i], known->profile) == 0)
			return true;
	for (size_t i = 0; i < guard->party_count; i++)
		if (is_party(guard->parties[i], known))
			return true;
	return false;
}

/* A recovery key opens one service, whatever the profile says, and no other key opens that one. */
static enum nj_knock_verdict recovery_check(const struct nj_knocks *knocks, uint16_t service)
{
	if (service != NJ_SERVICE_ENROLMENT)
		return NJ_KNOCK_NOT_ENROLMENT;
	return (knocks->config.served & NJ_SERVICE_BIT(service)) == 0 ? NJ_KNOCK_NOT_SERVED : NJ_KNOCK_ACCEPTED;
}

static enum nj_knock_verdict service_check(const struct nj_knocks *knocks, const struct nj_keyring_entry *known,
					   const struct nj_door_policy *policy, uint16_t service)
{
	const uint32_t bit = service < NJ_SERVICE_END ? NJ_SERVICE_BIT(service) : 0;
	const struct nj_settings_guard *guard = guard_of(knocks, service);

	if (guard != NULL)
		return guard_allows(guard, known) ? NJ_KNOCK_ACCEPTED : NJ_KNOCK_NOT_GUARDED;
	if ((knocks->config.served & bit) == 0)
		return NJ_KNOCK_NOT_SERVED;
	if (service == NJ_SERVICE_ENROLMENT)
		return NJ_KNOCK_NOT_ENROLMENT;
	return policy == NULL || (policy->services & bit) == 0 ? NJ_KNOCK_NOT_ALLOWED : NJ_KNOCK_ACCEPTED;
}

static uint32_t lifetime(uint32_t grant_ms, const struct nj_knock_body *body)
{
	uint32_t wanted_ms = (uint32_t)body->wanted_seconds * 1000;

	return wanted_ms != 0 && wanted_ms < grant_ms ? wanted_ms : grant_ms;
}

/* ---- staging ---- */

/* One key under which a datagram may have been made. */
struct candidate {
	uint32_t device;
	struct nj_spare *spare; /* NULL: the current key */
	uint64_t counter;
};

/* A datagram that was authenticated as this device's, with this counter. */
struct authentic {
	struct candidate candidate;
	struct nj_window_device *device;
	const struct nj_keyring_entry *known;
	struct nj_knock_body body;
	bool malformed;
};

static void fact_basics(const struct authentic *found, const struct nj_udp_datagram *datagram,
			struct nj_knock_fact *fact)
{
	*fact = (struct nj_knock_fact){
		.kind = found->device->kind,
		.customer = found->known->customer,
		.name = found->known->name,
		.source = datagram->source,
		.counter = found->candidate.counter,
		.epoch = found->known->epoch,
		.rekeyed_ms = found->known->rekeyed_ms,
	};
	fact->source.port = 0;
	memcpy(fact->uid, found->device->uid, sizeof(fact->uid));
	memcpy(fact->hint, datagram->bytes.data, sizeof(fact->hint));
}

static bool is_tombstone(const struct candidate *candidate)
{
	return candidate->spare != NULL && nj_spare_is_tombstone(candidate->spare);
}

static bool is_recovery(const struct candidate *candidate)
{
	return candidate->spare != NULL && candidate->spare->recovery;
}

/* A device's live keys share one line of counters (NULL); each tombstone and the recovery key has its own. */
static const struct nj_spare *line_of(const struct candidate *candidate)
{
	return candidate->spare != NULL && candidate->spare->pending ? NULL : candidate->spare;
}

static bool burnt_in_stage(const struct nj_knocks *knocks, const struct candidate *candidate)
{
	const struct nj_spare *line = line_of(candidate);

	for (size_t i = knocks->staged_count; i > 0; i--) {
		const struct staged *staged = &knocks->staged[i - 1];

		if (staged->device != candidate->device || staged->line != line)
			continue;
		return candidate->counter <= staged->fact.counter;
	}
	return false;
}

/* Keys, lifetime and source of a knock that is accepted once its commit succeeded. */
static void prepare_grant(struct nj_knocks *knocks, const struct authentic *found, const struct nj_door_policy *policy,
			  const uint8_t *datagram, size_t place)
{
	struct nj_knock_fact *fact = &knocks->staged[place].fact;
	struct staged_keys *keys = keys_of(knocks, place);

	fact->source_prefix = policy == NULL ? EXACT_BITS : source_prefix(policy, &fact->source);
	if (fact->guard != NULL) {
		fact->lifetime_ms = lifetime(fact->guard->grant_ms, &found->body);
		return;
	}
	fact->lifetime_ms = lifetime(policy == NULL ? NJ_PROFILE_GRANT_MS_DEFAULT : policy->grant_ms, &found->body);
	fact->bind_ms = policy == NULL ? 0 : policy->bind_ms;
	if (fact->recovery) {
		fact->bind = NJ_BINDING_PSK;
		nj_knock_psk(found->known->keys, datagram, keys->psk);
		fact->psk = keys->psk;
		fact->password = keys->password;
		return;
	}
	fact->plain = policy->plain;
	fact->bind = policy->bind & nj_service_bindings(fact->service);
	fact->tls12 = policy->tls12;
	if (nj_service_is_tls(fact->service))
		nj_knock_psk(found->known->keys, datagram, keys->psk);
	else if (policy->plain)
		nj_knock_password(found->known->keys, fact->counter, datagram, fact->service, keys->password);
	fact->psk = keys->psk;
	fact->password = keys->password;
}

/* A device that has a newer key says so until it is sure that the gateway has it: nobody else has a reason to use a
 * replaced one. */
static enum nj_knock_verdict old_key_check(const struct authentic *found)
{
	bool says_newer = !found->malformed && (found->body.flags & NJ_KNOCK_FLAG_NEWER_KEY) != 0;

	return says_newer && !found->candidate.spare->proven ? NJ_KNOCK_OLD_KEY : NJ_KNOCK_CLONED;
}

/* A key that a recovery made, and the recovery key, are newer than the restore, whatever the time. */
static bool doubtful(const struct nj_knocks *knocks, const struct authentic *found)
{
	return found->body.time_ms == 0 && !is_recovery(&found->candidate) && !found->known->recovered &&
	       knocks->config.doubtful != NULL && knocks->config.doubtful(knocks->config.arg, found->device->uid);
}

/* What the body asks for, held against the profile. Everything here comes after the burn was decided. */
static enum nj_knock_verdict body_check(const struct nj_knocks *knocks, const struct authentic *found,
					const struct nj_door_policy *policy, const struct nj_addr *source)
{
	const struct nj_knock_body *body = &found->body;
	enum nj_knock_verdict service = is_recovery(&found->candidate)
					    ? recovery_check(knocks, body->service)
					    : service_check(knocks, found->known, policy, body->service);

	if (memcmp(body->uid, found->device->uid, NJ_UID_BYTES) != 0)
		return NJ_KNOCK_OTHER_UID;
	if (service != NJ_KNOCK_ACCEPTED)
		return service;
	if (!all_zero(body->source, sizeof(body->source)) &&
	    memcmp(body->source, source->ip, sizeof(body->source)) != 0)
		return NJ_KNOCK_OTHER_SOURCE;
	if (!time_fits(knocks, body->time_ms))
		return NJ_KNOCK_CLOCK_OFF;
	return doubtful(knocks, found) ? NJ_KNOCK_NOT_FRESH : NJ_KNOCK_ACCEPTED;
}

static enum nj_knock_verdict judge(const struct nj_knocks *knocks, const struct authentic *found,
				   const struct nj_door_policy *policy, const struct nj_addr *source)
{
	if (is_tombstone(&found->candidate))
		return old_key_check(found);
	if (found->malformed)
		return NJ_KNOCK_BAD_BODY;
	return body_check(knocks, found, policy, source);
}

static void stage(struct nj_knocks *knocks, const struct authentic *found, const struct nj_udp_datagram *datagram)
{
	const size_t place = knocks->staged_count++;
	struct staged *staged = &knocks->staged[place];
	const struct nj_door_policy *policy = knocks->config.policy(knocks->config.arg, found->known->profile);

	staged->device = found->candidate.device;
	staged->spare = found->candidate.spare;
	staged->line = line_of(&found->candidate);
	fact_basics(found, datagram, &staged->fact);
	memcpy(staged->customer, found->known->customer, sizeof(staged->customer));
	memcpy(staged->name, found->known->name, sizeof(staged->name));
	staged->fact.customer = staged->customer;
	staged->fact.name = staged->name;
	staged->fact.service = found->body.service;
	staged->fact.guard = guard_of(knocks, found->body.service);
	staged->fact.recovery = is_recovery(&found->candidate);
	staged->fact.can_rekey = (found->body.flags & NJ_KNOCK_FLAG_CAN_REKEY) != 0;
	staged->fact.verdict = judge(knocks, found, policy, &staged->fact.source);
	if (staged->fact.verdict == NJ_KNOCK_ACCEPTED)
		prepare_grant(knocks, found, policy, datagram->bytes.data, place);
}

static void forged(struct nj_knocks *knocks, struct authentic *found, const struct nj_udp_datagram *datagram)
{
	struct nj_knock_fact fact;

	knocks->counters.forged++;
	fact_basics(found, datagram, &fact);
	knocks->config.forged(knocks->config.arg, &fact);
}

/* Tries the candidates of a hint. Returns false when none authenticates it; `out->known` is NULL if none had keys. */
static bool authenticate(struct nj_knocks *knocks, const struct nj_udp_datagram *datagram,
			 const struct candidate *candidates, size_t count, struct authentic *out)
{
	out->known = NULL;
	for (size_t i = 0; i < count; i++) {
		struct nj_window_device *device = nj_window_device(knocks->config.window, candidates[i].device);
		const struct nj_keyring_entry *known;
		enum nj_err err;

		if (nj_keyring_get(knocks->keyring, candidates[i].device, device->uid, candidates[i].spare, &known) !=
		    NJ_OK)
			continue;
		out->candidate = candidates[i];
		out->device = device;
		out->known = known;
		err = nj_knock_open(known->keys, candidates[i].counter, datagram->bytes.data, &out->body);
		out->malformed = err == NJ_ERR_MALFORMED;
		if (err == NJ_OK || out->malformed)
			return true;
	}
	return false;
}

/* Each line has a bucket of its own: whoever holds an old key must not spend the device's. */
static bool buckets_pass(struct nj_knocks *knocks, const struct authentic *found)
{
	struct nj_window_device *row = line_of(&found->candidate) != NULL
					   ? nj_spares_row(knocks->config.spares, found->candidate.spare)
					   : found->device;

	return device_bucket_pass(knocks, row) && global_bucket_pass(knocks);
}

static void take_known(struct nj_knocks *knocks, const struct nj_udp_datagram *datagram,
		       const struct candidate *candidates, size_t count)
{
	struct authentic found;
	struct nj_knock_fact fact;

	if (!authenticate(knocks, datagram, candidates, count, &found)) {
		if (found.known != NULL)
			forged(knocks, &found, datagram);
		return;
	}
	if (burnt_in_stage(knocks, &found.candidate)) {
		knocks->counters.replayed++;
		return;
	}
	if (knocks->staged_count == NJ_KNOCKS_STAGED_MAX || !buckets_pass(knocks, &found)) {
		knocks->counters.limited++;
		fact_basics(&found, datagram, &fact);
		knocks->config.limited(knocks->config.arg, &fact);
		return;
	}
	stage(knocks, &found, datagram);
}

#define CANDIDATES (2 * NJ_WINDOW_CANDIDATES)

/* Every key that may stand behind a hint. */
static size_t find_candidates(const struct nj_knocks *knocks, const uint8_t *hint, struct candidate out[CANDIDATES])
{
	struct nj_window_candidate current[NJ_WINDOW_CANDIDATES];
	struct nj_spare_candidate spare[NJ_WINDOW_CANDIDATES];
	size_t count = nj_window_lookup(knocks->config.window, hint, current);
	size_t spares = nj_spares_lookup(knocks->config.spares, hint, spare);

	for (size_t i = 0; i < count; i++)
		out[i] = (struct candidate){ .device = current[i].device, .counter = current[i].counter };
	for (size_t i = 0; i < spares; i++) {
		uint32_t device = nj_window_find(knocks->config.window, spare[i].spare->uid);

		if (device != NJ_WINDOW_NO_DEVICE)
			out[count++] = (struct candidate){ device, spare[i].spare, spare[i].counter };
	}
	return count;
}

static size_t find_or_dig(struct nj_knocks *knocks, const uint8_t *hint, struct candidate out[CANDIDATES])
{
	size_t found = find_candidates(knocks, hint, out);

	if (found > 0 || knocks->config.unknown == NULL || !knocks->config.unknown(knocks->config.arg, hint))
		return found;
	return find_candidates(knocks, hint, out);
}

void nj_knocks_take(struct nj_knocks *knocks, const struct nj_udp_datagram *datagrams, size_t count)
{
	struct candidate candidates[CANDIDATES];

	for (size_t i = 0; i < count; i++) {
		size_t found = 0;

		if (datagrams[i].bytes.len == NJ_KNOCK_BYTES)
			found = find_or_dig(knocks, datagrams[i].bytes.data, candidates);
		if (found == 0)
			knocks->counters.unknown++;
		else
			take_known(knocks, &datagrams[i], candidates, found);
	}
}

size_t nj_knocks_staged(const struct nj_knocks *knocks)
{
	return knocks->staged_count;
}

/* ---- the commit ---- */

static enum nj_audit_event event_of(enum nj_knock_verdict verdict)
{
	switch (verdict) {
	case NJ_KNOCK_ACCEPTED:
		return NJ_AUDIT_KNOCK_ACCEPTED;
	case NJ_KNOCK_OLD_KEY:
		return NJ_AUDIT_KEY_OLD;
	case NJ_KNOCK_CLONED:
		return NJ_AUDIT_KEY_CLONED;
	default:
		return NJ_AUDIT_KNOCK_REFUSED;
	}
}

static enum nj_err record(struct nj_knocks *knocks, const struct nj_knock_fact *fact)
{
	char service[NJ_KNOCK_SERVICE_BYTES];
	char source[NJ_ADDR_TEXT_BYTES];
	char key[24] = "recovery key";
	char detail[160];

	if (!fact->recovery)
		(void)!nj_text_format(key, sizeof(key), "key %u", fact->epoch);
	(void)!nj_text_format(detail, sizeof(detail), "%s%sservice %s, counter %llu, %s",
			      fact->verdict == NJ_KNOCK_ACCEPTED ? "" : nj_knock_verdict_text(fact->verdict),
			      fact->verdict == NJ_KNOCK_ACCEPTED ? "" : "; ", nj_knock_service_text(fact, service),
			      (unsigned long long)fact->counter, key);
	return nj_audit_append(knocks->config.audit, &(struct nj_audit_record){
							 .event = event_of(fact->verdict),
							 .customer = fact->customer,
							 .subject = fact->name,
							 .source = nj_addr_host_text(&fact->source, source),
							 .detail = detail,
						     });
}

static enum nj_err burn(struct nj_knocks *knocks, const struct staged *staged)
{
	struct nj_keeper_store *store = nj_vault_store(knocks->config.vault);
	const struct nj_knock_fact *fact = &staged->fact;

	if (fact->recovery)
		return nj_keeper_store_device_raise_recovery_floor(store, fact->uid, fact->counter);
	if (staged->line == NULL)
		return nj_keeper_store_device_raise_floor(store, fact->uid, fact->counter);
	NJ_TRY(nj_tombstone_raise(store, fact->uid, fact->epoch,
				  nj_spares_row(knocks->config.spares, staged->spare)->hint_key, fact->counter));
	if (fact->verdict != NJ_KNOCK_CLONED)
		return NJ_OK;
	return nj_keeper_store_device_set_cloned(store, fact->uid, nj_clock_wall_ms(knocks->config.clock));
}

enum nj_err nj_knocks_write(struct nj_knocks *knocks)
{
	for (size_t i = 0; i < knocks->staged_count; i++) {
		struct nj_knock_fact *fact = &knocks->staged[i].fact;
		enum nj_err err = burn(knocks, &knocks->staged[i]);

		if (err == NJ_ERR_REPLAYED)
			fact->verdict = NJ_KNOCK_BURNT;
		else if (err != NJ_OK)
			return err;
		NJ_TRY(record(knocks, fact));
	}
	return NJ_OK;
}

static void stage_clear(struct nj_knocks *knocks)
{
	nj_wipe(nj_secret_bytes(knocks->keys), knocks->staged_count * sizeof(struct staged_keys));
	knocks->staged_count = 0;
}

/* Without memory some of the next hints are missing until a later slide or start: that fails closed. */
static void slide(struct nj_knocks *knocks, const struct staged *staged)
{
	struct nj_spare *pending = nj_spares_pending(knocks->config.spares, staged->fact.uid);

	if (staged->line != NULL) {
		(void)!nj_spares_slide(knocks->config.spares, staged->spare, staged->fact.counter);
		return;
	}
	(void)!nj_window_slide(knocks->config.window, staged->device, staged->fact.counter);
	if (pending != NULL)
		(void)!nj_spares_slide(knocks->config.spares, pending, staged->fact.counter);
}

void nj_knocks_committed(struct nj_knocks *knocks)
{
	for (size_t i = 0; i < knocks->staged_count; i++) {
		const struct staged *staged = &knocks->staged[i];
		enum nj_knock_verdict verdict = staged->fact.verdict;

		slide(knocks, staged);
		knocks->counters.old_key += verdict == NJ_KNOCK_OLD_KEY || verdict == NJ_KNOCK_CLONED;
		knocks->counters.cloned += verdict == NJ_KNOCK_CLONED;
		if (verdict == NJ_KNOCK_ACCEPTED) {
			knocks->counters.accepted++;
			knocks->config.accepted(knocks->config.arg, &staged->fact);
		} else {
			knocks->counters.refused++;
			knocks->config.refused(knocks->config.arg, &staged->fact);
		}
	}
	stage_clear(knocks);
}

void nj_knocks_rolled_back(struct nj_knocks *knocks)
{
	knocks->counters.rolled_back += knocks->staged_count;
	stage_clear(knocks);
}

void nj_knocks_set_recovery(struct nj_knocks *knocks, struct nj_secret *private_key)
{
	nj_keyring_set_recovery(knocks->keyring, private_key);
}

void nj_knocks_forget(struct nj_knocks *knocks, uint32_t device)
{
	nj_keyring_forget(knocks->keyring, (struct nj_keyring_id){ .place = device });
}

void nj_knocks_forget_spare(struct nj_knocks *knocks, const struct nj_spare *spare)
{
	nj_keyring_forget(knocks->keyring, (struct nj_keyring_id){ .place = spare->place, .spare = true });
}

const struct nj_knocks_counters *nj_knocks_counters(const struct nj_knocks *knocks)
{
	return &knocks->counters;
}
