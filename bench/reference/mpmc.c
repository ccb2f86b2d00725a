// A stream of uint64 through a ring of many producers and many consumers as it is usually written: a ticket by
// fetch_add on either side, and in each slot, on a line of its own, a turn word for which the holder of a ticket waits
// (the design of rigtorp's MPMCQueue). Whoever dies with a ticket stops the ring for ever.
#include "common.h"

struct slot {
	_Alignas(64) _Atomic uint64_t turn; // 2 * lap: free for that lap; 2 * lap + 1: holds that lap's item
	uint64_t value;
};

struct ring {
	LINE _Atomic uint64_t head; // the next ticket of the producers
	LINE _Atomic uint64_t tail; // of the consumers
	LINE _Atomic uint64_t done; // how many items the consumer has checked, told at the end of each part
	LINE uint64_t capacity;
	LINE struct slot slots[];
};

static inline void push(struct ring *r, uint64_t v) {
	uint64_t ticket = atomic_fetch_add(&r->head, 1);
	struct slot *s = &r->slots[ticket % r->capacity];
	uint64_t turn = ticket / r->capacity * 2;
	while (atomic_load_explicit(&s->turn, memory_order_acquire) != turn)
		;
	s->value = v;
	atomic_store_explicit(&s->turn, turn + 1, memory_order_release);
}

static inline uint64_t pop(struct ring *r) {
	uint64_t ticket = atomic_fetch_add(&r->tail, 1);
	struct slot *s = &r->slots[ticket % r->capacity];
	uint64_t turn = ticket / r->capacity * 2 + 1;
	while (atomic_load_explicit(&s->turn, memory_order_acquire) != turn)
		;
	uint64_t v = s->value;
	atomic_store_explicit(&s->turn, turn + 1, memory_order_release);
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
	struct ring *r = shared(sizeof *r + j.capacity * sizeof r->slots[0]);
	r->capacity = j.capacity;
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
