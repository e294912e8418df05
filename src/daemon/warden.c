#include "daemon/warden.h"

#include <unistd.h>

#include "base/log.h"
#include "bus/control.h"
#include "daemon/sandbox.h"
#include "daemon/warden_state.h"

#define CONTROL_QUEUE_BYTES 4096
#define KEEPER_QUEUE_BYTES (256 * 1024)
#define TICK_MS NJ_CLOAK_LEASE_MS
#define GUARDS_CHECK_MS 5000
#define NS_PER_MS UINT64_C(1000000)

static struct nj_log_brake failed_brake = NJ_LOG_BRAKE(5, 10000);

bool nj_warden_wanted(const struct nj_settings *settings)
{
	return settings->guard_count > 0 || settings->cloak == NJ_SETTINGS_CLOAK_CBPF ||
	       settings->perimeter.mode == NJ_SETTINGS_PERIMETER_DROP_ALL;
}

static const struct nj_settings *settings_of(const struct warden *w)
{
	return &w->config->settings;
}

/* ---- to the keeper ---- */

static void tell_keeper(struct warden *w, const struct nj_ward *message)
{
	uint8_t bytes[NJ_WARD_MAX_BYTES];
	struct nj_writer writer = nj_writer_of(bytes, sizeof(bytes));

	if (w->keeper_up && nj_ward_encode(message, &writer) == NJ_OK)
		(void)!nj_channel_send(&w->keeper, nj_view_of(bytes, writer.pos));
}

void warden_note(struct warden *w, const char *caller, const char *detail)
{
	const struct nj_ward message = {
		.type = NJ_WARD_CHANGED,
		.caller = nj_view_str(caller),
		.detail = nj_view_str(detail),
	};

	NJ_LOG(NJ_LOG_WARN, "perimeter", NJ_S("by", caller), NJ_S("change", detail));
	tell_keeper(w, &message);
}

static void failed(struct warden *w, const struct nj_ward *asked, enum nj_err err, const char *reason)
{
	struct nj_ward message = *asked;
	uint64_t suppressed;

	message.type = NJ_WARD_FAILED;
	message.err = (uint16_t)err;
	tell_keeper(w, &message);
	if (nj_log_brake_pass(&failed_brake, nj_clock_system(), &suppressed))
		NJ_LOG(NJ_LOG_ERROR, "cloak.failed", NJ_U("port", asked->port),
		       NJ_S("reason", reason[0] != '\0' ? reason : nj_err_text(err)), NJ_U("suppressed", suppressed));
}

/* ---- what the keeper asks ---- */

static const struct nj_settings_guard *guard_of(const struct warden *w, uint16_t id)
{
	for (size_t i = 0; i < settings_of(w)->guard_count; i++)
		if (settings_of(w)->guard[i].id == id)
			return &settings_of(w)->guard[i];
	return NULL;
}

static enum nj_err guard_change(struct warden *w, const struct nj_ward *m, struct nj_why *why)
{
	const struct nj_settings_guard *guard = guard_of(w, m->port);
	uint64_t now_ns = nj_clock_boot_ns(nj_clock_system());

	if (guard == NULL)
		return NJ_ERR_NOT_FOUND;
	if (m->type == NJ_WARD_SHUT || m->expires_boot_ns <= now_ns)
		return nj_nft_guard_shut(w->nft, guard, &m->source, m->prefix, why);
	uint64_t ms = (m->expires_boot_ns - now_ns) / NS_PER_MS;
	return nj_nft_guard_open(w->nft, guard, &m->source, m->prefix, ms < guard->grant_ms ? ms : guard->grant_ms,
				 why);
}

static enum nj_err listener_change(struct warden *w, const struct nj_ward *m)
{
	if (w->listeners == NULL)
		return NJ_ERR_NOT_FOUND;
	if (m->type == NJ_WARD_SHUT)
		return w->listeners->ops->shut(w->listeners, &m->source, m->prefix, m->port);
	return w->listeners->ops->open(w->listeners, &m->source, m->prefix, m->port, m->expires_boot_ns);
}

static enum nj_err restore_guards(struct warden *w, struct nj_why *why)
{
	return nj_nft_guards_set(w->nft, settings_of(w)->guard, settings_of(w)->guard_count, why);
}

static void change(struct warden *w, const struct nj_ward *m)
{
	struct nj_why why = { "" };
	enum nj_err err;

	if (m->type == NJ_WARD_OPEN)
		w->maybe_open = true;
	if (m->kind == NJ_WARD_LISTENERS) {
		err = listener_change(w, m);
	} else {
		err = guard_change(w, m, &why);
		/* Somebody took the table away: all is shut again first. */
		if (err == NJ_ERR_NOT_FOUND && restore_guards(w, &why) == NJ_OK)
			err = guard_change(w, m, &why);
	}
	if (err != NJ_OK)
		failed(w, m, err, why.text);
}

static enum nj_err clear(struct warden *w, enum nj_ward_kind kind)
{
	struct nj_why why = { "" };
	enum nj_err err = NJ_OK;
	uint64_t suppressed;

	if (kind == NJ_WARD_LISTENERS && w->listeners != NULL)
		err = w->listeners->ops->clear(w->listeners);
	else if (kind == NJ_WARD_GUARDS && settings_of(w)->guard_count > 0)
		err = restore_guards(w, &why);
	if (err != NJ_OK && nj_log_brake_pass(&failed_brake, nj_clock_system(), &suppressed))
		NJ_LOG(NJ_LOG_ERROR, "cloak.failed", NJ_S("reason", why.text[0] ? why.text : nj_err_text(err)),
		       NJ_U("suppressed", suppressed));
	return err;
}

static void clear_all(struct warden *w)
{
	enum nj_err listeners = clear(w, NJ_WARD_LISTENERS);
	enum nj_err guards = clear(w, NJ_WARD_GUARDS);

	/* Else the next turn without a word of the keeper's tries it again. */
	w->maybe_open = listeners != NJ_OK || guards != NJ_OK;
}

static const char *take(struct warden *w, const struct nj_ward *m)
{
	switch (m->type) {
	case NJ_WARD_OPEN:
	case NJ_WARD_SHUT:
		change(w, m);
		return NULL;
	case NJ_WARD_CLEAR:
		(void)clear(w, (enum nj_ward_kind)m->kind);
		return NULL;
	case NJ_WARD_RENEW:
		w->renewed_ms = nj_reactor_now_ms(w->reactor);
		return NULL;
	case NJ_WARD_FAILED:
	case NJ_WARD_CHANGED:
		break;
	}
	return "a message that is not its to send";
}

static void keeper_gone(struct warden *w)
{
	w->keeper_up = false;
	clear_all(w);
}

static void on_keeper(struct nj_channel *channel, struct nj_view bytes, int *fds, size_t fd_count)
{
	struct warden *w = channel->user;
	const char *violation = fd_count > 0 ? "descriptors" : NULL;
	struct nj_ward message;

	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (violation == NULL && nj_ward_decode(bytes, &message) != NJ_OK)
		violation = "a message that does not decode";
	if (violation == NULL)
		violation = take(w, &message);
	if (violation == NULL)
		return;
	NJ_LOG(NJ_LOG_ERROR, "keeper.violation", NJ_S("what", violation));
	nj_channel_stop(&w->keeper);
	keeper_gone(w);
}

static void on_keeper_closed(struct nj_channel *channel)
{
	keeper_gone(channel->user);
}

static void keeper_attach(struct warden *w, int fd)
{
	if (w->keeper_up)
		nj_channel_stop(&w->keeper);
	clear_all(w);
	w->keeper = (struct nj_channel){ .on_message = on_keeper, .on_closed = on_keeper_closed, .user = w };
	enum nj_err err = nj_channel_start(w->reactor, &w->keeper, fd, KEEPER_QUEUE_BYTES);
	w->keeper_up = err == NJ_OK;
	w->renewed_ms = nj_reactor_now_ms(w->reactor);
	if (err != NJ_OK)
		NJ_LOG(NJ_LOG_ERROR, "keeper.unreached", NJ_E(err));
}

/* ---- time ---- */

static void check_guards(struct warden *w, uint64_t now_ms)
{
	struct nj_why why = { "" };

	if (settings_of(w)->guard_count == 0 || now_ms < w->checked_ms + GUARDS_CHECK_MS)
		return;
	w->checked_ms = now_ms;
	if (nj_nft_guards_there(w->nft) == NJ_OK)
		return;
	enum nj_err err = restore_guards(w, &why);
	NJ_LOG(NJ_LOG_ERROR, "guards.gone", NJ_S("meaning", "somebody took the guards' table away"),
	       NJ_S("now", err == NJ_OK ? "it is back" : why.text));
}

static void on_tick(struct nj_timer *timer)
{
	struct warden *w = NJ_CONTAINER(timer, struct warden, tick);
	uint64_t now_ms = nj_reactor_now_ms(w->reactor);

	if (w->listeners != NULL)
		(void)!w->listeners->ops->renew(w->listeners, now_ms * NS_PER_MS);
	if (w->maybe_open && now_ms >= w->renewed_ms + NJ_CLOAK_LEASE_VALID_MS) {
		NJ_LOG(NJ_LOG_ERROR, "keeper.silent", NJ_S("meaning", "all is shut until it speaks again"));
		clear_all(w);
	}
	check_guards(w, now_ms);
	nj_timer_arm(w->reactor, &w->tick, TICK_MS);
}

/* ---- the supervisor ---- */

static void on_control(struct nj_channel *channel, struct nj_view message, int *fds, size_t fd_count)
{
	struct warden *w = channel->user;
	uint8_t type = message.len == 1 ? message.data[0] : 0;

	if (type == NJ_CONTROL_PEER && fd_count == 1) {
		keeper_attach(w, fds[0]);
		return;
	}
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (type == NJ_CONTROL_STOP)
		nj_reactor_stop(w->reactor);
}

static void on_control_closed(struct nj_channel *channel)
{
	struct warden *w = channel->user;

	nj_reactor_stop(w->reactor);
}

/* ---- start and end ---- */

static enum nj_err open_listeners(struct warden *w, struct nj_why *why)
{
	const struct nj_handles *handles = &w->config->handles;
	struct nj_cloak_listener listeners[NJ_HANDLES_MAX];
	size_t count = 0;

	if (settings_of(w)->cloak != NJ_SETTINGS_CLOAK_CBPF)
		return NJ_OK;
	for (size_t i = 0; i < handles->count; i++)
		if (handles->at[i].kind == NJ_HANDLE_FILTERED)
			listeners[count++] = (struct nj_cloak_listener){ handles->at[i].fd, handles->at[i].addr };
	NJ_TRY(nj_cloak_cbpf_new(listeners, count, &w->listeners));
	enum nj_err err = w->listeners->ops->clear(w->listeners);
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "the listeners' filters cannot be set: %s", nj_err_text(err));
}

static enum nj_err open_admin(struct warden *w)
{
	int fd = dup(nj_handles_find(&w->config->handles, NJ_HANDLE_WARDEN_SOCK));

	if (fd < 0)
		return NJ_ERR_STATE;
	return nj_admin_server_new(w->reactor, fd, w->config->owner_uid, warden_verbs, warden_verb_count, w, &w->admin);
}

static enum nj_err open_all(struct warden *w, struct nj_why *why)
{
	NJ_TRY(nj_reactor_new(nj_clock_system(), &w->reactor));
	NJ_TRY(nj_nft_new(&w->nft));
	NJ_TRY(open_listeners(w, why));
	if (settings_of(w)->guard_count > 0)
		NJ_TRY(restore_guards(w, why));
	NJ_TRY(warden_perimeter_start(w, why));
	NJ_TRY(open_admin(w));
	w->control = (struct nj_channel){ .on_message = on_control, .on_closed = on_control_closed, .user = w };
	return nj_channel_start(w->reactor, &w->control, w->config->control_fd, CONTROL_QUEUE_BYTES);
}

static enum nj_err serve(struct warden *w)
{
	static const uint8_t ready = NJ_CONTROL_READY;

	NJ_TRY(nj_channel_send(&w->control, nj_view_of(&ready, 1)));
	if (w->listeners != NULL || settings_of(w)->guard_count > 0) {
		w->tick.on_timer = on_tick;
		nj_timer_arm(w->reactor, &w->tick, TICK_MS);
	}
	return nj_reactor_run(w->reactor);
}

enum nj_err nj_warden_role_run(struct nj_role_config *config, struct nj_why *why)
{
	static struct warden w;
	const struct nj_sandbox sandbox = { .role = NJ_ROLE_WARDEN };

	w.config = config;
	enum nj_err err = open_all(&w, why);
	if (err == NJ_OK)
		err = nj_sandbox_enter(&sandbox, why);
	if (err != NJ_OK)
		return err;
	err = serve(&w);
	/* In order: what was opened is shut, what is guarded stays guarded, the perimeter goes with the socket. */
	clear_all(&w);
	nj_admin_server_free(w.admin);
	nj_nft_free(w.nft);
	return err;
}
