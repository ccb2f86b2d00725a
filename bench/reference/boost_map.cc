// A boost::unordered_map of pairs of 8-byte words in a boost::interprocess::managed_shared_memory, each call under an
// interprocess_mutex there: insert while it grows to n pairs, or as many as the capacity says, then n times find, then find and change, of keys at random.
#include "common.h"
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered_map.hpp>
#include <functional>
#include <string>

namespace interprocess = boost::interprocess;
using memory = interprocess::managed_shared_memory;
using mutex = interprocess::interprocess_mutex;
using locked = interprocess::scoped_lock<mutex>;
using word = uint64_t;
using allocator = interprocess::allocator<std::pair<const word, word>, memory::segment_manager>;
using map = boost::unordered_map<word, word, boost::hash<word>, std::equal_to<word>, allocator>;

// The i-th key: that of splitmix64.
static inline word key(word i) {
	word x = i + 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	pin(j.a);
	word pairs = j.capacity ? j.capacity : j.n;
	std::string name = "kindred-bench-" + std::to_string(getpid());
	memory h(interprocess::create_only, name.c_str(), pairs * 256 + (1 << 20));
	interprocess::shared_memory_object::remove(name.c_str()); // the mapping stays
	auto *m = h.construct<map>("map")(0, boost::hash<word>(), std::equal_to<word>(), h.get_allocator<word>());
	auto *door = h.construct<mutex>("door")();

	double begin = now();
	for (word i = 0; i < pairs; i++) {
		locked l(*door);
		(*m)[key(i)] = i + j.salt;
	}
	double filled = now();
	for (word n = 0; n < j.n; n++) {
		word i = key(n) % pairs;
		locked l(*door);
		expect(m->find(key(i))->second, i + j.peersalt, "reader");
	}
	double read = now();
	for (word n = 0; n < j.n; n++) {
		word i = key(n) % pairs;
		locked l(*door);
		m->find(key(i))->second = i + j.salt + 1;
	}
	double written = now();
	for (word n = 0; n < j.n; n++) {
		word i = key(n) % pairs;
		locked l(*door);
		expect(m->find(key(i))->second, i + j.peersalt + 1, "reader");
	}
	double ops = (double)j.n;
	printf("insert %.4f\nget %.4f\nset %.4f\n", (filled - begin) / (double)pairs, (read - filled) / ops, (written - read) / ops);
	resident();
}
