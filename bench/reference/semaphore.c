// Wait and post of a process-shared sem_t of one permit that nobody else wants. A second process has it mapped, has
// held the permit while this one tried in vain, and is idle from then on.
#include "common.h"
#include <errno.h>
#include <semaphore.h>

struct memory {
	LINE sem_t semaphore;
	LINE uint64_t counter;
	LINE _Atomic int turn; // 1: the child has the permit; 2: the parent has tried; 3: the child has given it back
};

static void hold(const struct job *j, void *memory) {
	(void)j;
	struct memory *m = memory;
	if (sem_wait(&m->semaphore))
		die("sem_wait");
	atomic_store(&m->turn, 1);
	while (atomic_load(&m->turn) != 2)
		sched_yield();
	if (sem_post(&m->semaphore))
		die("sem_post");
	atomic_store(&m->turn, 3);
	pause(); // killed at the end, as it must not touch the semaphore any more
}

static inline void add(struct memory *m) {
	if (sem_wait(&m->semaphore))
		die("sem_wait");
	m->counter++;
	if (sem_post(&m->semaphore))
		die("sem_post");
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	struct memory *m = shared(sizeof *m);
	if (sem_init(&m->semaphore, 1, 1))
		die("sem_init");
	m->counter = j.salt;

	pid_t child = start(&j, hold, m);
	pin(j.a);
	while (atomic_load(&m->turn) != 1)
		sched_yield();
	if (!sem_trywait(&m->semaphore) || errno != EAGAIN)
		die("the semaphore is not shared");
	atomic_store(&m->turn, 2);
	while (atomic_load(&m->turn) != 3)
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
