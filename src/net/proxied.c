#include "net/proxied.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct waiting {
	struct nj_proxied *room;
	struct nj_list link; /* oldest first */
	struct nj_io io;
	struct nj_timer limit;
	struct nj_addr proxy;
	void *origin;
	size_t len;
	uint8_t header[NJ_PROXY_MAX_BYTES];
};

struct nj_proxied {
	struct nj_proxied_config config;
	struct nj_list all;
	size_t count;
};

enum nj_err nj_proxied_new(const struct nj_proxied_config *config, struct nj_proxied **out_proxied)
{
	struct nj_proxied *room = calloc(1, sizeof(*room));

	if (room == NULL)
		return NJ_ERR_NO_MEMORY;
	room->config = *config;
	nj_list_init(&room->all);
	*out_proxied = room;
	return NJ_OK;
}

/* Returns its descriptor, which the caller closes or hands on. */
static int leave(struct waiting *w)
{
	int fd = w->io.fd;

	nj_io_remove(&w->io);
	nj_timer_cancel(&w->limit);
	nj_list_remove(&w->link);
	w->room->count--;
	free(w);
	return fd;
}

static void refuse(struct waiting *w, enum nj_err err)
{
	struct nj_proxied *room = w->room;
	struct nj_addr proxy = w->proxy;
	void *origin = w->origin;

	close(leave(w));
	room->config.refused(room->config.arg, origin, &proxy, err);
}

static void hand_on(struct waiting *w, const struct nj_proxy *header)
{
	struct nj_proxied *room = w->room;
	struct nj_addr proxy = w->proxy;
	void *origin = w->origin;

	room->config.come(room->config.arg, origin, leave(w), &proxy, header);
}

/* No more than is known to be the header's. */
static enum nj_err read_some(struct waiting *w)
{
	size_t want = nj_proxy_wants(nj_view_of(w->header, w->len)) - w->len;
	ssize_t n;

	do
		n = recv(w->io.fd, w->header + w->len, want, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? NJ_ERR_AGAIN : NJ_ERR_IO;
	if (n == 0)
		return NJ_ERR_CLOSED;
	w->len += (size_t)n;
	return NJ_OK;
}

/* The parser says no to what is too long before any of it is read. */
static void read_header(struct waiting *w)
{
	struct nj_proxy header;
	enum nj_err err;
	size_t len;

	do {
		err = read_some(w);
		if (err == NJ_ERR_AGAIN)
			return;
		if (err == NJ_OK)
			err = nj_proxy_parse(nj_view_of(w->header, w->len), &header, &len);
	} while (err == NJ_ERR_AGAIN);
	if (err == NJ_OK)
		hand_on(w, &header);
	else
		refuse(w, err);
}

static void on_event(struct nj_io *io, uint32_t events)
{
	(void)events;
	read_header(NJ_CONTAINER(io, struct waiting, io));
}

static void on_limit(struct nj_timer *timer)
{
	refuse(NJ_CONTAINER(timer, struct waiting, limit), NJ_ERR_TIMEOUT);
}

void nj_proxied_take(struct nj_proxied *room, void *origin, int fd, const struct nj_addr *proxy, uint32_t timeout_ms)
{
	if (room->count >= room->config.max)
		refuse(NJ_CONTAINER(room->all.next, struct waiting, link), NJ_ERR_LIMIT);
	struct waiting *w = malloc(sizeof(*w));
	if (w == NULL) {
		close(fd);
		room->config.refused(room->config.arg, origin, proxy, NJ_ERR_NO_MEMORY);
		return;
	}
	w->room = room;
	w->io = (struct nj_io){ .fd = fd, .on_event = on_event };
	w->limit = (struct nj_timer){ .on_timer = on_limit };
	w->proxy = *proxy;
	w->origin = origin;
	w->len = 0;
	nj_list_push_back(&room->all, &w->link);
	room->count++;
	enum nj_err err = nj_io_add(room->config.reactor, &w->io, EPOLLIN);
	if (err != NJ_OK) {
		refuse(w, err);
		return;
	}
	nj_timer_arm(room->config.reactor, &w->limit, timeout_ms);
	read_header(w);
}

size_t nj_proxied_count(const struct nj_proxied *room)
{
	return room->count;
}

void nj_proxied_free(struct nj_proxied *room)
{
	if (room == NULL)
		return;
	while (!nj_list_empty(&room->all))
		close(leave(NJ_CONTAINER(room->all.next, struct waiting, link)));
	free(room);
}
