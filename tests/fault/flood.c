/*
 * Junk for the knock port: flood ADDRESS PORT LENGTH SECONDS sends random datagrams of one length as fast as the kernel
 * takes them, and says how many they were.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 256
#define LARGEST 1500

/* Each datagram is a window into one block of random bytes that moves on all the time: no two are alike. */
static uint8_t noise[1 << 20];

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t send_batch(int fd, size_t len)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec parts[BATCH];
	static uint64_t step;

	for (size_t i = 0; i < BATCH; i++) {
		size_t at = (size_t)(step++ * 7919 % (sizeof(noise) - LARGEST));

		noise[at] = (uint8_t)(noise[at] + 1);
		parts[i] = (struct iovec){ noise + at, len };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	int count = sendmmsg(fd, messages, BATCH, 0);
	if (count < 0 && errno != ENOBUFS && errno != ECONNREFUSED) {
		perror("flood: sendmmsg");
		exit(1);
	}
	return count > 0 ? (uint64_t)count : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint64_t sent = 0;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("usage: flood ADDRESS PORT LENGTH SECONDS\n", stderr);
		return 64;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	size_t len = strtoul(argv[3], NULL, 10);
	uint64_t end_ms = now_ms() + strtoul(argv[4], NULL, 10) * 1000;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (size_t at = 0; at < sizeof(noise); at += 256)
		if (getrandom(noise + at, 256, 0) != 256)
			return 1;
	if (len > LARGEST || fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("flood");
		return 1;
	}
	while (now_ms() < end_ms)
		sent += send_batch(fd, len);
	printf("%llu\n", (unsigned long long)sent);
	return 0;
}
