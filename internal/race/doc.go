// Package race tells the race detector what words of shared memory order.
//
// The detector follows memory of Go's own, and no other: an atomic operation on a mapping orders
// nothing for it, and what goroutines do in the heap under a lock that lies there looks like a race.
// So each such word has a proxy, which stands for it in every attach of this process, and what stores
// to the word, or has read it, says so of the proxy:
//
//   - Release comes right before the store that others act on;
//   - Acquire comes right behind the load, or the swap, that saw such a store.
//
// Without the detector there is nothing: Enabled is a constant, and all calls stand behind it, so that
// the compiler leaves no trace of them. The detector's memory is a process's own: what another process
// does is not its business.
//
// Two words may share a proxy. Then they seem to order more than they do, and a race may be missed;
// none is reported that is none.
package race
