/*
 * Raw packets for the integration tests:
 *   packet hear ADDRESS PORT FILE             takes one datagram and writes it to FILE; says "hearing" when bound
 *   packet send ADDRESS PORT FILE             sends FILE as one datagram
 *   packet flip ADDRESS PORT FILE             sends it once for each of its bits, that bit flipped
 *   packet lengths ADDRESS PORT FILE          sends its beginning, filled up with zeros, at every length but its own
 *   packet reach ADDRESS PORT [SOURCE]        connects by TCP from SOURCE; says open, refused or silent
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LARGEST 1500
#define REACH_MS 400

struct target {
	struct sockaddr_storage addr;
	socklen_t len;
};

static void die(const char *what)
{
	fprintf(stderr, "packet: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct target parse(const char *address, const char *port)
{
	struct target target = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&target.addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target.addr;
	uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = number;
		target.len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = number;
		target.len = sizeof(*v6);
	} else {
		fprintf(stderr, "packet: no address: %s\n", address);
		exit(64);
	}
	return target;
}

static int open_socket(const struct target *target, int type)
{
	int fd = socket(target->addr.ss_family, type, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static size_t load(const char *path, uint8_t bytes[LARGEST])
{
	FILE *file = fopen(path, "rb");
	size_t len = file != NULL ? fread(bytes, 1, LARGEST, file) : 0;

	if (len == 0)
		die(path);
	fclose(file);
	return len;
}

static int hear(const struct target *target, const char *path)
{
	uint8_t bytes[LARGEST];
	int fd = open_socket(target, SOCK_DGRAM);

	if (bind(fd, (const struct sockaddr *)&target->addr, target->len) != 0)
		die("bind");
	puts("hearing");
	fflush(stdout);
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	if (poll(&entry, 1, 5000) != 1)
		return 1;
	ssize_t len = recv(fd, bytes, sizeof(bytes), 0);
	FILE *file = fopen(path, "wb");
	if (len < 0 || file == NULL || fwrite(bytes, 1, (size_t)len, file) != (size_t)len || fclose(file) != 0)
		die(path);
	return 0;
}

/* A burst would overflow the receiver's queue: what is lost there tests nothing. */
static void send_one(int fd, const uint8_t *bytes, size_t len)
{
	const struct timespec pause = { .tv_nsec = 200000 };

	if (send(fd, bytes, len, 0) < 0)
		die("send");
	nanosleep(&pause, NULL);
}

static int send_file(const struct target *target, const char *path, const char *how)
{
	uint8_t bytes[LARGEST] = { 0 };
	size_t len = load(path, bytes);
	int fd = open_socket(target, SOCK_DGRAM);

	if (connect(fd, (const struct sockaddr *)&target->addr, target->len) != 0)
		die("connect");
	if (strcmp(how, "send") == 0)
		send_one(fd, bytes, len);
	for (size_t bit = 0; strcmp(how, "flip") == 0 && bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		send_one(fd, bytes, len);
		bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
	for (size_t other = 0; strcmp(how, "lengths") == 0 && other <= LARGEST - 28; other++)
		if (other != len)
			send_one(fd, bytes, other);
	return 0;
}

static const char *try_to_connect(const struct target *target, const char *source)
{
	int fd = open_socket(target, SOCK_STREAM | SOCK_NONBLOCK);
	struct pollfd entry = { .fd = fd, .events = POLLOUT };
	int failed = 0;
	socklen_t len = sizeof(failed);

	if (source != NULL && source[0] != '\0') {
		struct target from = parse(source, "0");
		if (bind(fd, (const struct sockaddr *)&from.addr, from.len) != 0)
			die("bind");
	}
	if (connect(fd, (const struct sockaddr *)&target->addr, target->len) != 0 && errno != EINPROGRESS)
		return strerror(errno);
	if (poll(&entry, 1, REACH_MS) == 0)
		return "silent";
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0)
		die("getsockopt");
	if (failed == ECONNREFUSED)
		return "refused";
	return failed == 0 ? "open" : strerror(failed);
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc > 5) {
		fputs("usage: packet hear|send|flip|lengths|reach ADDRESS PORT [FILE|SOURCE]\n", stderr);
		return 64;
	}
	struct target target = parse(argv[2], argv[3]);
	if (strcmp(argv[1], "reach") == 0) {
		puts(try_to_connect(&target, argv[4]));
		return 0;
	}
	if (argc != 5)
		return 64;
	return strcmp(argv[1], "hear") == 0 ? hear(&target, argv[4]) : send_file(&target, argv[4], argv[1]);
}
