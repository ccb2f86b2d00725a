// A stream of uint64 through boost::interprocess::message_queue, one producer and one consumer.
#include "boost.h"
#include <atomic>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <unistd.h>

namespace ipc = boost::interprocess;

struct memory {
	LINE std::atomic<uint64_t> done{0}; // how many items the consumer has checked, told at the end of each part
};

static ipc::message_queue *items; // both sides' handle, from before the fork

static void consume(const struct job *j, void *at) {
	auto *m = static_cast<memory *>(at);
	for (uint64_t i = 0; i < j->warm + j->n; i++) {
		if (i == j->warm)
			m->done = i;
		uint64_t v;
		ipc::message_queue::size_type size;
		unsigned priority;
		items->receive(&v, sizeof(v), size, priority);
		expect(v, i + j->peersalt, "consumer");
	}
	m->done = j->warm + j->n;
}

static void produce(const job &j, uint64_t first, uint64_t last) {
	for (uint64_t i = first; i < last; i++) {
		uint64_t v = i + j.salt;
		items->send(&v, sizeof(v), 0);
	}
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	auto *m = new (shared(sizeof(memory))) memory;
	std::string name = "kindred-bench-" + std::to_string(getpid());
	items = new ipc::message_queue(ipc::create_only, name.c_str(), j.capacity, sizeof(uint64_t));
	ipc::message_queue::remove(name.c_str()); // both keep what they have mapped
	pid_t child = start(&j, consume, m);
	pin(j.a);
	produce(j, 0, j.warm);
	while (j.warm && m->done != j.warm)
		;
	double begin = now();
	produce(j, j.warm, j.warm + j.n);
	while (m->done != j.warm + j.n)
		;
	double end = now();
	finish(child);
	report(end - begin, &j);
}
