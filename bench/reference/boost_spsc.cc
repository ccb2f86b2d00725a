// A stream of uint64 through boost::lockfree::spsc_queue. kind=one: one by one; kind=batch: 64 at a time on both sides.
#include "boost.h"
#include <algorithm>
#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

using queue = boost::lockfree::spsc_queue<uint64_t, boost::lockfree::allocator<shared_allocator<uint64_t>>>;

struct memory {
	LINE queue items;
	LINE std::atomic<uint64_t> done{0}; // how many items the consumer has checked, told at the end of each part
	explicit memory(std::size_t capacity) : items(capacity) {}
};

constexpr uint64_t batch = 64;

// The two ways: produce pushes items first to last, each after its work, and returns what the work came to.
struct one {
	static uint64_t produce(queue &q, const job *j, uint64_t x, uint64_t first, uint64_t last) {
		for (uint64_t i = first; i < last; i++) {
			x = work(x, j->steps);
			while (!q.push(i + j->salt))
				;
		}
		return x;
	}
	static void consume(queue &q, const job *j, uint64_t first, uint64_t last) {
		for (uint64_t i = first; i < last; i++) {
			uint64_t v;
			while (!q.pop(v))
				;
			expect(v, i + j->peersalt, "consumer");
		}
	}
};

struct many {
	static uint64_t produce(queue &q, const job *j, uint64_t x, uint64_t first, uint64_t last) {
		uint64_t items[batch];
		for (uint64_t i = first; i < last;) {
			uint64_t n = std::min(batch, last - i);
			for (uint64_t k = 0; k < n; k++) {
				x = work(x, j->steps);
				items[k] = i + k + j->salt;
			}
			for (uint64_t sent = 0; sent < n;)
				sent += q.push(items + sent, n - sent);
			i += n;
		}
		return x;
	}
	static void consume(queue &q, const job *j, uint64_t first, uint64_t last) {
		uint64_t items[batch];
		for (uint64_t i = first; i < last;) {
			uint64_t n = q.pop(items, std::min(batch, last - i));
			for (uint64_t k = 0; k < n; k++)
				expect(items[k], i + k + j->peersalt, "consumer");
			i += n;
		}
	}
};

template <typename way> static void consumer(const struct job *j, void *at) {
	auto *m = static_cast<memory *>(at);
	way::consume(m->items, j, 0, j->warm);
	m->done = j->warm;
	way::consume(m->items, j, j->warm, j->warm + j->n);
	m->done = j->warm + j->n;
}

template <typename way> static void measure(const struct job &j) {
	auto *m = new (shared(sizeof(memory))) memory(j.capacity);
	pid_t child = start(&j, consumer<way>, m);
	pin(j.a);
	uint64_t x = way::produce(m->items, &j, j.salt, 0, j.warm);
	while (j.warm && m->done != j.warm)
		;
	double begin = now();
	x = way::produce(m->items, &j, x, j.warm, j.warm + j.n);
	while (m->done != j.warm + j.n)
		;
	double end = now();
	finish(child);
	keep(x);
	report(end - begin, &j);
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	if (!strcmp(j.kind, "one"))
		measure<one>(j);
	else if (!strcmp(j.kind, "batch"))
		measure<many>(j);
	else
		die("kind is neither one nor batch");
}
