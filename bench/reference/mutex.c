// Lock and unlock of a process-shared pthread mutex that nobody else wants. kind=shared or kind=robust. A second
// process has it mapped, has held it while this one tried in vain, and is idle from then on.
#include "common.h"
#include <errno.h>
#include <pthread.h>

struct memory {
	LINE pthread_mutex_t mutex;
	LINE uint64_t counter;
	LINE _Atomic int turn; // 1: the child holds the mutex; 2: the parent has tried; 3: the child has let go
};

static void hold(const struct job *j, void *memory) {
	(void)j;
	struct memory *m = memory;
	if (pthread_mutex_lock(&m->mutex))
		die("pthread_mutex_lock");
	atomic_store(&m->turn, 1);
	while (atomic_load(&m->turn) != 2)
		sched_yield();
	if (pthread_mutex_unlock(&m->mutex))
		die("pthread_mutex_unlock");
	atomic_store(&m->turn, 3);
	pause(); // killed at the end, as it must not touch the mutex any more
}

static inline void add(struct memory *m) {
	if (pthread_mutex_lock(&m->mutex))
		die("pthread_mutex_lock");
	m->counter++;
	if (pthread_mutex_unlock(&m->mutex))
		die("pthread_mutex_unlock");
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	struct memory *m = shared(sizeof *m);
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	int bad = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (!strcmp(j.kind, "robust"))
		bad |= pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	else if (strcmp(j.kind, "shared"))
		die("kind is neither shared nor robust");
	if (bad || pthread_mutex_init(&m->mutex, &attr))
		die("pthread_mutex_init");
	m->counter = j.salt;

	pid_t child = start(&j, hold, m);
	pin(j.a);
	while (atomic_load(&m->turn) != 1)
		sched_yield();
	if (pthread_mutex_trylock(&m->mutex) != EBUSY)
		die("the mutex is not shared");
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
