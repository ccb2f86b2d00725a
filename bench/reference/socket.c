// A pair of Unix sockets between two processes. kind says what goes through: "trips" are round trips of 64 bytes, of which
// the first word is checked at both ends, and else it is the length of writes that go one way, a multiple of 8.
#include "common.h"
#include <errno.h>
#include <sys/socket.h>

static int ends[2];
static uint64_t length;

static void send_all(int fd, const char *p, uint64_t n) {
	while (n > 0) {
		ssize_t k = write(fd, p, n);
		if (k < 0 && errno != EINTR)
			die("write");
		if (k > 0)
			p += k, n -= (uint64_t)k;
	}
}

static void receive_all(int fd, char *p, uint64_t n) {
	while (n > 0) {
		ssize_t k = read(fd, p, n);
		if (k == 0)
			die("the other side has ended");
		if (k < 0 && errno != EINTR)
			die("read");
		if (k > 0)
			p += k, n -= (uint64_t)k;
	}
}

static void peer(const struct job *j, void *memory) {
	uint64_t *buffer = memory;
	int trips = !strcmp(j->kind, "trips");
	close(ends[0]);
	for (uint64_t i = 0; i < j->warm + j->n; i++) {
		receive_all(ends[1], (char *)buffer, length);
		expect(buffer[0], i + j->peersalt, "echo");
		if (trips || i + 1 == j->warm || i + 1 == j->warm + j->n)
			send_all(ends[1], (char *)buffer, trips ? length : 8);
	}
}

int main(int argc, char **argv) {
	struct job j = job_from(argc, argv);
	int trips = !strcmp(j.kind, "trips");
	length = trips ? 64 : number(j.kind);
	if (length == 0 || length % 8)
		die("kind is no length of a write");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		die("socketpair");
	uint64_t *buffer = calloc(1, length), *theirs = calloc(1, length);
	pid_t child = start(&j, peer, theirs);
	close(ends[1]);
	pin(j.a);
	double begin = now();
	for (uint64_t i = 0; i < j.warm + j.n; i++) {
		if (i == j.warm)
			begin = now();
		buffer[0] = i + j.salt;
		send_all(ends[0], (char *)buffer, length);
		if (trips || i + 1 == j.warm || i + 1 == j.warm + j.n) {
			receive_all(ends[0], (char *)buffer, trips ? length : 8);
			expect(buffer[0], i + j.salt, "caller");
		}
	}
	double end = now();
	finish(child);
	report(end - begin, &j);
}
