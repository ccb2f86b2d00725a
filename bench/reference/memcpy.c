// Records from one process to another at the speed of memory: one memcpy into a buffer that both have, none out of it,
// and for each record a sequence on a line of its own. kind is the length of a record in bytes, a multiple of 64. The
// reader adds up one word of each line of 64 bytes. With "+out" behind the length, it copies each record first, by another memcpy.
#include "common.h"

struct line {
	LINE _Atomic uint64_t sequence; // how many records have been written here, in this place and those before it
};

struct buffer {
	LINE _Atomic uint64_t read; // how many records the reader has read
	LINE struct line published[1024];
	LINE char bytes[];
};

enum { most = 1024 };

static uint64_t length, places;
static int out;

// The first word of a record counts, those of the other lines are always the same.
static uint64_t sum_of_others(void) {
	uint64_t lines = length / 64;
	return lines * (lines - 1) / 2;
}

static void consume(const struct job *j, void *memory) {
	struct buffer *b = memory;
	uint64_t others = sum_of_others();
	char *copy = out ? (char *)aligned_alloc(64, length) : NULL;
	if (copy)
		memset(copy, 0, length);
	for (uint64_t i = 0; i < j->warm + j->n; i++) {
		uint64_t at = i % places, sum = 0;
		while (atomic_load_explicit(&b->published[at].sequence, memory_order_acquire) != i + 1)
			;
		const volatile uint64_t *word = (const volatile uint64_t *)(b->bytes + at * length);
		if (copy)
			word = memcpy(copy, b->bytes + at * length, length);
		for (uint64_t k = 0; k < length / 8; k += 8)
			sum += word[k];
		expect(sum, i + j->peersalt + others, "consumer");
		atomic_store_explicit(&b->read, i + 1, memory_order_release);
	}
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	char *kind = strdup(j.kind), *plus = strchr(kind, '+');
	out = plus && !strcmp(plus, "+out");
	if (out)
		*plus = 0;
	length = number(kind);
	if (length == 0 || length % 64 || length > j.capacity)
		die("kind is no length of a record");
	places = j.capacity / length < most ? j.capacity / length : most;
	struct buffer *b = (struct buffer *)shared(sizeof *b + places * length);
	char *source = (char *)aligned_alloc(64, length);
	memset(source, 0, length);
	for (uint64_t k = 1; k < length / 64; k++)
		((uint64_t *)source)[8 * k] = k;
	pid_t child = start(&j, consume, b);
	pin(j.a);
	double begin = now();
	uint64_t known = 0;
	for (uint64_t i = 0; i < j.warm + j.n; i++) {
		if (i == j.warm) {
			while (atomic_load(&b->read) != i)
				;
			begin = now();
		}
		while (i - known >= places)
			known = atomic_load_explicit(&b->read, memory_order_acquire);
		*(uint64_t *)source = i + j.salt;
		memcpy(b->bytes + i % places * length, source, length);
		atomic_store_explicit(&b->published[i % places].sequence, i + 1, memory_order_release);
	}
	while (atomic_load(&b->read) != j.warm + j.n)
		;
	double end = now();
	finish(child);
	report(end - begin, &j);
}
