// A stream of uint64 through a ring of one producer and one consumer as it is usually written: two indices, each
// published with release and read with acquire, and on each side a cached copy of the other's index, so that the line
// of an index moves only when the ring looks full or empty (the design of rigtorp's SPSCQueue).
#include "common.h"

struct ring {
	LINE _Atomic uint64_t write; // the producer's
	LINE uint64_t read_cache;    // the producer's
	LINE _Atomic uint64_t read;  // the consumer's
	LINE uint64_t write_cache;   // the consumer's
	LINE _Atomic uint64_t done;  // how many items the consumer has checked, told at the end of each part
	LINE uint64_t capacity;      // one more than it can hold
	LINE uint64_t slots[];
};

static inline void push(struct ring *r, uint64_t v) {
	uint64_t w = atomic_load_explicit(&r->write, memory_order_relaxed);
	uint64_t next = w + 1 == r->capacity ? 0 : w + 1;
	while (next == r->read_cache)
		r->read_cache = atomic_load_explicit(&r->read, memory_order_acquire);
	r->slots[w] = v;
	atomic_store_explicit(&r->write, next, memory_order_release);
}

static inline uint64_t pop(struct ring *r) {
	uint64_t at = atomic_load_explicit(&r->read, memory_order_relaxed);
	while (at == r->write_cache)
		r->write_cache = atomic_load_explicit(&r->write, memory_order_acquire);
	uint64_t v = r->slots[at];
	atomic_store_explicit(&r->read, at + 1 == r->capacity ? 0 : at + 1, memory_order_release);
	return v;
}

static void consume(const struct job *j, void *memory) {
	struct ring *r = memory;
	uint64_t i = 0;
	for (; i < j->warm; i++)
		expect(pop(r), i + j->peersalt, "consumer");
	atomic_store(&r->done, i);
	for (; i < j->warm + j->n; i++)
		expect(pop(r), i + j->peersalt, "consumer");
	atomic_store(&r->done, i);
}

static void await(struct ring *r, uint64_t items) {
	while (atomic_load(&r->done) != items)
		;
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	struct ring *r = shared(sizeof *r + (j.capacity + 1) * sizeof r->slots[0]);
	r->capacity = j.capacity + 1;
	pid_t child = start(&j, consume, r);
	pin(j.a);
	uint64_t x = j.salt, i = 0;
	for (; i < j.warm; i++) {
		x = work(x, j.steps);
		push(r, i + j.salt);
	}
	if (j.warm)
		await(r, j.warm);
	double begin = now();
	for (; i < j.warm + j.n; i++) {
		x = work(x, j.steps);
		push(r, i + j.salt);
	}
	await(r, j.warm + j.n);
	double end = now();
	finish(child);
	keep(x);
	report(end - begin, &j);
}
