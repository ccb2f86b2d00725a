// Two processes, each of as many threads as it has workers, that want one robust process-shared pthread mutex, each as
// soon as it has unlocked it and done its work. The time is that of one lock with its unlock, whoever's: the elapsed
// time by all of them. The first side reads the clock, under the lock, so that both ends are exact.
#include "common.h"
#include <pthread.h>

struct memory {
	LINE pthread_mutex_t mutex;
	LINE uint64_t counter; // what the mutex guards
	LINE _Atomic int over;
	LINE _Atomic uint64_t counted; // by all threads, told when they end
};

struct side {
	const struct job *j;
	struct memory *m;
	int first;             // whether this side reads the clock; what follows is guarded by the mutex
	uint64_t since, next;  // the counter when it began, and when it is to read the clock
	double begin, elapsed; // elapsed is 0 until the end
	uint64_t done;
};

// note is called by the first side, with the lock, when the counter has come to next.
static void note(struct side *s, uint64_t counter) {
	double t = now();
	if (s->begin == 0) {
		s->begin = t;
		s->since = counter;
		s->next = counter + s->j->n;
		return;
	}
	s->elapsed = t - s->begin;
	s->done = counter - s->since;
	s->next = UINT64_MAX;
	atomic_store(&s->m->over, 1);
}

static void *worker(void *at) {
	struct side *s = at;
	struct memory *m = s->m;
	uint64_t count = 0, x = s->j->salt;
	while (!atomic_load_explicit(&m->over, memory_order_relaxed)) {
		x = work(x, s->j->steps);
		if (pthread_mutex_lock(&m->mutex))
			die("pthread_mutex_lock");
		m->counter++;
		if (s->first && m->counter >= s->next)
			note(s, m->counter);
		if (pthread_mutex_unlock(&m->mutex))
			die("pthread_mutex_unlock");
		count++;
	}
	keep(x);
	atomic_fetch_add(&m->counted, count);
	return NULL;
}

static void all(struct side *s) {
	pthread_t threads[64];
	uint64_t n = s->j->workers;
	if (n > 64)
		die("too many workers");
	for (uint64_t i = 1; i < n; i++)
		if (pthread_create(&threads[i], NULL, worker, s))
			die("pthread_create");
	worker(s);
	for (uint64_t i = 1; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void rival(const struct job *j, void *memory) {
	struct side s = {.j = j, .m = memory};
	all(&s);
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	struct memory *m = shared(sizeof *m);
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	if (pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) ||
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) || pthread_mutex_init(&m->mutex, &attr))
		die("pthread_mutex_init");
	m->counter = j.salt;
	pid_t child = j.workers > 1 ? start_free(&j, rival, m) : start(&j, rival, m);
	if (j.workers <= 1)
		pin(j.a);
	struct side s = {.j = &j, .m = m, .first = 1, .next = j.salt + j.warm};
	all(&s);
	finish(child);
	expect(m->counter, j.peersalt + m->counted, "holder");
	j.n = s.done;
	report(s.elapsed, &j);
}
