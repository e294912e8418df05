/* Intrusive doubly linked list with a head node. One owner, no locking; every operation is constant time. */
#ifndef NJ_BASE_LIST_H
#define NJ_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct nj_list {
	struct nj_list *prev;
	struct nj_list *next;
};

#define NJ_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void nj_list_init(struct nj_list *head)
{
	head->prev = head;
	head->next = head;
}

static inline bool nj_list_empty(const struct nj_list *head)
{
	return head->next == head;
}

static inline void nj_list_insert_before(struct nj_list *at, struct nj_list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void nj_list_push_back(struct nj_list *head, struct nj_list *node)
{
	nj_list_insert_before(head, node);
}

static inline void nj_list_push_front(struct nj_list *head, struct nj_list *node)
{
	nj_list_insert_before(head->next, node);
}

/* Leaves `node` an empty list of its own, so that removing twice is harmless. */
static inline void nj_list_remove(struct nj_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	nj_list_init(node);
}

/* Safe against the removal of the current node. */
#define NJ_LIST_EACH(head, node)                                                             \
	for (struct nj_list *node = (head)->next, *node##_next = node->next; node != (head); \
	     node = node##_next, node##_next = node->next)

#endif
