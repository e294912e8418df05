#include "keeper/reach.h"

#include "keeper/internal.h"

#define LIST_BYTES 1024

void nj_keeper_reach_init(struct nj_keeper *keeper, const struct nj_keeper_config *config)
{
	struct nj_keeper_reach *reach = &keeper->reach;

	reach->proxy_count = config->proxy_count;
	for (size_t i = 0; i < config->proxy_count; i++)
		reach->proxies[i] = config->proxies[i];
	for (size_t i = 0; i < config->local_count; i++) {
		const struct nj_settings_local *local = &config->locals[i];
		if (!local->exposed)
			continue;
		struct nj_keeper_exposed *exposed = &reach->exposed[reach->exposed_count++];
		/* As long as they were. */
		(void)!nj_text_copy(exposed->address, sizeof(exposed->address), local->address);
		(void)!nj_text_copy(exposed->as, sizeof(exposed->as), local->as);
	}
}

static uint16_t service_of(const struct nj_settings_proxy *proxy)
{
	return (uint16_t)nj_settings_proxied_service(proxy->service);
}

void nj_keeper_let_proxies_in(struct nj_keeper *keeper)
{
	enum nj_err err = NJ_OK;

	if (keeper->grants == NULL)
		return;
	for (size_t i = 0; i < keeper->reach.proxy_count; i++) {
		const struct nj_settings_proxy *proxy = &keeper->reach.proxies[i];
		for (size_t j = 0; j < proxy->from.count; j++) {
			enum nj_err one =
			    nj_grants_stand(keeper->grants, &proxy->from.net[j], keeper->ports[service_of(proxy)]);
			if (err == NJ_OK)
				err = one;
		}
	}
	/* A warden that is not there yet is told when it comes. */
	if (err != NJ_ERR_CLOSED)
		nj_keeper_cloak_result(keeper, err);
}

/* ---- the record of a start ---- */

static enum nj_err note_weak(struct nj_keeper *keeper, const char *detail)
{
	return nj_audit_write(keeper->audit, &(struct nj_audit_record){
						 .event = NJ_AUDIT_CLOAK_WEAK, .source = "keeper", .detail = detail });
}

/* A list that is full names the first ones. */
static void list_proxies(const struct nj_settings_proxies *from, char list[LIST_BYTES])
{
	list[0] = '\0';
	for (size_t i = 0; i < from->count; i++) {
		size_t len = strlen(list);
		(void)!nj_text_format(list + len, LIST_BYTES - len, "%s%s", i > 0 ? ", " : "", from->at[i]);
	}
}

static enum nj_err note_reach(struct nj_keeper *keeper)
{
	char list[LIST_BYTES];
	char detail[LIST_BYTES + 128];

	for (size_t i = 0; i < keeper->reach.proxy_count; i++) {
		const struct nj_settings_proxy *proxy = &keeper->reach.proxies[i];
		list_proxies(&proxy->from, list);
		(void)!nj_text_format(detail, sizeof(detail),
				      "%s answers the proxies %s without a knock; who is behind them must have knocked",
				      nj_service_name(service_of(proxy)), list);
		NJ_TRY(note_weak(keeper, detail));
	}
	for (size_t i = 0; i < keeper->reach.exposed_count; i++) {
		const struct nj_keeper_exposed *exposed = &keeper->reach.exposed[i];
		(void)!nj_text_format(detail, sizeof(detail), "whoever reaches %s is the application %s (exposed)",
				      exposed->address, exposed->as);
		NJ_TRY(note_weak(keeper, detail));
	}
	return NJ_OK;
}

enum nj_err nj_keeper_note_start(struct nj_keeper *keeper)
{
	char detail[96];

	(void)!nj_text_format(detail, sizeof(detail), "cloak %s, %llu devices, %llu applications",
			      keeper->cloak->ops->name, (unsigned long long)keeper->kinds[NJ_PARTY_DEVICE],
			      (unsigned long long)keeper->kinds[NJ_PARTY_APPLICATION]);
	NJ_TRY(nj_audit_write(
	    keeper->audit, &(struct nj_audit_record){ .event = NJ_AUDIT_START, .source = "keeper", .detail = detail }));
	NJ_TRY(nj_keeper_note_vault(keeper));
	if (!keeper->cloak->ops->dark)
		NJ_TRY(note_weak(keeper, "this cloak does not keep the ports dark"));
	return note_reach(keeper);
}
