#include "daemon/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/bridge_files.h"
#include "daemon/ceiling.h"
#include "daemon/reload.h"
#include "daemon/sandbox.h"
#include "keeper/cloak/cbpf.h"
#include "keeper/cloak/nft.h"
#include "keeper/cloak/setup.h"
#include "net/channel.h"
#include "net/listener.h"
#include "net/ports.h"
#include "wire/knock.h"

#define LISTEN_BACKLOG 1024
#define KNOCK_BUFFER_BYTES (4 << 20)
#define FLOWS_MAX 16384
#define SOCKET_MODE 0600
#define SHARED_SOCKET_MODE 0660
#define PORT_STEP_MS 20
#define PORT_TRIES 50

struct stage {
	const struct nj_settings *settings;
	const struct nj_paths *paths;
	const struct nj_users *users;
	struct nj_handles *handles;
	struct nj_cloak_fds cloak; /* -1 each but with bpf */
	struct nj_why *why;
};

/* Services whose protocol is built in; each gets a listener where its port is not 0. */
struct service_port {
	enum nj_service service;
	size_t offset;
};

static const struct service_port service_ports[] = {
	{ NJ_SERVICE_MQTTS, offsetof(struct nj_settings_ports, mqtts) },
	{ NJ_SERVICE_MQTT, offsetof(struct nj_settings_ports, mqtt) },
	{ NJ_SERVICE_ENROLMENT, offsetof(struct nj_settings_ports, enrolment) },
};
#define SERVICES (sizeof(service_ports) / sizeof(service_ports[0]))

static bool is_dark(const struct stage *stage)
{
	return stage->settings->cloak == NJ_SETTINGS_CLOAK_BPF;
}

static bool is_classic(const struct stage *stage)
{
	return stage->settings->cloak == NJ_SETTINGS_CLOAK_CBPF;
}

static enum nj_err add(struct stage *stage, struct nj_handle handle)
{
	enum nj_err err = nj_handles_add(stage->handles, handle);

	return err == NJ_OK ? NJ_OK : nj_why(stage->why, err, "too many listeners: name fewer addresses in `listen`");
}

static enum nj_err add_config(struct stage *stage)
{
	int fd = -1;

	NJ_TRY(nj_config_fd_new(stage->settings, &fd, stage->why));
	NJ_TRY(add(stage, (struct nj_handle){ .fd = fd, .kind = NJ_HANDLE_CONFIG }));
	NJ_TRY(nj_bridges_fd_new(stage->settings, &fd, stage->why));
	NJ_TRY(add(stage, (struct nj_handle){ .fd = fd, .kind = NJ_HANDLE_BRIDGES }));
	NJ_TRY(nj_bridges_peers_fd_new(stage->settings, &fd, stage->why));
	return add(stage, (struct nj_handle){ .fd = fd, .kind = NJ_HANDLE_PEERS });
}

static enum nj_err load_cloak(struct stage *stage)
{
	uint32_t devices = stage->settings->limits.devices;
	struct nj_cloak_limits limits = {
		.grants_max = nj_ceiling_grants(devices),
		.flows_max = FLOWS_MAX,
		.hints_max = (uint64_t)devices * NJ_KNOCK_WINDOW,
	};

	for (size_t i = 0; i < NJ_CLOAK_FD_COUNT; i++)
		stage->cloak.fd[i] = -1;
	if (!is_dark(stage))
		return NJ_OK;
	NJ_TRY(nj_cloak_bpf_setup(&limits, &stage->cloak, stage->why));
	for (size_t i = 0; i < NJ_CLOAK_FD_COUNT; i++) {
		struct nj_handle handle = { .fd = stage->cloak.fd[i], .kind = NJ_HANDLE_CLOAK, .index = (uint8_t)i };
		if (i == NJ_CLOAK_FD_TCP_PROGRAM || i == NJ_CLOAK_FD_UDP_PROGRAM)
			handle.kind = NJ_HANDLE_PROGRAM;
		NJ_TRY(add(stage, handle));
	}
	return NJ_OK;
}

/* An address family that this machine does not have is left out, if the other one is there. */
static bool may_skip(const struct stage *stage, const struct nj_addr *addr, enum nj_err err)
{
	return err == NJ_ERR_UNSUPPORTED && nj_addr_is_any(addr) && stage->settings->listen_count > 1;
}

/* A gateway that was just killed may take a moment to let go. */
static enum nj_err await_port(struct stage *stage, enum nj_socket_kind kind, const struct nj_addr *addr)
{
	const struct timespec step = { .tv_nsec = PORT_STEP_MS * 1000000L };
	char text[NJ_ADDR_TEXT_BYTES];

	for (int tries = 0; nj_port_taken(kind, addr); tries++) {
		if (tries == PORT_TRIES)
			return nj_why(stage->why, NJ_ERR_BUSY,
				      "%s %s is in use by another program (another gateway? choose other `ports:`)",
				      kind == NJ_SOCKET_TCP ? "TCP" : "UDP", nj_addr_text(addr, text));
		(void)nanosleep(&step, NULL);
	}
	return NJ_OK;
}

/* Everything is dropped until the warden, which gets a duplicate, is told better. */
static enum nj_err cover(struct stage *stage, struct nj_handle listener)
{
	if (is_dark(stage))
		return nj_cloak_bpf_attach(stage->cloak.fd[NJ_CLOAK_FD_TCP_PROGRAM], listener.fd, stage->why);
	if (!is_classic(stage))
		return NJ_OK;
	enum nj_err err = nj_cloak_cbpf_shut(listener.fd, stage->why);
	if (err == NJ_ERR_DENIED)
		return nj_why(
		    stage->why, err,
		    "cloak: cbpf: this kernel lets only CAP_NET_ADMIN filter TCP sockets: give it, or use bpf");
	NJ_TRY(err);
	listener.kind = NJ_HANDLE_FILTERED;
	listener.fd = dup(listener.fd);
	if (listener.fd < 0)
		return nj_why(stage->why, nj_err_from_errno(errno), "dup: %s", strerror(errno));
	return add(stage, listener);
}

static enum nj_err open_listener(struct stage *stage, uint16_t service, const struct nj_addr *addr)
{
	struct nj_handle handle = { .kind = NJ_HANDLE_LISTENER, .service = service, .addr = *addr };
	struct nj_handle hold = { .kind = NJ_HANDLE_HOLD, .service = service, .addr = *addr };

	enum nj_err err = nj_socket_bind(NJ_SOCKET_TCP, addr, &handle.fd, stage->why);
	if (may_skip(stage, addr, err))
		return NJ_OK;
	NJ_TRY(err);
	NJ_TRY(add(stage, handle));
	NJ_TRY(cover(stage, handle));
	NJ_TRY(nj_socket_bind(NJ_SOCKET_TCP, addr, &hold.fd, stage->why));
	NJ_TRY(add(stage, hold));
	if (listen(handle.fd, LISTEN_BACKLOG) != 0)
		return nj_why(stage->why, nj_err_from_errno(errno), "listen: %s", strerror(errno));
	return NJ_OK;
}

/* While a group of knocks is written to the disk the next ones wait in the socket: room for those of a group's time at
 * ten times the rate that a gateway takes up. Junk never comes this far. Without the privilege it stays what it was. */
static void widen(int fd)
{
	const int bytes = KNOCK_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static enum nj_err open_knock(struct stage *stage, const struct nj_addr *addr)
{
	struct nj_handle handle = { .kind = NJ_HANDLE_KNOCK, .addr = *addr };

	enum nj_err err = nj_socket_bind(NJ_SOCKET_UDP, addr, &handle.fd, stage->why);
	if (may_skip(stage, addr, err))
		return NJ_OK;
	NJ_TRY(err);
	NJ_TRY(add(stage, handle));
	widen(handle.fd);
	if (is_dark(stage))
		return nj_cloak_bpf_attach(stage->cloak.fd[NJ_CLOAK_FD_UDP_PROGRAM], handle.fd, stage->why);
	return is_classic(stage) ? nj_cloak_cbpf_knock(handle.fd, stage->why) : NJ_OK;
}

static uint16_t port_of(const struct nj_settings *settings, const struct service_port *service)
{
	uint16_t port;

	memcpy(&port, (const char *)&settings->ports + service->offset, sizeof(port));
	return port;
}

size_t nj_setup_ports(const struct nj_settings *settings, uint16_t *out_ports, size_t cap)
{
	size_t count = 0;

	for (size_t i = 0; i < SERVICES && count < cap; i++)
		if (port_of(settings, &service_ports[i]) != 0)
			out_ports[count++] = port_of(settings, &service_ports[i]);
	return count;
}

/* Before the first socket of ours is made: a local listener may share its port with a cloaked one of all addresses. */
static enum nj_err await_ports(struct stage *stage)
{
	const struct nj_settings *settings = stage->settings;

	for (size_t i = 0; i < settings->listen_count; i++) {
		struct nj_addr addr = settings->listen_addr[i];
		addr.port = settings->ports.knock;
		NJ_TRY(await_port(stage, NJ_SOCKET_UDP, &addr));
		for (size_t s = 0; s < SERVICES; s++) {
			addr.port = port_of(settings, &service_ports[s]);
			if (addr.port != 0)
				NJ_TRY(await_port(stage, NJ_SOCKET_TCP, &addr));
		}
	}
	for (size_t i = 0; i < settings->local_count; i++)
		if (settings->local[i].unix_path_at == 0)
			NJ_TRY(await_port(stage, NJ_SOCKET_TCP, &settings->local[i].addr));
	return NJ_OK;
}

static enum nj_err open_cloaked(struct stage *stage)
{
	const struct nj_settings *settings = stage->settings;

	for (size_t i = 0; i < settings->listen_count; i++) {
		struct nj_addr addr = settings->listen_addr[i];
		addr.port = settings->ports.knock;
		NJ_TRY(open_knock(stage, &addr));
		for (size_t s = 0; s < SERVICES; s++) {
			addr.port = port_of(settings, &service_ports[s]);
			if (addr.port != 0)
				NJ_TRY(open_listener(stage, (uint16_t)service_ports[s].service, &addr));
		}
	}
	if (nj_handles_find(stage->handles, NJ_HANDLE_KNOCK) < 0)
		return nj_why(stage->why, NJ_ERR_CONFIG, "no address of `listen` exists on this machine");
	return NJ_OK;
}

/* Sockets of one address and port would share its connections. */
static enum nj_err check_apart(const struct stage *stage, const struct nj_settings_local *local)
{
	for (size_t i = 0; i < stage->handles->count; i++) {
		const struct nj_handle *handle = &stage->handles->at[i];
		if (handle->kind == NJ_HANDLE_LISTENER && handle->addr.port == local->addr.port &&
		    nj_addr_same_host(&handle->addr, &local->addr))
			return nj_why(stage->why, NJ_ERR_CONFIG, "local: '%s' is the address of a cloaked service too",
				      local->address);
	}
	return NJ_OK;
}

static enum nj_err give_to_group(struct stage *stage, const char *path, const char *name)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return nj_why(stage->why, NJ_ERR_CONFIG, "local: there is no group '%s' on this machine", name);
	if (lchown(path, (uid_t)-1, group->gr_gid) != 0)
		return nj_why(stage->why, nj_err_from_errno(errno), "local: %s cannot be given to the group %s: %s",
			      path, name, strerror(errno));
	return NJ_OK;
}

static enum nj_err open_local_unix(struct stage *stage, const struct nj_settings_local *local, struct nj_handle handle)
{
	const char *path = local->address + local->unix_path_at;
	bool shared = local->group[0] != '\0';

	NJ_TRY(nj_socket_unix(path, shared ? SHARED_SOCKET_MODE : SOCKET_MODE, &handle.fd, stage->why));
	NJ_TRY(add(stage, handle));
	return shared ? give_to_group(stage, path, local->group) : NJ_OK;
}

static enum nj_err open_local(struct stage *stage, size_t index)
{
	const struct nj_settings_local *local = &stage->settings->local[index];
	struct nj_handle handle = {
		.kind = NJ_HANDLE_LOCAL,
		.index = (uint8_t)index,
		.service = local->service == NJ_SETTINGS_LOCAL_MQTTS ? NJ_SERVICE_MQTTS : NJ_SERVICE_MQTT,
		.addr = local->addr,
	};

	if (local->service != NJ_SETTINGS_LOCAL_MQTT && local->service != NJ_SETTINGS_LOCAL_MQTTS)
		return nj_why(stage->why, NJ_ERR_UNSUPPORTED, "local: only the services mqtt and mqtts are there yet");
	if (local->unix_path_at != 0)
		return open_local_unix(stage, local, handle);
	NJ_TRY(check_apart(stage, local));
	/* As the cloaked listeners: it may share its port with one of all addresses. */
	(void)setfsuid(stage->users->keeper_uid);
	enum nj_err err = nj_socket_bind(NJ_SOCKET_TCP, &local->addr, &handle.fd, stage->why);
	(void)setfsuid(geteuid());
	NJ_TRY(err);
	NJ_TRY(add(stage, handle));
	if (listen(handle.fd, LISTEN_BACKLOG) != 0)
		return nj_why(stage->why, nj_err_from_errno(errno), "listen: %s", strerror(errno));
	return NJ_OK;
}

static enum nj_err open_admin(struct stage *stage, enum nj_handle_kind kind, const char *path)
{
	struct nj_handle handle = { .kind = (uint8_t)kind };

	NJ_TRY(nj_socket_unix(path, SOCKET_MODE, &handle.fd, stage->why));
	return add(stage, handle);
}

static bool may_filter(void)
{
	cap_t own = cap_get_proc();
	cap_flag_value_t has = CAP_CLEAR;

	if (own != NULL)
		(void)cap_get_flag(own, CAP_NET_ADMIN, CAP_EFFECTIVE, &has);
	cap_free(own);
	return has == CAP_SET;
}

/* What would fail later is refused now, in plain words. */
static enum nj_err check_warden(struct stage *stage)
{
	const struct nj_settings *settings = stage->settings;

	if (may_filter())
		return NJ_OK;
	if (settings->guard_count > 0)
		return nj_why(stage->why, NJ_ERR_DENIED, "guard: CAP_NET_ADMIN is needed to guard other services");
	if (settings->perimeter.mode != NJ_SETTINGS_PERIMETER_OFF)
		return nj_why(stage->why, NJ_ERR_DENIED, "perimeter: CAP_NET_ADMIN is needed");
	return NJ_OK;
}

/* The guards' table outlives us, so that what is guarded stays shut; a start without guards takes ours away. */
static enum nj_err settle_guards(struct stage *stage)
{
	const char *mark = stage->paths->guards_mark;
	struct nj_nft *nft = NULL;

	if (stage->settings->guard_count > 0) {
		int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, SOCKET_MODE);
		if (fd < 0)
			return nj_why(stage->why, nj_err_from_errno(errno), "%s: %s", mark, strerror(errno));
		close(fd);
		return NJ_OK;
	}
	if (access(mark, F_OK) != 0)
		return NJ_OK;
	NJ_TRY(nj_nft_new(&nft));
	enum nj_err err = nj_nft_guards_set(nft, NULL, 0, stage->why);
	nj_nft_free(nft);
	if (err == NJ_OK)
		(void)unlink(mark);
	return err;
}

static enum nj_err run_stage(struct stage *stage)
{
	NJ_TRY(add_config(stage));
	NJ_TRY(check_warden(stage));
	NJ_TRY(settle_guards(stage));
	NJ_TRY(load_cloak(stage));
	NJ_TRY(await_ports(stage));
	/* SO_REUSEPORT shares a port among sockets of one uid only: the keeper's, so never the gateway's. */
	(void)setfsuid(stage->users->keeper_uid);
	NJ_TRY(open_cloaked(stage));
	(void)setfsuid(geteuid());
	for (size_t i = 0; i < stage->settings->local_count; i++)
		NJ_TRY(open_local(stage, i));
	NJ_TRY(open_admin(stage, NJ_HANDLE_KEEPER_SOCK, stage->paths->keeper_sock));
	NJ_TRY(open_admin(stage, NJ_HANDLE_WARDEN_SOCK, stage->paths->warden_sock));
	return open_admin(stage, NJ_HANDLE_ADMIN_SOCK, stage->paths->admin_sock);
}

static void run_child(struct stage *stage, int channel)
{
	struct nj_why why = { "" };

	stage->why = &why;
	enum nj_err err = run_stage(stage);
	if (err == NJ_OK)
		err = nj_handles_send(channel, stage->handles, 0);
	else
		(void)!nj_channel_send_fds(channel, nj_view_str(why.text[0] ? why.text : nj_err_text(err)), NULL, 0);
	_exit(nj_err_exit_code(err));
}

static enum nj_err collect(int channel, pid_t pid, struct nj_handles *handles, struct nj_why *why)
{
	int status = 0;
	char text[sizeof(why->text)];
	size_t len = 0;
	size_t fd_count = 0;

	/* The outcome first: what waits in the channel is then known to be handles, or a reason. */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return nj_handles_receive(channel, handles);
	if (nj_channel_receive_fds(channel, text, sizeof(text) - 1, &len, NULL, 0, &fd_count) != NJ_OK)
		return nj_why(why, NJ_ERR_STATE, "the set-up stage died");
	return nj_why(why, NJ_ERR_CONFIG, "%.*s", (int)len, text);
}

enum nj_err nj_setup_run(const struct nj_settings *settings, const struct nj_paths *paths, const struct nj_users *users,
			 struct nj_handles *out_handles, struct nj_why *why)
{
	struct stage stage = { .settings = settings, .paths = paths, .users = users, .handles = out_handles };
	int pair[2];

	if (nj_channel_pair(pair) != NJ_OK)
		return nj_why(why, NJ_ERR_IO, "no channel for the set-up stage: %s", strerror(errno));
	out_handles->count = 0;
	pid_t pid = fork();
	if (pid == 0)
		run_child(&stage, pair[1]);
	close(pair[1]);
	enum nj_err err =
	    pid < 0 ? nj_why(why, NJ_ERR_LIMIT, "fork: %s", strerror(errno)) : collect(pair[0], pid, out_handles, why);
	close(pair[0]);
	return err;
}
