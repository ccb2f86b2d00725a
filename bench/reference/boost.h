// What the references in C++ share beside common.h: the memory of Boost's queues.
#ifndef KINDRED_BENCH_BOOST_H
#define KINDRED_BENCH_BOOST_H

#include "common.h"
#include <cstddef>

// carve takes from shared memory, a chunk at a time: a queue may ask for its nodes one by one, and there are not as many
// mappings. What it returns is aligned to a line of 64 bytes, as Boost pads its nodes to.
static inline void *carve(std::size_t size) {
	static char *chunk;
	static std::size_t left;
	size = (size + 63) & ~std::size_t{63};
	if (size > left) {
		left = size > 1 << 20 ? size : 1 << 20;
		chunk = static_cast<char *>(shared(left));
	}
	char *p = chunk;
	chunk += size;
	left -= size;
	return p;
}

// An allocator of memory that is mapped before the fork: the pointers in a queue that was made with it hold in both
// processes.
template <typename T> struct shared_allocator {
	using value_type = T;
	shared_allocator() = default;
	template <typename U> shared_allocator(const shared_allocator<U> &) {}
	T *allocate(std::size_t n) { return static_cast<T *>(carve(n * sizeof(T))); }
	void deallocate(T *, std::size_t) {} // it goes with the process
	template <typename U> bool operator==(const shared_allocator<U> &) const { return true; }
	template <typename U> bool operator!=(const shared_allocator<U> &) const { return false; }
};

#endif
