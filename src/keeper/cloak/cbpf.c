#include "keeper/cloak/cbpf.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/list.h"
#include "keeper/cloak/abi.h"
#include "keeper/cloak/key.h"

#define PASS UINT32_MAX
#define DROP 0
#define EXACT_BITS 128
#define V4_MAPPED_BITS 96
#define WORDS 4          /* of an address, in the order of the wire */
#define STEPS_A_GRANT 13 /* at most: load, mask and compare four words, pass */
#define STEPS_AROUND 9   /* load the source, and drop at the end */
#define V4_SOURCE_AT 12  /* RFC 791 3.1 */
#define V6_SOURCE_AT 8   /* RFC 8200 3 */

#define STEPS_MAX (STEPS_A_GRANT * NJ_CLOAK_CBPF_GRANTS_MAX + STEPS_AROUND)
_Static_assert(STEPS_MAX <= BPF_MAXINSNS, "the kernel takes no longer program");

const char *const nj_cloak_cbpf_cannot[] = {
	"at most 256 doors are open at one time, fewer where net.core.optmem_max is small",
	"there is no filter of hints: every datagram of a knock's length reaches the keeper",
	"the filters are not locked: only its list of system calls keeps the gateway process from lifting them",
	"doors close by a process's timer, not by the kernel's clock: were the warden to hang, they would stay open",
	"a handshake that is under way when its door closes is lost",
	"while a door is open its source sees an ordinary port; scans from there are answered",
	NULL,
};

struct cbpf_grant {
	struct nj_cloak_key key;
	bool v4;
	uint64_t expires_boot_ns;
};

struct cbpf_cloak {
	struct nj_cloak cloak;
	struct nj_cloak_listener listeners[NJ_CLOAK_CBPF_LISTENERS_MAX];
	size_t listener_count;
	struct cbpf_grant grants[NJ_CLOAK_CBPF_GRANTS_MAX];
	size_t grant_count;
	bool stale; /* a listener's program is not of these grants: set again at each renewal */
	struct sock_filter steps[STEPS_MAX];
	uint16_t step_count;
};

static struct cbpf_cloak *of(struct nj_cloak *cloak)
{
	return NJ_CONTAINER(cloak, struct cbpf_cloak, cloak);
}

static enum nj_err attach(int fd, struct sock_filter *steps, uint16_t count)
{
	const struct sock_fprog program = { .len = count, .filter = steps };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
		return errno == ENOMEM ? NJ_ERR_LIMIT : nj_err_from_errno(errno);
	return NJ_OK;
}

enum nj_err nj_cloak_cbpf_shut(int listener_fd, struct nj_why *why)
{
	struct sock_filter steps[] = { BPF_STMT(BPF_RET | BPF_K, DROP) };
	enum nj_err err = attach(listener_fd, steps, 1);

	return err == NJ_OK ? NJ_OK : nj_why(why, err, "a listener's filter cannot be set: %s", nj_err_text(err));
}

enum nj_err nj_cloak_cbpf_knock(int socket_fd, struct nj_why *why)
{
	const int one = 1;
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sizeof(struct udphdr) + NJ_CLOAK_KNOCK_BYTES, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PASS),
		BPF_STMT(BPF_RET | BPF_K, DROP),
	};
	enum nj_err err = attach(socket_fd, steps, sizeof(steps) / sizeof(steps[0]));

	if (err == NJ_OK && setsockopt(socket_fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) != 0)
		err = nj_err_from_errno(errno);
	return err == NJ_OK ? NJ_OK : nj_why(why, err, "the knock socket's filter cannot be set: %s", nj_err_text(err));
}

/* ---- a listener's program ---- */

static void step(struct cbpf_cloak *c, struct sock_filter one)
{
	c->steps[c->step_count++] = one;
}

/* The source address goes to the scratch words 0 to 3; of IPv4 only word 3 is used, as in a v4-mapped address. */
static void load_source(struct cbpf_cloak *c, bool v4)
{
	uint32_t at = (uint32_t)SKF_NET_OFF + (v4 ? V4_SOURCE_AT : V6_SOURCE_AT);

	for (unsigned word = v4 ? WORDS - 1 : 0; word < WORDS; word++, at += 4) {
		step(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
		step(c, (struct sock_filter)BPF_STMT(BPF_ST, word));
	}
}

/* Bits of a word that a prefix of the 128 covers. */
static uint32_t word_mask(unsigned prefix, unsigned word)
{
	unsigned bits = prefix > word * 32 ? prefix - word * 32 : 0;

	if (bits == 0)
		return 0;
	return bits >= 32 ? UINT32_MAX : UINT32_MAX << (32 - bits);
}

/* Passes a source whose words all match; else falls through to what comes next. */
static void match_grant(struct cbpf_cloak *c, const struct cbpf_grant *grant)
{
	const uint8_t *bytes = (const uint8_t *)grant->key.ip;
	uint16_t compares[WORDS];
	size_t count = 0;

	/* From the last word: where neighbours differ. */
	for (unsigned word = WORDS; word-- > (grant->v4 ? WORDS - 1u : 0u);) {
		uint32_t mask = word_mask(grant->key.extra, word);
		const uint8_t *b = bytes + (size_t)word * 4;
		uint32_t value = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

		if (mask == 0)
			continue;
		step(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_MEM, word));
		if (mask != UINT32_MAX)
			step(c, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
		compares[count++] = c->step_count;
		step(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
	}
	step(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, PASS));
	for (size_t i = 0; i < count; i++)
		c->steps[compares[i]].jf = (uint8_t)(c->step_count - compares[i] - 1);
}

static enum nj_err rebuild_one(struct cbpf_cloak *c, const struct nj_cloak_listener *listener)
{
	bool v4 = nj_addr_is_v4(&listener->addr);

	c->step_count = 0;
	load_source(c, v4);
	for (size_t i = 0; i < c->grant_count; i++)
		if (c->grants[i].v4 == v4 && c->grants[i].key.local_port == listener->addr.port)
			match_grant(c, &c->grants[i]);
	step(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, DROP));
	return attach(listener->fd, c->steps, c->step_count);
}

/* The first error counts; the other listeners are brought up to date all the same. */
static enum nj_err rebuild(struct cbpf_cloak *c, uint16_t port)
{
	enum nj_err first = NJ_OK;

	for (size_t i = 0; i < c->listener_count; i++) {
		if (port != 0 && c->listeners[i].addr.port != port)
			continue;
		enum nj_err err = rebuild_one(c, &c->listeners[i]);
		if (first == NJ_OK)
			first = err;
	}
	c->stale = c->stale || first != NJ_OK;
	return first;
}

/* A door whose grant is gone must not stay open for want of memory: what still cannot be set lets nobody in. */
static enum nj_err rebuild_again(struct cbpf_cloak *c)
{
	struct sock_filter nobody[] = { BPF_STMT(BPF_RET | BPF_K, DROP) };
	enum nj_err err;

	c->stale = false;
	err = rebuild(c, 0);
	for (size_t i = 0; err != NJ_OK && i < c->listener_count; i++)
		(void)!attach(c->listeners[i].fd, nobody, 1);
	return err;
}

/* ---- operations ---- */

static size_t find(const struct cbpf_cloak *c, const struct nj_cloak_key *key)
{
	for (size_t i = 0; i < c->grant_count; i++)
		if (memcmp(&c->grants[i].key, key, sizeof(*key)) == 0)
			return i;
	return c->grant_count;
}

static enum nj_err cbpf_clear(struct nj_cloak *cloak)
{
	of(cloak)->grant_count = 0;
	return rebuild(of(cloak), 0);
}

static enum nj_err cbpf_open(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port,
			     uint64_t expires_boot_ns)
{
	struct cbpf_cloak *c = of(cloak);
	struct cbpf_grant grant = { .v4 = nj_addr_is_v4(source), .expires_boot_ns = expires_boot_ns };

	NJ_TRY(nj_cloak_grant_key(source, prefix, port, &grant.key));
	size_t place = find(c, &grant.key);
	if (place < c->grant_count) {
		c->grants[place].expires_boot_ns = expires_boot_ns;
		return NJ_OK;
	}
	if (c->grant_count == NJ_CLOAK_CBPF_GRANTS_MAX)
		return NJ_ERR_LIMIT;
	c->grants[c->grant_count++] = grant;
	enum nj_err err = rebuild(c, port);
	if (err != NJ_OK) {
		c->grant_count--;
		(void)!rebuild(c, port); /* the program before was shorter: it fits, or is there still */
	}
	return err;
}

static enum nj_err drop_at(struct cbpf_cloak *c, size_t place)
{
	uint16_t port = c->grants[place].key.local_port;

	c->grants[place] = c->grants[--c->grant_count];
	return rebuild(c, port);
}

static enum nj_err cbpf_shut(struct nj_cloak *cloak, const struct nj_addr *source, uint8_t prefix, uint16_t port)
{
	struct cbpf_cloak *c = of(cloak);
	struct nj_cloak_key key;

	NJ_TRY(nj_cloak_grant_key(source, prefix, port, &key));
	size_t place = find(c, &key);
	return place < c->grant_count ? drop_at(c, place) : NJ_OK;
}

static enum nj_err cbpf_flow_end(struct nj_cloak *cloak, const struct nj_addr *peer, uint16_t local_port)
{
	return NJ_OK;
}

/* Without a clock in the filter this is the place where time ends a grant that nobody shut. */
static enum nj_err cbpf_renew(struct nj_cloak *cloak, uint64_t now_boot_ns)
{
	struct cbpf_cloak *c = of(cloak);
	enum nj_err first = NJ_OK;

	for (size_t i = c->grant_count; i > 0; i--) {
		enum nj_err err = c->grants[i - 1].expires_boot_ns <= now_boot_ns ? drop_at(c, i - 1) : NJ_OK;
		if (first == NJ_OK)
			first = err;
	}
	if (c->stale) {
		enum nj_err err = rebuild_again(c);
		if (first == NJ_OK)
			first = err;
	}
	return first;
}

static void no_hint(struct nj_cloak *cloak, const uint8_t hint[8])
{
}

static enum nj_err no_rebuild_begin(struct nj_cloak *cloak, uint64_t expected)
{
	return NJ_OK;
}

static enum nj_err no_rebuild_end(struct nj_cloak *cloak)
{
	return NJ_OK;
}

static void cbpf_stats(struct nj_cloak *cloak, struct nj_cloak_stats *out_stats)
{
	*out_stats = (struct nj_cloak_stats){ 0 };
}

static void cbpf_free(struct nj_cloak *cloak)
{
	free(of(cloak));
}

static const struct nj_cloak_ops cbpf_ops = {
	.name = "cbpf",
	.dark = true,
	.cannot = nj_cloak_cbpf_cannot,
	.clear = cbpf_clear,
	.open = cbpf_open,
	.shut = cbpf_shut,
	.flow_end = cbpf_flow_end,
	.renew = cbpf_renew,
	.hint_add = no_hint,
	.rebuild_begin = no_rebuild_begin,
	.rebuild_add = no_hint,
	.rebuild_end = no_rebuild_end,
	.stats = cbpf_stats,
	.free = cbpf_free,
};

enum nj_err nj_cloak_cbpf_new(const struct nj_cloak_listener *listeners, size_t count, struct nj_cloak **out_cloak)
{
	struct cbpf_cloak *c;

	if (count > NJ_CLOAK_CBPF_LISTENERS_MAX)
		return NJ_ERR_LIMIT;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NJ_ERR_NO_MEMORY;
	c->cloak.ops = &cbpf_ops;
	if (count > 0)
		memcpy(c->listeners, listeners, count * sizeof(*listeners));
	c->listener_count = count;
	*out_cloak = &c->cloak;
	return NJ_OK;
}
