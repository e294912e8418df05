/* A keeper on real stores in a folder of its own, with a fake clock, the fake cloak and a gateway that the test plays.
 */
#ifndef KEEPER_FIXTURE_H
#define KEEPER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "keeper/core.h"
#include "keeper/init.h"

#define PORT 8883
#define GRANTS_SEEN_MAX 256

/* The gateway as the keeper sees it. */
struct played {
	struct nj_link link;
	bool connected;
	bool silent;          /* takes requests and never answers */
	enum nj_err answer;   /* to requests */
	enum nj_err granting; /* to grants */
	struct nj_ipc last;
	unsigned requests;
	nj_link_done_fn waiting; /* the last unanswered request */
	void *waiting_arg;
	struct nj_grant grants[GRANTS_SEEN_MAX];
	size_t grant_count;
	size_t ended_count;
	struct nj_ipc_rekey offer; /* the last of each; grant_id 0: none */
	struct nj_ipc_rekey done;
	struct nj_ipc_rekey_cut cut;
	unsigned cuts;
	bool deaf; /* takes no message of a rekey: its queue is full */
};

static inline bool played_connected(const struct nj_link *link)
{
	return NJ_CONTAINER(link, const struct played, link)->connected;
}

static inline void played_request(struct nj_link *link, struct nj_ipc *message, nj_link_done_fn done, void *arg)
{
	struct played *played = NJ_CONTAINER(link, struct played, link);

	played->last = *message;
	played->requests++;
	played->waiting = done;
	played->waiting_arg = arg;
	if (!played->silent) {
		played->waiting = NULL;
		done(arg, played->connected ? played->answer : NJ_ERR_CLOSED, "");
	}
}

static inline enum nj_err played_grant(struct nj_link *link, const struct nj_grant *grant)
{
	struct played *played = NJ_CONTAINER(link, struct played, link);

	if (played->granting != NJ_OK)
		return played->granting;
	assert_true(played->grant_count < GRANTS_SEEN_MAX);
	played->grants[played->grant_count++] = *grant;
	return NJ_OK;
}

static inline void played_grant_end(struct nj_link *link, uint64_t id)
{
	NJ_CONTAINER(link, struct played, link)->ended_count++;
}

static inline bool played_rekey(struct nj_link *link, const struct nj_ipc *message)
{
	struct played *played = NJ_CONTAINER(link, struct played, link);

	if (!played->connected || played->deaf)
		return false;
	if (message->type == NJ_IPC_REKEY_OFFER)
		played->offer = message->as.rekey;
	else if (message->type == NJ_IPC_REKEY_DONE)
		played->done = message->as.rekey;
	else
		played->cut = message->as.rekey_cut;
	played->cuts += message->type == NJ_IPC_REKEY_CUT;
	return true;
}

static inline void played_tick(struct nj_link *link)
{
}

static const struct nj_link_ops played_ops = {
	.connected = played_connected,
	.request = played_request,
	.grant = played_grant,
	.grant_end = played_grant_end,
	.rekey = played_rekey,
	.tick = played_tick,
	.free = played_tick,
};

struct fixture {
	char dir[64];
	char store[96];
	char key_file[96];
	char recovery[NJ_RECOVERY_TEXT_BYTES]; /* the printed key */
	struct nj_clock_fake clock;
	struct nj_random_fake random;
	struct played gateway;
	struct nj_cloak *cloak;
	struct nj_keeper *keeper;
};

static inline struct nj_keeper_config fixture_config(struct fixture *f)
{
	return (struct nj_keeper_config){
		.store_path = f->store,
		.key_file = f->key_file,
		.clock = &f->clock.clock,
		.random = &f->random.random,
		.host = "gateway.test",
		.knock_port = 62201,
		.ports = { [NJ_SERVICE_MQTTS] = PORT,
			   [NJ_SERVICE_MQTT] = 1883,
			   [NJ_SERVICE_HTTPS] = 8443,
			   [NJ_SERVICE_ENROLMENT] = 8844 },
		.max_devices = 200000,
		.max_grants = 64,
	};
}

static inline void fixture_open(struct fixture *f)
{
	struct nj_keeper_config config = fixture_config(f);
	struct nj_why why = { "" };

	if (nj_keeper_open(&config, &f->keeper, NULL, &why) != NJ_OK)
		fail_msg("%s", why.text);
	nj_keeper_set_link(f->keeper, &f->gateway.link);
}

static inline void fixture_start(struct fixture *f)
{
	struct nj_why why = { "" };

	fixture_open(f);
	assert_int_equal(nj_cloak_fake_new(&f->cloak), NJ_OK);
	assert_int_equal(nj_keeper_start(f->keeper, f->cloak, &why), NJ_OK);
	nj_keeper_gateway_here(f->keeper);
}

/* As a kill would leave it: nothing is stopped, flushed or checkpointed; only the lock goes. */
static inline void fixture_drop(struct fixture *f)
{
	nj_keeper_close(f->keeper);
	f->keeper = NULL;
	if (f->cloak != NULL)
		f->cloak->ops->free(f->cloak);
	f->cloak = NULL;
}

static inline void fixture_new(struct fixture *f)
{
	struct nj_keeper_init_config init;
	struct nj_keeper_init_result result;
	struct nj_why why = { "" };

	*f = (struct fixture){ .gateway = { .link.ops = &played_ops, .connected = true } };
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nj-keeper-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->store, sizeof(f->store), "%s/keeper.db", f->dir);
	(void)snprintf(f->key_file, sizeof(f->key_file), "%s/vault.key", f->dir);
	assert_int_equal(nj_crypto_init(), NJ_OK);
	nj_clock_fake_init(&f->clock, UINT64_C(1000000000000), UINT64_C(1790000000000));
	nj_random_fake_init(&f->random, 7);
	init = (struct nj_keeper_init_config){ .store_path = f->store,
					       .key_file = f->key_file,
					       .host = "gateway.test",
					       .clock = &f->clock.clock,
					       .random = &f->random.random };
	assert_int_equal(nj_keeper_init(&init, &result, &why), NJ_OK);
	memcpy(f->recovery, result.recovery, sizeof(f->recovery));
}

static inline void fixture_free(struct fixture *f)
{
	static const char *const names[] = { "keeper.db", "keeper.db-wal", "keeper.db-shm",
					     "vault.key", "gateway.db",    "gateway.db-wal" };
	char path[128];

	fixture_drop(f);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(f->dir);
}

/* ---- administration ---- */

static inline enum nj_err ask(struct fixture *f, const char *verb, json_t *args, json_t **out_ok)
{
	struct nj_why why = { "" };
	enum nj_err err =
	    nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, f->keeper, verb, args, NULL, NULL, out_ok, &why);

	json_decref(args);
	return err;
}

static inline void set_profile(struct fixture *f, const char *name, const char *service, bool plain)
{
	json_t *args = json_pack("{s:s, s:[s], s:[s], s:b}", "name", name, "services", service, "publish",
				 "dev/{device}/#", "plain", (int)plain);

	assert_int_equal(ask(f, "profile.set", args, NULL), NJ_OK);
}

/* A keeper that serves, with the profile "sensor" for devices over TLS. */
static inline void fixture_serve(struct fixture *f)
{
	fixture_new(f);
	fixture_start(f);
	set_profile(f, "sensor", "mqtts", false);
}

/* ---- a device ---- */

struct device {
	uint8_t uid[NJ_UID_BYTES];
	uint8_t root_key[NJ_KEY_BYTES];
	struct nj_knock_keys keys;
	struct nj_knock_body body;
};

static inline void device_from(struct device *device, const json_t *credentials)
{
	*device = (struct device){ .body = { .version = NJ_KNOCK_VERSION, .service = NJ_SERVICE_MQTTS } };
	assert_int_equal(nj_hex_decode(nj_view_str(json_string_value(json_object_get(credentials, "uid"))), device->uid,
				       sizeof(device->uid)),
			 NJ_OK);
	assert_int_equal(nj_hex_decode(nj_view_str(json_string_value(json_object_get(credentials, "key"))),
				       device->root_key, sizeof(device->root_key)),
			 NJ_OK);
	nj_knock_derive(device->root_key, device->uid, &device->keys);
	memcpy(device->body.uid, device->uid, sizeof(device->uid));
}

static inline void add_device(struct fixture *f, const char *name, const char *profile, struct device *device)
{
	json_t *ok = NULL;

	assert_int_equal(ask(f, "device.add", json_pack("{s:s, s:s}", "name", name, "profile", profile), &ok), NJ_OK);
	device_from(device, ok);
	json_decref(ok);
}

struct knock {
	uint8_t bytes[NJ_KNOCK_BYTES];
	struct nj_udp_datagram datagram;
};

static inline struct nj_addr address(const char *text)
{
	struct nj_addr addr;

	assert_int_equal(nj_addr_parse(text, &addr), NJ_OK);
	return addr;
}

static inline void knock_make(struct fixture *f, const struct device *device, uint64_t counter, const char *from,
			      struct knock *knock)
{
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES];

	nj_random_fill(&f->random.random, fresh, sizeof(fresh));
	nj_knock_seal(&device->keys, counter, fresh, &device->body, knock->bytes);
	knock->datagram.bytes = nj_view_of(knock->bytes, sizeof(knock->bytes));
	knock->datagram.source = address(from);
	knock->datagram.source.port = 40000;
}

/* Sends and lets the group's time pass, so that it is committed. */
static inline void deliver(struct fixture *f, const struct knock *knock)
{
	nj_keeper_datagrams(f->keeper, &knock->datagram, 1);
	nj_clock_fake_advance_ms(&f->clock, NJ_KEEPER_GROUP_MS);
	nj_keeper_tick(f->keeper);
}

static inline void deliver_new(struct fixture *f, const struct device *device, uint64_t counter, const char *from)
{
	struct knock knock;

	knock_make(f, device, counter, from, &knock);
	deliver(f, &knock);
}

static inline bool passes(struct fixture *f, const char *from, uint16_t port)
{
	struct nj_addr addr = address(from);

	return nj_cloak_fake_would_pass(f->cloak, &addr, port, nj_clock_boot_ns(&f->clock.clock));
}

/* Time in steps that keep the lease alive, as the process's loop would. */
static inline void advance(struct fixture *f, uint64_t ms)
{
	for (uint64_t done = 0; done < ms; done += NJ_CLOAK_LEASE_MS) {
		nj_clock_fake_advance_ms(&f->clock, NJ_CLOAK_LEASE_MS);
		nj_keeper_tick(f->keeper);
	}
}

#endif
