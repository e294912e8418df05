#include "base/text.h"
#include "daemon/setup.h"
#include "daemon/warden_state.h"

#define TRIAL_MS 60000

static const char *const state_names[] = {
	[PERIMETER_OFF] = "off",
	[PERIMETER_ON_TRIAL] = "on trial",
	[PERIMETER_ON] = "on",
};

/* ---- the rules ---- */

static enum nj_err put_up(struct warden *w, const struct nj_settings_perimeter *list,
			  const struct nj_nft_caller *caller, struct nj_why *why)
{
	const struct nj_settings *settings = &w->config->settings;
	struct nj_allow allow[NJ_ALLOW_MAX];
	uint16_t cloaked[NJ_NFT_PORTS_MAX];
	struct nj_nft_perimeter perimeter = {
		.knock_port = settings->ports.knock,
		.cloaked = cloaked,
		.cloaked_count = nj_setup_ports(settings, cloaked, NJ_NFT_PORTS_MAX),
		.guards = settings->guard,
		.guard_count = settings->guard_count,
		.allow = allow,
		.allow_count = list->allow_count,
		.caller = caller,
	};

	NJ_TRY(nj_allow_parse_all(list, allow, why));
	NJ_TRY(nj_nft_perimeter_on(w->nft, &perimeter, why));
	w->perimeter.list = *list;
	return NJ_OK;
}

static enum nj_err take_down(struct warden *w, struct nj_why *why)
{
	nj_timer_cancel(&w->perimeter.trial);
	NJ_TRY(nj_nft_perimeter_off(w->nft, why));
	w->perimeter.state = PERIMETER_OFF;
	w->perimeter.replaces = false;
	return NJ_OK;
}

/* The list that was confirmed before the trial. */
static enum nj_err put_back(struct warden *w, struct nj_why *why)
{
	const struct nj_settings_perimeter kept = w->perimeter.kept;

	NJ_TRY(put_up(w, &kept, NULL, why));
	w->perimeter.state = PERIMETER_ON;
	w->perimeter.replaces = false;
	return NJ_OK;
}

static void on_trial_over(struct nj_timer *timer)
{
	struct warden *w = NJ_CONTAINER(timer, struct warden, perimeter.trial);
	struct nj_why why = { "" };

	if (w->perimeter.replaces && put_back(w, &why) == NJ_OK)
		warden_note(w, "warden", "the list from before: nobody confirmed the new one within 60 s");
	else if (take_down(w, &why) == NJ_OK)
		warden_note(w, "warden", "off: nobody confirmed it within 60 s");
	else
		warden_note(w, "warden", why.text);
}

enum nj_err warden_perimeter_start(struct warden *w, struct nj_why *why)
{
	const struct nj_settings_perimeter *list = &w->config->settings.perimeter;

	if (list->mode != NJ_SETTINGS_PERIMETER_DROP_ALL)
		return NJ_OK;
	NJ_TRY(put_up(w, list, NULL, why));
	w->perimeter.state = PERIMETER_ON;
	return NJ_OK;
}

/* ---- what the caller says ---- */

static bool read_list(struct nj_admin_call *call, struct nj_settings_perimeter *list)
{
	const json_t *texts = json_object_get(nj_admin_args(call), "allow");

	list->allow_count = 0;
	if (!json_is_array(texts) || json_array_size(texts) > NJ_ALLOW_MAX) {
		nj_admin_fail(call, NJ_ERR_USAGE, "allow: a list of at most %d texts", NJ_ALLOW_MAX);
		return false;
	}
	for (size_t i = 0; i < json_array_size(texts); i++) {
		const char *text = json_string_value(json_array_get(texts, i));
		if (text == NULL || nj_text_copy(list->allow[i], sizeof(list->allow[i]), text) != NJ_OK) {
			nj_admin_fail(call, NJ_ERR_USAGE, "allow: an entry that is no text, or too long");
			return false;
		}
		list->allow_count++;
	}
	return true;
}

/* The connection over which the command came, where it came over one. */
static bool read_caller(struct nj_admin_call *call, struct nj_nft_caller *caller, bool *out_there)
{
	const char *peer = NULL;
	const char *local = NULL;

	if (!nj_admin_text(call, "peer", false, &peer) || !nj_admin_text(call, "local", false, &local))
		return false;
	*out_there = peer != NULL && local != NULL;
	if (!*out_there)
		return true;
	if (nj_addr_parse(peer, &caller->peer) == NJ_OK && nj_addr_parse(local, &caller->local) == NJ_OK &&
	    caller->peer.port != 0 && caller->local.port != 0)
		return true;
	nj_admin_fail(call, NJ_ERR_USAGE, "peer and local must be addresses with ports");
	return false;
}

static bool guarded(const struct warden *w, uint16_t port)
{
	const struct nj_settings *settings = &w->config->settings;

	for (size_t i = 0; i < settings->guard_count; i++)
		if (settings->guard[i].protocol == NJ_SETTINGS_GUARD_TCP && settings->guard[i].port == port)
			return true;
	return false;
}

/* The session itself goes on; but whoever turned this on must be able to come back. */
static bool cuts_off(const struct warden *w, const struct nj_settings_perimeter *list,
		     const struct nj_nft_caller *caller)
{
	struct nj_allow rows[NJ_ALLOW_MAX];
	struct nj_why why;

	if (nj_addr_is_loopback(&caller->peer) || guarded(w, caller->local.port) ||
	    nj_allow_parse_all(list, rows, &why) != NJ_OK)
		return false;
	return !nj_allow_covers(rows, list->allow_count, &caller->peer, NJ_PROTOCOL_TCP, caller->local.port);
}

/* ---- verbs ---- */

static void answer_state(const struct warden *w, struct nj_admin_call *call)
{
	const struct perimeter *p = &w->perimeter;
	json_t *allow = json_array();
	json_t *told;
	uint64_t now_ms = nj_reactor_now_ms(w->reactor);

	for (size_t i = 0; p->state != PERIMETER_OFF && i < p->list.allow_count; i++)
		json_array_append_new(allow, json_string(p->list.allow[i]));
	told = json_pack("{s:s, s:o}", "state", state_names[p->state], "allow", allow);
	if (p->state == PERIMETER_ON_TRIAL)
		json_object_set_new(told, "seconds_left",
				    json_integer((json_int_t)((nj_timer_due_ms(&p->trial) - now_ms + 999) / 1000)));
	nj_admin_ok(call, told);
}

static void handle_on(void *arg, struct nj_admin_call *call)
{
	struct warden *w = arg;
	struct nj_settings_perimeter list = { .mode = NJ_SETTINGS_PERIMETER_DROP_ALL };
	struct nj_nft_caller caller;
	struct nj_why why = { "" };
	bool there = false;
	char peer[NJ_ADDR_TEXT_BYTES];

	if (!read_list(call, &list) || !read_caller(call, &caller, &there))
		return;
	if (there && cuts_off(w, &list, &caller)) {
		nj_admin_fail(call, NJ_ERR_DENIED,
			      "you are here from %s over port %u, and perimeter.allow would not let you in again: add "
			      "'%s tcp/%u' there first",
			      nj_addr_host_text(&caller.peer, peer), caller.local.port, peer, caller.local.port);
		return;
	}
	const struct nj_settings_perimeter before = w->perimeter.list;
	enum nj_err err = put_up(w, &list, there ? &caller : NULL, &why);
	if (err != NJ_OK) {
		nj_admin_fail(call, err, "%s", why.text);
		return;
	}
	if (w->perimeter.state == PERIMETER_ON) {
		w->perimeter.replaces = true;
		w->perimeter.kept = before;
	}
	w->perimeter.state = PERIMETER_ON_TRIAL;
	w->perimeter.trial.on_timer = on_trial_over;
	nj_timer_arm(w->reactor, &w->perimeter.trial, TRIAL_MS);
	warden_note(w, nj_admin_caller(call), "on, for 60 s unless it is confirmed");
	answer_state(w, call);
}

static void handle_off(void *arg, struct nj_admin_call *call)
{
	struct warden *w = arg;
	struct nj_why why = { "" };
	bool was_on = w->perimeter.state != PERIMETER_OFF;
	enum nj_err err = take_down(w, &why);

	if (err != NJ_OK) {
		nj_admin_fail(call, err, "%s", why.text);
		return;
	}
	if (was_on)
		warden_note(w, nj_admin_caller(call), "off");
	answer_state(w, call);
}

static void handle_confirm(void *arg, struct nj_admin_call *call)
{
	struct warden *w = arg;

	if (w->perimeter.state == PERIMETER_OFF) {
		nj_admin_fail(call, NJ_ERR_STATE, "the perimeter is off: nothing is there to confirm");
		return;
	}
	if (w->perimeter.state == PERIMETER_ON_TRIAL) {
		nj_timer_cancel(&w->perimeter.trial);
		w->perimeter.state = PERIMETER_ON;
		w->perimeter.replaces = false;
		warden_note(w, nj_admin_caller(call), "confirmed");
	}
	answer_state(w, call);
}

static void handle_status(void *arg, struct nj_admin_call *call)
{
	answer_state(arg, call);
}

const struct nj_admin_verb warden_verbs[] = {
	{ "perimeter.on", handle_on },
	{ "perimeter.off", handle_off },
	{ "perimeter.confirm", handle_confirm },
	{ "perimeter.status", handle_status },
};
const size_t warden_verb_count = sizeof(warden_verbs) / sizeof(warden_verbs[0]);
