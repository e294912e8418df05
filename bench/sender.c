/*
 * What the benchmarks send:
 *   sender knocks ADDRESS PORT COUNTER RATE FILE…  a true knock of each credentials file, with that counter
 *   sender lines ADDRESS PORT RATE FILE            each line of FILE as one datagram
 *   sender junk ADDRESS PORT LENGTH SECONDS        random characters of base64 as fast as the kernel takes them
 * RATE is in datagrams a second. What is sent is made before the first one leaves. Says how many they were and, but for
 * junk, how many milliseconds they took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "crypto/crypto.h"
#include "wire/credfile.h"
#include "wire/knock.h"

#define LINE_MAX_BYTES 1500
#define BATCH 256

struct datagram {
	size_t len;
	uint8_t *bytes;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int connect_to(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		die(address);
	return fd;
}

static void send_all(int fd, const struct datagram *datagrams, size_t count, uint64_t rate)
{
	const uint64_t begin_ns = now_ns();

	for (size_t i = 0; i < count; i++) {
		const uint64_t due_ns = begin_ns + i * 1000000000 / rate;

		while (now_ns() < due_ns)
			if (due_ns - now_ns() > 200000)
				usleep(100);
		while (send(fd, datagrams[i].bytes, datagrams[i].len, 0) < 0)
			if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
				die("send");
	}
	printf("%zu %llu\n", count, (unsigned long long)((now_ns() - begin_ns) / 1000000));
}

static void knock_from(const char *path, uint64_t counter, struct datagram *out)
{
	struct nj_credfile credentials;
	struct nj_knock_keys keys;
	struct nj_knock_body body = { .version = NJ_KNOCK_VERSION, .service = NJ_SERVICE_MQTTS };
	uint8_t fresh[NJ_KNOCK_RANDOM_BYTES];
	struct nj_why why = { "" };
	char *text = NULL;
	size_t len = 0;

	if (nj_file_read(path, NJ_CREDFILE_MAX_BYTES, &text, &len, &why) != NJ_OK ||
	    nj_credfile_parse(text, len, &credentials, &why) != NJ_OK) {
		fprintf(stderr, "sender: %s: %s\n", path, why.text);
		exit(1);
	}
	free(text);
	memcpy(body.uid, credentials.uid, sizeof(body.uid));
	nj_random_fill(nj_random_system(), fresh, sizeof(fresh));
	nj_knock_derive(credentials.key, credentials.uid, &keys);
	out->len = NJ_KNOCK_BYTES;
	out->bytes = malloc(NJ_KNOCK_BYTES);
	if (out->bytes == NULL)
		die("memory");
	nj_knock_seal(&keys, counter, fresh, &body, out->bytes);
}

static int knocks(int argc, char **argv)
{
	const size_t count = (size_t)argc - 6;
	struct datagram *datagrams = calloc(count, sizeof(*datagrams));

	if (datagrams == NULL || nj_crypto_init() != NJ_OK)
		die("memory");
	for (size_t i = 0; i < count; i++)
		knock_from(argv[6 + i], strtoull(argv[4], NULL, 10), &datagrams[i]);
	send_all(connect_to(argv[2], argv[3]), datagrams, count, strtoull(argv[5], NULL, 10));
	return 0;
}

static int lines(char **argv)
{
	FILE *file = fopen(argv[5], "r");
	char line[LINE_MAX_BYTES];
	struct datagram *datagrams = NULL;
	size_t count = 0;

	if (file == NULL)
		die(argv[5]);
	while (fgets(line, sizeof(line), file) != NULL) {
		struct datagram *more = reallocarray(datagrams, count + 1, sizeof(*datagrams));

		if (more == NULL)
			die("memory");
		datagrams = more;
		datagrams[count].len = strcspn(line, "\r\n");
		datagrams[count++].bytes = (uint8_t *)strdup(line);
	}
	fclose(file);
	send_all(connect_to(argv[2], argv[3]), datagrams, count, strtoull(argv[4], NULL, 10));
	return 0;
}

static int junk(char **argv)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static uint8_t noise[1 << 16];
	static struct mmsghdr messages[BATCH];
	static struct iovec parts[BATCH];
	const size_t len = strtoul(argv[4], NULL, 10);
	const uint64_t end_ns = now_ns() + strtoull(argv[5], NULL, 10) * 1000000000;
	int fd = connect_to(argv[2], argv[3]);
	uint64_t sent = 0;
	uint64_t step = 0;

	nj_random_fill(nj_random_system(), noise, sizeof(noise));
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)letters[noise[i] % 64];
	while (now_ns() < end_ns) {
		for (size_t i = 0; i < BATCH; i++, step++) {
			parts[i] = (struct iovec){ noise + step * 7919 % (sizeof(noise) - LINE_MAX_BYTES), len };
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
		}
		int count = sendmmsg(fd, messages, BATCH, 0);
		if (count < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
			die("sendmmsg");
		sent += count > 0 ? (uint64_t)count : 0;
	}
	printf("%llu\n", (unsigned long long)sent);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 6 && strcmp(argv[1], "knocks") == 0)
		return knocks(argc, argv);
	if (argc == 6 && strcmp(argv[1], "lines") == 0)
		return lines(argv);
	if (argc == 6 && strcmp(argv[1], "junk") == 0 && strtoul(argv[4], NULL, 10) <= LINE_MAX_BYTES)
		return junk(argv);
	fputs("usage: sender knocks ADDRESS PORT COUNTER RATE FILE… | lines ADDRESS PORT RATE FILE | junk ADDRESS PORT "
	      "LENGTH "
	      "SECONDS\n",
	      stderr);
	return 64;
}
