#include "store/sms.h"

#include <stdlib.h>
#include <string.h>

static struct nj_view keep(uint8_t **at, struct nj_view view)
{
	uint8_t *to = *at;

	if (view.len > 0)
		memcpy(to, view.data, view.len);
	*at += view.len;
	return nj_view_of(to, view.len);
}

struct nj_sms_row *nj_sms_row_new(const struct nj_sms_message *m)
{
	size_t bytes = m->customer.len + m->account.len + m->source.len + m->destination.len + m->bearer.len +
		       m->options.len + m->body.len;
	struct nj_sms_row *row = malloc(sizeof(*row) + bytes);
	uint8_t *at = (uint8_t *)(row + 1);

	if (row == NULL)
		return NULL;
	row->message = *m;
	nj_list_init(&row->link);
	row->message.customer = keep(&at, m->customer);
	row->message.account = keep(&at, m->account);
	row->message.source = keep(&at, m->source);
	row->message.destination = keep(&at, m->destination);
	row->message.bearer = keep(&at, m->bearer);
	row->message.options = keep(&at, m->options);
	row->message.body = keep(&at, m->body);
	return row;
}

void nj_sms_group_init(struct nj_sms_group *group)
{
	*group = (struct nj_sms_group){ .commit = { .operations = 0 } };
	nj_list_init(&group->commit.link);
	nj_list_init(&group->ops);
	nj_list_init(&group->asks);
}

void nj_sms_ask_done(struct nj_sms_ask *ask)
{
	while (!nj_list_empty(&ask->rows)) {
		struct nj_sms_row *row = NJ_CONTAINER(ask->rows.next, struct nj_sms_row, link);

		nj_list_remove(&row->link);
		free(row);
	}
}
