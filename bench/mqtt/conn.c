/* One connection of the generator: socket, TLS, buffers. */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define IN_BYTES (64 * 1024)
#define IN_SMALL_BYTES 256 /* of a connection that only stands there */

/* --- TLS --- */

static int use_key(SSL *ssl, const EVP_MD *md, const unsigned char **identity, size_t *identity_len,
		   SSL_SESSION **out_session)
{
	static const unsigned char aes_128_gcm_sha256[] = { 0x13, 0x01 };
	struct conn *conn = SSL_get_app_data(ssl);
	(void)md;
	*out_session = NULL;
	if (conn->identity[0] == '\0')
		return 1;
	*out_session = SSL_SESSION_new();
	if (*out_session == NULL || SSL_SESSION_set1_master_key(*out_session, conn->psk, sizeof(conn->psk)) != 1 ||
	    SSL_SESSION_set_cipher(*out_session, SSL_CIPHER_find(ssl, aes_128_gcm_sha256)) != 1 ||
	    SSL_SESSION_set_protocol_version(*out_session, TLS1_3_VERSION) != 1)
		return 0;
	*identity = (const unsigned char *)conn->identity;
	*identity_len = strlen(conn->identity);
	return 1;
}

/* The server's certificate is not checked: what is measured is the broker. */
SSL_CTX *conn_tls(const struct plan *plan)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(tls, plan->suite) != 1 || SSL_CTX_set1_groups_list(tls, "X25519:P-256") != 1)
		load_die("TLS");
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(tls, 1);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_psk_use_session_callback(tls, use_key);
	return tls;
}

/* --- opening and closing --- */

static struct addrinfo *address_of(const struct plan *plan)
{
	static struct addrinfo *found;
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	if (found == NULL && getaddrinfo(plan->host, plan->port, &want, &found) != 0)
		load_die(plan->host);
	return found;
}

static void fail(struct conn *conn)
{
	if (conn->state != STATE_READY)
		conn->worker->opening--;
	conn->worker->failed++;
	conn_close(conn);
}

static void shake_hands(struct conn *conn)
{
	ERR_clear_error();
	int done = conn->ssl == NULL ? 1 : SSL_do_handshake(conn->ssl);
	if (done == 1) {
		conn->state = STATE_CONNACK;
		role_connected(conn);
		return;
	}
	int error = SSL_get_error(conn->ssl, done);
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		fail(conn);
}

void conn_open(struct conn *conn)
{
	const struct plan *plan = conn->worker->plan;
	const struct addrinfo *to = address_of(plan);
	const int one = 1;
	conn->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		load_die("socket");
	if (connect(conn->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
		load_die("connect");
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn->state = STATE_HANDSHAKE;
	conn->writable = false;
	conn->in_len = conn->out_start = conn->out_end = 0;
	conn->worker->opening++;
	if (plan->tls) {
		conn->ssl = SSL_new(conn->worker->tls);
		if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1)
			load_die("TLS");
		if (conn->cert != NULL &&
		    (SSL_use_certificate(conn->ssl, conn->cert) != 1 || SSL_use_PrivateKey(conn->ssl, conn->key) != 1))
			load_die("certificate");
		SSL_set_app_data(conn->ssl, conn);
		SSL_set_connect_state(conn->ssl);
	}
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = conn };
	if (epoll_ctl(conn->worker->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
		load_die("epoll");
}

void conn_close(struct conn *conn)
{
	SSL_free(conn->ssl);
	conn->ssl = NULL;
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
	conn->state = STATE_GONE;
	free(conn->in);
	free(conn->out);
	conn->in = conn->out = NULL;
	conn->in_cap = conn->out_cap = 0;
	conn->in_len = conn->out_start = conn->out_end = 0;
}

/* --- output --- */

uint8_t *conn_room(struct conn *conn, size_t len)
{
	if (conn->out_start == conn->out_end)
		conn->out_start = conn->out_end = 0;
	if (len > conn->out_cap - conn->out_end && conn->out_start > 0) {
		memmove(conn->out, conn->out + conn->out_start, conn->out_end - conn->out_start);
		conn->out_end -= conn->out_start;
		conn->out_start = 0;
	}
	if (len > conn->out_cap - conn->out_end) {
		size_t cap = conn->out_cap == 0 ? 256 : conn->out_cap;
		while (cap < conn->out_end + len)
			cap *= 2;
		conn->out = realloc(conn->out, cap);
		if (conn->out == NULL)
			load_die("memory");
		conn->out_cap = cap;
	}
	return conn->out + conn->out_end;
}

void conn_queued(struct conn *conn, size_t len)
{
	conn->out_end += len;
	if (conn->queued)
		return;
	conn->queued = true;
	conn->worker->dirty[conn->worker->dirty_count++] = conn;
}

/* Bytes written; 0 when the socket is full, -1 when it is gone. */
static ssize_t write_some(struct conn *conn, const void *data, size_t len)
{
	if (conn->ssl == NULL) {
		ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);
		return n < 0 && errno == EAGAIN ? 0 : n;
	}
	size_t written = 0;
	ERR_clear_error();
	int done = SSL_write_ex(conn->ssl, data, len, &written);
	if (done == 1)
		return (ssize_t)written;
	int error = SSL_get_error(conn->ssl, done);
	return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? 0 : -1;
}

void conn_flush(struct conn *conn)
{
	while (conn->state >= STATE_CONNACK && conn->state <= STATE_READY && conn->writable &&
	       conn->out_end > conn->out_start) {
		ssize_t n = write_some(conn, conn->out + conn->out_start, conn->out_end - conn->out_start);
		if (n < 0) {
			fail(conn);
			return;
		}
		conn->writable = n > 0;
		conn->out_start += (size_t)n;
	}
}

/* --- input --- */

/* Bytes read; 0 when there are none, -1 at the end. */
static ssize_t read_some(struct conn *conn, void *out, size_t cap)
{
	if (conn->ssl == NULL) {
		ssize_t n = recv(conn->fd, out, cap, 0);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		return n == 0 ? -1 : n;
	}
	size_t got = 0;
	ERR_clear_error();
	int done = SSL_read_ex(conn->ssl, out, cap, &got);
	if (done == 1)
		return (ssize_t)got;
	int error = SSL_get_error(conn->ssl, done);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void parse(struct conn *conn)
{
	size_t at = 0;
	size_t body = 0;
	size_t len;
	while (conn->fd >= 0 && (len = packet_whole(conn->in + at, conn->in_len - at, &body)) > 0) {
		role_packet(conn, conn->in + at, body, len);
		at += len;
	}
	if (conn->fd < 0)
		return;
	if (at > 0)
		memmove(conn->in, conn->in + at, conn->in_len - at);
	conn->in_len -= at;
}

static void make_room(struct conn *conn)
{
	if (conn->in_cap - conn->in_len > 0)
		return;
	size_t first = conn->worker->plan->mode == MODE_RUN ? IN_BYTES : IN_SMALL_BYTES;
	conn->in_cap = conn->in_cap == 0 ? first : conn->in_cap * 2;
	conn->in = realloc(conn->in, conn->in_cap);
	if (conn->in == NULL)
		load_die("memory");
}

static void read_all(struct conn *conn)
{
	ssize_t n = 1;
	while (conn->fd >= 0 && n > 0) {
		make_room(conn);
		n = read_some(conn, conn->in + conn->in_len, conn->in_cap - conn->in_len);
		if (n < 0) {
			fail(conn);
			return;
		}
		conn->in_len += (size_t)n;
		conn->worker->bytes_in += (size_t)n;
		parse(conn);
	}
}

void conn_event(struct conn *conn, uint32_t events)
{
	if (conn->fd < 0)
		return;
	if (events & EPOLLOUT)
		conn->writable = true;
	if (conn->state == STATE_HANDSHAKE && (events & EPOLLERR) != 0) {
		fail(conn);
		return;
	}
	if (conn->state == STATE_HANDSHAKE && (conn->writable || conn->ssl != NULL))
		shake_hands(conn);
	if (conn->state == STATE_HANDSHAKE || conn->fd < 0)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		read_all(conn);
	conn_flush(conn);
}
