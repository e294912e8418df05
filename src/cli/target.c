#include "cli/target.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#define HOST_BYTES 256

enum nj_err nj_target_split(const char *text, char *out_host, size_t host_bytes, uint16_t *out_port)
{
	const char *colon = strrchr(text, ':');
	uint64_t port = 0;
	size_t len = strlen(text);

	if (colon != NULL) {
		NJ_TRY(nj_number_parse(colon + 1, 1, UINT16_MAX, &port));
		len = (size_t)(colon - text);
	}
	if (len == 0 || memchr(text, ':', len) != NULL)
		return NJ_ERR_MALFORMED;
	NJ_TRY(nj_text_copy_view(out_host, host_bytes, nj_view_of(text, len)));
	*out_port = (uint16_t)port;
	return NJ_OK;
}

static enum nj_err look_up(const char *host, uint16_t port, struct nj_targets *out_targets, struct nj_why *why)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;
	struct nj_targets targets = { 0 };
	int failed = getaddrinfo(host, NULL, &hints, &found);

	if (failed != 0)
		return nj_why(why, failed == EAI_AGAIN ? NJ_ERR_AGAIN : NJ_ERR_NOT_FOUND, "cannot resolve %s: %s", host,
			      gai_strerror(failed));
	for (const struct addrinfo *one = found; one != NULL && targets.count < NJ_TARGETS_MAX; one = one->ai_next) {
		struct nj_addr *addr = &targets.at[targets.count];

		if (nj_addr_from_sockaddr(one->ai_addr, one->ai_addrlen, addr) != NJ_OK)
			continue;
		addr->port = port;
		targets.count++;
	}
	freeaddrinfo(found);
	if (targets.count == 0)
		return nj_why(why, NJ_ERR_NOT_FOUND, "%s has no address", host);
	*out_targets = targets;
	return NJ_OK;
}

enum nj_err nj_targets_resolve(const char *text, uint16_t default_port, struct nj_targets *out_targets,
			       struct nj_why *why)
{
	struct nj_addr literal;
	char host[HOST_BYTES];
	uint16_t port = 0;

	if (nj_addr_parse(text, &literal) == NJ_OK) {
		if (literal.port == 0)
			literal.port = default_port;
		out_targets->at[0] = literal;
		out_targets->count = 1;
		return NJ_OK;
	}
	if (nj_target_split(text, host, sizeof(host), &port) != NJ_OK)
		return nj_why(why, NJ_ERR_USAGE, "\"%.80s\" is not HOST or HOST:PORT (IPv6: [ADDRESS]:PORT)", text);
	return look_up(host, port != 0 ? port : default_port, out_targets, why);
}

/* The whole time passes, unless the host says that nobody is there. */
static enum nj_sent wait_silently(int fd, uint32_t wait_ms)
{
	uint64_t until_ms = nj_clock_boot_ms(nj_clock_system()) + wait_ms;

	for (;;) {
		uint64_t now_ms = nj_clock_boot_ms(nj_clock_system());
		struct pollfd entry = { .fd = fd };
		int failed = 0;
		socklen_t len = sizeof(failed);

		if (now_ms >= until_ms)
			return NJ_SENT_SILENT;
		if (poll(&entry, 1, (int)(until_ms - now_ms)) <= 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 && failed == ECONNREFUSED)
			return NJ_SENT_REFUSED;
	}
}

enum nj_err nj_target_send(const struct nj_addr *target, const uint8_t datagram[NJ_KNOCK_BYTES], uint32_t wait_ms,
			   enum nj_sent *out_sent, struct nj_why *why)
{
	struct sockaddr_storage sa;
	socklen_t len = nj_addr_to_sockaddr(target, &sa);
	NJ_CLEANUP_FD int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[NJ_ADDR_TEXT_BYTES];

	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, len) != 0 ||
	    send(fd, datagram, NJ_KNOCK_BYTES, 0) != NJ_KNOCK_BYTES)
		return nj_why(why, nj_err_from_errno(errno), "cannot send to %s: %m", nj_addr_text(target, text));
	*out_sent = wait_silently(fd, wait_ms);
	return NJ_OK;
}
