#include "mqtt/journal.h"

#include "mqtt/post.h"

#define RETRY_MS 200 /* before a group that failed is tried again */
#define NEVER UINT64_MAX

static struct nj_mqtt_record *record_at(struct nj_list *link)
{
	return NJ_CONTAINER(NJ_CONTAINER(link, struct nj_messages_op, link), struct nj_mqtt_record, op);
}

static uint64_t now_of(const struct nj_mqtt_journal *journal)
{
	return nj_reactor_now_ms(journal->broker->reactor);
}

/* ---- records ---- */

/* What ends something is not refused for memory: it is little, and gives back much. */
struct nj_mqtt_record *nj_mqtt_record_new(struct nj_mqtt_journal *journal, enum nj_messages_op_type type,
					  struct nj_mqtt_session *session, size_t more_bytes)
{
	struct nj_mqtt_budget *budget = &journal->broker->shared->budget;
	size_t bytes = sizeof(struct nj_mqtt_record) + more_bytes;
	bool sure = type != NJ_MESSAGES_ENQUEUE && type != NJ_MESSAGES_RECEIVE && type != NJ_MESSAGES_TRIM;
	bool counted = nj_mqtt_budget_take(budget, bytes) == NJ_OK;
	struct nj_mqtt_record *record = counted || sure ? calloc(1, bytes) : NULL;

	if (record == NULL) {
		if (counted)
			nj_mqtt_budget_give(budget, bytes);
		return NULL;
	}
	record->counted_bytes = counted ? (uint32_t)bytes : 0;
	record->sure = sure;
	record->home = journal;
	record->op.type = (uint8_t)type;
	nj_list_init(&record->op.link);
	nj_list_init(&record->by_session);
	if (session != NULL) {
		record->session = session;
		record->op.session = session->keep->no;
		nj_list_push_back(&session->keep->records, &record->by_session);
	}
	return record;
}

void *nj_mqtt_record_more(struct nj_mqtt_record *record)
{
	return record + 1;
}

void nj_mqtt_record_carry(struct nj_mqtt_record *record, struct nj_mqtt_message *message)
{
	const struct nj_mqtt_content *content = &message->content;
	nj_mqtt_message_unref(record->message);
	record->message = nj_mqtt_message_ref(message);
	record->op.body = (struct nj_messages_body){ .bytes = message->bytes,
						     .topic_bytes = (uint32_t)content->topic.len,
						     .properties_bytes = (uint32_t)content->properties.len,
						     .payload_bytes = (uint32_t)content->payload.len };
}

static void free_record(struct nj_mqtt_broker *broker, struct nj_mqtt_record *record)
{
	nj_list_remove(&record->op.link);
	nj_list_remove(&record->by_session);
	nj_mqtt_message_unref(record->message);
	nj_mqtt_budget_give(&broker->shared->budget, record->counted_bytes);
	free(record);
}

/* The group that waited for a record goes on, or is refused. */
static void let_go(struct nj_mqtt_pledge *ahead, bool kept)
{
	if (ahead == NULL)
		return;
	ahead->failed |= !kept;
	nj_mqtt_pledge_routed(ahead);
	nj_mqtt_pledge_release(ahead, kept);
}

/* ---- when a group leaves ----
 *
 * What nobody can make needless leaves with the next turn, unless a group is under way: then it is in the next, so that
 * the disk itself makes groups as large as there is work for. */

static uint64_t next_due(const struct nj_mqtt_journal *journal)
{
	uint64_t due_ms = NEVER;
	if (journal->under_way)
		return NEVER;
	if (!nj_list_empty(&journal->pages) || !nj_list_empty(&journal->urgent) || !nj_list_empty(&journal->last))
		return 0;
	if (!nj_list_empty(&journal->patient) && record_at(journal->patient.next)->due_ms < due_ms)
		due_ms = record_at(journal->patient.next)->due_ms;
	if (!nj_list_empty(&journal->retry) && journal->retry_ms < due_ms)
		due_ms = journal->retry_ms;
	return due_ms;
}

static void plan(struct nj_mqtt_journal *journal)
{
	uint64_t due_ms = next_due(journal);
	uint64_t now_ms = now_of(journal);
	if (due_ms >= journal->due_ms)
		return;
	journal->due_ms = due_ms;
	nj_timer_arm(journal->broker->reactor, &journal->due, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void add(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record)
{
	struct nj_messages_op *op = &record->op;
	nj_list_remove(&op->link);
	nj_list_push_back(&journal->group.ops, &op->link);
	journal->group.commit.operations++;
	if (!record->handed_over)
		record->handed_over = true;
	if (op->type == NJ_MESSAGES_SESSION_PUT && record->session != NULL)
		nj_mqtt_record_fill_row(record);
	if (op->type == NJ_MESSAGES_TRIM && record->session != NULL)
		nj_mqtt_record_fill_trim(record);
}

static void take_sure(struct nj_mqtt_journal *journal, struct nj_list *list)
{
	NJ_LIST_EACH (list, at) {
		if (record_at(at)->sure)
			add(journal, record_at(at));
	}
}

static void take_all(struct nj_mqtt_journal *journal, struct nj_list *list)
{
	while (!nj_list_empty(list))
		add(journal, record_at(list->next));
}

static void take_due(struct nj_mqtt_journal *journal, bool all)
{
	uint64_t now_ms = now_of(journal);
	take_all(journal, &journal->urgent);
	while (!nj_list_empty(&journal->patient) && (all || record_at(journal->patient.next)->due_ms <= now_ms))
		add(journal, record_at(journal->patient.next));
	take_all(journal, &journal->last);
}

/* After a failure what must be written goes by itself, in its order, so that what may be refused does not keep it from
 * the disk; then what may be refused has its turn, and the answer tells whether there is room again. */
static void fill(struct nj_mqtt_journal *journal, bool all)
{
	bool alone = !nj_list_empty(&journal->retry) && journal->troubled && !journal->retried;
	take_all(journal, &journal->retry);
	if (alone) {
		take_sure(journal, &journal->urgent);
		take_sure(journal, &journal->patient);
	} else {
		take_due(journal, all);
	}
	journal->retried = alone;
}

static void hand_over(struct nj_mqtt_journal *journal, bool all)
{
	nj_messages_group_init(&journal->group);
	fill(journal, all);
	while (!nj_list_empty(&journal->pages)) {
		struct nj_list *page = journal->pages.next;
		nj_list_remove(page);
		nj_list_push_back(&journal->group.pages, page);
	}
	if (nj_list_empty(&journal->group.ops) && nj_list_empty(&journal->group.pages))
		return;
	journal->group.commit.reads = !nj_list_empty(&journal->group.pages);
	journal->under_way = true;
	journal->durable.submit(journal->durable.arg, &journal->group);
}

static void on_due(struct nj_timer *timer)
{
	struct nj_mqtt_journal *journal = NJ_CONTAINER(timer, struct nj_mqtt_journal, due);
	journal->due_ms = NEVER;
	if (!journal->under_way && next_due(journal) <= now_of(journal))
		hand_over(journal, false);
	plan(journal);
}

/* ---- opening ---- */

static void make_urgent(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record)
{
	nj_list_push_back(&journal->urgent, &record->op.link);
	record->due_ms = 0;
}

/* Waits differ by session: the list stays in order, and is gone through from its end. */
static void make_patient(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, uint32_t wait_ms)
{
	struct nj_list *at = &journal->patient;
	record->due_ms = now_of(journal) + wait_ms;
	while (at->prev != &journal->patient && record_at(at->prev)->due_ms > record->due_ms)
		at = at->prev;
	nj_list_insert_before(at, &record->op.link);
}

void nj_mqtt_record_open(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, uint32_t wait_ms)
{
	if (wait_ms == 0)
		make_urgent(journal, record);
	else
		make_patient(journal, record, wait_ms);
	plan(journal);
}

void nj_mqtt_record_open_last(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record)
{
	nj_list_push_back(&journal->last, &record->op.link);
	plan(journal);
}

void nj_mqtt_record_gather(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, uint32_t wait_ms)
{
	struct nj_mqtt_pledge *pledge = journal->pledge;
	if (pledge == NULL || !pledge->gathers) {
		nj_mqtt_record_open(journal, record, wait_ms);
		return;
	}
	record->handed_over = true;
	nj_list_push_back(&pledge->unit, &record->op.link);
}

void nj_mqtt_record_open_ahead(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record)
{
	struct nj_mqtt_pledge *pledge = journal->pledge;
	if (pledge != NULL && pledge->gathers) {
		record->ahead = pledge;
		nj_mqtt_pledge_hold(pledge);
		nj_mqtt_pledge_route(pledge);
	}
	nj_mqtt_record_open(journal, record, 0);
}

void nj_mqtt_record_hurry(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record)
{
	if (record->handed_over || record->due_ms == 0)
		return;
	nj_list_remove(&record->op.link);
	make_urgent(journal, record);
	plan(journal);
}

void nj_mqtt_record_elide(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record)
{
	struct nj_mqtt_pledge *pledge = record->pledge;
	struct nj_mqtt_pledge *ahead = record->ahead;
	if (record->delivery != NULL)
		record->delivery->record = NULL;
	free_record(journal->broker, record);
	nj_mqtt_pledge_release(pledge, true);
	let_go(ahead, true);
}

void nj_mqtt_page_ask(struct nj_mqtt_journal *journal, struct nj_mqtt_page *page)
{
	nj_list_push_back(&journal->pages, &page->page.link);
	plan(journal);
}

/* ---- coming back ---- */

/* Who set a retained message is told that it failed; other answers wait until there is room. */
static void try_again(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record)
{
	struct nj_mqtt_pledge *pledge = record->pledge;
	struct nj_mqtt_pledge *ahead = record->ahead;
	nj_list_remove(&record->op.link);
	nj_list_push_back(&journal->retry, &record->op.link);
	record->handed_over = false;
	record->ahead = NULL;
	let_go(ahead, false);
	if (record->op.type != NJ_MESSAGES_RETAIN && record->op.type != NJ_MESSAGES_UNRETAIN)
		return;
	record->pledge = NULL;
	nj_mqtt_pledge_release(pledge, false);
}

static bool worth_another(const struct nj_mqtt_record *record, enum nj_err err)
{
	return record->sure && (err == NJ_ERR_FULL || err == NJ_ERR_IO || err == NJ_ERR_NO_MEMORY);
}

static void finish(struct nj_mqtt_record *record, enum nj_err err)
{
	struct nj_mqtt_journal *journal = record->home;
	struct nj_mqtt_pledge *pledge = record->pledge;
	struct nj_mqtt_pledge *ahead = record->ahead;
	nj_mqtt_count(&journal->refused, err != NJ_OK);
	nj_mqtt_record_done(record, err);
	free_record(journal->broker, record);
	nj_mqtt_pledge_release(pledge, err == NJ_OK);
	let_go(ahead, err == NJ_OK);
}

static void on_home(struct nj_post *post)
{
	struct nj_mqtt_record *record = NJ_CONTAINER(post, struct nj_mqtt_record, post);
	atomic_fetch_sub(&record->home->broker->fabric->errands, 1);
	finish(record, record->result);
}

static void send_home(struct nj_mqtt_journal *journal, struct nj_mqtt_record *record, enum nj_err err)
{
	nj_list_remove(&record->op.link);
	if (record->home == journal) {
		finish(record, err);
		return;
	}
	record->result = err;
	record->post.on_post = on_home;
	atomic_fetch_add(&journal->broker->fabric->errands, 1);
	nj_reactor_post(record->home->broker->reactor, &record->post);
}

void nj_mqtt_journal_open_unit(struct nj_mqtt_journal *journal, struct nj_list *unit, bool refused)
{
	while (!nj_list_empty(unit)) {
		struct nj_mqtt_record *record = record_at(unit->next);
		if (refused && !record->sure) {
			send_home(journal, record, NJ_ERR_FULL);
			continue;
		}
		nj_list_remove(&record->op.link);
		/* What is this broker's own may still prove needless. */
		if (record->home == journal)
			record->handed_over = false;
		nj_mqtt_record_open(journal, record, 0);
	}
}

static void settle(struct nj_mqtt_journal *journal, enum nj_err err)
{
	while (!nj_list_empty(&journal->group.ops)) {
		struct nj_mqtt_record *record = record_at(journal->group.ops.next);
		if (worth_another(record, err)) {
			try_again(journal, record);
			continue;
		}
		send_home(journal, record, err);
	}
}

static void come_back(struct nj_mqtt_journal *journal)
{
	struct nj_list pages;
	enum nj_err err = journal->group.commit.result;
	nj_list_init(&pages);
	while (!nj_list_empty(&journal->group.pages)) {
		struct nj_list *page = journal->group.pages.next;
		nj_list_remove(page);
		nj_list_push_back(&pages, page);
	}
	if (err != NJ_OK)
		journal->retry_ms = now_of(journal) + RETRY_MS;
	if (journal->group.commit.operations > 0)
		__atomic_store_n(&journal->troubled, err != NJ_OK, __ATOMIC_RELAXED);
	settle(journal, err);
	journal->under_way = false;
	while (!nj_list_empty(&pages)) {
		struct nj_mqtt_page *page =
		    NJ_CONTAINER(NJ_CONTAINER(pages.next, struct nj_messages_page, link), struct nj_mqtt_page, page);
		nj_list_remove(&page->page.link);
		/* What was acknowledged may still be in what was read. */
		if (err != NJ_OK)
			page->page.result = err;
		nj_mqtt_page_done(page);
	}
	plan(journal);
}

void nj_mqtt_journal_collect(struct nj_mqtt_journal *journal)
{
	while (journal->durable.finished(journal->durable.arg) != NULL)
		come_back(journal);
}

static void on_event(struct nj_io *io, uint32_t events)
{
	nj_mqtt_journal_collect(NJ_CONTAINER(io, struct nj_mqtt_journal, io));
}

bool nj_mqtt_journal_flush(struct nj_mqtt_journal *journal)
{
	if (!journal->under_way)
		hand_over(journal, true);
	return journal->under_way;
}

/* ---- the journal ---- */

enum nj_err nj_mqtt_journal_new(struct nj_mqtt_broker *broker, const struct nj_mqtt_durable *durable,
				struct nj_mqtt_journal **out_journal)
{
	struct nj_mqtt_journal *journal = calloc(1, sizeof(*journal));
	enum nj_err err = NJ_OK;
	if (journal == NULL)
		return NJ_ERR_NO_MEMORY;
	journal->broker = broker;
	journal->durable = *durable;
	journal->due.on_timer = on_due;
	journal->due_ms = NEVER;
	nj_list_init(&journal->urgent);
	nj_list_init(&journal->patient);
	nj_list_init(&journal->last);
	nj_list_init(&journal->retry);
	nj_list_init(&journal->pages);
	nj_messages_group_init(&journal->group);
	journal->io = (struct nj_io){ .fd = durable->fd, .on_event = on_event };
	if (durable->fd >= 0)
		err = nj_io_add(broker->reactor, &journal->io, EPOLLIN);
	if (err != NJ_OK) {
		free(journal);
		return err;
	}
	*out_journal = journal;
	return NJ_OK;
}

static void forget_pages(struct nj_list *pages)
{
	while (!nj_list_empty(pages)) {
		struct nj_mqtt_page *page =
		    NJ_CONTAINER(NJ_CONTAINER(pages->next, struct nj_messages_page, link), struct nj_mqtt_page, page);
		nj_list_remove(&page->page.link);
		if (page->session != NULL)
			page->session->keep->page = NULL;
		page->session = NULL;
		nj_mqtt_page_done(page);
	}
}

static void forget_all(struct nj_mqtt_broker *broker, struct nj_list *list)
{
	while (!nj_list_empty(list)) {
		struct nj_mqtt_record *record = record_at(list->next);
		struct nj_mqtt_pledge *pledge = record->pledge;
		struct nj_mqtt_pledge *ahead = record->ahead;
		if (record->delivery != NULL)
			record->delivery->record = NULL;
		free_record(broker, record);
		nj_mqtt_pledge_release(pledge, false);
		if (ahead != NULL)
			nj_mqtt_journal_forget_unit(broker, ahead);
		nj_mqtt_pledge_release(ahead, false);
	}
}

/* Its records hold the pledge, which must not go with the last of them. */
void nj_mqtt_journal_forget_unit(struct nj_mqtt_broker *broker, struct nj_mqtt_pledge *pledge)
{
	nj_mqtt_pledge_hold(pledge);
	forget_all(broker, &pledge->unit);
	nj_mqtt_pledge_release(pledge, false);
}

void nj_mqtt_journal_free(struct nj_mqtt_journal *journal)
{
	if (journal == NULL)
		return;
	forget_all(journal->broker, &journal->urgent);
	forget_all(journal->broker, &journal->patient);
	forget_all(journal->broker, &journal->last);
	forget_all(journal->broker, &journal->retry);
	forget_all(journal->broker, &journal->group.ops);
	forget_pages(&journal->pages);
	forget_pages(&journal->group.pages);
	nj_timer_cancel(&journal->due);
	nj_io_remove(&journal->io);
	free(journal);
}

/* ---- time ---- */

uint64_t nj_mqtt_wall_of(const struct nj_mqtt_broker *broker, uint64_t boot_ms)
{
	uint64_t wall_ms = nj_clock_wall_ms(nj_reactor_clock(broker->reactor));
	uint64_t now_ms = nj_reactor_now_ms(broker->reactor);
	if (boot_ms == 0)
		return 0;
	return boot_ms >= now_ms ? wall_ms + (boot_ms - now_ms) : wall_ms - (now_ms - boot_ms);
}

uint64_t nj_mqtt_boot_of(const struct nj_mqtt_broker *broker, uint64_t wall_ms)
{
	uint64_t now_wall_ms = nj_clock_wall_ms(nj_reactor_clock(broker->reactor));
	uint64_t now_ms = nj_reactor_now_ms(broker->reactor);
	if (wall_ms == 0)
		return 0;
	if (wall_ms >= now_wall_ms)
		return now_ms + (wall_ms - now_wall_ms);
	/* The clock may be younger than what passed; 0 would be never. */
	return now_ms > now_wall_ms - wall_ms ? now_ms - (now_wall_ms - wall_ms) : 1;
}
