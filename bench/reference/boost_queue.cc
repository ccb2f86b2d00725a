// A stream of uint64 through boost::lockfree::queue, one producer and one consumer. All of its nodes are made at the
// start, and bounded_push never makes another.
#include "boost.h"
#include <atomic>
#include <boost/lockfree/queue.hpp>
#include <new>

using queue = boost::lockfree::queue<uint64_t, boost::lockfree::allocator<shared_allocator<uint64_t>>>;

struct memory {
	LINE queue items;
	LINE std::atomic<uint64_t> done{0}; // how many items the consumer has checked, told at the end of each part
	explicit memory(std::size_t capacity) : items(capacity) {}
};

static void consume(const struct job *j, void *at) {
	auto *m = static_cast<memory *>(at);
	for (uint64_t i = 0; i < j->warm + j->n; i++) {
		if (i == j->warm)
			m->done = i;
		uint64_t v;
		while (!m->items.pop(v))
			;
		expect(v, i + j->peersalt, "consumer");
	}
	m->done = j->warm + j->n;
}

static uint64_t produce(memory *m, const job &j, uint64_t x, uint64_t first, uint64_t last) {
	for (uint64_t i = first; i < last; i++) {
		x = work(x, j.steps);
		while (!m->items.bounded_push(i + j.salt))
			;
	}
	return x;
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	auto *m = new (shared(sizeof(memory))) memory(j.capacity);
	pid_t child = start(&j, consume, m);
	pin(j.a);
	uint64_t x = produce(m, j, j.salt, 0, j.warm);
	while (j.warm && m->done != j.warm)
		;
	double begin = now();
	x = produce(m, j, x, j.warm, j.warm + j.n);
	while (m->done != j.warm + j.n)
		;
	double end = now();
	finish(child);
	keep(x);
	report(end - begin, &j);
}
