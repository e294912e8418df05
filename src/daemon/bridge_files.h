/*
 * What the files hold that `bridges:` names (passwords, certificates, keys), and whether its topics are topics. Read by
 * who reads the configuration, handed to the gateway as a descriptor; the dialler gets a configuration of its own, with
 * nothing but names and addresses. Main thread of each process.
 */
#ifndef NJ_DAEMON_BRIDGE_FILES_H
#define NJ_DAEMON_BRIDGE_FILES_H

#include "base/config/settings.h"
#include "mqtt/bridge_topic.h"
#include "net/tls.h"

struct nj_bridge_files {
	struct nj_view password, ca, certificate, key; /* the PEM texts end with a zero byte; len 0: none */
	struct nj_view psk;
};

/* Everything about bridges that can be known without a peer: topics, files, and that TLS takes them. */
NJ_MUST_USE enum nj_err nj_bridges_check(const struct nj_settings *settings, struct nj_why *why);
/* The same, and what the files hold as a sealed memfd, close-on-exec; the caller's to close. */
NJ_MUST_USE enum nj_err nj_bridges_fd_new(const struct nj_settings *settings, int *out_fd, struct nj_why *why);
/* Its bytes, to be freed by nj_bridges_bytes_free, which wipes them. The descriptor stays open. */
NJ_MUST_USE enum nj_err nj_bridges_fd_read(int fd, uint8_t **out_bytes, size_t *out_len);
void nj_bridges_bytes_free(uint8_t *bytes, size_t len);
/* One bridge's part of them, borrowed. NJ_ERR_NOT_FOUND, NJ_ERR_MALFORMED. */
NJ_MUST_USE enum nj_err nj_bridges_files_find(struct nj_view bytes, const char *name,
					      struct nj_bridge_files *out_files);

/* The configuration of the dialler: a memfd as of nj_config_fd_new. */
NJ_MUST_USE enum nj_err nj_bridges_peers_fd_new(const struct nj_settings *settings, int *out_fd, struct nj_why *why);

NJ_MUST_USE enum nj_err nj_bridge_topics(const struct nj_settings_bridge *bridge,
					 struct nj_mqtt_bridge_topic out_topics[NJ_BRIDGE_TOPICS_MAX],
					 struct nj_why *why);
/* NULL in *out_ctx without TLS. */
NJ_MUST_USE enum nj_err nj_bridge_tls_new(const struct nj_settings_bridge *bridge, const struct nj_bridge_files *files,
					  struct nj_tls_ctx **out_ctx, struct nj_why *why);

#endif
