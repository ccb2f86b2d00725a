// What the references share: the job from the command line, the placement, the clock, the shared memory, the checks.
// Each program, in C or C++, measures one row between real processes and prints one number, the nanoseconds of one operation, and its memory.
#ifndef KINDRED_BENCH_COMMON_H
#define KINDRED_BENCH_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <signal.h>
#ifndef __cplusplus
#include <stdatomic.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// One line of hot data, whatever the CPU: 128 bytes keep the adjacent-line prefetcher out as well.
#ifdef __cplusplus
#define LINE alignas(128)
#else
#define LINE _Alignas(128)
#endif

// The word i of a payload is i + salt: the sender adds salt, the receiver expects peersalt. They differ only where a
// test wants to see the checks fail.
struct job {
	uint64_t n, warm, salt, peersalt, capacity, steps, workers;
	int a, b; // the CPUs of the two sides
	const char *kind;
};

static pid_t other; // the process to take along when a check fails: it would spin for ever

static inline void die(const char *what) {
	fprintf(stderr, "%s\n", what);
	fflush(stderr);
	if (other > 0)
		kill(other, SIGTERM);
	_exit(1);
}

static inline void expect(uint64_t got, uint64_t want, const char *who) {
	if (__builtin_expect(got != want, 0)) {
		fprintf(stderr, "wrong payload at the %s: got %llu, want %llu\n", who, (unsigned long long)got,
			(unsigned long long)want);
		die("the run is void");
	}
}

static inline uint64_t number(const char *s) {
	char *end;
	uint64_t v = strtoull(s, &end, 10);
	if (end == s || *end)
		die("an argument is not a number");
	return v;
}

static inline struct job job_from(int argc, char **argv) {
	struct job j;
	memset(&j, 0, sizeof j);
	j.n = 1000;
	j.capacity = 1024;
	j.workers = 1;
	j.kind = "";
	for (int i = 1; i < argc; i++) {
		char *v = strchr(argv[i], '=');
		if (!v)
			die("an argument is not of the form key=value");
		*v++ = 0;
		const char *k = argv[i];
		if (!strcmp(k, "n")) j.n = number(v);
		else if (!strcmp(k, "warm")) j.warm = number(v);
		else if (!strcmp(k, "salt")) j.salt = number(v);
		else if (!strcmp(k, "peersalt")) j.peersalt = number(v);
		else if (!strcmp(k, "capacity")) j.capacity = number(v);
		else if (!strcmp(k, "steps")) j.steps = number(v);
		else if (!strcmp(k, "workers")) j.workers = number(v);
		else if (!strcmp(k, "a")) j.a = (int)number(v);
		else if (!strcmp(k, "b")) j.b = (int)number(v);
		else if (!strcmp(k, "kind")) j.kind = v;
		else die("an argument has an unknown key");
	}
	return j;
}

static inline void pin(int cpu) {
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		die("sched_setaffinity");
}

static inline double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// shared returns zeroed memory that stays shared with children, its pages present.
static inline void *shared(size_t size) {
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

// start_free runs side b in a child, which dies with the parent.
static inline pid_t start_free(const struct job *j, void (*side)(const struct job *, void *), void *memory) {
	pid_t parent = getpid(), child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		other = parent;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		side(j, memory);
		_exit(0);
	}
	other = child;
	return child;
}

// start runs side b in a child, pinned to its CPU.
static inline pid_t start(const struct job *j, void (*side)(const struct job *, void *), void *memory) {
	cpu_set_t mine;
	if (sched_getaffinity(0, sizeof mine, &mine))
		die("sched_getaffinity");
	pin(j->b);
	pid_t child = start_free(j, side, memory);
	if (sched_setaffinity(0, sizeof mine, &mine))
		die("sched_setaffinity");
	return child;
}

// finish waits for side b, which must have ended well.
static inline void finish(pid_t child) {
	int status;
	if (waitpid(child, &status, 0) != child || status != 0)
		die("the other side failed");
	other = 0;
}

// resident prints the most memory that this process has had at once, in bytes. (rusage says that of who called exec, too.)
static inline void resident(void) {
	char line[256];
	unsigned long long kib;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %llu", &kib) == 1)
			printf("resident %llu\n", kib << 10);
	if (f)
		fclose(f);
}

static inline void report(double ns, const struct job *j) {
	printf("%.4f\n", ns / (double)j->n);
	resident();
}

// work is the pace of a stream's producer: a chain of multiplications of which each needs the one before, carried on
// from item to item. The Go side has the same function.
static inline uint64_t work(uint64_t x, uint64_t steps) {
	for (; steps > 0; steps--)
		x = x * 6364136223846793005u + 1442695040888963407u;
	return x;
}

// relax is the CPU's instruction for a loop that polls: it polls less often, and so takes the line less often from the
// one who writes it. A round trip is 10 to 15 % shorter with it.
static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

// keep makes the compiler believe that x is used.
static inline void keep(uint64_t x) { __asm__ volatile("" : : "r"(x)); }

#endif
