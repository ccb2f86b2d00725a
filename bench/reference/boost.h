// What the references in C++ share beside common.h: the memory of Boost's queues.
#ifndef KINDRED_BENCH_BOOST_H
#define KINDRED_BENCH_BOOST_H

#include "common.h"
#include <cstddef>

// An allocator of memory that is mapped before the fork: the pointers in a queue that was made with it hold in both
// processes.
template <typename T> struct shared_allocator {
	using value_type = T;
	shared_allocator() = default;
	template <typename U> shared_allocator(const shared_allocator<U> &) {}
	T *allocate(std::size_t n) { return static_cast<T *>(shared(n * sizeof(T))); }
	void deallocate(T *, std::size_t) {} // it goes with the process
	template <typename U> bool operator==(const shared_allocator<U> &) const { return true; }
	template <typename U> bool operator!=(const shared_allocator<U> &) const { return false; }
};

#endif
