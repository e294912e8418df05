#include "keeper/loader.h"

#include <pthread.h>

#include "crypto/crypto.h"

#define THREADS 2
#define BATCH_ROWS 512
#define BATCHES 6 /* under way at most: each thread has one, one waits for each, one is filled, one taken up */
#define STACK_BYTES (256u * 1024)

struct item {
	uint32_t epoch;
	uint8_t sealed_key_len;
	uint8_t sealed_key[NJ_SEALED_KEY_MAX];
	struct nj_loaded loaded;
};

struct batch {
	size_t count;
	bool derived; /* under the lock once it was handed over */
	struct item items[BATCH_ROWS];
};

/* Batches go round in one ring: filled, handed over, derived, taken up, always in this order. */
struct nj_loader {
	const struct nj_vault *vault;
	nj_loaded_fn fn;
	void *arg;
	pthread_t threads[THREADS];
	size_t thread_count;
	uint64_t filling;     /* number of the batch that is filled */
	uint64_t taking;      /* … that is taken up next */
	pthread_mutex_t lock; /* of what follows, and of `derived` */
	pthread_cond_t changed;
	uint64_t handed; /* batches handed over */
	uint64_t begun;  /* batches that a thread took */
	bool ending;
	struct batch batches[BATCHES];
};

static struct batch *batch_at(struct nj_loader *loader, uint64_t number)
{
	return &loader->batches[number % BATCHES];
}

/* ---- deriving: any thread ---- */

static void derive_one(const struct nj_vault *vault, struct item *item)
{
	struct nj_loaded *loaded = &item->loaded;
	uint8_t root_key[NJ_KEY_BYTES];

	loaded->err = nj_vault_open_root_key(vault, loaded->model.uid, item->epoch,
					     nj_view_of(item->sealed_key, item->sealed_key_len), root_key);
	if (loaded->err == NJ_OK) {
		nj_knock_derive_hint_key(root_key, loaded->model.uid, loaded->model.hint_key);
		nj_window_hints_of(loaded->model.hint_key, loaded->model.floor, &loaded->hints);
	}
	nj_wipe(root_key, sizeof(root_key));
}

static void derive(const struct nj_vault *vault, struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		derive_one(vault, &batch->items[i]);
}

static void *thread_run(void *arg)
{
	struct nj_loader *loader = arg;

	(void)pthread_mutex_lock(&loader->lock);
	for (;;) {
		struct batch *batch;

		while (loader->begun == loader->handed && !loader->ending)
			(void)pthread_cond_wait(&loader->changed, &loader->lock);
		if (loader->ending)
			break;
		batch = batch_at(loader, loader->begun++);
		(void)pthread_mutex_unlock(&loader->lock);
		derive(loader->vault, batch);
		(void)pthread_mutex_lock(&loader->lock);
		batch->derived = true;
		(void)pthread_cond_broadcast(&loader->changed);
	}
	(void)pthread_mutex_unlock(&loader->lock);
	return NULL;
}

/* A machine that gives no threads loads with its one, more slowly. */
static void threads_start(struct nj_loader *loader)
{
	pthread_attr_t attributes;

	if (loader->thread_count > 0 || pthread_attr_init(&attributes) != 0)
		return;
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	while (loader->thread_count < THREADS &&
	       pthread_create(&loader->threads[loader->thread_count], &attributes, thread_run, loader) == 0)
		loader->thread_count++;
	(void)pthread_attr_destroy(&attributes);
}

static void threads_end(struct nj_loader *loader)
{
	(void)pthread_mutex_lock(&loader->lock);
	loader->ending = true;
	(void)pthread_cond_broadcast(&loader->changed);
	(void)pthread_mutex_unlock(&loader->lock);
	for (size_t i = 0; i < loader->thread_count; i++)
		(void)pthread_join(loader->threads[i], NULL);
}

/* ---- the caller's thread ---- */

static enum nj_err batch_take_up(struct nj_loader *loader, struct batch *batch)
{
	enum nj_err err = NJ_OK;

	for (size_t i = 0; i < batch->count && err == NJ_OK; i++)
		err = loader->fn(loader->arg, &batch->items[i].loaded);
	nj_wipe(batch->items, batch->count * sizeof(batch->items[0]));
	batch->count = 0;
	batch->derived = false;
	return err;
}

static enum nj_err take_up_next(struct nj_loader *loader)
{
	struct batch *batch = batch_at(loader, loader->taking++);

	(void)pthread_mutex_lock(&loader->lock);
	while (!batch->derived)
		(void)pthread_cond_wait(&loader->changed, &loader->lock);
	(void)pthread_mutex_unlock(&loader->lock);
	return batch_take_up(loader, batch);
}

static void hand_over(struct nj_loader *loader)
{
	threads_start(loader);
	if (loader->thread_count == 0) {
		derive(loader->vault, batch_at(loader, loader->filling));
		batch_at(loader, loader->filling)->derived = true;
	}
	loader->filling++;
	(void)pthread_mutex_lock(&loader->lock);
	loader->handed = loader->filling;
	(void)pthread_cond_broadcast(&loader->changed);
	(void)pthread_mutex_unlock(&loader->lock);
}

enum nj_err nj_loader_new(const struct nj_vault *vault, nj_loaded_fn fn, void *arg, struct nj_loader **out_loader)
{
	struct nj_loader *loader = calloc(1, sizeof(*loader));

	if (loader == NULL)
		return NJ_ERR_NO_MEMORY;
	loader->vault = vault;
	loader->fn = fn;
	loader->arg = arg;
	(void)pthread_mutex_init(&loader->lock, NULL);
	(void)pthread_cond_init(&loader->changed, NULL);
	*out_loader = loader;
	return NJ_OK;
}

enum nj_err nj_loader_put(struct nj_loader *loader, const struct nj_keeper_device *row)
{
	struct batch *batch = batch_at(loader, loader->filling);
	struct item *item = &batch->items[batch->count];

	item->loaded.model = (struct nj_window_device){ .floor = row->floor, .kind = row->kind };
	memcpy(item->loaded.model.uid, row->uid, sizeof(row->uid));
	memcpy(item->loaded.name, row->name, sizeof(row->name));
	memcpy(item->sealed_key, row->sealed_key, row->sealed_key_len);
	item->sealed_key_len = row->sealed_key_len;
	item->epoch = row->epoch;
	if (++batch->count < BATCH_ROWS)
		return NJ_OK;
	hand_over(loader);
	return loader->filling - loader->taking == BATCHES ? take_up_next(loader) : NJ_OK;
}

enum nj_err nj_loader_finish(struct nj_loader *loader, enum nj_err err)
{
	struct batch *last = batch_at(loader, loader->filling);

	while (err == NJ_OK && loader->taking < loader->filling)
		err = take_up_next(loader);
	threads_end(loader);
	if (err == NJ_OK) {
		derive(loader->vault, last);
		err = batch_take_up(loader, last);
	}
	nj_wipe(loader->batches, loader->thread_count > 0 ? sizeof(loader->batches) : sizeof(loader->batches[0]));
	(void)pthread_cond_destroy(&loader->changed);
	(void)pthread_mutex_destroy(&loader->lock);
	free(loader);
	return err;
}
