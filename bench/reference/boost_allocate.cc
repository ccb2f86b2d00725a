// Allocation and deallocation of 64 bytes in a boost::interprocess::managed_shared_memory, the first word of each block
// written and checked. kind=alone: one process, while a second has the memory mapped and is idle; kind=both: two
// processes at the same time, and the time is that of one operation of either: the elapsed time by the operations of
// both.
#include "common.h"
#include <atomic>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <new>
#include <string>

namespace interprocess = boost::interprocess;
using heap = interprocess::managed_shared_memory;

struct memory {
	LINE heap *blocks;
	LINE std::atomic<bool> ready{false}; // the child is at work, or idle
	LINE std::atomic<bool> over{false};
	LINE std::atomic<uint64_t> others{0}; // operations of the child
};

// A use of a block by side a or b; the word must still be there when the block is given back.
static inline void use(heap *h, uint64_t word, uint64_t want, const char *who) {
	auto *block = static_cast<volatile uint64_t *>(h->allocate(64));
	*block = word;
	expect(*block, want, who);
	h->deallocate(const_cast<uint64_t *>(block));
}

static void rival(const struct job *j, void *at) {
	auto *m = static_cast<memory *>(at);
	bool alone = !strcmp(j->kind, "alone");
	m->ready = true;
	for (uint64_t i = 1; !m->over.load(std::memory_order_relaxed); i++) {
		if (alone) {
			pause();
			continue;
		}
		use(m->blocks, i + j->salt, i + j->peersalt, "rival");
		m->others.store(i, std::memory_order_relaxed);
	}
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	bool alone = !strcmp(j.kind, "alone");
	if (!alone && strcmp(j.kind, "both"))
		die("kind is neither alone nor both");
	auto *m = new (shared(sizeof(memory))) memory;
	std::string name = "kindred-bench-" + std::to_string(getpid());
	heap h(interprocess::create_only, name.c_str(), 1 << 20);
	interprocess::shared_memory_object::remove(name.c_str()); // the mapping stays, here and in the child
	m->blocks = &h;

	pid_t child = start(&j, rival, m);
	pin(j.a);
	while (!m->ready)
		sched_yield();
	for (uint64_t i = 0; i < j.warm; i++)
		use(m->blocks, i + j.salt, i + j.peersalt, "caller");
	uint64_t before = m->others;
	double begin = now();
	for (uint64_t i = 0; i < j.n; i++)
		use(m->blocks, i + j.salt, i + j.peersalt, "caller");
	double end = now();
	j.n += m->others - before;
	m->over = true;
	if (alone)
		kill(child, SIGKILL), waitpid(child, NULL, 0), other = 0;
	else
		finish(child);
	if (!h.check_sanity() || !h.all_memory_deallocated())
		die("the heap is damaged");
	report(end - begin, &j);
}
