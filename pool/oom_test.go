package pool

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kills is a counter that a test turns.
type kills struct {
	n        uint64
	ours, ok bool
}

func (k *kills) count() (uint64, bool, bool) { return k.n, k.ours, k.ok }

func TestOOMKillIsTheDeathOfTheWorkerThatDiedByThen(t *testing.T) {
	k := &kills{n: 7, ours: true, ok: true}
	w := newOOMWatch(k.count)
	now := time.Now()
	require.Equal(t, OOMNo, w.verdict(syscall.SIGKILL, now), "those before do not count")
	k.n += 2
	require.Equal(t, OOMNo, w.verdict(0, now))
	require.Equal(t, OOMNo, w.verdict(syscall.SIGSEGV, now))
	w.note(now)
	require.Equal(t, OOMYes, w.verdict(syscall.SIGKILL, now))
	require.Equal(t, OOMYes, w.verdict(syscall.SIGKILL, now))
	require.Equal(t, OOMNo, w.verdict(syscall.SIGKILL, now))

	// Somebody else was the victim.
	k.n++
	w.note(now)
	now = now.Add(unclaimedFor + 1)
	require.Equal(t, OOMNo, w.verdict(syscall.SIGKILL, now))
}

func TestOOMKillIsUnknownIfNobodyCountsHere(t *testing.T) {
	k := &kills{ok: true}
	w := newOOMWatch(k.count)
	require.Equal(t, OOMNo, w.verdict(syscall.SIGKILL, time.Now()), "nobody was killed anywhere")
	k.n++
	require.Equal(t, OOMUnknown, w.verdict(syscall.SIGKILL, time.Now()))
	k.ok = false
	require.Equal(t, OOMUnknown, w.verdict(syscall.SIGKILL, time.Now()))
	require.Equal(t, OOMNo, w.verdict(syscall.SIGTERM, time.Now()))
	for o, want := range map[OOM]string{OOMUnknown: "unknown", OOMNo: "no", OOMYes: "yes"} {
		require.Equal(t, want, o.String())
	}
}

func TestCounterOfOOMKillsIsRead(t *testing.T) {
	for text, want := range map[string]uint64{
		"low 0\nhigh 2\nmax 9\noom 4\noom_kill 3\noom_group_kill 1\n": 3,  // memory.events
		"oom_kill_disable 0\nunder_oom 0\noom_kill 12":                12, // memory.oom_control
	} {
		got, ok := oomKills(text)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "oom_kill_disable 0\nunder_oom 0\n", "oom_kill many\n"} {
		_, ok := oomKills(text)
		require.False(t, ok)
	}
}
