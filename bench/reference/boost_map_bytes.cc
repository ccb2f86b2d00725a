// A boost::unordered_map of strings of 16 bytes to strings of 32 in a boost::interprocess::managed_shared_memory, each call
// under an interprocess_mutex there: insert while it grows to n pairs, then find and copy, then find and change, of keys at
// random.
#include "common.h"
#include <boost/container/string.hpp>
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
template <typename T> using allocator = interprocess::allocator<T, memory::segment_manager>;
using text = boost::container::basic_string<char, std::char_traits<char>, allocator<char>>;
using map = boost::unordered_map<text, text, boost::hash<text>, std::equal_to<text>, allocator<std::pair<const text, text>>>;

// Key i is that of splitmix64, in 16 digits of 4 bits.
static inline word mix(word i) {
	word x = i + 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static inline void digits(word x, char *to) {
	for (int i = 0; i < 16; i++, x >>= 4)
		to[i] = "0123456789abcdef"[x & 15];
}

// A value has 4 words.
static inline void four(word x, char *to) {
	for (int i = 0; i < 4; i++)
		memcpy(to + 8 * i, &x, 8);
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	pin(j.a);
	std::string name = "kindred-bench-" + std::to_string(getpid());
	memory h(interprocess::create_only, name.c_str(), j.n * 512 + (1 << 20));
	interprocess::shared_memory_object::remove(name.c_str()); // the mapping stays
	auto *m = h.construct<map>("map")(0, boost::hash<text>(), std::equal_to<text>(), h.get_allocator<char>());
	auto *door = h.construct<mutex>("door")();
	char k[16], v[32];

	auto set = [&](word i, word x) {
		digits(mix(i), k);
		four(x, v);
		locked l(*door);
		text key(k, 16, h.get_allocator<char>());
		auto at = m->find(key);
		if (at != m->end())
			at->second.assign(v, 32);
		else
			m->emplace(std::move(key), text(v, 32, h.get_allocator<char>()));
	};
	auto get = [&](word i) {
		digits(mix(i), k);
		{
			locked l(*door);
			memcpy(v, m->find(text(k, 16, h.get_allocator<char>()))->second.data(), 32);
		}
		word x;
		memcpy(&x, v + 24, 8);
		return x;
	};
	double begin = now();
	for (word i = 0; i < j.n; i++)
		set(i, i + j.salt);
	double filled = now();
	for (word n = 0; n < j.n; n++) {
		word i = mix(n) % j.n;
		expect(get(i), i + j.peersalt, "reader");
	}
	double read = now();
	for (word n = 0; n < j.n; n++) {
		word i = mix(n) % j.n;
		set(i, i + j.salt + 1);
	}
	double written = now();
	for (word n = 0; n < j.n; n++) {
		word i = mix(n) % j.n;
		expect(get(i), i + j.peersalt + 1, "reader");
	}
	double ops = (double)j.n;
	printf("insert %.4f\nget %.4f\nset %.4f\n", (filled - begin) / ops, (read - filled) / ops, (written - read) / ops);
	resident();
}
