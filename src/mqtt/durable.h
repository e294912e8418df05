/*
 * What makes a broker durable, as a table of operations: a committer on disk, or a test's. The broker submits groups of
 * operations (store/messages.h), at most one at a time, and takes them back when they are on disk or have failed; it
 * acknowledges nothing before. A broker without this keeps everything in memory and acknowledges at once.
 */
#ifndef NJ_MQTT_DURABLE_H
#define NJ_MQTT_DURABLE_H

#include "store/messages.h"

struct nj_mqtt_durable {
	void *arg;
	int fd; /* readable when a group has come back; -1: the owner calls nj_mqtt_journal_collect */
	/* On the broker's thread. */
	void (*submit)(void *arg, struct nj_messages_group *group);
	struct nj_messages_group *(*finished)(void *arg);
	/* Numbers that were never given before; any thread. 0: there are no more. */
	uint32_t (*next_session)(void *arg);
	uint64_t (*next_shared)(void *arg);
	bool relaxed; /* QoS 1 and retained messages are acknowledged before they are on disk */
};

#endif
