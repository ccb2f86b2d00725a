package ring

import "github.com/kindred-ipc/kindred/internal/futex"

// Policy says how a call that cannot go on waits. A value that is none of these stands for Adaptive.
type Policy = futex.Policy

const (
	// Adaptive polls for as long as polling has paid off lately (2 to 50 µs), then sleeps. It is
	// the default. At an MPMC ring that more processes have open than there are CPUs, and by which much passes, it first
	// yields the CPU a few times.
	Adaptive = futex.Adaptive
	// Spin polls for 200 µs each time, then sleeps: for pairs of processes with a CPU each.
	Spin = futex.Spin
	// Park sleeps at once: for processes that share CPUs with others.
	Park = futex.Park
)

// EndOption says how an end of a ring behaves.
type EndOption func(*endConfig)

type endConfig struct {
	policy Policy
	many   bool

	// Of a Subscriber.
	blocks   bool
	start    int
	sequence uint64
}

// Waiting sets how the end's calls wait. Those of a Broadcast wait alike in the whole process: the last of its writers and subscribers to be made says how.
func Waiting(p Policy) EndOption { return func(c *endConfig) { c.policy = p } }

// OneOfMany says that the process may have many such ends, as a server has connections, with a goroutine that waits at each. While
// several of them are busy, a call does not poll, lets others of this process go first, and sleeps as cheaply as it can for all of
// them together; that costs a little of the latency of one that is alone.
func OneOfMany() EndOption { return func(c *endConfig) { c.many = true } }

func configOf(opts []EndOption) (c endConfig) {
	for _, opt := range opts {
		opt(&c)
	}
	return c
}
