#include "daemon/bridge_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "daemon/reload.h"

#define FILE_MAX_BYTES (64 * 1024)
#define FILES 5
#define ALL_MAX_BYTES (NJ_BRIDGES_MAX * (FILES * (FILE_MAX_BYTES + 8) + 2 * NJ_NAME_BYTES))

/* ---- one file ---- */

static enum nj_err put(struct nj_buf *all, const void *data, size_t len)
{
	uint8_t head[4];

	nj_put_u32(head, (uint32_t)len);
	NJ_TRY(nj_buf_append(all, head, sizeof(head)));
	return nj_buf_append(all, data, len);
}

static enum nj_err put_bytes(struct nj_buf *all, const char *path, const char *data, size_t len, bool whole,
			     struct nj_why *why)
{
	size_t line = strcspn(data, "\r\n");

	if (whole && memchr(data, '\0', len) != NULL)
		return nj_why(why, NJ_ERR_CONFIG, "%s: not a PEM file", path);
	if (!whole && line == 0)
		return nj_why(why, NJ_ERR_CONFIG, "%s: its first line is empty", path);
	return put(all, data, whole ? len + 1 : line);
}

/* A file as it is (`whole`: PEM), or its first line; nothing for an empty path. */
static enum nj_err put_file(struct nj_buf *all, const struct nj_settings_bridge *bridge, const char *path, bool whole,
			    struct nj_why *why)
{
	struct nj_why cause = { "" };
	char *data = NULL;
	size_t len = 0;

	if (path[0] == '\0')
		return put(all, "", 0);
	enum nj_err err = nj_file_read(path, FILE_MAX_BYTES, &data, &len, &cause);
	if (err == NJ_OK)
		err = put_bytes(all, path, data, len, whole, &cause);
	if (data != NULL)
		nj_wipe(data, len);
	free(data);
	return err == NJ_OK ? NJ_OK
			    : nj_why(why, NJ_ERR_CONFIG, "bridges: %s: %.300s", bridge->name,
				     cause.text[0] != '\0' ? cause.text : nj_err_text(err));
}

static enum nj_err put_bridge(struct nj_buf *all, const struct nj_settings_bridge *b, struct nj_why *why)
{
	uint8_t len[2];

	nj_put_u16(len, (uint16_t)strlen(b->name));
	NJ_TRY(nj_buf_append(all, len, sizeof(len)));
	NJ_TRY(nj_buf_append(all, b->name, strlen(b->name)));
	NJ_TRY(put_file(all, b, b->password_file, false, why));
	NJ_TRY(put_file(all, b, b->ca_file, true, why));
	NJ_TRY(put_file(all, b, b->certificate_file, true, why));
	NJ_TRY(put_file(all, b, b->key_file, true, why));
	return put_file(all, b, b->psk_file, false, why);
}

/* ---- what is in them ---- */

enum nj_err nj_bridges_files_find(struct nj_view bytes, const char *name, struct nj_bridge_files *out_files)
{
	struct nj_reader r = nj_reader_view(bytes);

	while (nj_reader_left(&r) > 0) {
		struct nj_view whose = nj_read_view16(&r);
		struct nj_view files[FILES];
		for (size_t i = 0; i < FILES; i++)
			files[i] = nj_read_view(&r, nj_read_u32(&r));
		if (!nj_view_equal(whose, nj_view_str(name)))
			continue;
		*out_files = (struct nj_bridge_files){ files[0], files[1], files[2], files[3], files[4] };
		return NJ_OK;
	}
	NJ_TRY(nj_reader_end(&r));
	return NJ_ERR_NOT_FOUND;
}

static const char *text_or_null(struct nj_view pem)
{
	return pem.len > 0 ? (const char *)pem.data : NULL;
}

enum nj_err nj_bridge_tls_new(const struct nj_settings_bridge *b, const struct nj_bridge_files *files,
			      struct nj_tls_ctx **out_ctx, struct nj_why *why)
{
	struct nj_tls_client_config config = {
		.psk_identity = b->psk_identity[0] != '\0' ? b->psk_identity : NULL,
		.cert_pem = text_or_null(files->certificate),
		.key_pem = text_or_null(files->key),
		.ca_pem = text_or_null(files->ca),
		.server_name = b->server_name[0] != '\0' ? b->server_name : b->host,
	};
	struct nj_why cause = { "" };
	enum nj_err err = NJ_OK;

	*out_ctx = NULL;
	if (!b->tls)
		return NJ_OK;
	if (config.psk_identity != NULL && nj_hex_decode(files->psk, config.psk, sizeof(config.psk)) != NJ_OK)
		err = nj_why(&cause, NJ_ERR_CONFIG, "%.256s: the first line is not 64 hex digits", b->psk_file);
	if (err == NJ_OK)
		err = nj_tls_client_ctx_new(&config, out_ctx, &cause);
	nj_wipe(&config.psk, sizeof(config.psk));
	return err == NJ_OK ? NJ_OK
			    : nj_why(why, NJ_ERR_CONFIG, "bridges: %s: TLS: %.300s", b->name,
				     cause.text[0] != '\0' ? cause.text : nj_err_text(err));
}

enum nj_err nj_bridge_topics(const struct nj_settings_bridge *b,
			     struct nj_mqtt_bridge_topic out_topics[NJ_BRIDGE_TOPICS_MAX], struct nj_why *why)
{
	for (size_t i = 0; i < b->topic_count; i++) {
		const struct nj_settings_bridge_topic *t = &b->topics[i];
		out_topics[i] = (struct nj_mqtt_bridge_topic){ .out = t->direction != NJ_BRIDGE_IN,
							       .in = t->direction != NJ_BRIDGE_OUT,
							       .qos = t->qos };
		if (nj_mqtt_bridge_topic_init(t->filter, t->local, t->remote, &out_topics[i]) != NJ_OK)
			return nj_why(
			    why, NJ_ERR_CONFIG,
			    "bridges: %s: topics: '%s%s' or '%s%s' is no topic filter that a bridge can carry", b->name,
			    t->local, t->filter, t->remote, t->filter);
	}
	return NJ_OK;
}

static enum nj_err check_one(const struct nj_settings_bridge *b, struct nj_view bytes, struct nj_why *why)
{
	struct nj_mqtt_bridge_topic topics[NJ_BRIDGE_TOPICS_MAX];
	struct nj_bridge_files files;
	struct nj_tls_ctx *ctx = NULL;

	NJ_TRY(nj_bridge_topics(b, topics, why));
	NJ_TRY(nj_bridges_files_find(bytes, b->name, &files));
	enum nj_err err = nj_bridge_tls_new(b, &files, &ctx, why);
	nj_tls_ctx_free(ctx);
	return err;
}

/* `all` is the caller's to wipe and end, also on failure. */
static enum nj_err gather(const struct nj_settings *settings, struct nj_buf *all, struct nj_why *why)
{
	nj_buf_init(all, ALL_MAX_BYTES);
	if (settings->bridge_count > 0)
		NJ_TRY(nj_tls_init());
	for (size_t i = 0; i < settings->bridge_count; i++)
		NJ_TRY(put_bridge(all, &settings->bridges[i], why));
	for (size_t i = 0; i < settings->bridge_count; i++)
		NJ_TRY(check_one(&settings->bridges[i], nj_buf_view(all), why));
	return NJ_OK;
}

static void wipe(struct nj_buf *all)
{
	struct nj_view view = nj_buf_view(all);

	if (view.len > 0)
		nj_wipe((void *)(uintptr_t)view.data, view.len);
	nj_buf_done(all);
}

enum nj_err nj_bridges_check(const struct nj_settings *settings, struct nj_why *why)
{
	struct nj_buf all;
	enum nj_err err = gather(settings, &all, why);

	wipe(&all);
	return err;
}

/* ---- on its way ---- */

static enum nj_err seal(struct nj_view bytes, int *out_fd, struct nj_why *why)
{
	NJ_CLEANUP_FD int fd = memfd_create("bridges", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || (bytes.len > 0 && pwrite(fd, bytes.data, bytes.len, 0) != (ssize_t)bytes.len) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return nj_why(why, nj_err_from_errno(errno), "the bridges' files cannot be handed on: %s",
			      strerror(errno));
	*out_fd = fd;
	fd = -1;
	return NJ_OK;
}

enum nj_err nj_bridges_fd_new(const struct nj_settings *settings, int *out_fd, struct nj_why *why)
{
	struct nj_buf all;
	enum nj_err err = gather(settings, &all, why);

	if (err == NJ_OK)
		err = seal(nj_buf_view(&all), out_fd, why);
	wipe(&all);
	return err;
}

enum nj_err nj_bridges_fd_read(int fd, uint8_t **out_bytes, size_t *out_len)
{
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0 || size > (off_t)ALL_MAX_BYTES)
		return NJ_ERR_CONFIG;
	uint8_t *bytes = malloc((size_t)size + 1);
	if (bytes == NULL)
		return NJ_ERR_NO_MEMORY;
	if (pread(fd, bytes, (size_t)size, 0) != size) {
		nj_bridges_bytes_free(bytes, (size_t)size);
		return NJ_ERR_IO;
	}
	*out_bytes = bytes;
	*out_len = (size_t)size;
	return NJ_OK;
}

void nj_bridges_bytes_free(uint8_t *bytes, size_t len)
{
	if (bytes != NULL)
		nj_wipe(bytes, len);
	free(bytes);
}

/* What the dialler does not need to know is not there. */
static void only_peer(const struct nj_settings_bridge *from, struct nj_settings_bridge *to)
{
	char *const secrets[] = { to->username, to->password_file, to->ca_file,      to->certificate_file,
				  to->key_file, to->server_name,   to->psk_identity, to->psk_file };
	bool bare = strchr(from->host, ':') != NULL;

	*to = *from;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		secrets[i][0] = '\0';
	/* Without TLS another port would be the usual one. */
	to->tls = false;
	(void)!nj_text_format(to->address, sizeof(to->address), "%s%s%s:%u", bare ? "[" : "", from->host,
			      bare ? "]" : "", from->port);
}

enum nj_err nj_bridges_peers_fd_new(const struct nj_settings *settings, int *out_fd, struct nj_why *why)
{
	struct nj_settings *peers = calloc(1, sizeof(*peers));

	if (peers == NULL)
		return nj_why(why, NJ_ERR_NO_MEMORY, "out of memory");
	nj_settings_default(peers);
	peers->log = settings->log;
	peers->bridge_count = settings->bridge_count;
	for (size_t i = 0; i < settings->bridge_count; i++)
		only_peer(&settings->bridges[i], &peers->bridges[i]);
	enum nj_err err = nj_config_fd_new(peers, out_fd, why);
	free(peers);
	return err;
}
