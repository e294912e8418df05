#include "daemon/gateway.h"

#include <unistd.h>

#include "base/log.h"
#include "bus/control.h"
#include "crypto/crypto.h"
#include "daemon/ceiling.h"
#include "daemon/gateway_bridge.h"
#include "daemon/gateway_crowd.h"
#include "daemon/gateway_fabric.h"
#include "daemon/gateway_messages.h"
#include "daemon/gateway_mqtt.h"
#include "daemon/gateway_proxy.h"
#include "daemon/gateway_recover.h"
#include "daemon/gateway_state.h"
#include "daemon/reload.h"
#include "daemon/sandbox.h"
#include "daemon/settle.h"

#define CONTROL_QUEUE_BYTES 4096
#define STOP_WAIT_MS 1500 /* for output to leave; the supervisor waits longer */

/* ---- control by the supervisor ---- */

static void on_stop(struct nj_timer *timer)
{
	nj_reactor_stop(NJ_CONTAINER(timer, struct gateway, stop)->reactor);
}

static void begin_stop(struct gateway *g)
{
	if (g->stopping)
		return;
	g->stopping = true;
	gateway_listen_stop(g);
	gateway_bridges_stop(g);
	gateway_fabric_close(g);
	gateway_audit_flush(g);
	g->stop.on_timer = on_stop;
	nj_timer_arm(g->reactor, &g->stop, gateway_mqtt_connections(g) > 0 ? STOP_WAIT_MS : 0);
}

/* What it was checked against by the supervisor is checked again by the same reader; sessions go on. */
static void take_config(struct gateway *g, int fd, int bridges_fd)
{
	struct nj_settings *settings = calloc(1, sizeof(*settings));
	struct nj_why why = { "" };
	enum nj_err err = settings == NULL ? NJ_ERR_NO_MEMORY : nj_config_fd_read(fd, settings, &why);

	if (err == NJ_OK) {
		g->config->settings = *settings;
		nj_log_setup(settings->log.level, settings->log.format, nj_role_name(NJ_ROLE_GATEWAY));
		gateway_mqtt_limits_changed(g);
		gateway_crowd_limits_changed(g);
		gateway_bridges_changed(g, bridges_fd);
	} else {
		NJ_LOG(NJ_LOG_ERROR, "reload.failed", NJ_S("reason", why.text));
	}
	free(settings);
}

static void on_control(struct nj_channel *channel, struct nj_view message, int *fds, size_t fd_count)
{
	struct gateway *g = channel->user;
	uint8_t type = message.len >= 1 ? message.data[0] : 0;

	if (type == NJ_CONTROL_PEER && fd_count == 1) {
		gateway_keeper_attach(g, fds[0]);
		return;
	}
	if (type == NJ_CONTROL_DIALLER && fd_count == 1) {
		gateway_bridges_dialler(g, fds[0]);
		return;
	}
	if (type == NJ_CONTROL_CONFIG && fd_count == 2)
		take_config(g, fds[0], fds[1]);
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (type == NJ_CONTROL_STOP)
		begin_stop(g);
}

static void on_control_closed(struct nj_channel *channel)
{
	struct gateway *g = channel->user;

	nj_reactor_stop(g->reactor);
}

/* ---- the keeper's hello ---- */

static void say_ready(struct gateway *g)
{
	uint8_t byte = NJ_CONTROL_READY;

	if (g->ready)
		return;
	g->ready = true;
	nj_settle();
	if (nj_channel_send(&g->control, nj_view_of(&byte, 1)) != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "supervisor.gone");
}

static bool any_local_tls(const struct gateway *g)
{
	const struct nj_settings *settings = &g->config->settings;

	for (size_t i = 0; i < settings->local_count; i++)
		if (settings->local[i].service == NJ_SETTINGS_LOCAL_MQTTS)
			return true;
	return false;
}

/* Both, or none. */
static enum nj_err make_contexts(struct gateway *g, const char *cert_pem, const char *key_pem, struct nj_why *why)
{
	const struct nj_tls_certificates certificates = nj_entry_certificates(g->entry);
	struct nj_tls_server_config config = {
		.cert_pem = cert_pem,
		.key_pem = key_pem,
		.psk = nj_door_psk,
		.psk_arg = g->door,
		.certificates = &certificates,
	};
	struct nj_tls_server_config local_config = { .cert_pem = cert_pem, .key_pem = key_pem, .unproven = true };
	struct nj_tls_ctx *tls = NULL;
	struct nj_tls_ctx *local = NULL;

	NJ_TRY(nj_tls_server_ctx_new(&config, &tls, why));
	enum nj_err err = any_local_tls(g) ? nj_tls_server_ctx_new(&local_config, &local, why) : NJ_OK;
	if (err != NJ_OK) {
		nj_tls_ctx_free(tls);
		return err;
	}
	/* Sessions hold the ones that they began with. */
	nj_tls_ctx_free(g->tls);
	nj_tls_ctx_free(g->tls_local);
	g->tls = tls;
	g->tls_local = local;
	return NJ_OK;
}

static enum nj_err take_pair(struct gateway *g, struct nj_view cert_pem, struct nj_view key_pem, struct nj_why *why)
{
	char *cert = strndup((const char *)cert_pem.data, cert_pem.len);
	char *key = strndup((const char *)key_pem.data, key_pem.len);
	enum nj_err err = cert == NULL || key == NULL ? NJ_ERR_NO_MEMORY : make_contexts(g, cert, key, why);

	if (key != NULL)
		nj_wipe(key, strlen(key));
	free(cert);
	free(key);
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "tls.failed", NJ_S("reason", why->text), NJ_E(err));
	return err;
}

enum nj_err gateway_hello(struct gateway *g, const struct nj_ipc_hello *hello)
{
	struct nj_why why = { "" };
	bool first = g->tls == NULL;
	enum nj_err err = take_pair(g, hello->cert_pem, hello->key_pem, &why);

	if (first) {
		NJ_TRY(err);
		NJ_TRY(gateway_listen_start(g));
		gateway_bridges_start(g);
	}
	say_ready(g);
	return NJ_OK;
}

void gateway_certificate_put(struct gateway *g, const struct nj_ipc_certificate *put, struct nj_ipc_result *out_result,
			     struct nj_why *out_why)
{
	enum nj_err err = take_pair(g, put->cert_pem, put->key_pem, out_why);

	if (err == NJ_OK)
		NJ_LOG(NJ_LOG_INFO, "certificate.taken");
	*out_result =
	    (struct nj_ipc_result){ .request = put->request, .err = (uint16_t)err, .text = nj_view_str(out_why->text) };
}

/* ---- start and end ---- */

static enum nj_err open_directory(struct gateway *g, struct nj_why *why)
{
	const struct nj_role_config *config = g->config;

	NJ_TRY(nj_gateway_store_open(config->paths.gateway_db, NJ_STORE_OPEN, &g->store, why));
	return nj_directory_new(g->store, config->settings.limits.devices, nj_random_system(), &g->directory, why);
}

static enum nj_err check_locals(struct gateway *g, struct nj_why *why)
{
	const struct nj_settings *settings = &g->config->settings;

	for (size_t i = 0; i < settings->local_count; i++) {
		const char *name = settings->local[i].as;
		struct nj_scram_verifier verifier;
		if (settings->local[i].verifier[0] != '\0' &&
		    nj_scram_verifier_parse(settings->local[i].verifier, &verifier) != NJ_OK)
			return nj_why(why, NJ_ERR_CONFIG,
				      "local listener %s: the verifier is not what `nightjar mqtt verifier` printed",
				      settings->local[i].address);
		if (nj_directory_by_name(g->directory, NJ_CUSTOMER_DEFAULT, NJ_PARTY_APPLICATION, name) == NULL)
			return nj_why(why, NJ_ERR_CONFIG,
				      "local listener %s: there is no application '%s' (`nightjar application add %s`)",
				      settings->local[i].address, name, name);
	}
	return NJ_OK;
}

static enum nj_err open_admin(struct gateway *g)
{
	int fd = dup(nj_handles_find(&g->config->handles, NJ_HANDLE_ADMIN_SOCK));

	if (fd < 0)
		return NJ_ERR_STATE;
	return nj_admin_server_new(g->reactor, fd, g->config->owner_uid, gateway_admin_verbs, gateway_admin_verb_count,
				   g, &g->admin);
}

static enum nj_err open_all(struct gateway *g, struct nj_why *why)
{
	const struct nj_settings *settings = &g->config->settings;

	nj_settle_heap();
	NJ_TRY(nj_crypto_init());
	NJ_TRY(nj_tls_init());
	NJ_TRY(nj_reactor_new(nj_clock_system(), &g->reactor));
	NJ_TRY(open_directory(g, why));
	NJ_TRY(check_locals(g, why));
	NJ_TRY(nj_door_new(nj_clock_system(), nj_ceiling_grants(settings->limits.devices), &g->door));
	gateway_trust_init(g, nj_random_system());
	NJ_TRY(gateway_audit_init(g));
	NJ_TRY(gateway_posture_init(g));
	NJ_TRY(gateway_crowd_init(g));
	gateway_recover_init(g);
	NJ_TRY(gateway_mqtt_init(g));
	NJ_TRY(gateway_messages_open(g, why));
	NJ_TRY(gateway_bridges_init(g));
	NJ_TRY(gateway_proxy_init(g));
	NJ_TRY(gateway_listen_init(g, nj_random_system()));
	NJ_TRY(open_admin(g));
	g->control = (struct nj_channel){ .on_message = on_control, .on_closed = on_control_closed, .user = g };
	return nj_channel_start(g->reactor, &g->control, g->config->control_fd, CONTROL_QUEUE_BYTES);
}

static void close_all(struct gateway *g)
{
	gateway_audit_flush(g);
	nj_admin_server_free(g->admin);
	gateway_bridges_stop(g);
	gateway_messages_close(g);
	gateway_fabric_done(g);
	gateway_bridges_done(g);
	gateway_messages_free(g);
	gateway_recover_done(g);
	gateway_proxy_done(g);
	nj_entry_free(g->entry);
	gateway_crowd_done(g);
	if (g->keeper_up)
		nj_channel_stop(&g->keeper);
	gateway_posture_flush(g);
	free(g->postures);
	gateway_trust_done(g);
	nj_door_free(g->door);
	nj_directory_free(g->directory);
	nj_gateway_store_close(g->store);
}

static enum nj_err start_threads(void *gateway, struct nj_why *why)
{
	NJ_TRY(gateway_messages_start(gateway, why));
	return gateway_fabric_start(gateway, why);
}

enum nj_err nj_gateway_role_run(struct nj_role_config *config, struct nj_why *why)
{
	static struct gateway g;
	struct nj_sandbox sandbox = {
		.role = NJ_ROLE_GATEWAY,
		.data_dir = config->paths.gateway_dir,
		.start_threads = start_threads,
		.arg = &g,
	};

	g.config = config;
	g.started_ms = nj_clock_wall_ms(nj_clock_system());
	enum nj_err err = open_all(&g, why);
	if (err == NJ_OK)
		err = nj_sandbox_enter(&sandbox, why);
	if (err != NJ_OK)
		return err;
	if (config->hooks != NULL && config->hooks->gateway_after_sandbox != NULL)
		config->hooks->gateway_after_sandbox(&config->handles, &config->paths);
	err = nj_reactor_run(g.reactor);
	gateway_fabric_stop(&g);
	close_all(&g);
	return err == NJ_OK ? g.failed : err;
}
