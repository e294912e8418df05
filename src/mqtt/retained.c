#include "mqtt/retained.h"

#define SWEEP_MAX 32 /* expired messages that one look-up removes */

enum nj_err nj_mqtt_retained_init(struct nj_mqtt_retained *retained, struct nj_mqtt_retained_quota *quota,
				  struct nj_mqtt_budget *budget, uint64_t *ids, size_t max_topic_bytes,
				  struct nj_random *random)
{
	retained->quota = quota;
	retained->counts = true;
	return nj_mqtt_tree_init(&retained->tree, budget, ids, max_topic_bytes, random);
}

static bool is_empty(const struct nj_mqtt_message *message)
{
	return message == NULL || message->content.payload.len == 0;
}

static void drop(struct nj_mqtt_retained *retained, struct nj_mqtt_node *node)
{
	struct nj_mqtt_message *message = node->retained;
	retained->count -= !is_empty(message);
	if (retained->counts && !is_empty(message)) {
		retained->quota->count--;
		retained->quota->bytes -= nj_mqtt_content_bytes(&message->content);
	}
	node->retained = NULL;
	nj_mqtt_message_unref(message);
}

static void drop_node(void *arg, struct nj_mqtt_node *node)
{
	drop(arg, node);
}

void nj_mqtt_retained_done(struct nj_mqtt_retained *retained)
{
	if (retained->tree.root == NULL)
		return;
	nj_mqtt_tree_each(&retained->tree, drop_node, retained);
	nj_mqtt_tree_done(&retained->tree);
}

static uint64_t without(uint64_t total, uint64_t part)
{
	return total > part ? total - part : 0;
}

/* Room for `bytes` more after `former` (may be NULL) is gone. The replica that counts may not have heard of that one
 * yet. */
static bool fits(const struct nj_mqtt_retained_quota *quota, const struct nj_mqtt_message *former, uint64_t bytes)
{
	uint64_t freed = is_empty(former) ? 0 : nj_mqtt_content_bytes(&former->content);
	uint64_t count = without(quota->count, is_empty(former) ? 0 : 1);
	return count < quota->max_count && without(quota->bytes, freed) + bytes <= quota->max_bytes;
}

enum nj_err nj_mqtt_retained_keep(struct nj_mqtt_retained *retained, struct nj_mqtt_message *message)
{
	struct nj_mqtt_node *node;
	NJ_TRY(nj_mqtt_tree_make(&retained->tree, message->content.topic, &node));
	if (node->retained != NULL && node->retained->change > message->change)
		return NJ_OK;
	drop(retained, node);
	node->retained = nj_mqtt_message_ref(message);
	retained->count += !is_empty(message);
	if (retained->counts && !is_empty(message)) {
		retained->quota->count++;
		retained->quota->bytes += nj_mqtt_content_bytes(&message->content);
	}
	return NJ_OK;
}

enum nj_err nj_mqtt_retained_put(struct nj_mqtt_retained *retained, struct nj_mqtt_message *message)
{
	const struct nj_mqtt_node *node = nj_mqtt_tree_get(&retained->tree, message->content.topic);
	uint64_t bytes = nj_mqtt_content_bytes(&message->content);
	if (!fits(retained->quota, node != NULL ? node->retained : NULL, bytes))
		return NJ_ERR_LIMIT;
	return nj_mqtt_retained_keep(retained, message);
}

void nj_mqtt_retained_remove(struct nj_mqtt_retained *retained, struct nj_view topic)
{
	struct nj_mqtt_node *node = nj_mqtt_tree_get(&retained->tree, topic);
	if (node == NULL)
		return;
	drop(retained, node);
	nj_mqtt_tree_prune(&retained->tree, node);
}

struct lookup {
	nj_mqtt_message_fn fn;
	void *arg;
	uint64_t now_ms;
	struct nj_mqtt_node *expired[SWEEP_MAX];
	size_t expired_count;
};

static void tell_live(void *arg, struct nj_mqtt_node *node)
{
	struct lookup *lookup = arg;
	if (is_empty(node->retained))
		return;
	if (!nj_mqtt_content_expired(&node->retained->content, lookup->now_ms))
		lookup->fn(lookup->arg, node->retained);
	else if (lookup->expired_count < SWEEP_MAX)
		lookup->expired[lookup->expired_count++] = node;
}

void nj_mqtt_retained_each(struct nj_mqtt_retained *retained, struct nj_view filter, uint64_t now_ms,
			   nj_mqtt_message_fn fn, void *arg)
{
	struct lookup lookup = { .fn = fn, .arg = arg, .now_ms = now_ms };
	nj_mqtt_tree_find(&retained->tree, filter, tell_live, &lookup);
	/* Parents come before their children: pruning takes emptied parents along, and none of them is still to come.
	 */
	for (size_t i = 0; i < lookup.expired_count; i++)
		drop(retained, lookup.expired[i]);
	for (size_t i = 0; i < lookup.expired_count; i++)
		nj_mqtt_tree_prune(&retained->tree, lookup.expired[i]);
}
