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

enum nj_role { NJ_ROLE_KEEPER = 1, NJ_ROLE_GATEWAY = 2, NJ_ROLE_WARDEN = 3, NJ_ROLE_DIALLER = 4 };
#define NJ_TO_NOBODY 0u
#define NJ_TO_KEEPER (1u << NJ_ROLE_KEEPER)
#define NJ_TO_GATEWAY (1u << NJ_ROLE_GATEWAY)
#define NJ_TO_WARDEN (1u << NJ_ROLE_WARDEN)
#define NJ_TO_DIALLER (1u << NJ_ROLE_DIALLER)

/* X(name, number, who gets it, what it is) */
#define NJ_HANDLE_TABLE(X)                                                                               \
	X(NJ_HANDLE_CONFIG, 1, NJ_TO_KEEPER | NJ_TO_GATEWAY | NJ_TO_WARDEN, "the checked configuration") \
	X(NJ_HANDLE_LISTENER, 2, NJ_TO_GATEWAY, "a cloaked listener")                                    \
	X(NJ_HANDLE_HOLD, 3, NJ_TO_NOBODY, "keeps a listener's port ours, never listens")                \
	X(NJ_HANDLE_KNOCK, 4, NJ_TO_KEEPER, "a knock socket")                                            \
	X(NJ_HANDLE_LOCAL, 5, NJ_TO_GATEWAY, "a local listener, without a knock")                        \
	X(NJ_HANDLE_KEEPER_SOCK, 6, NJ_TO_KEEPER, "the keeper's administration socket")                  \
	X(NJ_HANDLE_ADMIN_SOCK, 7, NJ_TO_GATEWAY, "the gateway's administration socket")                 \
	X(NJ_HANDLE_CLOAK, 8, NJ_TO_KEEPER, "a map of the cloak's program")                              \
	X(NJ_HANDLE_PROGRAM, 9, NJ_TO_NOBODY, "a program of the cloak")                                  \
	X(NJ_HANDLE_KEY_FILE, 10, NJ_TO_KEEPER, "the vault's key file")                                  \
	X(NJ_HANDLE_FILTERED, 11, NJ_TO_WARDEN, "a listener whose filter the warden sets, with cbpf")    \
	X(NJ_HANDLE_WARDEN_SOCK, 12, NJ_TO_WARDEN, "the warden's administration socket")                 \
	X(NJ_HANDLE_BRIDGES, 13, NJ_TO_GATEWAY, "what the files hold that bridges name")                 \
	X(NJ_HANDLE_PEERS, 14, NJ_TO_DIALLER, "a configuration of names and addresses of peers alone")

enum nj_handle_kind {
#define NJ_HANDLE_ENUM(name, number, to, text) name = number,
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
