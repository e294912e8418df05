#include "daemon/offline.h"

#include <unistd.h>

#include "base/config/settings.h"
#include "daemon/explain.h"
#include "daemon/keeper_config.h"
#include "daemon/posture.h"
#include "store/copy.h"

struct nj_offline {
	struct nj_paths paths;
	struct nj_settings settings;
	int lock;
	struct nj_gateway_store *store;
	struct nj_directory *directory;
	struct nj_link *link;
	struct nj_keeper *keeper;
};

static void handle_why(void *arg, struct nj_admin_call *call)
{
	const struct nj_offline *offline = arg;

	nj_explain(offline->directory, call);
}

static void handle_copy(void *arg, struct nj_admin_call *call)
{
	const struct nj_offline *offline = arg;
	struct nj_store_copy *copy = NULL;
	struct nj_why why = { "" };
	enum nj_err err = nj_gateway_store_copy(offline->store, &copy, &why);

	if (err == NJ_OK)
		err = nj_store_copy_step(copy, -1);
	if (err == NJ_OK)
		nj_admin_ok(call, json_object());
	else
		nj_admin_fail(call, err, "%s", why.text[0] != '\0' ? why.text : nj_err_text(err));
	nj_store_copy_free(copy);
}

static void handle_tls_show(void *arg, struct nj_admin_call *call)
{
	const struct nj_offline *offline = arg;

	nj_posture_tell(offline->store, call);
}

static const struct nj_admin_verb gateway_verbs[] = {
	{ "gateway.copy", handle_copy },
	{ "why", handle_why },
	{ "tls.show", handle_tls_show },
};

static enum nj_err open_gateway(struct nj_offline *o, struct nj_why *why)
{
	NJ_TRY(nj_gateway_store_open(o->paths.gateway_db, NJ_STORE_OPEN, &o->store, why));
	return nj_directory_new(o->store, o->settings.limits.devices, nj_random_system(), &o->directory, why);
}

static enum nj_err open_keeper(struct nj_offline *o, struct nj_why *why)
{
	struct nj_keeper_config config = nj_keeper_config_of(&o->settings, &o->paths);

	NJ_TRY(nj_keeper_open(&config, &o->keeper, NULL, why));
	NJ_TRY(nj_link_direct_new(o->directory, nj_clock_system(), &o->link));
	nj_keeper_set_link(o->keeper, o->link);
	/* What a crash left half-made is finished before anything new is asked. */
	nj_keeper_gateway_here(o->keeper);
	return nj_keeper_flush(o->keeper);
}

static enum nj_err open_all(struct nj_offline *o, struct nj_why *why)
{
	NJ_TRY(nj_settings_load(o->paths.config, &o->settings, why));
	NJ_TRY(nj_paths_lock(&o->paths, &o->lock, why));
	NJ_TRY(open_gateway(o, why));
	return open_keeper(o, why);
}

enum nj_err nj_offline_open(const struct nj_paths *paths, struct nj_offline **out_offline, struct nj_why *why)
{
	struct nj_offline *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NJ_ERR_NO_MEMORY;
	o->lock = -1;
	o->paths = *paths;
	enum nj_err err = open_all(o, why);
	if (err != NJ_OK) {
		nj_offline_close(o);
		return err;
	}
	*out_offline = o;
	return NJ_OK;
}

void nj_offline_close(struct nj_offline *offline)
{
	if (offline == NULL)
		return;
	if (offline->keeper != NULL)
		nj_keeper_close(offline->keeper);
	if (offline->link != NULL)
		offline->link->ops->free(offline->link);
	nj_directory_free(offline->directory);
	nj_gateway_store_close(offline->store);
	if (offline->lock >= 0)
		close(offline->lock);
	free(offline);
}

enum nj_err nj_offline_ask(struct nj_offline *offline, const char *verb, const json_t *args, nj_admin_item_fn on_item,
			   void *item_arg, json_t **out_ok, struct nj_why *why)
{
	for (size_t i = 0; i < sizeof(gateway_verbs) / sizeof(gateway_verbs[0]); i++)
		if (strcmp(gateway_verbs[i].name, verb) == 0)
			return nj_admin_ask_here(gateway_verbs, sizeof(gateway_verbs) / sizeof(gateway_verbs[0]),
						 offline, verb, args, on_item, item_arg, out_ok, why);
	json_t *ok = NULL;
	NJ_TRY(nj_admin_ask_here(nj_keeper_verbs, nj_keeper_verb_count, offline->keeper, verb, args, on_item, item_arg,
				 &ok, why));
	enum nj_err err = nj_keeper_flush(offline->keeper);
	if (err == NJ_OK && out_ok != NULL)
		*out_ok = json_incref(ok);
	json_decref(ok);
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "the audit record of this change could not be written");
}
