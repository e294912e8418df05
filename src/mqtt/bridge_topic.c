#include "mqtt/bridge_topic.h"

#include "base/text.h"
#include "identity/rights.h"
#include "mqtt/broker.h"
#include "mqtt/codec.h"

static enum nj_err side_init(struct nj_mqtt_bridge_side *side, const char *prefix, const char *filter)
{
	side->prefix_bytes = strlen(prefix);
	NJ_TRY(nj_text_format(side->filter, sizeof(side->filter), "%s%s", prefix, filter));
	struct nj_view whole = nj_view_str(side->filter);
	if (!nj_topic_filter_valid(whole) || nj_mqtt_filter_shared(whole))
		return NJ_ERR_MALFORMED;
	/* A prefix is not matched but cut off. */
	if (prefix[strcspn(prefix, "+#")] != '\0')
		return NJ_ERR_MALFORMED;
	return strncmp(side->filter, NJ_MQTT_OWN_TOPICS, sizeof(NJ_MQTT_OWN_TOPICS) - 1) == 0 ? NJ_ERR_MALFORMED
											      : NJ_OK;
}

enum nj_err nj_mqtt_bridge_topic_init(const char *filter, const char *local, const char *remote,
				      struct nj_mqtt_bridge_topic *out_topic)
{
	struct nj_mqtt_bridge_side sides[2];
	NJ_TRY(side_init(&sides[0], local, filter));
	NJ_TRY(side_init(&sides[1], remote, filter));
	out_topic->local = sides[0];
	out_topic->remote = sides[1];
	return NJ_OK;
}

const struct nj_mqtt_bridge_topic *nj_mqtt_bridge_topic_find(const struct nj_mqtt_bridge_topic *topics, size_t count,
							     bool out, struct nj_view name)
{
	for (size_t i = 0; i < count; i++) {
		const struct nj_mqtt_bridge_topic *t = &topics[i];
		const char *filter = out ? t->local.filter : t->remote.filter;
		if ((out ? t->out : t->in) && nj_topic_matches(nj_view_str(filter), name))
			return t;
	}
	return NULL;
}

enum nj_err nj_mqtt_bridge_topic_rename(const struct nj_mqtt_bridge_topic *topic, bool out, struct nj_view name,
					struct nj_view *out_name, uint8_t *room, size_t cap)
{
	const struct nj_mqtt_bridge_side *from = out ? &topic->local : &topic->remote;
	const struct nj_mqtt_bridge_side *to = out ? &topic->remote : &topic->local;
	struct nj_writer w = nj_writer_of(room, cap);
	size_t len = 0;
	/* "a/#" carries "a", too, which is shorter than the prefix "a/". */
	size_t cut = from->prefix_bytes < name.len ? from->prefix_bytes : name.len;
	size_t put = cut == from->prefix_bytes || to->prefix_bytes == 0 ? to->prefix_bytes : to->prefix_bytes - 1;
	nj_write_bytes(&w, to->filter, put);
	nj_write_bytes(&w, name.data + cut, name.len - cut);
	NJ_TRY(nj_writer_end(&w, &len));
	*out_name = nj_view_of(room, len);
	return nj_topic_name_valid(*out_name) ? NJ_OK : NJ_ERR_MALFORMED;
}

size_t nj_mqtt_bridge_topic_growth(const struct nj_mqtt_bridge_topic *topics, size_t count, bool out)
{
	size_t most = 0;
	for (size_t i = 0; i < count; i++) {
		size_t from = out ? topics[i].local.prefix_bytes : topics[i].remote.prefix_bytes;
		size_t to = out ? topics[i].remote.prefix_bytes : topics[i].local.prefix_bytes;
		if (to > from && to - from > most)
			most = to - from;
	}
	return most;
}
