/*
 * A tree of topic levels, for subscriptions (levels may be '+' and '#') and for retained messages (they may not). Nodes
 * are found by parent and level in one hash table, so that a match costs the topic's levels, not the number of nodes.
 * Each level of a topic is a node; empty nodes are pruned. Belongs to one broker's thread.
 */
#ifndef NJ_MQTT_TREE_H
#define NJ_MQTT_TREE_H

#include "base/list.h"
#include "base/map.h"
#include "mqtt/message.h"

struct nj_mqtt_group;

struct nj_mqtt_node {
	struct nj_mqtt_node *parent;
	struct nj_mqtt_node *plus; /* the child '+' */
	struct nj_mqtt_node *hash; /* the child '#' */
	struct nj_list children;
	struct nj_list sibling;
	struct nj_list entries;       /* subscriptions */
	struct nj_mqtt_group *groups; /* shared subscriptions: share.h */
	struct nj_mqtt_message *retained;
	uint64_t id;             /* of all trees with the same `ids` */
	uint32_t named_children; /* children that are neither '+' nor '#' */
	uint16_t level_bytes;
	uint16_t reactors;  /* brokers of the fabric, a bit each, with entries here; ours: what the others know */
	uint64_t parent_id; /* with the level, the key in the table */
	uint8_t level[];
};

struct nj_mqtt_tree {
	struct nj_map nodes;
	struct nj_mqtt_node *root;
	struct nj_mqtt_budget *budget;
	uint64_t *ids;    /* counter that gives nodes their numbers */
	uint64_t visited; /* nodes that nj_mqtt_tree_find has looked at so far */
	uint8_t *key;     /* room for one key */
	size_t key_cap;   /* levels that are longer do not exist */
};

#define NJ_MQTT_NODES_MAX (16u << 20)

/* `max_topic_bytes`: no level is longer. */
NJ_MUST_USE enum nj_err nj_mqtt_tree_init(struct nj_mqtt_tree *tree, struct nj_mqtt_budget *budget, uint64_t *ids,
					  size_t max_topic_bytes, struct nj_random *random);
/* Frees the nodes; what hangs on them is the owner's to take off before. */
void nj_mqtt_tree_done(struct nj_mqtt_tree *tree);
/* The node of exactly this topic or filter; NULL when absent. */
struct nj_mqtt_node *nj_mqtt_tree_get(struct nj_mqtt_tree *tree, struct nj_view topic);
/* The same, made where absent. NJ_ERR_LIMIT, NJ_ERR_NO_MEMORY; nothing is made then. */
NJ_MUST_USE enum nj_err nj_mqtt_tree_make(struct nj_mqtt_tree *tree, struct nj_view topic,
					  struct nj_mqtt_node **out_node);
/* Removes a node that holds nothing, and its parents likewise. */
void nj_mqtt_tree_prune(struct nj_mqtt_tree *tree, struct nj_mqtt_node *node);

typedef void (*nj_mqtt_node_fn)(void *arg, struct nj_mqtt_node *node);
/* Nodes with entries or groups, here or elsewhere, whose filter matches the topic name (4.7.1, 4.7.2). `fn` must not
 * change the tree. */
void nj_mqtt_tree_match(struct nj_mqtt_tree *tree, struct nj_view topic, nj_mqtt_node_fn fn, void *arg);
/* Nodes with a retained message whose topic the filter matches. `fn` must not change the tree. */
void nj_mqtt_tree_find(struct nj_mqtt_tree *tree, struct nj_view filter, nj_mqtt_node_fn fn, void *arg);

/* Every node. `fn` must not change the tree, but may free what hangs on the node. */
void nj_mqtt_tree_walk(struct nj_mqtt_tree *tree, nj_mqtt_node_fn fn, void *arg);
/* Every node with a retained message. `fn` must not change the tree. */
void nj_mqtt_tree_each(struct nj_mqtt_tree *tree, nj_mqtt_node_fn fn, void *arg);

/* Number of levels: one more than slashes. */
size_t nj_mqtt_topic_levels(struct nj_view topic);

#endif
