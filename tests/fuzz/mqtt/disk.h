/*
 * A small store of messages in memory for the targets that feed a durable broker: a group waits until it is committed,
 * or fails, or the gateway dies; what was committed survives. One thread.
 */
#ifndef NJ_FUZZ_MQTT_DISK_H
#define NJ_FUZZ_MQTT_DISK_H

#include "fuzz/mqtt/gate.h"

#define DISK_ROWS 192
#define DISK_ROW_BYTES 640 /* more than a packet */
#define DISK_CHECK CHECK
#include "unit/mqtt/disk_rows.h"

struct disk {
	struct disk_row rows[DISK_ROWS];
	struct nj_messages_group *under_way;
	struct nj_messages_group *finished;
	uint32_t last_session;
	uint64_t last_shared;
};

static inline void disk_submit(void *arg, struct nj_messages_group *group)
{
	struct disk *disk = arg;

	CHECK(disk->under_way == NULL);
	disk->under_way = group;
}

static inline struct nj_messages_group *disk_finished(void *arg)
{
	struct disk *disk = arg;
	struct nj_messages_group *group = disk->finished;

	disk->finished = NULL;
	return group;
}

static inline uint32_t disk_next_session(void *arg)
{
	return ++((struct disk *)arg)->last_session;
}

static inline uint64_t disk_next_shared(void *arg)
{
	return ++((struct disk *)arg)->last_shared;
}

/* What is under way is written, or fails. A disk without room for it fails too. */
static inline void disk_commit(struct gate *gate, struct disk *disk, bool fails)
{
	struct nj_messages_group *group = disk->under_way;
	size_t left = 0;

	if (group == NULL)
		return;
	for (size_t i = 0; i < DISK_ROWS; i++)
		left += disk->rows[i].type == 0;
	disk->under_way = NULL;
	group->commit.result = fails || left < group->commit.operations ? NJ_ERR_FULL : NJ_OK;
	if (group->commit.result == NJ_OK)
		NJ_LIST_EACH (&group->ops, at)
			disk_apply(disk->rows, NJ_CONTAINER(at, struct nj_messages_op, link));
	NJ_LIST_EACH (&group->pages, at)
		disk_page(disk->rows, NJ_CONTAINER(at, struct nj_messages_page, link));
	disk->finished = group;
	nj_mqtt_durable_collect(gate->broker);
}

static inline struct nj_party *disk_party(void *arg, const uint8_t *uid)
{
	(void)uid;
	return &((struct gate *)arg)->party;
}

/* Makes a new broker durable, and tells it what is there. */
static inline void disk_restore(struct gate *gate, struct disk *disk)
{
	const struct nj_mqtt_durable durable = { .arg = disk,
						 .fd = -1,
						 .submit = disk_submit,
						 .finished = disk_finished,
						 .next_session = disk_next_session,
						 .next_shared = disk_next_shared };
	struct nj_mqtt_restore *restore;

	CHECK(nj_mqtt_durable_begin(gate->broker, &durable) == NJ_OK);
	CHECK(nj_mqtt_restore_new(gate->broker, &gate->random.random, &restore) == NJ_OK);
	disk_restore_rows(disk->rows, restore, gate->party.names.customer, disk_party, gate);
	nj_mqtt_restore_free(restore);
}

/* The gateway dies and comes back: what was not committed never was. */
static inline void disk_crash(struct gate *gate, struct disk *disk)
{
	disk->under_way = disk->finished = NULL;
	nj_mqtt_broker_free(gate->broker);
	CHECK(nj_reactor_turn(gate->reactor, 0) == NJ_OK);
	for (size_t c = 0; c < CLIENTS; c++) {
		if (gate->fds[c] >= 0)
			close(gate->fds[c]);
		gate->fds[c] = -1;
	}
	CHECK(nj_mqtt_broker_new(gate->reactor, &gate->random.random, &limits, NULL, &gate->broker) == NJ_OK);
	disk_restore(gate, disk);
}

#endif
