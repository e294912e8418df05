/*
 * What supervisor and children say to each other over net/channel.h: one byte, the type; NJ_CONTROL_PEER,
 * NJ_CONTROL_CONFIG, NJ_CONTROL_WARDEN and NJ_CONTROL_DIALLER bring one descriptor (to the gateway NJ_CONTROL_CONFIG
 * brings a second: what the files hold that bridges name), and what is said about a configuration is followed by text:
 * the keys that changed, a line feed, the keys that wait for a start; or the reason. Everything else came with the
 * child's start.
 */
#ifndef NJ_BUS_CONTROL_H
#define NJ_BUS_CONTROL_H

/* X(name, number, who sends it) */
#define NJ_CONTROL_TABLE(X)                                                                                         \
	X(NJ_CONTROL_PEER, 1, "supervisor: a channel to the other process (one descriptor); replaces the last one") \
	X(NJ_CONTROL_STOP, 2, "supervisor: finish in order and exit")                                               \
	X(NJ_CONTROL_CONFIG, 3,                                                                                     \
	  "supervisor: a new configuration took effect (one descriptor: its text); what it changed")                \
	X(NJ_CONTROL_CONFIG_REFUSED, 4, "supervisor, to the keeper: a new configuration was refused; the reason")   \
	X(NJ_CONTROL_WARDEN, 5, "supervisor to the keeper: a channel to the warden (one descriptor)")               \
	X(NJ_CONTROL_DIALLER, 6, "supervisor to the gateway: a channel to the dialler (one descriptor)")            \
	X(NJ_CONTROL_READY, 16, "child: started; the keeper before its first knock, the gateway when it listens")   \
	X(NJ_CONTROL_PEER_BROKE, 17, "keeper: the gateway broke the rules: it is to be killed and started anew")    \
	X(NJ_CONTROL_RELOAD, 18, "keeper: somebody asks that the configuration file be read again")

enum nj_control {
#define NJ_CONTROL_ENUM(name, number, text) name = number,
	NJ_CONTROL_TABLE(NJ_CONTROL_ENUM)
#undef NJ_CONTROL_ENUM
};

#endif
