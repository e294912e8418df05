#include "daemon/keeper.h"

#include <stdlib.h>

#include "crypto/crypto.h"
#include "daemon/keeper_config.h"
#include "daemon/reload.h"
#include "daemon/sandbox.h"
#include "daemon/settle.h"
#include "keeper/cloak/setup.h"
#include "keeper/process.h"

static enum nj_err enter_sandbox(void *arg, struct nj_why *why)
{
	const struct nj_role_config *config = arg;
	struct nj_sandbox sandbox = {
		.role = NJ_ROLE_KEEPER,
		.data_dir = config->paths.keeper_dir,
	};

	NJ_TRY(nj_sandbox_enter(&sandbox, why));
	nj_settle();
	return NJ_OK;
}

static enum nj_err read_config(void *arg, int fd, struct nj_keeper_config *out_config, struct nj_why *why)
{
	struct nj_role_config *config = arg;
	struct nj_settings *settings = calloc(1, sizeof(*settings));
	enum nj_err err = settings == NULL ? NJ_ERR_NO_MEMORY : nj_config_fd_read(fd, settings, why);

	if (err == NJ_OK) {
		config->settings = *settings;
		nj_log_setup(settings->log.level, settings->log.format, nj_role_name(NJ_ROLE_KEEPER));
		*out_config = nj_keeper_config_of(&config->settings, &config->paths);
	}
	free(settings);
	return err;
}

static enum nj_err open_cloak(const struct nj_role_config *config, struct nj_cloak_fds *fds,
			      struct nj_cloak **out_cloak, struct nj_why *why)
{
	for (size_t i = 0; i < NJ_CLOAK_FD_COUNT; i++)
		fds->fd[i] = -1;
	if (config->settings.cloak == NJ_SETTINGS_CLOAK_FAKE)
		return nj_cloak_fake_new(out_cloak);
	/* The warden's, which the keeper reaches by itself. */
	if (config->settings.cloak == NJ_SETTINGS_CLOAK_CBPF)
		return NJ_OK;
	for (size_t i = 0; i < config->handles.count; i++)
		if (config->handles.at[i].kind == NJ_HANDLE_CLOAK)
			fds->fd[config->handles.at[i].index] = config->handles.at[i].fd;
	enum nj_err err = nj_cloak_bpf_from_fds(fds, out_cloak);
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "the cloak's maps cannot be used: %s", nj_err_text(err));
}

static size_t knock_sockets(const struct nj_handles *handles, int out_fds[NJ_HANDLES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < handles->count; i++)
		if (handles->at[i].kind == NJ_HANDLE_KNOCK)
			out_fds[count++] = handles->at[i].fd;
	return count;
}

enum nj_err nj_keeper_role_run(struct nj_role_config *config, struct nj_why *why)
{
	struct nj_cloak_fds cloak_fds;
	int knock_fds[NJ_HANDLES_MAX];
	struct nj_keeper_process_config process = {
		.keeper = nj_keeper_config_of(&config->settings, &config->paths),
		.control_fd = config->control_fd,
		.admin_fd = nj_handles_find(&config->handles, NJ_HANDLE_KEEPER_SOCK),
		.owner_uid = config->owner_uid,
		.knock_fds = knock_fds,
		.knock_fd_count = knock_sockets(&config->handles, knock_fds),
		.before_loop = enter_sandbox,
		.before_loop_arg = config,
		.read_config = read_config,
		.read_config_arg = config,
	};

	NJ_TRY(nj_crypto_init());
	NJ_TRY(open_cloak(config, &cloak_fds, &process.cloak, why));
	enum nj_err err = nj_keeper_serve(&process, why);
	if (process.cloak != NULL)
		process.cloak->ops->free(process.cloak);
	return err;
}
