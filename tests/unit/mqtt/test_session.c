/* A session's flow: what waits, what is in flight, packet ids, QoS 2 ids of the client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mqtt/session.h"

struct fixture {
	struct nj_mqtt_flow flow;
	struct nj_mqtt_flow_limits limits;
	struct nj_mqtt_budget budget;
	struct nj_mqtt_message *message;
};

static void open_flow(struct fixture *f, uint32_t max_waiting, uint32_t max_inflight)
{
	struct nj_mqtt_content content = { .topic = nj_view_str("t"), .payload = nj_view_str("payload"), .qos = 2 };
	*f = (struct fixture){ .budget = { .max = 1 << 20 } };
	f->limits = (struct nj_mqtt_flow_limits){ .budget = &f->budget,
						  .max_waiting_bytes = 1 << 16,
						  .max_waiting = max_waiting,
						  .max_inflight = max_inflight };
	nj_mqtt_flow_init(&f->flow, &f->limits);
	assert_int_equal(nj_mqtt_message_new(&f->budget, &content, &f->message), NJ_OK);
}

static void close_flow(struct fixture *f)
{
	nj_mqtt_flow_done(&f->flow);
	nj_mqtt_message_unref(f->message);
	assert_int_equal(f->budget.used, 0);
}

static struct nj_mqtt_delivery *make(struct fixture *f)
{
	struct nj_mqtt_delivery *d = nj_mqtt_delivery_new(&f->flow, f->message, NULL, 0);
	assert_non_null(d);
	d->qos = 2;
	return d;
}

static struct nj_mqtt_delivery *send_one(struct fixture *f)
{
	struct nj_mqtt_delivery *d = make(f);
	assert_int_equal(nj_mqtt_flow_wait(&f->flow, d), NJ_OK);
	assert_int_equal(nj_mqtt_flow_number(&f->flow, d), NJ_OK);
	nj_mqtt_flow_sent(&f->flow, d);
	return d;
}

static void packet_ids_go_round_and_end(void **state)
{
	enum { MAX = 20 };
	struct fixture f;
	open_flow(&f, 100, MAX);
	for (uint16_t i = 1; i <= MAX; i++)
		assert_int_equal(send_one(&f)->packet_id, i);
	struct nj_mqtt_delivery *over = make(&f);
	assert_int_equal(nj_mqtt_flow_number(&f.flow, over), NJ_ERR_LIMIT);
	nj_mqtt_delivery_free(&f.flow, nj_mqtt_flow_find(&f.flow, 7));
	nj_mqtt_delivery_free(&f.flow, nj_mqtt_flow_find(&f.flow, 9));
	assert_null(nj_mqtt_flow_find(&f.flow, 7));
	assert_int_equal(nj_mqtt_flow_number(&f.flow, over), NJ_OK);
	assert_int_equal(over->packet_id, 7);
	nj_mqtt_delivery_free(&f.flow, over);
	assert_int_equal(send_one(&f)->packet_id, 9);
	assert_null(nj_mqtt_flow_find(&f.flow, 0));
	assert_null(nj_mqtt_flow_find(&f.flow, MAX + 1));
	close_flow(&f);
}

static void the_queue_is_limited_by_messages(void **state)
{
	struct fixture f;
	open_flow(&f, 2, 10);
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, make(&f)), NJ_OK);
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, make(&f)), NJ_OK);
	struct nj_mqtt_delivery *third = make(&f);
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, third), NJ_ERR_LIMIT);
	nj_mqtt_delivery_free(&f.flow, third);
	assert_int_equal(f.flow.waiting_count, 2);
	close_flow(&f);
}

static void the_queue_is_limited_by_bytes(void **state)
{
	struct fixture f;
	open_flow(&f, 100, 10);
	size_t one = nj_mqtt_content_bytes(&f.message->content);
	f.limits.max_waiting_bytes = 2 * one - 1;
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, make(&f)), NJ_OK);
	struct nj_mqtt_delivery *second = make(&f);
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, second), NJ_ERR_LIMIT);
	f.limits.max_waiting_bytes = 2 * one;
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, second), NJ_OK);
	close_flow(&f);
}

static void one_message_of_any_size_can_wait(void **state)
{
	struct fixture f;
	open_flow(&f, 100, 10);
	f.limits.max_waiting_bytes = 1;
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, make(&f)), NJ_OK);
	struct nj_mqtt_delivery *second = make(&f);
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, second), NJ_ERR_LIMIT);
	nj_mqtt_delivery_free(&f.flow, second);
	close_flow(&f);
}

static void a_lost_connection_puts_all_back_in_order(void **state)
{
	struct fixture f;
	open_flow(&f, 100, 10);
	struct nj_mqtt_delivery *first = send_one(&f);
	struct nj_mqtt_delivery *second = send_one(&f);
	struct nj_mqtt_delivery *third = make(&f);
	assert_int_equal(nj_mqtt_flow_wait(&f.flow, third), NJ_OK);
	nj_mqtt_flow_release(first);
	nj_mqtt_flow_rewind(&f.flow);
	assert_int_equal(f.flow.inflight_count, 0);
	assert_int_equal(f.flow.waiting_count, 3);
	assert_null(nj_mqtt_flow_find(&f.flow, second->packet_id));
	assert_ptr_equal(nj_mqtt_flow_next(&f.flow), first);
	assert_true(first->released);
	nj_mqtt_flow_sent(&f.flow, first);
	assert_ptr_equal(nj_mqtt_flow_next(&f.flow), second);
	assert_true(second->dup);
	assert_int_equal(second->packet_id, 2);
	nj_mqtt_flow_sent(&f.flow, second);
	assert_ptr_equal(nj_mqtt_flow_next(&f.flow), third);
	assert_false(third->dup);
	assert_ptr_equal(nj_mqtt_flow_find(&f.flow, 2), second);
	close_flow(&f);
}

static void received_ids_are_kept_until_released(void **state)
{
	struct fixture f;
	open_flow(&f, 100, 10);
	assert_false(nj_mqtt_flow_forget(&f.flow, 1));
	assert_int_equal(nj_mqtt_flow_receive(&f.flow, 1), NJ_OK);
	assert_int_equal(nj_mqtt_flow_receive(&f.flow, 65535), NJ_OK);
	assert_int_equal(nj_mqtt_flow_receive(&f.flow, 1), NJ_ERR_EXISTS);
	assert_int_equal(f.flow.received_here, 2);
	assert_true(nj_mqtt_flow_received(&f.flow, 65535));
	assert_true(nj_mqtt_flow_forget(&f.flow, 65535));
	assert_false(nj_mqtt_flow_received(&f.flow, 65535));
	assert_true(nj_mqtt_flow_received(&f.flow, 1));
	close_flow(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_ids_go_round_and_end),
		cmocka_unit_test(the_queue_is_limited_by_messages),
		cmocka_unit_test(the_queue_is_limited_by_bytes),
		cmocka_unit_test(one_message_of_any_size_can_wait),
		cmocka_unit_test(a_lost_connection_puts_all_back_in_order),
		cmocka_unit_test(received_ids_are_kept_until_released),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
