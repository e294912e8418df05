#include "daemon/gateway_bridge.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/config/config.h"
#include "base/log.h"
#include "bus/dial.h"
#include "crypto/crypto.h"
#include "daemon/bridge_files.h"
#include "daemon/gateway_mqtt.h"

#define DIALLER_QUEUE_BYTES 65536
#define SAMPLE_MS 5000
#define FRAME_SLACK 16

static struct nj_log_brake noted_brake = NJ_LOG_BRAKE(10, 1000);

/* ---- what is logged ---- */

static struct nj_party *party_of(const struct gateway_bridge *here)
{
	return nj_directory_by_name(here->gateway->directory, NJ_CUSTOMER_DEFAULT, NJ_PARTY_APPLICATION,
				    here->settings.as);
}

static void audit(const struct gateway_bridge *here, enum nj_audit_event event, const char *text)
{
	char detail[GATEWAY_AUDIT_DETAIL_BYTES];

	(void)snprintf(detail, sizeof(detail), "%.64s to %.50s: %.60s", here->settings.name, here->settings.address,
		       text);
	gateway_audit_write(here->gateway, event, party_of(here), &here->peer, detail);
}

/* A peer that is away is one line, not one a try. */
static void log_failure(struct gateway_bridge *here, const char *text)
{
	if (strcmp(here->said, text) == 0)
		return;
	(void)snprintf(here->said, sizeof(here->said), "%s", text);
	NJ_LOG(NJ_LOG_WARN, "bridge.failed", NJ_S("name", here->settings.name), NJ_S("address", here->settings.address),
	       NJ_S("reason", text));
}

static void told(void *arg, enum nj_mqtt_bridge_event event, const char *text)
{
	struct gateway_bridge *here = arg;
	uint64_t suppressed = 0;

	switch (event) {
	case NJ_MQTT_BRIDGE_CAME_UP:
		here->said[0] = '\0';
		NJ_LOG(NJ_LOG_INFO, "bridge.up", NJ_S("name", here->settings.name), NJ_A("peer", &here->peer),
		       NJ_S("how", text));
		audit(here, NJ_AUDIT_BRIDGE_UP, text);
		return;
	case NJ_MQTT_BRIDGE_WENT_DOWN:
		NJ_LOG(NJ_LOG_WARN, "bridge.down", NJ_S("name", here->settings.name), NJ_A("peer", &here->peer),
		       NJ_S("reason", text));
		audit(here, NJ_AUDIT_BRIDGE_DOWN, text);
		return;
	case NJ_MQTT_BRIDGE_FAILED:
		log_failure(here, text);
		return;
	case NJ_MQTT_BRIDGE_NOTED:
		if (nj_log_brake_pass(&noted_brake, nj_clock_system(), &suppressed))
			NJ_LOG(NJ_LOG_WARN, "bridge.refused", NJ_S("name", here->settings.name), NJ_S("reason", text),
			       NJ_U("suppressed", suppressed));
		return;
	}
}

/* ---- what a bridge is given ---- */

static void dial(void *arg)
{
	struct gateway_bridge *here = arg;
	struct gateway_bridges *all = here->gateway->bridges;
	const struct nj_dial message = { .type = NJ_DIAL_ASK, .name = nj_view_str(here->settings.name) };
	uint8_t bytes[NJ_DIAL_MAX_BYTES];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));

	/* Whoever is not heard now asks again when the dialler comes. */
	if (all->dialler_up && nj_dial_encode(&message, &w) == NJ_OK)
		(void)!nj_channel_send(&all->dialler, nj_view_of(bytes, w.pos));
}

static enum nj_err open_local(void *arg, int *out_fd)
{
	struct gateway_bridge *here = arg;
	struct gateway *g = here->gateway;
	struct nj_party *party = party_of(here);
	struct nj_conn *conn;
	int pair[2];

	if (party == NULL)
		return NJ_ERR_NOT_FOUND;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return nj_err_from_errno(errno);
	struct nj_conn_config config = {
		.fd = pair[1],
		.max_in_bytes = g->config->settings.mqtt.max_packet_bytes + FRAME_SLACK,
		.max_out_bytes = gateway_out_bytes(g),
		.ops = gateway_mqtt_idle_ops(),
	};
	enum nj_err err = nj_conn_new(g->reactor, &config, &conn);
	if (err != NJ_OK) {
		close(pair[0]);
		return err;
	}
	gateway_mqtt_serve_bridge(g, conn, party);
	*out_fd = pair[0];
	return NJ_OK;
}

static void look(void *arg)
{
	gateway_bridge_look(arg);
}

/* ---- one bridge ---- */

static void bridge_free(struct gateway_bridge *here, bool forget)
{
	if (here == NULL)
		return;
	nj_mqtt_bridge_free(here->bridge, forget);
	gateway_bridge_look_forget(here);
	nj_tls_ctx_free(here->tls);
	nj_bridges_bytes_free(here->secrets, here->secret_bytes);
	free(here);
}

static struct nj_mqtt_bridge_config config_of(struct gateway_bridge *here, const struct nj_bridge_files *files)
{
	static const uint8_t versions[] = {
		[NJ_BRIDGE_AUTO] = NJ_MQTT_NEVER,
		[NJ_BRIDGE_V5] = NJ_MQTT_V5,
		[NJ_BRIDGE_V311] = NJ_MQTT_V311,
	};
	const struct nj_settings_bridge *s = &here->settings;
	const struct nj_settings_mqtt *mqtt = &here->gateway->config->settings.mqtt;

	return (struct nj_mqtt_bridge_config){
		.reactor = here->gateway->reactor,
		.random = nj_random_system(),
		.ops = { .arg = here, .dial = dial, .open_local = open_local, .look = look, .told = told },
		.local_id = here->local_id,
		.client_id = here->client_id,
		.username = s->username[0] != '\0' ? s->username : NULL,
		.password = files->password,
		.version = versions[s->protocol],
		.keep_alive_s = (uint16_t)(s->keep_alive_ms / 1000),
		.clean = s->clean,
		.session_expiry_s = (uint32_t)(s->session_expiry_ms / 1000),
		.retry_min_ms = (uint32_t)s->retry_min_ms,
		.retry_max_ms = (uint32_t)s->retry_max_ms,
		.tls = here->tls,
		.topics = here->topics,
		.topic_count = s->topic_count,
		.max_packet_bytes = mqtt->max_packet_bytes,
		.max_out_bytes = gateway_out_bytes(here->gateway),
		.max_topic_bytes = mqtt->max_topic_bytes,
		.max_topic_levels = mqtt->max_topic_levels,
	};
}

static enum nj_err keep_secrets(struct gateway_bridge *here, struct nj_view bytes)
{
	here->secrets = malloc(bytes.len + 1);
	if (here->secrets == NULL)
		return NJ_ERR_NO_MEMORY;
	memcpy(here->secrets, bytes.data, bytes.len);
	here->secret_bytes = bytes.len;
	return NJ_OK;
}

static enum nj_err bridge_make(struct gateway_bridge *here, struct nj_view secrets, struct nj_why *why)
{
	const struct nj_settings_bridge *s = &here->settings;
	struct nj_bridge_files files;

	NJ_TRY(keep_secrets(here, secrets));
	NJ_TRY(nj_bridges_files_find(nj_view_of(here->secrets, here->secret_bytes), s->name, &files));
	NJ_TRY(nj_bridge_topics(s, here->topics, why));
	NJ_TRY(nj_bridge_tls_new(s, &files, &here->tls, why));
	NJ_TRY(nj_text_format(here->local_id, sizeof(here->local_id), GATEWAY_BRIDGE_ID "%s", s->name));
	NJ_TRY(nj_text_format(here->client_id, sizeof(here->client_id), "%s%s",
			      s->client_id[0] != '\0' ? s->client_id : "nightjar-",
			      s->client_id[0] != '\0' ? "" : s->name));
	const struct nj_mqtt_bridge_config config = config_of(here, &files);
	return nj_mqtt_bridge_new(&config, &here->bridge);
}

/* One that cannot be made says so, and the others go on. */
static struct gateway_bridge *bridge_new(struct gateway *g, const struct nj_settings_bridge *settings,
					 struct nj_view secrets)
{
	struct gateway_bridge *here = calloc(1, sizeof(*here));
	struct nj_why why = { "" };

	if (here == NULL)
		return NULL;
	here->gateway = g;
	here->settings = *settings;
	enum nj_err err = bridge_make(here, secrets, &why);
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "bridge.failed", NJ_S("name", settings->name),
		       NJ_S("reason", why.text[0] != '\0' ? why.text : nj_err_text(err)));
	if (party_of(here) == NULL)
		NJ_LOG(NJ_LOG_ERROR, "bridge.failed", NJ_S("name", settings->name), NJ_S("as", settings->as),
		       NJ_S("reason", "there is no such application"));
	return here;
}

/* ---- all of them ---- */

static struct gateway_bridge *find(const struct gateway_bridges *all, struct nj_view name)
{
	for (size_t i = 0; i < all->count; i++)
		if (nj_view_equal(name, nj_view_str(all->at[i]->settings.name)))
			return all->at[i];
	return NULL;
}

static bool is_same(const struct gateway_bridge *here, const struct nj_settings_bridge *settings,
		    struct nj_view secrets)
{
	struct nj_bridge_files now, then;
	struct nj_view held = nj_view_of(here->secrets, here->secret_bytes);

	if (here->bridge == NULL || nj_bridges_files_find(secrets, settings->name, &now) != NJ_OK ||
	    nj_bridges_files_find(held, settings->name, &then) != NJ_OK)
		return false;
	return nj_config_same(&nj_bridge_section, &here->settings, settings) &&
	       nj_view_equal(now.password, then.password) && nj_view_equal(now.ca, then.ca) &&
	       nj_view_equal(now.certificate, then.certificate) && nj_view_equal(now.key, then.key) &&
	       nj_view_equal(now.psk, then.psk);
}

static bool is_wanted(const struct gateway *g, const char *name)
{
	const struct nj_settings *settings = &g->config->settings;

	for (size_t i = 0; i < settings->bridge_count; i++)
		if (strcmp(settings->bridges[i].name, name) == 0)
			return true;
	return false;
}

/* Those that are as they were stay; the others go, with their sessions at the peer where they are not to come back. */
static void take(struct gateway *g, struct nj_view secrets)
{
	struct gateway_bridges *all = g->bridges;
	const struct nj_settings *settings = &g->config->settings;
	struct gateway_bridge *next[NJ_BRIDGES_MAX] = { NULL };
	size_t count = 0;

	for (size_t i = 0; i < settings->bridge_count; i++) {
		const struct nj_settings_bridge *wanted = &settings->bridges[i];
		struct gateway_bridge *here = find(all, nj_view_str(wanted->name));
		if (here != NULL && is_same(here, wanted, secrets))
			next[count++] = here;
	}
	for (size_t i = 0; i < all->count; i++) {
		struct gateway_bridge *here = all->at[i];
		bool stays = false;
		for (size_t n = 0; n < count; n++)
			stays |= next[n] == here;
		if (!stays)
			bridge_free(here, !is_wanted(g, here->settings.name));
	}
	size_t kept = count;
	memcpy(all->at, next, sizeof(next));
	all->count = count;
	for (size_t i = 0; i < settings->bridge_count; i++) {
		const struct nj_settings_bridge *wanted = &settings->bridges[i];
		if (find(all, nj_view_str(wanted->name)) != NULL)
			continue;
		struct gateway_bridge *here = bridge_new(g, wanted, secrets);
		if (here != NULL)
			all->at[all->count++] = here;
	}
	for (size_t i = kept; i < all->count && all->running; i++)
		if (all->at[i]->bridge != NULL)
			nj_mqtt_bridge_start(all->at[i]->bridge);
}

static enum nj_err take_from(struct gateway *g, int fd)
{
	uint8_t *bytes = NULL;
	size_t len = 0;

	NJ_TRY(nj_bridges_fd_read(fd, &bytes, &len));
	take(g, nj_view_of(bytes, len));
	nj_bridges_bytes_free(bytes, len);
	return NJ_OK;
}

static void on_sample(struct nj_timer *timer)
{
	struct gateway_bridges *all = NJ_CONTAINER(timer, struct gateway_bridges, sample);

	for (size_t i = 0; i < all->count; i++)
		if (all->at[i]->bridge != NULL)
			gateway_bridge_look(all->at[i]);
	if (all->count > 0)
		nj_timer_arm(all->at[0]->gateway->reactor, &all->sample, SAMPLE_MS);
}

enum nj_err gateway_bridges_init(struct gateway *g)
{
	g->bridges = calloc(1, sizeof(*g->bridges));
	if (g->bridges == NULL)
		return NJ_ERR_NO_MEMORY;
	g->bridges->sample.on_timer = on_sample;
	return take_from(g, nj_handles_find(&g->config->handles, NJ_HANDLE_BRIDGES));
}

void gateway_bridges_start(struct gateway *g)
{
	struct gateway_bridges *all = g->bridges;

	all->running = true;
	gateway_bridges_sweep(g);
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i]->bridge != NULL)
			nj_mqtt_bridge_start(all->at[i]->bridge);
	if (all->count > 0)
		nj_timer_arm(g->reactor, &all->sample, SAMPLE_MS);
}

void gateway_bridges_stop(struct gateway *g)
{
	struct gateway_bridges *all = g->bridges;

	if (all == NULL)
		return;
	all->running = false;
	nj_timer_cancel(&all->sample);
	for (size_t i = 0; i < all->count; i++)
		bridge_free(all->at[i], false);
	all->count = 0;
}

void gateway_bridges_done(struct gateway *g)
{
	if (g->bridges == NULL)
		return;
	if (g->bridges->dialler_up)
		nj_channel_stop(&g->bridges->dialler);
	free(g->bridges);
	g->bridges = NULL;
}

void gateway_bridges_changed(struct gateway *g, int fd)
{
	if (g->stopping)
		return;
	enum nj_err err = take_from(g, fd);
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "bridge.failed", NJ_E(err));
	if (!g->bridges->running)
		return;
	gateway_bridges_sweep(g);
	if (g->bridges->count > 0)
		nj_timer_arm(g->reactor, &g->bridges->sample, SAMPLE_MS);
}

/* ---- the dialler ---- */

static void on_dialled(struct gateway_bridges *all, const struct nj_dial *message, int fd)
{
	struct gateway_bridge *here = find(all, message->name);
	char why[NJ_DIAL_TEXT_MAX + 1];

	if (here == NULL || here->bridge == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (message->type == NJ_DIAL_STREAM && fd >= 0) {
		here->peer = message->peer;
		nj_mqtt_bridge_dialled(here->bridge, fd, &message->peer, NULL);
		return;
	}
	(void)!nj_text_copy_view(why, sizeof(why), message->text);
	nj_mqtt_bridge_dialled(here->bridge, -1, NULL, why);
}

static void on_answer(struct nj_channel *channel, struct nj_view bytes, int *fds, size_t fd_count)
{
	struct gateway *g = channel->user;
	struct nj_dial message;
	bool good = nj_dial_decode(bytes, &message) == NJ_OK && message.type != NJ_DIAL_ASK;

	for (size_t i = good && message.type == NJ_DIAL_STREAM ? 1 : 0; i < fd_count; i++)
		close(fds[i]);
	if (good)
		on_dialled(g->bridges, &message, message.type == NJ_DIAL_STREAM && fd_count > 0 ? fds[0] : -1);
}

static void on_dialler_closed(struct nj_channel *channel)
{
	((struct gateway *)channel->user)->bridges->dialler_up = false;
}

void gateway_bridges_dialler(struct gateway *g, int fd)
{
	struct gateway_bridges *all = g->bridges;

	if (all->dialler_up)
		nj_channel_stop(&all->dialler);
	all->dialler = (struct nj_channel){ .on_message = on_answer, .on_closed = on_dialler_closed, .user = g };
	all->dialler_up = nj_channel_start(g->reactor, &all->dialler, fd, DIALLER_QUEUE_BYTES) == NJ_OK;
	for (size_t i = 0; i < all->count; i++) {
		struct nj_mqtt_bridge *bridge = all->at[i]->bridge;
		if (bridge != NULL && nj_mqtt_bridge_status_of(bridge).stage == NJ_MQTT_BRIDGE_DIALLING)
			dial(all->at[i]);
	}
}
