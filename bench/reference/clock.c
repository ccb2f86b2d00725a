// What one reading of the clock costs.
#include "common.h"

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	pin(j.a);
	double first = now(), last = first;
	for (uint64_t i = 0; i < j.warm; i++)
		last = now();
	double begin = now();
	for (uint64_t i = 0; i < j.n; i++)
		last = now();
	double end = now();
	if (last < first)
		die("the clock went backwards");
	report(end - begin, &j);
}
