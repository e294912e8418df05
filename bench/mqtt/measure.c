/* Time, processor time, memory, histograms. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define SUB_BITS 5 /* 32 buckets a power of two: 3 % wide */

uint64_t load_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void load_die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static size_t read_proc(int pid, const char *name, char *out, size_t cap)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The process's clock of processor time, of all its threads, to the nanosecond: those of /proc tick every 10 ms. */
static uint64_t cpu_ns_of(int pid)
{
	clockid_t clock;
	struct timespec taken;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &taken) != 0)
		return 0;
	return (uint64_t)taken.tv_sec * 1000000000 + (uint64_t)taken.tv_nsec;
}

uint64_t load_cpu_us(const struct plan *plan)
{
	uint64_t ns = 0;
	for (size_t i = 0; i < plan->pid_count; i++)
		ns += cpu_ns_of(plan->pids[i]);
	return ns / 1000;
}

uint64_t load_own_cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

uint64_t load_memory_kb(const struct plan *plan, const char *line)
{
	uint64_t sum = 0;
	char text[4096];
	for (size_t i = 0; i < plan->pid_count; i++) {
		read_proc(plan->pids[i], "status", text, sizeof(text));
		const char *at = strstr(text, line);
		sum += at != NULL ? strtoull(at + strlen(line), NULL, 10) : 0;
	}
	return sum;
}

/* "5" sets VmHWM back (proc(5)). */
void load_memory_reset_peak(const struct plan *plan)
{
	for (size_t i = 0; i < plan->pid_count; i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/%d/clear_refs", plan->pids[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "5", 1) != 1)
			fprintf(stderr, "load: the peak of process %d counts from its start\n", plan->pids[i]);
		if (fd >= 0)
			close(fd);
	}
}

static size_t bucket_of(uint64_t ns)
{
	if (ns < 1u << SUB_BITS)
		return ns;
	unsigned top = 63u - (unsigned)__builtin_clzll(ns);
	unsigned shift = top - SUB_BITS;
	return ((size_t)(shift + 1) << SUB_BITS) + (size_t)((ns >> shift) & ((1u << SUB_BITS) - 1));
}

static uint64_t bucket_ns(size_t bucket)
{
	if (bucket < 1u << SUB_BITS)
		return bucket;
	unsigned shift = (unsigned)(bucket >> SUB_BITS) - 1;
	return ((bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS)) << shift;
}

void load_note(uint64_t *buckets, uint64_t ns)
{
	buckets[bucket_of(ns)]++;
}

double load_quantile(const struct load *load, bool acks, double part)
{
	uint64_t total = 0;
	uint64_t seen = 0;
	for (uint32_t w = 0; w < load->plan.workers; w++)
		for (size_t i = 0; i < LOAD_BUCKETS; i++)
			total += acks ? load->workers[w].ack_latency[i] : load->workers[w].latency[i];
	for (size_t i = 0; i < LOAD_BUCKETS; i++) {
		for (uint32_t w = 0; w < load->plan.workers; w++)
			seen += acks ? load->workers[w].ack_latency[i] : load->workers[w].latency[i];
		if (total > 0 && (double)seen >= (double)total * part)
			return (double)bucket_ns(i) / 1000;
	}
	return 0;
}
