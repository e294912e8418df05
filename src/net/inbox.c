#include "net/internal.h"

/*
 * Producers push onto a stack by compare-and-swap; the consumer takes the whole stack at once and turns it round, so a
 * producer's posts keep their order. Nothing is popped one by one, so there is no ABA.
 */
bool nj_inbox_push(struct nj_inbox *inbox, struct nj_post *post)
{
	struct nj_post *top = atomic_load_explicit(&inbox->top, memory_order_relaxed);

	do
		post->next = top;
	while (!atomic_compare_exchange_weak(&inbox->top, &top, post));
	/* Sequentially consistent with nj_inbox_sleep: either it sees the post, or this sees it asleep. The first to
	 * wake it is the only one. */
	return atomic_load(&inbox->asleep) && atomic_exchange(&inbox->asleep, false);
}

bool nj_inbox_empty(const struct nj_inbox *inbox)
{
	return atomic_load_explicit(&inbox->top, memory_order_relaxed) == NULL;
}

bool nj_inbox_sleep(struct nj_inbox *inbox)
{
	atomic_store(&inbox->asleep, true);
	return atomic_load(&inbox->top) == NULL;
}

void nj_inbox_awake(struct nj_inbox *inbox)
{
	atomic_store_explicit(&inbox->asleep, false, memory_order_relaxed);
}

static struct nj_post *in_order(struct nj_post *stack)
{
	struct nj_post *first = NULL;

	while (stack != NULL) {
		struct nj_post *next = stack->next;

		stack->next = first;
		first = stack;
		stack = next;
	}
	return first;
}

void nj_inbox_run(struct nj_inbox *inbox)
{
	if (nj_inbox_empty(inbox))
		return;
	struct nj_post *post = in_order(atomic_exchange(&inbox->top, NULL));
	while (post != NULL) {
		/* Its callee may hand it on, or free it. */
		struct nj_post *next = post->next;

		post->on_post(post);
		post = next;
	}
}
