#include "daemon/handles.h"

#include <unistd.h>

#include "net/channel.h"

static const unsigned handle_rules[] = {
#define HANDLE_RULE(name, number, to, text) [name] = (to),
	NJ_HANDLE_TABLE(HANDLE_RULE)
#undef HANDLE_RULE
};

#define KIND_END (sizeof(handle_rules) / sizeof(handle_rules[0]))

const char *nj_role_name(enum nj_role role)
{
	static const char *const names[] = {
		[NJ_ROLE_KEEPER] = "keeper",
		[NJ_ROLE_GATEWAY] = "gateway",
		[NJ_ROLE_WARDEN] = "warden",
		[NJ_ROLE_DIALLER] = "dialler",
	};

	return names[role];
}

enum nj_err nj_handles_add(struct nj_handles *handles, struct nj_handle handle)
{
	if (handles->count >= NJ_HANDLES_MAX) {
		close(handle.fd);
		return NJ_ERR_LIMIT;
	}
	handles->at[handles->count++] = handle;
	return NJ_OK;
}

int nj_handles_find(const struct nj_handles *handles, enum nj_handle_kind kind)
{
	for (size_t i = 0; i < handles->count; i++)
		if (handles->at[i].kind == kind)
			return handles->at[i].fd;
	return -1;
}

void nj_handles_close(struct nj_handles *handles)
{
	for (size_t i = 0; i < handles->count; i++)
		close(handles->at[i].fd);
	handles->count = 0;
}

static bool goes_to(const struct nj_handle *handle, int role)
{
	return role == 0 || (handle_rules[handle->kind] & 1u << role) != 0;
}

enum nj_err nj_handles_send(int channel_fd, const struct nj_handles *handles, int role)
{
	uint8_t bytes[NJ_HANDLES_MESSAGE_BYTES];
	int fds[NJ_HANDLES_MAX];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	size_t count = 0;
	size_t len;

	for (size_t i = 0; i < handles->count; i++) {
		const struct nj_handle *h = &handles->at[i];
		if (!goes_to(h, role))
			continue;
		fds[count++] = h->fd;
		nj_write_u8(&w, h->kind);
		nj_write_u8(&w, h->index);
		nj_write_u16(&w, h->service);
		nj_write_bytes(&w, h->addr.ip, sizeof(h->addr.ip));
		nj_write_u16(&w, h->addr.port);
		nj_write_u32(&w, h->addr.scope);
	}
	NJ_TRY(nj_writer_end(&w, &len));
	return nj_channel_send_fds(channel_fd, nj_view_of(bytes, len), fds, count);
}

static enum nj_err read_handles(struct nj_view message, const int *fds, size_t fd_count, struct nj_handles *handles)
{
	struct nj_reader r = nj_reader_view(message);

	for (size_t i = 0; i < fd_count; i++) {
		struct nj_handle *h = &handles->at[i];
		h->fd = fds[i];
		h->kind = nj_read_u8(&r);
		h->index = nj_read_u8(&r);
		h->service = nj_read_u16(&r);
		nj_read_bytes(&r, h->addr.ip, sizeof(h->addr.ip));
		h->addr.port = nj_read_u16(&r);
		h->addr.scope = nj_read_u32(&r);
		if (h->kind == 0 || h->kind >= KIND_END)
			nj_reader_fail(&r, NJ_ERR_MALFORMED);
	}
	return nj_reader_end(&r);
}

enum nj_err nj_handles_receive(int channel_fd, struct nj_handles *out_handles)
{
	uint8_t bytes[NJ_HANDLES_MESSAGE_BYTES];
	int fds[NJ_HANDLES_MAX];
	struct nj_handles handles = { 0 };
	size_t fd_count = 0;
	size_t len = 0;

	NJ_TRY(nj_channel_receive_fds(channel_fd, bytes, sizeof(bytes), &len, fds, NJ_HANDLES_MAX, &fd_count));
	enum nj_err err = read_handles(nj_view_of(bytes, len), fds, fd_count, &handles);
	if (err != NJ_OK) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		return err;
	}
	handles.count = fd_count;
	*out_handles = handles;
	return NJ_OK;
}
