#include "bus/door.h"

#include "base/list.h"
#include "base/map.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/secret.h"

/* The keys of an entry: all of them lie in one block of locked memory, in the entries' order. */
struct door_keys {
	uint8_t psk[32];
	uint8_t password[32];
};

struct entry {
	struct nj_grant grant; /* without its keys */
	uint64_t expires_ms;
	uint32_t next_free;
	bool used;
	struct nj_list of_source;
};

#define NO_ENTRY UINT32_MAX
#define SOURCE_LISTS 1024
#define EXACT_BITS 128

struct nj_door {
	const struct nj_clock *clock;
	struct nj_map by_hint;
	struct nj_map by_id;
	struct entry *entries;
	struct nj_secret *keys;
	uint32_t cap;
	uint32_t made; /* entries that were ever used */
	uint32_t first_free;
	uint32_t timed; /* entries that say how long their proof may take */
	uint8_t seed[16];
	struct nj_list sources[SOURCE_LISTS]; /* of entries, by the address that they are for … */
	struct nj_list nets;                  /* … and those that are for more than one */
};

static struct nj_view entry_hint(const void *entry)
{
	const struct entry *e = entry;

	return nj_view_of(e->grant.hint, sizeof(e->grant.hint));
}

static struct nj_view entry_id(const void *entry)
{
	const struct entry *e = entry;

	return nj_view_of(&e->grant.id, sizeof(e->grant.id));
}

enum nj_err nj_door_new(const struct nj_clock *clock, uint32_t max_grants, struct nj_door **out_door)
{
	struct nj_door *door;

	if (max_grants == 0 || max_grants == NO_ENTRY)
		return NJ_ERR_RANGE;
	door = calloc(1, sizeof(*door));
	if (door == NULL)
		return NJ_ERR_NO_MEMORY;
	door->clock = clock;
	door->cap = max_grants;
	door->first_free = NO_ENTRY;
	nj_random_fill(nj_random_system(), door->seed, sizeof(door->seed));
	for (size_t i = 0; i < SOURCE_LISTS; i++)
		nj_list_init(&door->sources[i]);
	nj_list_init(&door->nets);
	nj_map_init(&door->by_hint, entry_hint, max_grants, nj_random_system());
	nj_map_init(&door->by_id, entry_id, max_grants, nj_random_system());
	door->entries = calloc(max_grants, sizeof(*door->entries));
	if (door->entries == NULL || nj_secret_new(max_grants * sizeof(struct door_keys), &door->keys) != NJ_OK) {
		nj_door_free(door);
		return NJ_ERR_NO_MEMORY;
	}
	*out_door = door;
	return NJ_OK;
}

void nj_door_free(struct nj_door *door)
{
	if (door == NULL)
		return;
	nj_map_done(&door->by_hint);
	nj_map_done(&door->by_id);
	nj_secret_free(door->keys);
	free(door->entries);
	free(door);
}

static struct door_keys *keys_of(const struct nj_door *door, const struct entry *entry)
{
	uint8_t *block = nj_secret_bytes(door->keys);

	return (struct door_keys *)(void *)(block + (size_t)(entry - door->entries) * sizeof(struct door_keys));
}

static struct entry *entry_take(struct nj_door *door)
{
	uint32_t index = door->first_free;

	if (index != NO_ENTRY)
		door->first_free = door->entries[index].next_free;
	else if (door->made < door->cap)
		index = door->made++;
	else
		return NULL;
	door->entries[index].used = true;
	return &door->entries[index];
}

static void entry_give(struct nj_door *door, struct entry *entry)
{
	nj_wipe(keys_of(door, entry), sizeof(struct door_keys));
	door->timed -= entry->grant.bind_ms != 0;
	*entry = (struct entry){ .next_free = door->first_free };
	door->first_free = (uint32_t)(entry - door->entries);
}

static struct nj_list *list_of(struct nj_door *door, const struct nj_grant *grant)
{
	if (grant->source_prefix != EXACT_BITS)
		return &door->nets;
	return &door->sources[nj_siphash13(door->seed, grant->source.ip, sizeof(grant->source.ip)) % SOURCE_LISTS];
}

static void entry_remove(struct nj_door *door, struct entry *entry)
{
	nj_list_remove(&entry->of_source);
	(void)nj_map_remove(&door->by_hint, entry_hint(entry));
	(void)nj_map_remove(&door->by_id, entry_id(entry));
	entry_give(door, entry);
}

static bool entry_expired(const struct nj_door *door, const struct entry *entry)
{
	return nj_clock_boot_ms(door->clock) >= entry->expires_ms;
}

/* The keeper withdraws what expires; this makes room only if it is late. */
static void drop_expired(struct nj_door *door)
{
	for (uint32_t i = 0; i < door->made; i++)
		if (door->entries[i].used && entry_expired(door, &door->entries[i]))
			entry_remove(door, &door->entries[i]);
}

enum nj_err nj_door_grant(struct nj_door *door, const struct nj_grant *grant)
{
	struct entry *entry = nj_map_get(&door->by_hint, nj_view_of(grant->hint, sizeof(grant->hint)));
	struct door_keys *keys;
	enum nj_err err;

	if (entry != NULL && !entry_expired(door, entry))
		return NJ_ERR_EXISTS;
	if (entry != NULL)
		entry_remove(door, entry);
	if (nj_door_count(door) == door->cap)
		drop_expired(door);
	entry = entry_take(door);
	if (entry == NULL)
		return NJ_ERR_LIMIT;
	entry->grant = *grant;
	door->timed += grant->bind_ms != 0;
	keys = keys_of(door, entry);
	memcpy(keys->psk, grant->psk, sizeof(keys->psk));
	memcpy(keys->password, grant->password, sizeof(keys->password));
	nj_wipe(entry->grant.psk, sizeof(entry->grant.psk));
	nj_wipe(entry->grant.password, sizeof(entry->grant.password));
	entry->expires_ms = nj_clock_boot_ms(door->clock) + grant->lifetime_ms;
	nj_list_push_back(list_of(door, grant), &entry->of_source);
	err = nj_map_put(&door->by_id, entry);
	if (err != NJ_OK) {
		nj_list_remove(&entry->of_source);
		entry_give(door, entry);
		return err;
	}
	err = nj_map_put(&door->by_hint, entry);
	if (err != NJ_OK)
		entry_remove(door, entry);
	return err;
}

void nj_door_end(struct nj_door *door, uint64_t id)
{
	struct entry *entry = nj_map_get(&door->by_id, nj_view_of(&id, sizeof(id)));

	if (entry != NULL)
		entry_remove(door, entry);
}

void nj_door_end_uid(struct nj_door *door, const uint8_t uid[NJ_UID_BYTES])
{
	for (uint32_t i = 0; i < door->made; i++)
		if (door->entries[i].used && memcmp(door->entries[i].grant.uid, uid, NJ_UID_BYTES) == 0)
			entry_remove(door, &door->entries[i]);
}

static struct entry *find_hex(struct nj_door *door, struct nj_view hint_hex)
{
	uint8_t hint[NJ_KNOCK_HINT_BYTES];

	if (nj_hex_decode(hint_hex, hint, sizeof(hint)) != NJ_OK)
		return NULL;
	return nj_map_get(&door->by_hint, nj_view_of(hint, sizeof(hint)));
}

bool nj_door_psk(void *door_arg, struct nj_view identity_hex, uint8_t out_key[32])
{
	struct nj_door *door = door_arg;
	const struct entry *entry = find_hex(door, identity_hex);

	if (entry == NULL || entry_expired(door, entry) || (entry->grant.bind & NJ_BINDING_PSK) == 0)
		return false;
	memcpy(out_key, keys_of(door, entry)->psk, 32);
	return true;
}

static bool same_prefix(const uint8_t a[16], const uint8_t b[16], uint8_t bits)
{
	size_t whole = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));

	if (memcmp(a, b, whole) != 0)
		return false;
	return bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

static bool source_matches(const struct nj_grant *grant, const struct nj_addr *peer)
{
	bool same_link = grant->source.scope == 0 || peer->scope == 0 || grant->source.scope == peer->scope;

	return same_link && same_prefix(grant->source.ip, peer->ip, grant->source_prefix);
}

/* The checks that both bindings share; `out_entry` is left in place. */
static enum nj_err find_open(struct nj_door *door, struct nj_view hint_hex, uint16_t service,
			     const struct nj_addr *peer, struct entry **out_entry)
{
	struct entry *entry = find_hex(door, hint_hex);

	if (entry == NULL)
		return NJ_ERR_NOT_FOUND;
	if (entry_expired(door, entry)) {
		entry_remove(door, entry);
		return NJ_ERR_EXPIRED;
	}
	if (entry->grant.service != service || !source_matches(&entry->grant, peer))
		return NJ_ERR_DENIED;
	*out_entry = entry;
	return NJ_OK;
}

enum nj_err nj_door_bind_psk(struct nj_door *door, const char *identity_hex, uint16_t service,
			     const struct nj_addr *peer, struct nj_grant *out_grant)
{
	struct entry *entry;

	NJ_TRY(find_open(door, nj_view_str(identity_hex), service, peer, &entry));
	if ((entry->grant.bind & NJ_BINDING_PSK) == 0)
		return NJ_ERR_DENIED;
	*out_grant = entry->grant;
	entry_remove(door, entry);
	return NJ_OK;
}

static bool certificate_may_bind(const struct nj_door *door, const struct entry *entry, uint16_t service,
				 const struct nj_addr *peer)
{
	return entry->used && entry->grant.service == service && (entry->grant.bind & NJ_BINDING_CERTIFICATE) != 0 &&
	       source_matches(&entry->grant, peer) && !entry_expired(door, entry);
}

const struct nj_grant *nj_door_next_certificate(const struct nj_door *door, uint16_t service,
						const struct nj_addr *peer, uint32_t *cursor)
{
	while (*cursor < door->made) {
		const struct entry *entry = &door->entries[(*cursor)++];

		if (certificate_may_bind(door, entry, service, peer))
			return &entry->grant;
	}
	return NULL;
}

enum nj_err nj_door_bind_certificate(struct nj_door *door, const uint8_t uid[NJ_UID_BYTES], bool by_tls12,
				     uint16_t service, const struct nj_addr *peer, struct nj_grant *out_grant)
{
	struct entry *oldest = NULL;

	for (uint32_t i = 0; i < door->made; i++) {
		struct entry *entry = &door->entries[i];

		if (certificate_may_bind(door, entry, service, peer) && (!by_tls12 || entry->grant.tls12) &&
		    memcmp(entry->grant.uid, uid, NJ_UID_BYTES) == 0 &&
		    (oldest == NULL || entry->grant.id < oldest->grant.id))
			oldest = entry;
	}
	if (oldest == NULL)
		return NJ_ERR_NOT_FOUND;
	*out_grant = oldest->grant;
	entry_remove(door, oldest);
	return NJ_OK;
}

enum nj_err nj_door_bind_password(struct nj_door *door, struct nj_view username_hex, struct nj_view password_hex,
				  uint16_t service, const struct nj_addr *peer, struct nj_grant *out_grant)
{
	uint8_t password[32];
	struct entry *entry;

	NJ_TRY(find_open(door, username_hex, service, peer, &entry));
	if (!entry->grant.plain_allowed || nj_service_is_tls(service))
		return NJ_ERR_DENIED;
	if (nj_hex_decode(password_hex, password, sizeof(password)) != NJ_OK ||
	    !nj_equal_ct(password, keys_of(door, entry)->password, sizeof(password)))
		return NJ_ERR_FORGED;
	*out_grant = entry->grant;
	entry_remove(door, entry);
	return NJ_OK;
}

static bool any_expects(const struct nj_door *door, const struct nj_list *list, uint16_t service,
			const struct nj_addr *peer)
{
	for (const struct nj_list *node = list->next; node != list; node = node->next) {
		const struct entry *entry = NJ_CONTAINER(node, const struct entry, of_source);

		if (entry->grant.service == service && source_matches(&entry->grant, peer) &&
		    !entry_expired(door, entry))
			return true;
	}
	return false;
}

bool nj_door_expects(const struct nj_door *door, uint16_t service, const struct nj_addr *peer)
{
	size_t at = nj_siphash13(door->seed, peer->ip, sizeof(peer->ip)) % SOURCE_LISTS;

	return any_expects(door, &door->sources[at], service, peer) || any_expects(door, &door->nets, service, peer);
}

uint32_t nj_door_bind_ms(const struct nj_door *door, uint16_t service, const struct nj_addr *peer, uint32_t default_ms)
{
	uint32_t longest_ms = 0;

	for (uint32_t i = 0; door->timed > 0 && i < door->made; i++) {
		const struct entry *entry = &door->entries[i];
		uint32_t ms = entry->grant.bind_ms == 0 ? default_ms : entry->grant.bind_ms;

		if (entry->used && entry->grant.service == service && ms > longest_ms &&
		    source_matches(&entry->grant, peer) && !entry_expired(door, entry))
			longest_ms = ms;
	}
	return longest_ms == 0 ? default_ms : longest_ms;
}

uint32_t nj_door_count(const struct nj_door *door)
{
	return (uint32_t)door->by_hint.count;
}
