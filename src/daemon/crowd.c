#include "daemon/crowd.h"

#include <pthread.h>

#include "base/list.h"
#include "base/map.h"
#include "base/meter.h"
#include "base/text.h"

#define GROUPS_MAX (1u << 18)
#define CLIENTS_MAX (1u << 18)
#define KEY_BYTES (1 + NJ_NAME_BYTES)
#define LABEL_BYTES (NJ_NAME_BYTES + 1)
#define UID_BYTES 16
#define MS_NS UINT64_C(1000000)
#define MINUTE_NS (60 * NJ_METER_SECOND_NS)
#define PUT_OFF_FIRST_NS NJ_METER_SECOND_NS
#define PUT_OFF_DOUBLINGS 16
#define HOLD_MAX_MS 5000 /* of one charge: what is owed beyond it is owed by the next */

/* What one address, listener, device or customer takes. */
struct group {
	struct nj_crowd *crowd;
	uint32_t refs;
	uint32_t connections;
	uint32_t unproven;
	struct nj_meter connects;
	struct nj_meter messages;
	struct nj_meter bytes;
	uint8_t key_len;
	uint8_t key[]; /* and behind it a text for people */
};

/* How often one client connects: there is one for each that came of late, so it is kept small. */
struct client {
	uint64_t key; /* a keyed hash of its party and its name */
	struct nj_meter connects;
	uint64_t put_off_until_ms : 48;
	uint64_t put_offs : 16; /* without a quiet minute between them */
};

/* Read on every thread, changed by one. */
struct limits {
	_Atomic uint64_t of[NJ_CROWD_SCOPES][NJ_CROWD_WHATS]; /* 0: none */
	_Atomic uint64_t rated;                               /* a bit a scope that has a limit of messages or bytes */
	_Atomic uint64_t flapping;                            /* a minute */
	_Atomic uint64_t flapping_max_ns;
};

struct note {
	uint64_t times;
	char who[LABEL_BYTES];
};

struct nj_crowd {
	const struct nj_clock *clock;
	pthread_mutex_t lock; /* over all below but limits, and over groups but their meters */
	struct limits limits;
	struct nj_map groups;
	struct nj_map clients;
	uint8_t seed[16]; /* of their keys */
	_Atomic uint64_t counts[NJ_CROWD_SCOPES][NJ_CROWD_WHATS];
	struct note notes[NJ_CROWD_SCOPES][NJ_CROWD_WHATS];
};

/* One a connection, so it is kept small: the listener's group, which is always there, knows the crowd. */
struct nj_ticket {
	struct group *of[NJ_CROWD_SCOPES]; /* NULL: not counted there, or not known yet */
	uint32_t scopes;                   /* a bit for each that is not */
	bool proven;
};

static struct nj_crowd *crowd_of(const struct nj_ticket *ticket)
{
	return ticket->of[NJ_CROWD_LISTENER]->crowd;
}

const char *nj_crowd_scope_name(enum nj_crowd_scope scope)
{
	static const char *const names[] = {
#define NAME(name, text) text,
		NJ_CROWD_SCOPE_TABLE(NAME)
	};

	return names[scope];
}

const char *nj_crowd_what_name(enum nj_crowd_what what)
{
	static const char *const names[] = { NJ_CROWD_WHAT_TABLE(NAME)
#undef NAME
	};

	return names[what];
}

static const char *label_of(const struct group *group)
{
	return (const char *)group->key + group->key_len;
}

static struct nj_view group_key(const void *entry)
{
	const struct group *group = entry;

	return nj_view_of(group->key, group->key_len);
}

static struct nj_view client_key(const void *entry)
{
	const struct client *client = entry;

	return nj_view_of(&client->key, sizeof(client->key));
}

enum nj_err nj_crowd_new(const struct nj_clock *clock, struct nj_random *random, struct nj_crowd **out_crowd)
{
	struct nj_crowd *crowd = calloc(1, sizeof(*crowd));

	if (crowd == NULL)
		return NJ_ERR_NO_MEMORY;
	crowd->clock = clock;
	if (pthread_mutex_init(&crowd->lock, NULL) != 0) {
		free(crowd);
		return NJ_ERR_NO_MEMORY;
	}
	nj_map_init(&crowd->groups, group_key, GROUPS_MAX, random);
	nj_map_init(&crowd->clients, client_key, CLIENTS_MAX, random);
	nj_random_fill(random, crowd->seed, sizeof(crowd->seed));
	*out_crowd = crowd;
	return NJ_OK;
}

static void free_all(struct nj_map *map)
{
	size_t cursor = 0;
	void *entry;

	while ((entry = nj_map_next(map, &cursor)) != NULL)
		free(entry);
	nj_map_done(map);
}

void nj_crowd_free(struct nj_crowd *crowd)
{
	if (crowd == NULL)
		return;
	free_all(&crowd->groups);
	free_all(&crowd->clients);
	(void)pthread_mutex_destroy(&crowd->lock);
	free(crowd);
}

static void set(_Atomic uint64_t *limit, uint64_t value)
{
	atomic_store_explicit(limit, value, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *limit)
{
	return atomic_load_explicit(limit, memory_order_relaxed);
}

void nj_crowd_set_limits(struct nj_crowd *crowd, const struct nj_settings_limits *limits)
{
	const struct nj_settings_crowd *const of[NJ_CROWD_SCOPES] = {
		[NJ_CROWD_ADDRESS] = &limits->address,
		[NJ_CROWD_LISTENER] = &limits->listener,
		[NJ_CROWD_DEVICE] = &limits->device,
		[NJ_CROWD_CUSTOMER] = &limits->customer,
	};

	uint64_t rated = 0;

	for (size_t scope = 0; scope < NJ_CROWD_SCOPES; scope++) {
		if (of[scope]->messages > 0 || of[scope]->bytes > 0)
			rated |= UINT64_C(1) << scope;
		set(&crowd->limits.of[scope][NJ_CROWD_CONNECTIONS], of[scope]->connections);
		set(&crowd->limits.of[scope][NJ_CROWD_CONNECTS], of[scope]->connects);
		set(&crowd->limits.of[scope][NJ_CROWD_UNPROVEN], of[scope]->unproven);
		set(&crowd->limits.of[scope][NJ_CROWD_MESSAGES], of[scope]->messages);
		set(&crowd->limits.of[scope][NJ_CROWD_BYTES], of[scope]->bytes);
	}
	set(&crowd->limits.rated, rated);
	set(&crowd->limits.flapping, limits->flapping);
	set(&crowd->limits.flapping_max_ns, limits->flapping_max_ms * UINT64_C(1000000));
}

static uint64_t limit_of(const struct nj_crowd *crowd, enum nj_crowd_scope scope, enum nj_crowd_what what)
{
	return get(&crowd->limits.of[scope][what]);
}

/* ---- groups; under the lock ---- */

/* Is there, or is made; without a reference. NULL: no room. */
static struct group *group_of(struct nj_crowd *crowd, size_t kind, struct nj_view key, const char *label)
{
	uint8_t bytes[KEY_BYTES] = { (uint8_t)kind };
	struct group *group;
	size_t label_len;

	memcpy(bytes + 1, key.data, key.len);
	group = nj_map_get(&crowd->groups, nj_view_of(bytes, key.len + 1));
	if (group != NULL)
		return group;
	label_len = strnlen(label, LABEL_BYTES - 1);
	group = calloc(1, sizeof(*group) + key.len + 1 + label_len + 1);
	if (group == NULL)
		return NULL;
	group->crowd = crowd;
	group->key_len = (uint8_t)(key.len + 1);
	memcpy(group->key, bytes, key.len + 1);
	memcpy(group->key + group->key_len, label, label_len);
	if (nj_map_put(&crowd->groups, group) == NJ_OK)
		return group;
	free(group);
	return NULL;
}

static bool group_idle(const void *entry, uint64_t now_ns)
{
	const struct group *group = entry;

	return group->refs == 0 && nj_meter_idle(&group->connects, now_ns) && nj_meter_idle(&group->messages, now_ns) &&
	       nj_meter_idle(&group->bytes, now_ns);
}

static bool client_idle(const void *entry, uint64_t now_ns)
{
	const struct client *client = entry;

	return nj_meter_idle(&client->connects, now_ns) &&
	       now_ns / MS_NS >= client->put_off_until_ms + (client->put_offs > 0 ? MINUTE_NS / MS_NS : 0);
}

static void sweep(struct nj_map *map, bool (*idle)(const void *entry, uint64_t now_ns), uint64_t now_ns)
{
	size_t cursor = 0;
	void *entry;

	while ((entry = nj_map_next(map, &cursor)) != NULL) {
		if (!idle(entry, now_ns))
			continue;
		(void)nj_map_remove(map, map->key_of(entry));
		free(entry);
		/* Removing moves what lies behind: the place is looked at again. */
		cursor = cursor > 0 ? cursor - 1 : 0;
	}
}

void nj_crowd_sweep(struct nj_crowd *crowd)
{
	uint64_t now_ns = nj_clock_boot_ns(crowd->clock);

	(void)pthread_mutex_lock(&crowd->lock);
	sweep(&crowd->groups, group_idle, now_ns);
	sweep(&crowd->clients, client_idle, now_ns);
	(void)pthread_mutex_unlock(&crowd->lock);
}

/* ---- refusals ---- */

static void note(struct nj_crowd *crowd, enum nj_crowd_scope scope, enum nj_crowd_what what, const char *who)
{
	struct note *here = &crowd->notes[scope][what];
	size_t len = strnlen(who, LABEL_BYTES - 1);

	atomic_fetch_add_explicit(&crowd->counts[scope][what], 1, memory_order_relaxed);
	here->times++;
	memcpy(here->who, who, len);
	here->who[len] = '\0';
}

static bool refuse(struct nj_crowd *crowd, enum nj_crowd_scope scope, enum nj_crowd_what what, const char *who,
		   struct nj_crowd_verdict *out_verdict)
{
	note(crowd, scope, what, who);
	*out_verdict = (struct nj_crowd_verdict){ .scope = scope, .what = what };
	return false;
}

/* One more connection of a group? Charges nothing. */
static bool has_room(struct nj_crowd *crowd, enum nj_crowd_scope scope, const struct group *group, bool unproven,
		     struct nj_crowd_verdict *out_verdict)
{
	uint64_t connections = limit_of(crowd, scope, NJ_CROWD_CONNECTIONS);
	uint64_t strangers = limit_of(crowd, scope, NJ_CROWD_UNPROVEN);

	if (connections > 0 && group->connections >= connections)
		return refuse(crowd, scope, NJ_CROWD_CONNECTIONS, label_of(group), out_verdict);
	if (unproven && strangers > 0 && group->unproven >= strangers)
		return refuse(crowd, scope, NJ_CROWD_UNPROVEN, label_of(group), out_verdict);
	return true;
}

static bool in_rate(struct nj_crowd *crowd, enum nj_crowd_scope scope, struct group *group,
		    struct nj_crowd_verdict *out_verdict)
{
	uint64_t per_s = limit_of(crowd, scope, NJ_CROWD_CONNECTS);

	if (per_s == 0 || nj_meter_try(&group->connects, nj_meter_cost_ns(1, per_s), NJ_METER_SECOND_NS,
				       nj_clock_boot_ns(crowd->clock)))
		return true;
	return refuse(crowd, scope, NJ_CROWD_CONNECTS, label_of(group), out_verdict);
}

static void join(struct nj_ticket *ticket, enum nj_crowd_scope scope, struct group *group)
{
	ticket->of[scope] = group;
	ticket->scopes |= 1u << scope;
	group->refs++;
	group->connections++;
	group->unproven += !ticket->proven;
}

/* ---- coming ---- */

/* An IPv6 host has a /64 to itself. */
static struct nj_view address_key(const struct nj_addr *peer)
{
	return nj_view_of(peer->ip, nj_addr_is_v4(peer) ? 16 : 8);
}

static enum nj_err enter(struct nj_crowd *crowd, struct nj_ticket *ticket, uint16_t listener,
			 const struct nj_addr *peer, struct nj_crowd_verdict *out_verdict)
{
	const uint8_t number[2] = { (uint8_t)(listener >> 8), (uint8_t)listener };
	char text[NJ_ADDR_TEXT_BYTES];
	char label[16];
	struct group *here;
	struct group *from = NULL;

	(void)!nj_text_format(label, sizeof(label), "%u", listener);
	here = group_of(crowd, NJ_CROWD_LISTENER, nj_view_of(number, sizeof(number)), label);
	if (peer != NULL)
		from = group_of(crowd, NJ_CROWD_ADDRESS, address_key(peer), nj_addr_host_text(peer, text));
	if (here == NULL || (peer != NULL && from == NULL))
		return NJ_ERR_NO_MEMORY;
	if (from != NULL && (!has_room(crowd, NJ_CROWD_ADDRESS, from, true, out_verdict) ||
			     !in_rate(crowd, NJ_CROWD_ADDRESS, from, out_verdict)))
		return NJ_ERR_LIMIT;
	if (!has_room(crowd, NJ_CROWD_LISTENER, here, true, out_verdict) ||
	    !in_rate(crowd, NJ_CROWD_LISTENER, here, out_verdict))
		return NJ_ERR_LIMIT;
	join(ticket, NJ_CROWD_LISTENER, here);
	if (from != NULL)
		join(ticket, NJ_CROWD_ADDRESS, from);
	return NJ_OK;
}

enum nj_err nj_crowd_enter(struct nj_crowd *crowd, uint16_t listener, const struct nj_addr *peer,
			   struct nj_ticket **out_ticket, struct nj_crowd_verdict *out_verdict)
{
	struct nj_ticket *ticket = calloc(1, sizeof(*ticket));
	enum nj_err err;

	if (ticket == NULL)
		return NJ_ERR_NO_MEMORY;
	(void)pthread_mutex_lock(&crowd->lock);
	err = enter(crowd, ticket, listener, peer, out_verdict);
	(void)pthread_mutex_unlock(&crowd->lock);
	if (err != NJ_OK) {
		free(ticket);
		return err;
	}
	*out_ticket = ticket;
	*out_verdict = (struct nj_crowd_verdict){ .within = true };
	return NJ_OK;
}

enum nj_err nj_crowd_toll(struct nj_crowd *crowd, const struct nj_addr *local, const struct nj_addr *peer,
			  struct nj_ticket **out_ticket)
{
	struct nj_crowd_verdict verdict;

	/* A Unix socket has no port. */
	bool ours = local->port == 0 || nj_addr_is_loopback(peer);

	return nj_crowd_enter(crowd, local->port, ours ? NULL : peer, out_ticket, &verdict);
}

static uint32_t toll_charge(void *ticket, uint32_t messages, size_t bytes)
{
	return nj_crowd_charge(ticket, messages, bytes);
}

static void toll_left(void *ticket)
{
	nj_crowd_leave(ticket);
}

void nj_crowd_pay(struct nj_ticket *ticket, struct nj_conn *conn)
{
	static const struct nj_conn_toll toll = { .charge = toll_charge, .left = toll_left };

	nj_conn_set_toll(conn, &toll, ticket);
}

static void prove(struct nj_ticket *ticket)
{
	if (ticket->proven)
		return;
	ticket->proven = true;
	for (size_t scope = 0; scope < NJ_CROWD_SCOPES; scope++)
		if (ticket->of[scope] != NULL)
			ticket->of[scope]->unproven--;
}

void nj_crowd_proven(struct nj_ticket *ticket)
{
	struct nj_crowd *crowd = crowd_of(ticket);

	(void)pthread_mutex_lock(&crowd->lock);
	prove(ticket);
	(void)pthread_mutex_unlock(&crowd->lock);
}

/* ---- who it is ---- */

/* Each time that a client is put off is twice as long as the one before, until it has been quiet for a minute. */
static void put_off(struct nj_crowd *crowd, struct client *client, uint64_t now_ns)
{
	uint64_t longest_ns = get(&crowd->limits.flapping_max_ns);
	uint64_t time_ns;

	if (now_ns / MS_NS >= client->put_off_until_ms + MINUTE_NS / MS_NS)
		client->put_offs = 0;
	time_ns = PUT_OFF_FIRST_NS << client->put_offs;
	if (client->put_offs < PUT_OFF_DOUBLINGS)
		client->put_offs++;
	client->put_off_until_ms = (now_ns + (time_ns < longest_ns ? time_ns : longest_ns)) / MS_NS;
}

/* Nobody who does not know the seed can make two of them meet. NULL: no room. */
static struct client *client_of(struct nj_crowd *crowd, const struct nj_crowd_who *who)
{
	uint64_t hash = nj_siphash13(crowd->seed, who->client_id.data, who->client_id.len);
	uint8_t both[UID_BYTES + sizeof(hash)];
	struct client *client;
	uint64_t key;

	memcpy(both, who->uid, UID_BYTES);
	memcpy(both + UID_BYTES, &hash, sizeof(hash));
	key = nj_siphash13(crowd->seed, both, sizeof(both));
	client = nj_map_get(&crowd->clients, nj_view_of(&key, sizeof(key)));
	if (client != NULL)
		return client;
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		return NULL;
	client->key = key;
	if (nj_map_put(&crowd->clients, client) == NJ_OK)
		return client;
	free(client);
	return NULL;
}

static bool is_steady(struct nj_crowd *crowd, const struct nj_crowd_who *who, struct nj_crowd_verdict *out_verdict)
{
	uint64_t per_minute = get(&crowd->limits.flapping);
	uint64_t now_ns = nj_clock_boot_ns(crowd->clock);
	struct client *client;

	if (per_minute == 0 || who->client_id.len == 0)
		return true;
	client = client_of(crowd, who);
	if (client == NULL)
		return true;
	if (now_ns / MS_NS < client->put_off_until_ms)
		return refuse(crowd, NJ_CROWD_DEVICE, NJ_CROWD_FLAPPING, who->name, out_verdict);
	if (nj_meter_try(&client->connects, MINUTE_NS / per_minute, MINUTE_NS, now_ns))
		return true;
	put_off(crowd, client, now_ns);
	return refuse(crowd, NJ_CROWD_DEVICE, NJ_CROWD_FLAPPING, who->name, out_verdict);
}

static enum nj_err admit(struct nj_crowd *crowd, struct nj_ticket *ticket, const struct nj_crowd_who *who,
			 struct nj_crowd_verdict *out_verdict)
{
	struct group *device = NULL;
	struct group *customer = group_of(crowd, NJ_CROWD_CUSTOMER, nj_view_str(who->customer), who->customer);

	if (who->device)
		device = group_of(crowd, NJ_CROWD_DEVICE, nj_view_of(who->uid, UID_BYTES), who->name);
	if (customer == NULL || (who->device && device == NULL))
		return NJ_ERR_NO_MEMORY;
	if (!is_steady(crowd, who, out_verdict))
		return NJ_ERR_LIMIT;
	if (!who->takes_over && ((device != NULL && !has_room(crowd, NJ_CROWD_DEVICE, device, false, out_verdict)) ||
				 !has_room(crowd, NJ_CROWD_CUSTOMER, customer, false, out_verdict)))
		return NJ_ERR_LIMIT;
	if ((device != NULL && !in_rate(crowd, NJ_CROWD_DEVICE, device, out_verdict)) ||
	    !in_rate(crowd, NJ_CROWD_CUSTOMER, customer, out_verdict))
		return NJ_ERR_LIMIT;
	join(ticket, NJ_CROWD_CUSTOMER, customer);
	if (device != NULL)
		join(ticket, NJ_CROWD_DEVICE, device);
	return NJ_OK;
}

enum nj_err nj_crowd_admit(struct nj_ticket *ticket, const struct nj_crowd_who *who,
			   struct nj_crowd_verdict *out_verdict)
{
	struct nj_crowd *crowd = crowd_of(ticket);
	enum nj_err err;

	*out_verdict = (struct nj_crowd_verdict){ .within = true };
	(void)pthread_mutex_lock(&crowd->lock);
	prove(ticket);
	err = admit(crowd, ticket, who, out_verdict);
	(void)pthread_mutex_unlock(&crowd->lock);
	return err;
}

void nj_crowd_leave(struct nj_ticket *ticket)
{
	struct nj_crowd *crowd = crowd_of(ticket);

	(void)pthread_mutex_lock(&crowd->lock);
	prove(ticket);
	for (size_t scope = 0; scope < NJ_CROWD_SCOPES; scope++) {
		if (ticket->of[scope] == NULL)
			continue;
		ticket->of[scope]->connections--;
		ticket->of[scope]->refs--;
	}
	(void)pthread_mutex_unlock(&crowd->lock);
	free(ticket);
}

/* ---- messages and bytes ---- */

static void note_slow(struct nj_crowd *crowd, enum nj_crowd_scope scope, enum nj_crowd_what what,
		      const struct group *group)
{
	(void)pthread_mutex_lock(&crowd->lock);
	note(crowd, scope, what, label_of(group));
	(void)pthread_mutex_unlock(&crowd->lock);
}

static uint64_t charge_one(struct nj_ticket *ticket, enum nj_crowd_scope scope, enum nj_crowd_what what, uint64_t units,
			   uint64_t now_ns)
{
	struct group *group = ticket->of[scope];
	uint64_t per_s = units == 0 ? 0 : limit_of(crowd_of(ticket), scope, what);
	struct nj_meter *meter = what == NJ_CROWD_MESSAGES ? &group->messages : &group->bytes;
	uint64_t debt_ns = 0;

	if (per_s > 0)
		debt_ns = nj_meter_charge(meter, nj_meter_cost_ns(units, per_s), NJ_METER_SECOND_NS, now_ns);
	if (debt_ns > 0)
		note_slow(crowd_of(ticket), scope, what, group);
	return debt_ns;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint32_t nj_crowd_charge(struct nj_ticket *ticket, uint32_t messages, size_t bytes)
{
	const struct nj_crowd *crowd = crowd_of(ticket);
	uint32_t scopes = (uint32_t)get(&crowd->limits.rated) & ticket->scopes;
	uint64_t longest_ns = 0;
	uint64_t now_ns;
	uint64_t ms;

	/* On the way of every message: what has no limit costs nothing. */
	if (scopes == 0)
		return 0;
	now_ns = nj_clock_boot_ns(crowd->clock);
	for (size_t scope = 0; scope < NJ_CROWD_SCOPES; scope++) {
		if ((scopes & 1u << scope) == 0)
			continue;
		longest_ns = longer(longest_ns, charge_one(ticket, scope, NJ_CROWD_MESSAGES, messages, now_ns));
		longest_ns = longer(longest_ns, charge_one(ticket, scope, NJ_CROWD_BYTES, bytes, now_ns));
	}
	ms = (longest_ns + 999999) / 1000000;
	return ms > HOLD_MAX_MS ? HOLD_MAX_MS : (uint32_t)ms;
}

/* ---- what is told ---- */

uint64_t nj_crowd_count(const struct nj_crowd *crowd, enum nj_crowd_scope scope, enum nj_crowd_what what)
{
	return get(&crowd->counts[scope][what]);
}

void nj_crowd_notes(struct nj_crowd *crowd, nj_crowd_note_fn fn, void *arg)
{
	struct note notes[NJ_CROWD_SCOPES][NJ_CROWD_WHATS];

	(void)pthread_mutex_lock(&crowd->lock);
	memcpy(notes, crowd->notes, sizeof(notes));
	memset(crowd->notes, 0, sizeof(crowd->notes));
	(void)pthread_mutex_unlock(&crowd->lock);
	for (size_t scope = 0; scope < NJ_CROWD_SCOPES; scope++)
		for (size_t what = 0; what < NJ_CROWD_WHATS; what++)
			if (notes[scope][what].times > 0)
				fn(arg, scope, what, notes[scope][what].times, notes[scope][what].who);
}
