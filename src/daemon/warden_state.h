/* The warden's inside, shared by warden.c and warden_perimeter.c alone. */
#ifndef NJ_DAEMON_WARDEN_STATE_H
#define NJ_DAEMON_WARDEN_STATE_H

#include "bus/admin.h"
#include "bus/ward.h"
#include "daemon/role.h"
#include "keeper/cloak/cbpf.h"
#include "keeper/cloak/nft.h"
#include "net/channel.h"

enum perimeter_state { PERIMETER_OFF, PERIMETER_ON_TRIAL, PERIMETER_ON };

struct perimeter {
	enum perimeter_state state;
	struct nj_settings_perimeter list; /* in force while not off */
	bool replaces;                     /* the trial is of another list than … */
	struct nj_settings_perimeter kept; /* … this, which was confirmed and comes back */
	struct nj_timer trial;
};

struct warden {
	const struct nj_role_config *config;
	struct nj_reactor *reactor;
	struct nj_channel control;
	struct nj_channel keeper;
	bool keeper_up;
	struct nj_admin_server *admin;
	struct nj_nft *nft;
	struct nj_cloak *listeners; /* NULL but with the cloak cbpf */
	struct perimeter perimeter;
	struct nj_timer tick;
	uint64_t renewed_ms;
	uint64_t checked_ms; /* that the guards' table is there */
	bool maybe_open;     /* something was opened since all was shut */
};

extern const struct nj_admin_verb warden_verbs[];
extern const size_t warden_verb_count;

/* As the configuration says, at start. */
NJ_MUST_USE enum nj_err warden_perimeter_start(struct warden *w, struct nj_why *why);
/* For the log and the keeper's audit log. */
void warden_note(struct warden *w, const char *caller, const char *detail);

#endif
