/*
 * Arbitrary datagrams, and true knocks with bytes changed, against a keeper with one device: no crash, and no grant but
 * for a knock that is whole. The input: one byte that says how, then positions and values, or the datagram itself.
 */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "keeper/core.h"
#include "keeper/init.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct nj_clock_fake clock;
	struct nj_random_fake random;
	struct nj_link link;
	struct nj_keeper *keeper;
	struct nj_knock_keys keys;
	struct nj_knock_body body;
	uint64_t counter;
	uint64_t grants;
} fz;

static bool connected(const struct nj_link *link)
{
	return true;
}

static void request(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg)
{
	done(arg, NJ_OK, "");
}

static enum nj_err grant(struct nj_link *link, const struct nj_grant *given)
{
	fz.grants++;
	return NJ_ERR_CLOSED;
}

static void grant_end(struct nj_link *link, uint64_t id)
{
}

static bool rekey(struct nj_link *link, const struct nj_ipc *message)
{
	return false;
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

static void device_from(const json_t *credentials)
{
	uint8_t root_key[NJ_KEY_BYTES];

	must(nj_hex_decode(nj_view_str(json_string_value(json_object_get(credentials, "uid"))), fz.body.uid,
			   sizeof(fz.body.uid)) == NJ_OK);
	must(nj_hex_decode(nj_view_str(json_string_value(json_object_get(credentials, "key"))), root_key,
			   sizeof(root_key)) == NJ_OK);
	nj_knock_derive(root_key, fz.body.uid, &fz.keys);
	fz.body.version = NJ_KNOCK_VERSION;
	fz.body.service = NJ_SERVICE_MQTTS;
}

static void ask(const char *verb, json_t *args, json_t **out_ok)
{
	struct nj_why why;

	must(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, fz.keeper, verb, args, NULL, NULL, out_ok,
			       &why) == NJ_OK);
	json_decref(args);
}

static void start(const char *dir)
{
	char store[64];
	char key_file[64];
	struct nj_keeper_init_result made;
	struct nj_cloak *cloak;
	struct nj_why why;
	json_t *ok = NULL;

	(void)snprintf(store, sizeof(store), "%s/k.db", dir);
	(void)snprintf(key_file, sizeof(key_file), "%s/key", dir);
	const struct nj_keeper_init_config init = { .store_path = store,
						    .key_file = key_file,
						    .host = "h",
						    .clock = &fz.clock.clock,
						    .random = &fz.random.random };
	const struct nj_keeper_config config = { .store_path = store,
						 .key_file = key_file,
						 .clock = &fz.clock.clock,
						 .random = &fz.random.random,
						 .host = "h",
						 .ports = { [NJ_SERVICE_MQTTS] = 8883 },
						 .max_devices = 16 };

	must(nj_keeper_init(&init, &made, &why) == NJ_OK);
	must(nj_keeper_open(&config, &fz.keeper, NULL, &why) == NJ_OK);
	fz.link.ops = &ops;
	nj_keeper_set_link(fz.keeper, &fz.link);
	must(nj_cloak_fake_new(&cloak) == NJ_OK && nj_keeper_start(fz.keeper, cloak, &why) == NJ_OK);
	ask("profile.set", json_pack("{s:s, s:[s]}", "name", "p", "publish", "a"), NULL);
	ask("device.add", json_pack("{s:s, s:s}", "name", "d", "profile", "p"), &ok);
	device_from(ok);
	json_decref(ok);
	/* The files stay open without their names. */
	(void)unlink(store);
	(void)unlink(key_file);
}

static void set_up(void)
{
	char dir[] = "/tmp/nj-fuzz-XXXXXX";

	must(nj_crypto_init() == NJ_OK && mkdtemp(dir) != NULL);
	nj_clock_fake_init(&fz.clock, UINT64_C(1000000000000), UINT64_C(1790000000000));
	nj_random_fake_init(&fz.random, 1);
	start(dir);
}

static void deliver(const uint8_t *bytes, size_t len)
{
	struct nj_udp_datagram datagram = { .bytes = nj_view_of(bytes, len) };

	nj_keeper_datagrams(fz.keeper, &datagram, 1);
}

/* The next true knock with some bytes set. Returns true when nothing differs from the true one. */
static bool mutate(const uint8_t *data, size_t size, uint8_t out[NJ_KNOCK_BYTES])
{
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES] = { 0 };
	uint8_t whole[NJ_KNOCK_BYTES];

	nj_knock_seal(&fz.keys, fz.counter + 1, fresh, &fz.body, whole);
	memcpy(out, whole, NJ_KNOCK_BYTES);
	for (size_t i = 0; i + 1 < size; i += 2)
		out[data[i] % NJ_KNOCK_BYTES] ^= data[i + 1];
	return memcmp(out, whole, NJ_KNOCK_BYTES) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t knock[NJ_KNOCK_BYTES];
	uint64_t before = fz.grants;

	if (fz.keeper == NULL)
		set_up();
	if (size == 0)
		return 0;
	if (data[0] % 4 == 0) {
		deliver(data + 1, size - 1);
		must(fz.grants == before);
		return 0;
	}
	/* True ones are rare, so that the run is not one of commits. */
	bool whole = mutate(data + 1, size - 1, knock);

	if (whole && data[0] != 255)
		return 0;
	if (whole)
		nj_clock_fake_advance_ms(&fz.clock, 5000);
	deliver(knock, sizeof(knock));
	if (whole)
		must(nj_keeper_flush(fz.keeper) == NJ_OK);
	must(fz.grants == before + (whole ? 1 : 0));
	fz.counter += whole ? 1 : 0;
	return 0;
}
