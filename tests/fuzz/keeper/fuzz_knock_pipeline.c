/*
 * Arbitrary datagrams, and true knocks with bytes changed, against a keeper with one device that holds a current key, a
 * pending one and the tombstone of the one before: no crash, and no grant but for a whole knock under a live key. The
 * input: one byte that says how, then positions and values, or the datagram itself.
 */
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "keeper/core.h"
#include "keeper/init.h"
#include "wire/rekey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A group of this many shares a commit: fewer than the window is wide. */
#define GROUP 8
/* After this a device's bucket has room for a group. */
#define BUCKET_MS (GROUP * 5000)
/* Then the keeper begins anew, so that its audit log stays small. */
#define KNOCKS_OF_A_KEEPER 20000

enum key { CURRENT, PENDING, TOMBSTONE, KEYS };

static struct {
	struct nj_clock_fake clock;
	struct nj_random_fake random;
	struct nj_link link;
	struct nj_cloak *cloak;
	struct nj_keeper *keeper;
	struct nj_knock_keys keys[KEYS];
	uint64_t counters[KEYS]; /* of the last knock; live keys share one floor, at CURRENT */
	struct nj_knock_body body;
	struct nj_ipc_rekey offer;
	uint64_t grants;     /* that the keeper gave */
	uint64_t last_grant; /* its id */
	uint64_t due_grants; /* that it must have given after the next commit */
	uint32_t staged;
	uint32_t knocks;
} fz;

static bool connected(const struct nj_link *link)
{
	return true;
}

static void request(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg)
{
	done(arg, NJ_OK, "");
}

/* Until the keys are there the gateway takes grants; then it is never there for them, so that none has to end. */
static enum nj_err grant(struct nj_link *link, const struct nj_grant *given)
{
	fz.grants++;
	fz.last_grant = given->id;
	return fz.counters[TOMBSTONE] == 0 ? NJ_OK : NJ_ERR_CLOSED;
}

static void grant_end(struct nj_link *link, uint64_t id)
{
}

static bool rekey(struct nj_link *link, const struct nj_ipc *message)
{
	if (message->type == NJ_IPC_REKEY_OFFER)
		fz.offer = message->as.rekey;
	return true;
}

static void tick(struct nj_link *link)
{
}

static const struct nj_link_ops ops = { connected, request, grant, grant_end, rekey, tick, tick };

static void must(bool good)
{
	if (!good)
		abort();
}

static void ask(const char *verb, json_t *args, json_t **out_ok)
{
	struct nj_why why;

	must(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, fz.keeper, verb, args, NULL, NULL, out_ok,
			       &why) == NJ_OK);
	json_decref(args);
}

/* ---- a keeper ---- */

static void start(const char *dir)
{
	static const char *const names[] = { "k.db", "k.db-wal", "k.db-shm", "key" };
	char paths[4][64];
	struct nj_keeper_init_result made;
	struct nj_why why;

	for (size_t i = 0; i < 4; i++)
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", dir, names[i]);
	const struct nj_keeper_init_config init = { .store_path = paths[0],
						    .key_file = paths[3],
						    .host = "h",
						    .clock = &fz.clock.clock,
						    .random = &fz.random.random };
	const struct nj_keeper_config config = { .store_path = paths[0],
						 .key_file = paths[3],
						 .clock = &fz.clock.clock,
						 .random = &fz.random.random,
						 .host = "h",
						 .ports = { [NJ_SERVICE_MQTTS] = 8883 },
						 .max_devices = 16,
						 .rekey_ms = 1 };

	must(nj_keeper_init(&init, &made, &why) == NJ_OK);
	must(nj_keeper_open(&config, &fz.keeper, NULL, &why) == NJ_OK);
	fz.link.ops = &ops;
	nj_keeper_set_link(fz.keeper, &fz.link);
	must(nj_cloak_fake_new(&fz.cloak) == NJ_OK && nj_keeper_start(fz.keeper, fz.cloak, &why) == NJ_OK);
	/* The files stay open without their names. */
	for (size_t i = 0; i < 4; i++)
		(void)unlink(paths[i]);
	(void)rmdir(dir);
}

static void device_from(const json_t *credentials, uint8_t out_root_key[NJ_KEY_BYTES])
{
	must(nj_hex_decode(nj_view_str(json_string_value(json_object_get(credentials, "uid"))), fz.body.uid,
			   sizeof(fz.body.uid)) == NJ_OK);
	must(nj_hex_decode(nj_view_str(json_string_value(json_object_get(credentials, "key"))), out_root_key,
			   NJ_KEY_BYTES) == NJ_OK);
	fz.body.version = NJ_KNOCK_VERSION;
	fz.body.flags = NJ_KNOCK_FLAG_CAN_REKEY;
	fz.body.service = NJ_SERVICE_MQTTS;
}

static void deliver(const uint8_t *bytes, size_t len)
{
	struct nj_udp_datagram datagram = { .bytes = nj_view_of(bytes, len) };

	nj_keeper_datagrams(fz.keeper, &datagram, 1);
}

/* A session under `key`, up to the offer of the next one, which it derives. */
static void session(const uint8_t key[NJ_KEY_BYTES], uint8_t out_next[NJ_KEY_BYTES])
{
	struct nj_knock_keys keys;
	uint8_t knock[NJ_KNOCK_BYTES];
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES] = { 0 };

	nj_knock_derive(key, fz.body.uid, &keys);
	nj_knock_seal(&keys, ++fz.counters[CURRENT], fresh, &fz.body, knock);
	nj_clock_fake_advance_ms(&fz.clock, 5000);
	deliver(knock, sizeof(knock));
	must(nj_keeper_flush(fz.keeper) == NJ_OK);
	const struct nj_ipc_bound bound = { .grant_id = fz.last_grant, .local_port = 8883 };
	const struct nj_ipc_rekey ready = { .grant_id = fz.last_grant };
	nj_keeper_ack(fz.keeper, fz.last_grant);
	nj_keeper_bound(fz.keeper, &bound);
	nj_keeper_rekey_ready(fz.keeper, &ready);
	must(fz.offer.grant_id == fz.last_grant);
	nj_rekey_derive(key, ready.value, fz.body.uid, fz.offer.epoch, out_next);
}

/* Two sessions: the first key becomes a tombstone, the second is current, the third is pending. */
static void make_keys(const uint8_t root_key[NJ_KEY_BYTES])
{
	struct nj_ipc_rekey stored = { 0 };
	uint8_t second[NJ_KEY_BYTES];
	uint8_t third[NJ_KEY_BYTES];

	session(root_key, second);
	stored.grant_id = fz.offer.grant_id;
	stored.epoch = fz.offer.epoch;
	nj_rekey_prove(second, fz.body.uid, NJ_REKEY_STORED, stored.epoch, stored.value);
	nj_keeper_rekey_stored(fz.keeper, &stored);
	session(second, third);
	nj_knock_derive(root_key, fz.body.uid, &fz.keys[TOMBSTONE]);
	nj_knock_derive(second, fz.body.uid, &fz.keys[CURRENT]);
	nj_knock_derive(third, fz.body.uid, &fz.keys[PENDING]);
	must(nj_spares_count(nj_keeper_spares(fz.keeper)) == 2);
	must(nj_spares_pending_count(nj_keeper_spares(fz.keeper)) == 1);
	nj_clock_fake_advance_ms(&fz.clock, BUCKET_MS);
	/* Burnt with its last session. */
	fz.counters[TOMBSTONE] = 1;
	fz.due_grants = fz.grants;
}

static void set_up(void)
{
	char in_memory[] = "/dev/shm/nj-fuzz-XXXXXX";
	char elsewhere[] = "/tmp/nj-fuzz-XXXXXX";
	const char *dir = mkdtemp(in_memory);
	uint8_t root_key[NJ_KEY_BYTES];
	json_t *ok = NULL;

	if (dir == NULL)
		dir = mkdtemp(elsewhere);
	must(nj_crypto_init() == NJ_OK && dir != NULL);
	nj_clock_fake_init(&fz.clock, UINT64_C(1000000000000), UINT64_C(1790000000000));
	nj_random_fake_init(&fz.random, 1);
	start(dir);
	ask("profile.set", json_pack("{s:s, s:[s]}", "name", "p", "publish", "a"), NULL);
	ask("device.add", json_pack("{s:s, s:s}", "name", "d", "profile", "p"), &ok);
	device_from(ok, root_key);
	json_decref(ok);
	make_keys(root_key);
}

static void tear_down(void)
{
	nj_keeper_close(fz.keeper);
	fz.cloak->ops->free(fz.cloak);
	memset(&fz, 0, sizeof(fz));
}

/* ---- an input ---- */

/* The next true knock under a key, with some bytes changed. Returns true when nothing differs from the true one. */
static bool mutate(enum key key, uint64_t counter, const uint8_t *data, size_t size, uint8_t out[NJ_KNOCK_BYTES])
{
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES] = { 0 };
	uint8_t whole[NJ_KNOCK_BYTES];

	nj_knock_seal(&fz.keys[key], counter, fresh, &fz.body, whole);
	memcpy(out, whole, NJ_KNOCK_BYTES);
	for (size_t i = 0; i + 1 < size; i += 2)
		out[data[i] % NJ_KNOCK_BYTES] ^= data[i + 1];
	return memcmp(out, whole, NJ_KNOCK_BYTES) == 0;
}

static void commit(void)
{
	must(nj_keeper_flush(fz.keeper) == NJ_OK);
	must(fz.grants == fz.due_grants);
	fz.staged = 0;
	nj_clock_fake_advance_ms(&fz.clock, BUCKET_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t knock[NJ_KNOCK_BYTES];

	if (fz.keeper != NULL && fz.knocks >= KNOCKS_OF_A_KEEPER)
		tear_down();
	if (fz.keeper == NULL)
		set_up();
	if (size == 0)
		return 0;
	if (data[0] % 4 == 0) {
		deliver(data + 1, size - 1);
		must(fz.grants + fz.staged >= fz.due_grants && fz.grants <= fz.due_grants);
		return 0;
	}
	enum key key = (enum key)((data[0] >> 2) % KEYS);
	uint64_t *counter = &fz.counters[key == TOMBSTONE ? TOMBSTONE : CURRENT];
	bool whole = mutate(key, *counter + 1, data + 1, size - 1, knock);

	/* True ones are rare, so that the run is not one of commits. */
	if (whole && data[0] < 240)
		return 0;
	deliver(knock, sizeof(knock));
	if (!whole)
		return 0;
	*counter += 1;
	fz.knocks++;
	fz.due_grants += key != TOMBSTONE;
	if (++fz.staged == GROUP || data[0] % 2 == 0)
		commit();
	return 0;
}
