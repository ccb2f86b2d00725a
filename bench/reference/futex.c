// A round trip of two processes that sleep: each waits in the kernel at once, without a spin, and is woken by the other.
#include "common.h"
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>

struct words {
	LINE _Atomic uint32_t ping;
	LINE _Atomic uint32_t pong;
};

static inline uint32_t await(_Atomic uint32_t *word, uint32_t last) {
	uint32_t v;
	while ((v = atomic_load_explicit(word, memory_order_acquire)) == last)
		if (syscall(SYS_futex, word, FUTEX_WAIT, last, NULL, NULL, 0) && errno != EAGAIN && errno != EINTR)
			die("futex wait");
	return v;
}

static inline void post(_Atomic uint32_t *word, uint32_t v) {
	atomic_store(word, v);
	if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		die("futex wake");
}

static void echo(const struct job *j, void *memory) {
	struct words *w = memory;
	uint32_t last = 0;
	for (uint64_t i = 1; i <= j->warm + j->n; i++) {
		last = await(&w->ping, last);
		expect(last, (uint32_t)(i + j->peersalt), "echo");
		post(&w->pong, last);
	}
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	struct words *w = shared(sizeof *w);
	pid_t child = start(&j, echo, w);
	pin(j.a);
	uint32_t last = 0;
	double begin = 0;
	for (uint64_t i = 1; i <= j.warm + j.n; i++) {
		if (i == j.warm + 1)
			begin = now();
		post(&w->ping, (uint32_t)(i + j.salt));
		last = await(&w->pong, last);
		expect(last, (uint32_t)(i + j.salt), "caller");
	}
	double end = now();
	finish(child);
	report(end - begin, &j);
}
