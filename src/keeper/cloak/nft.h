/*
 * nftables by libnftables: the perimeter, a table that belongs to this process's netlink socket and goes with it, and
 * the guards' table, which stays when the process goes, so that what is guarded stays shut. Both are written whole, in
 * one transaction: what is refused leaves the old rules as they were. Texts are made from numbers alone. Needs
 * CAP_NET_ADMIN. One thread.
 */
#ifndef NJ_KEEPER_CLOAK_NFT_H
#define NJ_KEEPER_CLOAK_NFT_H

#include "base/config/perimeter.h"

#define NJ_NFT_PERIMETER "nightjar_perimeter"
#define NJ_NFT_GUARD "nightjar_guard"
#define NJ_NFT_PORTS_MAX 8

struct nj_nft;

/* A TCP connection that must go on, whatever the allow-list says. */
struct nj_nft_caller {
	struct nj_addr peer, local;
};

struct nj_nft_perimeter {
	uint16_t knock_port;
	const uint16_t *cloaked; /* TCP ports with a cloak of their own */
	size_t cloaked_count;
	const struct nj_settings_guard *guards; /* their own table decides about them */
	size_t guard_count;
	const struct nj_allow *allow;
	size_t allow_count;
	const struct nj_nft_caller *caller; /* NULL: none */
};

/* Opens the netlink socket that will own the perimeter, and reads what the library reads: before the sandbox. */
NJ_MUST_USE enum nj_err nj_nft_new(struct nj_nft **out_nft);
/* The perimeter goes with it, the guards stay. */
void nj_nft_free(struct nj_nft *nft);

/* Puts the perimeter up or replaces it. NJ_ERR_DENIED without the capability; `why` says what the kernel refused. */
NJ_MUST_USE enum nj_err nj_nft_perimeter_on(struct nj_nft *nft, const struct nj_nft_perimeter *perimeter,
					    struct nj_why *why);
/* Takes it down; harmless when it is not up. */
NJ_MUST_USE enum nj_err nj_nft_perimeter_off(struct nj_nft *nft, struct nj_why *why);

/* Guards these services, with nobody let in; without any, the table goes. */
NJ_MUST_USE enum nj_err nj_nft_guards_set(struct nj_nft *nft, const struct nj_settings_guard *guards, size_t count,
					  struct nj_why *why);
/* NJ_OK when the guards' table is there, NJ_ERR_NOT_FOUND when somebody took it away. */
NJ_MUST_USE enum nj_err nj_nft_guards_there(struct nj_nft *nft);
/* Lets a source in for `ms` (at least 1), in place of what it had. */
NJ_MUST_USE enum nj_err nj_nft_guard_open(struct nj_nft *nft, const struct nj_settings_guard *guard,
					  const struct nj_addr *source, uint8_t prefix, uint64_t ms,
					  struct nj_why *why);
/* Harmless when it was not let in. */
NJ_MUST_USE enum nj_err nj_nft_guard_shut(struct nj_nft *nft, const struct nj_settings_guard *guard,
					  const struct nj_addr *source, uint8_t prefix, struct nj_why *why);

/* The rules as text, for tests and for people; the caller frees them. NULL without memory. */
char *nj_nft_perimeter_text(const struct nj_nft_perimeter *perimeter);
char *nj_nft_guards_text(const struct nj_settings_guard *guards, size_t count);

#endif
