// The physical limit of a round trip: two processes poll two cache lines, one for each direction, and nothing else.
#include "common.h"

struct lines {
	LINE _Atomic uint64_t ping;
	LINE _Atomic uint64_t pong;
};

static inline uint64_t await(_Atomic uint64_t *word, uint64_t last) {
	uint64_t v;
	while ((v = atomic_load_explicit(word, memory_order_acquire)) == last)
		relax();
	return v;
}

static void echo(const struct job *j, void *memory) {
	struct lines *l = memory;
	uint64_t last = 0;
	for (uint64_t i = 1; i <= j->warm + j->n; i++) {
		last = await(&l->ping, last);
		expect(last, i + j->peersalt, "echo");
		atomic_store_explicit(&l->pong, last, memory_order_release);
	}
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	struct lines *l = shared(sizeof *l);
	pid_t child = start(&j, echo, l);
	pin(j.a);
	uint64_t last = 0;
	double begin = 0;
	for (uint64_t i = 1; i <= j.warm + j.n; i++) {
		if (i == j.warm + 1)
			begin = now();
		atomic_store_explicit(&l->ping, i + j.salt, memory_order_release);
		last = await(&l->pong, last);
		expect(last, i + j.salt, "caller");
	}
	double end = now();
	finish(child);
	report(end - begin, &j);
}
