// A stream of uint64 through a ring of many producers and many consumers as it is usually written: a ticket by
// fetch_add on either side, and in each slot, on a line of its own, a turn word for which the holder of a ticket waits
// (the design of rigtorp's MPMCQueue). Whoever dies with a ticket stops the ring for ever. With more than one worker
// there are so many producers and so many consumers, each a process of its own, on whatever CPUs.
#include "common.h"

struct slot {
	_Alignas(64) _Atomic uint64_t turn; // 2 * lap: free for that lap; 2 * lap + 1: holds that lap's item
	uint64_t value;
};

struct ring {
	LINE _Atomic uint64_t head; // the next ticket of the producers
	LINE _Atomic uint64_t tail; // of the consumers
	LINE _Atomic uint64_t done; // how many items the consumer has checked, told at the end of each part
	LINE _Atomic uint64_t met;  // how many of many have come to the begin or end of a part
	LINE _Atomic uint64_t sum;  // of what many consumers popped
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

#define MANY 16

// meet waits, with a system call between two looks, until all of many, and who measures, have come.
static void meet(struct ring *r, uint64_t all) {
	uint64_t phase = atomic_fetch_add(&r->met, 1) / all;
	while (atomic_load(&r->met) / all == phase)
		sched_yield();
}

static inline uint64_t share(const struct job *j, uint64_t n) { return n / j->workers ? n / j->workers : 1; }

// one is a producer or a consumer of many. Each producer pushes every so manieth word.
static void one(const struct job *j, struct ring *r, uint64_t index, int produces) {
	uint64_t parts[] = {j->warm, j->n}, all = 2 * j->workers + 1, sum = 0;
	for (int part = 0; part < 2; part++) {
		uint64_t n = share(j, parts[part]), next[MANY] = {0};
		meet(r, all);
		for (uint64_t i = 0; i < n; i++) {
			if (produces) {
				push(r, index + i * j->workers + j->salt);
				continue;
			}
			uint64_t v = pop(r) - j->peersalt;
			uint64_t *last = &next[v % j->workers];
			expect(v < *last ? *last : v, v, "consumer");
			*last = v + j->workers;
			sum += v;
		}
		meet(r, all);
	}
	atomic_fetch_add(&r->sum, sum);
}

static void many(struct job *j, struct ring *r) {
	uint64_t all = 2 * j->workers + 1, sum = 0;
	if (j->workers > MANY)
		die("too many workers");
	pid_t children[2 * MANY], parent = getpid();
	for (uint64_t i = 0; i < 2 * j->workers; i++) {
		if ((children[i] = fork()) < 0)
			die("fork");
		if (children[i] == 0) {
			other = parent;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			one(j, r, i / 2, i % 2 == 0);
			_exit(0);
		}
	}
	double begin = 0, end = 0;
	for (int part = 0; part < 2; part++) {
		meet(r, all);
		begin = now();
		meet(r, all);
		end = now();
	}
	for (uint64_t i = 0; i < 2 * j->workers; i++)
		finish(children[i]);
	uint64_t parts[] = {j->warm, j->n};
	for (int part = 0; part < 2; part++) {
		uint64_t n = share(j, parts[part]) * j->workers;
		sum += n * (n - 1) / 2;
	}
	expect(r->sum, sum, "consumers");
	j->n = share(j, j->n) * j->workers;
	report(end - begin, j);
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	struct ring *r = shared(sizeof *r + j.capacity * sizeof r->slots[0]);
	r->capacity = j.capacity;
	if (j.workers > 1) {
		many(&j, r);
		return 0;
	}
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
