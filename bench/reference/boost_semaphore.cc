// Wait and post of a boost::interprocess::interprocess_semaphore of one permit that nobody else wants. A second process
// has it mapped, has held the permit while this one tried in vain, and is idle from then on.
#include "common.h"
#include <atomic>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <new>

struct memory {
	LINE boost::interprocess::interprocess_semaphore semaphore{1};
	LINE uint64_t counter = 0;
	LINE std::atomic<int> turn{0}; // 1: the child has the permit; 2: the parent has tried; 3: the child has given it back
};

static void hold(const struct job *, void *at) {
	auto *m = static_cast<memory *>(at);
	m->semaphore.wait();
	m->turn = 1;
	while (m->turn != 2)
		sched_yield();
	m->semaphore.post();
	m->turn = 3;
	pause(); // killed at the end, as it must not touch the semaphore any more
}

static inline void add(memory *m) {
	m->semaphore.wait();
	m->counter++;
	m->semaphore.post();
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	auto *m = new (shared(sizeof(memory))) memory;
	m->counter = j.salt;

	pid_t child = start(&j, hold, m);
	pin(j.a);
	while (m->turn != 1)
		sched_yield();
	if (m->semaphore.try_wait())
		die("the semaphore is not shared");
	m->turn = 2;
	while (m->turn != 3)
		sched_yield();

	for (uint64_t i = 0; i < j.warm; i++)
		add(m);
	double begin = now();
	for (uint64_t i = 0; i < j.n; i++)
		add(m);
	double end = now();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	other = 0;
	expect(m->counter, j.peersalt + j.warm + j.n, "holder");
	report(end - begin, &j);
}
