#include "reference/session.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"

#define PACKET_MAX 4096
#define HANDSHAKE_MS 5000

struct session {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	const char *identity;
	const uint8_t *psk;
	uint8_t in[PACKET_MAX];
};

static int give_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **out_session)
{
	static const unsigned char suite[] = { 0x13, 0x01 };
	const struct session *session = SSL_get_app_data(ssl);
	SSL_SESSION *psk = SSL_SESSION_new();

	(void)md;
	if (psk == NULL || SSL_SESSION_set1_master_key(psk, session->psk, 32) != 1 ||
	    SSL_SESSION_set_cipher(psk, SSL_CIPHER_find(ssl, suite)) != 1 ||
	    SSL_SESSION_set_protocol_version(psk, TLS1_3_VERSION) != 1) {
		SSL_SESSION_free(psk);
		return 0;
	}
	*id = (const unsigned char *)session->identity;
	*id_len = strlen(session->identity);
	*out_session = psk;
	return 1;
}

/* ---- the socket ---- */

static bool wait_for(int fd, short events, int limit_ms)
{
	struct pollfd poller = { .fd = fd, .events = events };

	return poll(&poller, 1, limit_ms) == 1;
}

static int tcp_connect(const struct nj_addr *gateway, uint16_t port, int limit_ms)
{
	struct nj_addr to = *gateway;
	struct sockaddr_storage address;
	socklen_t len;
	int failed = 0;
	socklen_t failed_len = sizeof(failed);

	to.port = port;
	len = nj_addr_to_sockaddr(&to, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, len) == 0 ||
	    (errno == EINPROGRESS && wait_for(fd, POLLOUT, limit_ms) &&
	     getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &failed_len) == 0 && failed == 0)) {
		const struct timeval limit = { .tv_sec = HANDSHAKE_MS / 1000 };
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		return fd;
	}
	(void)close(fd);
	return -1;
}

static bool handshake(struct session *session)
{
	session->ctx = SSL_CTX_new(TLS_client_method());
	if (session->ctx == NULL || SSL_CTX_set_min_proto_version(session->ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(session->ctx, "TLS_AES_128_GCM_SHA256") != 1)
		return false;
	SSL_CTX_set_psk_use_session_callback(session->ctx, give_psk);
	session->ssl = SSL_new(session->ctx);
	if (session->ssl == NULL || SSL_set_fd(session->ssl, session->fd) != 1)
		return false;
	SSL_set_app_data(session->ssl, session);
	return SSL_connect(session->ssl) == 1 && SSL_session_reused(session->ssl) == 1;
}

struct session *session_open(const struct nj_addr *gateway, uint16_t port, const char *identity, const uint8_t psk[32],
			     int limit_ms, bool *out_connected)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	session->identity = identity;
	session->psk = psk;
	session->fd = tcp_connect(gateway, port, limit_ms);
	*out_connected = session->fd >= 0;
	if (session->fd >= 0 && handshake(session))
		return session;
	session_close(session);
	return NULL;
}

void session_close(struct session *session)
{
	if (session->ssl != NULL)
		(void)SSL_shutdown(session->ssl);
	SSL_free(session->ssl);
	SSL_CTX_free(session->ctx);
	if (session->fd >= 0)
		(void)close(session->fd);
	free(session);
}

bool session_export(struct session *session, const char *label, uint8_t out[NJ_REKEY_EXPORTER_BYTES])
{
	return SSL_export_keying_material(session->ssl, out, NJ_REKEY_EXPORTER_BYTES, label, strlen(label), NULL, 0,
					  0) == 1;
}

/* ---- MQTT 3.1.1 ---- */

static bool send_packet(struct session *session, uint8_t first, const struct nj_writer *body)
{
	uint8_t packet[PACKET_MAX];
	struct nj_writer w = nj_writer_of(packet, sizeof(packet));
	size_t rest = body->pos;
	size_t len = 0;

	nj_write_u8(&w, first);
	do {
		nj_write_u8(&w, (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
		rest >>= 7;
	} while (rest > 0);
	nj_write_bytes(&w, body->data, body->pos);
	return body->err == NJ_OK && nj_writer_end(&w, &len) == NJ_OK &&
	       SSL_write(session->ssl, packet, (int)len) == (int)len;
}

bool session_mqtt_connect(struct session *session, const char *client_id)
{
	uint8_t bytes[PACKET_MAX];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));
	struct session_packet answer;

	nj_write_view16(&w, nj_view_str("MQTT"));
	nj_write_u8(&w, 4);
	nj_write_u8(&w, 2); /* clean session */
	nj_write_u16(&w, 60);
	nj_write_view16(&w, nj_view_str(client_id));
	return send_packet(session, 0x10, &w) && session_receive(session, HANDSHAKE_MS, &answer) && answer.type == 2 &&
	       answer.payload.len == 2 && answer.payload.data[1] == 0;
}

bool session_publish(struct session *session, const char *topic, struct nj_view payload, uint16_t packet_id)
{
	uint8_t bytes[PACKET_MAX];
	struct nj_writer w = nj_writer_of(bytes, sizeof(bytes));

	nj_write_view16(&w, nj_view_str(topic));
	nj_write_u16(&w, packet_id);
	nj_write_bytes(&w, payload.data, payload.len);
	return send_packet(session, 0x32, &w); /* QoS 1 */
}

static bool read_exactly(struct session *session, uint8_t *out, size_t len)
{
	for (size_t got = 0; got < len;) {
		int n = SSL_read(session->ssl, out + got, (int)(len - got));
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

static bool read_length(struct session *session, size_t *out_len)
{
	size_t len = 0;
	uint8_t byte = 0x80;

	for (unsigned shift = 0; byte & 0x80; shift += 7) {
		if (shift > 21 || !read_exactly(session, &byte, 1))
			return false;
		len |= (size_t)(byte & 0x7f) << shift;
	}
	*out_len = len;
	return len <= PACKET_MAX;
}

bool session_receive(struct session *session, int limit_ms, struct session_packet *out_packet)
{
	uint8_t first;
	size_t len;

	if (SSL_pending(session->ssl) == 0 && !wait_for(session->fd, POLLIN, limit_ms))
		return false;
	if (!read_exactly(session, &first, 1) || !read_length(session, &len) ||
	    !read_exactly(session, session->in, len))
		return false;
	struct nj_reader r = nj_reader_of(session->in, len);
	*out_packet = (struct session_packet){ .type = first >> 4 };
	if (out_packet->type == 3) {
		out_packet->topic = nj_read_view16(&r);
		out_packet->packet_id = (first & 6) != 0 ? nj_read_u16(&r) : 0;
	} else if (out_packet->type == 4) {
		out_packet->packet_id = nj_read_u16(&r);
	}
	out_packet->payload = nj_read_view(&r, nj_reader_left(&r));
	return nj_reader_end(&r) == NJ_OK;
}

bool session_send(struct session *session, const void *data, size_t len)
{
	return SSL_write(session->ssl, data, (int)len) == (int)len;
}

bool session_read(struct session *session, int limit_ms, uint8_t *out, size_t len)
{
	if (SSL_pending(session->ssl) == 0 && !wait_for(session->fd, POLLIN, limit_ms))
		return false;
	return read_exactly(session, out, len);
}
