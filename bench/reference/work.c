// What the work of a paced producer costs on its own: the chain of steps, once an item, and no ring.
#include "common.h"

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	pin(j.a);
	uint64_t x = j.salt;
	for (uint64_t i = 0; i < j.warm; i++)
		x = work(x, j.steps);
	double begin = now();
	for (uint64_t i = 0; i < j.n; i++) {
		x = work(x, j.steps);
		keep(x);
	}
	double end = now();
	report(end - begin, &j);
}
