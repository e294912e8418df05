/*
 * Handles: descriptors that need a path, a privilege or the keeper's uid. Made once by the set-up stage, kept by the
 * supervisor for the life of the gateway, duplicated into each new keeper and gateway by START. Main thread.
 */
#ifndef NJ_DAEMON_HANDLES_H
#define NJ_DAEMON_HANDLES_H

#include "base/addr.h"
#include "base/wire.h"

#define NJ_HANDLES_MAX 96
#define NJ_HANDLES_MESSAGE_BYTES 4096

/* X(name, number, the keeper gets it, the gateway gets it, the warden gets it, what it is) */
#define NJ_HANDLE_TABLE(X)                                                                                  \
	X(NJ_HANDLE_CONFIG, 1, true, true, true, "the checked configuration's text")                        \
	X(NJ_HANDLE_LISTENER, 2, false, true, false, "a cloaked listener")                                  \
	X(NJ_HANDLE_HOLD, 3, false, false, false, "keeps a listener's port ours, never listens")            \
	X(NJ_HANDLE_KNOCK, 4, true, false, false, "a knock socket")                                         \
	X(NJ_HANDLE_LOCAL, 5, false, true, false, "a local listener, without a knock")                      \
	X(NJ_HANDLE_KEEPER_SOCK, 6, true, false, false, "the keeper's administration socket")               \
	X(NJ_HANDLE_ADMIN_SOCK, 7, false, true, false, "the gateway's administration socket")               \
	X(NJ_HANDLE_CLOAK, 8, true, false, false, "a map of the cloak's program")                           \
	X(NJ_HANDLE_PROGRAM, 9, false, false, false, "a program of the cloak")                              \
	X(NJ_HANDLE_KEY_FILE, 10, true, false, false, "the vault's key file")                               \
	X(NJ_HANDLE_FILTERED, 11, false, false, true, "a listener whose filter the warden sets, with cbpf") \
	X(NJ_HANDLE_WARDEN_SOCK, 12, false, false, true, "the warden's administration socket")

enum nj_handle_kind {
#define NJ_HANDLE_ENUM(name, number, keeper, gateway, warden, text) name = number,
	NJ_HANDLE_TABLE(NJ_HANDLE_ENUM)
#undef NJ_HANDLE_ENUM
};

struct nj_handle {
	int fd;
	uint8_t kind;     /* enum nj_handle_kind */
	uint8_t index;    /* LOCAL: row of the configuration's list; CLOAK: which map */
	uint16_t service; /* LISTENER, HOLD, LOCAL */
	struct nj_addr addr;
};

struct nj_handles {
	size_t count;
	struct nj_handle at[NJ_HANDLES_MAX];
};

enum nj_role { NJ_ROLE_KEEPER = 1, NJ_ROLE_GATEWAY = 2, NJ_ROLE_WARDEN = 3 };
const char *nj_role_name(enum nj_role role);

/* Takes over `fd`. NJ_ERR_LIMIT (and `fd` is closed). */
NJ_MUST_USE enum nj_err nj_handles_add(struct nj_handles *handles, struct nj_handle handle);
/* The first of a kind, or -1. */
int nj_handles_find(const struct nj_handles *handles, enum nj_handle_kind kind);
void nj_handles_close(struct nj_handles *handles);

/* Sends those that `role` gets (0: all) over a channel, and receives them. Blocking. */
NJ_MUST_USE enum nj_err nj_handles_send(int channel_fd, const struct nj_handles *handles, int role);
NJ_MUST_USE enum nj_err nj_handles_receive(int channel_fd, struct nj_handles *out_handles);

#endif
