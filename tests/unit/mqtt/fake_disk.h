/*
 * A store of messages in memory for tests: groups wait until the test commits them, or fails them, or lets the gateway
 * die; what was committed survives. Tests only.
 */
#ifndef TESTS_UNIT_MQTT_FAKE_DISK_H
#define TESTS_UNIT_MQTT_FAKE_DISK_H

#include "unit/mqtt/client.h"

#define DISK_ROWS 4096
#define DISK_ROW_BYTES 256
#define DISK_CHECK assert_true
#include "unit/mqtt/disk_rows.h"

/* One broker's groups. */
struct disk_way {
	struct disk *disk;
	struct nj_messages_group *under_way;
	struct nj_messages_group *finished;
};

struct disk {
	struct disk_row rows[DISK_ROWS];
	struct disk_way ways[NJ_MQTT_REACTORS_MAX];
	uint32_t last_session;
	uint64_t last_shared;
	unsigned commits, enqueued; /* rows of queues that were written */
	enum nj_err fails;          /* what commits come to */
	bool relaxed;
};

static void disk_submit(void *arg, struct nj_messages_group *group)
{
	struct disk_way *way = arg;
	assert_null(way->under_way);
	way->under_way = group;
}

static struct nj_messages_group *disk_finished(void *arg)
{
	struct disk_way *way = arg;
	struct nj_messages_group *group = way->finished;
	way->finished = NULL;
	return group;
}

static uint32_t disk_next_session(void *arg)
{
	return ++((struct disk_way *)arg)->disk->last_session;
}

static uint64_t disk_next_shared(void *arg)
{
	return ++((struct disk_way *)arg)->disk->last_shared;
}

static void disk_commit_way(struct disk_way *way)
{
	struct disk *disk = way->disk;
	struct nj_messages_group *group = way->under_way;
	way->under_way = NULL;
	disk->commits++;
	group->commit.result = disk->fails;
	if (disk->fails == NJ_OK)
		NJ_LIST_EACH (&group->ops, at) {
			const struct nj_messages_op *op = NJ_CONTAINER(at, struct nj_messages_op, link);
			disk_apply(disk->rows, op);
			disk->enqueued += op->type == NJ_MESSAGES_ENQUEUE;
		}
	NJ_LIST_EACH (&group->pages, at)
		disk_page(disk->rows, NJ_CONTAINER(at, struct nj_messages_page, link));
	way->finished = group;
}

/* Whether something was under way. */
static bool disk_commit(struct disk *disk)
{
	bool any = false;
	for (size_t i = 0; i < NJ_MQTT_REACTORS_MAX; i++) {
		if (disk->ways[i].under_way == NULL)
			continue;
		any = true;
		disk_commit_way(&disk->ways[i]);
	}
	return any;
}

static inline void disk_collect(struct gate *gate)
{
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++)
		nj_mqtt_durable_collect(nj_mqtt_fabric_broker(gate->fabric, i));
}

/* Passes this much time, with everything that comes up meanwhile written. */
static inline void settle_for(struct gate *gate, struct disk *disk, uint64_t ms)
{
	for (uint64_t i = 0; i <= ms; i++) {
		turns(gate);
		if (disk_commit(disk))
			disk_collect(gate);
		turns(gate);
		nj_clock_fake_advance_ms(&gate->clock, 1);
	}
}

static inline struct nj_party *disk_party(void *arg, const uint8_t *uid)
{
	return &((struct gate *)arg)->parties[uid[0] - 1];
}

static inline void disk_restore(struct gate *gate, struct disk *disk)
{
	struct nj_mqtt_durable durable = { .fd = -1,
					   .submit = disk_submit,
					   .finished = disk_finished,
					   .next_session = disk_next_session,
					   .next_shared = disk_next_shared,
					   .relaxed = disk->relaxed };
	struct nj_mqtt_restore *restore;
	for (size_t i = 0; i < nj_mqtt_fabric_count(gate->fabric); i++) {
		disk->ways[i] = (struct disk_way){ .disk = disk };
		durable.arg = &disk->ways[i];
		assert_int_equal(nj_mqtt_durable_begin(nj_mqtt_fabric_broker(gate->fabric, i), &durable), NJ_OK);
	}
	assert_int_equal(nj_mqtt_restore_new(nj_mqtt_fabric_broker(gate->fabric, 0), &gate->random.random, &restore),
			 NJ_OK);
	disk_restore_rows(disk->rows, restore, "acme", disk_party, gate);
	nj_mqtt_restore_free(restore);
}

static inline struct nj_mqtt_limits disk_limits(void)
{
	struct nj_mqtt_limits limits = gate_limits;
	limits.max_memory_bytes = 4 << 20;
	limits.max_queued_messages = 1000;
	limits.customer_queued_bytes = limits.total_queued_bytes = 1 << 20;
	return limits;
}

/* The gateway dies and comes back: what was not committed never was. `down_ms` pass on every clock. */
static inline void gate_crash(struct gate *gate, struct disk *disk, uint64_t down_ms)
{
	struct nj_mqtt_limits limits = disk_limits();
	struct nj_mqtt_hooks hooks = { .arg = gate, .on_connected = seen_connected, .on_error = seen_error };
	memset(disk->ways, 0, sizeof(disk->ways));
	nj_mqtt_fabric_free(gate->fabric);
	turns(gate);
	nj_clock_fake_advance_ms(&gate->clock, down_ms);
	gate_fabric(gate, &limits, &hooks);
	disk_restore(gate, disk);
	turns(gate);
}

#endif
