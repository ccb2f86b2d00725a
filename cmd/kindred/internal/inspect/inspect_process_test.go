//go:build linux || darwin

package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/shm"
)

func TestShowTellsWhoHoldsWhatAndWhetherTheyLive(t *testing.T) {
	h := build(t, "house")
	child := h.let(t, "tenant", false)
	show := func() string { return succeed(t, "show", "-dir", h.dir, "house") }
	who := fmt.Sprintf("process %d (tenant)", child.Pid())

	out := show()
	require.Regexp(t, `(?m)^segment +house$`, out)
	require.Regexp(t, fmt.Sprintf(`(?m)^id +%016x$`, h.seg.ID()), out)
	require.Regexp(t, fmt.Sprintf(`(?m)^size +1\.3 MiB \(%d bytes\), `, h.seg.Size()), out)
	require.Regexp(t, fmt.Sprintf(`(?m)^created .* ago\) by process %d$`, os.Getpid()), out)
	require.Regexp(t, `(?m)^heap lock +nobody$`, out)
	require.Contains(t, out, "participants: 2 alive, 0 dead, of 1024 slots; 0 were swept")
	require.Regexp(t, fmt.Sprintf(`(?m)^  0\.1 +process %d +alive +since .* landlord$`, os.Getpid()), out)
	require.Regexp(t, fmt.Sprintf(`(?m)^  1\.1 +process %d +alive +since .* tenant$`, child.Pid()), out)
	require.Regexp(t, `(?m)^heap: \d+ blocks, \d+\.\d KiB used, `, out)
	require.Regexp(t, `(?m)^  blocks of 128 B +\d+ used +\d+ free +in 1 runs$`, out)
	require.Regexp(t, `(?m)^  blocks of more than 2\.0 KiB +1 used +0 free +in 17 runs$`, out)
	require.Regexp(t, `(?m)^  slot 0 +has 0 blocks +0 B +allocates in \d+ runs$`, out)
	require.Contains(t, out, "objects: 4\n")
	require.Regexp(t, `(?m)^  door +`+h.door.Ref().String()[:16]+`\+[0-9a-f]+\.1 +mutex +\d+ bytes +held by `+regexp.QuoteMeta(who)+`$`, out)
	require.Regexp(t, `(?m)^  arrived .* semaphore .* 0 free`, out)
	require.Regexp(t, `(?m)^  ticks .* spsc ring .* 4 of 8 values of 8 bytes; writer: `+regexp.QuoteMeta(who)+`; reader: nobody$`, out)
	require.Regexp(t, `(?m)^  log .* bytes ring .* 1 records in 16 of 65536 bytes; writer: `+regexp.QuoteMeta(who)+`; reader: nobody$`, out)

	h.let(t, "second", true)
	require.Eventually(t, func() bool { return strings.Contains(show(), "held by "+who+", waited for") }, time.Minute, time.Millisecond)

	// The reader takes what there is, and sleeps.
	in, err := h.ticks.Reader()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	read := make(chan error)
	go func() {
		for {
			if _, err := in.Pop(ctx); err != nil {
				read <- err
				return
			}
		}
	}()
	asleep := fmt.Sprintf("0 of 8 values of 8 bytes; writer: %s; reader: process %d (landlord), asleep", who, os.Getpid())
	require.Eventually(t, func() bool { return strings.Contains(show(), asleep) }, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-read, context.Canceled)
	require.NoError(t, in.Close())
	require.Contains(t, show(), "reader: nobody, closed")
}

func TestShowTellsTheDead(t *testing.T) {
	h := build(t, "house")
	child := h.let(t, "tenant", false)
	kill(t, child)
	dead := fmt.Sprintf("process %d (tenant), dead", child.Pid())
	for range 2 { // a look changes nothing
		out := succeed(t, "show", "-dir", h.dir, "house")
		require.Contains(t, out, "participants: 1 alive, 1 dead, of 1024 slots; 0 were swept")
		require.Regexp(t, fmt.Sprintf(`(?m)^  1\.1 +process %d +dead +`, child.Pid()), out)
		require.Contains(t, out, "held by "+dead)
		require.Contains(t, out, "4 of 8 values of 8 bytes; writer: "+dead+"; reader: nobody")
	}
	require.Equal(t, "house is consistent, with 4 objects\n", succeed(t, "check", "-dir", h.dir, "house"))

	// Somebody who wants the door sweeps the dead and has it, but must repair what it guards.
	require.ErrorIs(t, h.door.Lock(context.Background()), shm.ErrOwnerDied)
	out := succeed(t, "show", "house", "-dir", h.dir)
	require.Contains(t, out, "participants: 1 alive, 0 dead, of 1024 slots; 1 were swept")
	require.Contains(t, out, fmt.Sprintf("held by process %d (landlord), suspect: its last holder died", os.Getpid()))
	require.Contains(t, out, "writer: participant 1.1, dead")
	require.NoError(t, h.door.Unlock())
	require.Regexp(t, `door .* not recoverable\n`, succeed(t, "show", "-dir", h.dir, "house"))
	succeed(t, "check", "-dir", h.dir, "house")
}

func TestShowAsJSON(t *testing.T) {
	h := build(t, "house")
	child := h.let(t, "tenant", false)
	var r struct {
		Name         string
		ID           string
		Participants []struct {
			Slot, Name string
			Pid        int
			Alive      bool
		}
		Objects []struct {
			Name, Kind string
			State      struct {
				Used   uint64
				Holder struct{ Pid int }
				Writer struct {
					Holder struct{ Pid int }
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, "show", "-json", "-dir", h.dir, "house")), &r))
	require.Equal(t, "house", r.Name)
	require.Equal(t, fmt.Sprintf("%016x", h.seg.ID()), r.ID)
	require.Len(t, r.Participants, 2)
	require.Equal(t, "1.1", r.Participants[1].Slot)
	require.Equal(t, "tenant", r.Participants[1].Name)
	require.Equal(t, child.Pid(), r.Participants[1].Pid)
	require.True(t, r.Participants[1].Alive)
	require.Len(t, r.Objects, 4)
	require.Equal(t, child.Pid(), r.Objects[0].State.Holder.Pid)
	require.Equal(t, "spsc ring", r.Objects[2].Kind)
	require.EqualValues(t, 4, r.Objects[2].State.Used)
	require.Equal(t, child.Pid(), r.Objects[2].State.Writer.Holder.Pid)
}

func TestLsCountsTheLivingAndTheDead(t *testing.T) {
	h := build(t, "house")
	other, err := shm.Create("other", 1, shm.Dir(h.dir), shm.Participants(4))
	require.NoError(t, err)
	require.NoError(t, other.Close())
	h.let(t, "second", false)
	kill(t, h.let(t, "third", true))

	out := succeed(t, "ls", "-dir", h.dir)
	require.Regexp(t, `^NAME +SIZE +USED +ALIVE +DEAD +AGE +CREATOR\n`, out)
	require.Regexp(t, fmt.Sprintf(`(?m)^house +1\.3 MiB +\d+\.\d KiB +2 +1 +\d+s +%d$`, os.Getpid()), out)
	require.Regexp(t, fmt.Sprintf(`(?m)^other +64\.0 KiB +\d+ B +0 +0 +\d+s +%d$`, os.Getpid()), out)

	var rows []row
	require.NoError(t, json.Unmarshal([]byte(succeed(t, "ls", "-json", "-dir", h.dir)), &rows))
	require.Len(t, rows, 2)
	require.Equal(t, row{
		Name: "house", Size: h.seg.Size(), Used: rows[0].Used, Alive: 2, Dead: 1,
		Created: rows[0].Created, Creator: os.Getpid(),
	}, rows[0])
}

func TestCommandsWorkWhenTheTableIsFull(t *testing.T) {
	h := build(t, "house", shm.Participants(1))
	_, err := shm.Open("house", shm.Dir(h.dir))
	require.ErrorIs(t, err, shm.ErrFull)
	require.Contains(t, succeed(t, "show", "-dir", h.dir, "house"), "1 alive, 0 dead, of 1 slots")
	require.Regexp(t, `(?m)^house .* 1 +0 `, succeed(t, "ls", "-dir", h.dir))
	succeed(t, "check", "-dir", h.dir, "house")
}

func TestLooksLeaveNoTrace(t *testing.T) {
	h := build(t, "house")
	kill(t, h.let(t, "tenant", false))
	path := filepath.Join(h.dir, "kindred.house")
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, args := range [][]string{{"ls"}, {"show", "house"}, {"check", "house"}, {"gc", "-n"}, {"gc"}} {
		succeed(t, append(args, "-dir", h.dir)...)
	}
	refuse(t, exitFailed, "rm", "-dir", h.dir, "house")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestRmRefusesWhatIsAlive(t *testing.T) {
	h := build(t, "house")
	child := h.let(t, "tenant", false)
	complaint := refuse(t, exitFailed, "rm", "-dir", h.dir, "house")
	require.Contains(t, complaint, fmt.Sprintf(
		`kindred rm: "house": in use by process %d (landlord), process %d (tenant); -f removes the name`, os.Getpid(), child.Pid()))
	require.NoError(t, h.seg.Close())
	require.NoError(t, proctest.Stop(child.Pid()))
	require.Contains(t, refuse(t, exitFailed, "rm", "-dir", h.dir, "house"), "(tenant);", "a stopped process is alive")
	kill(t, child)
	require.Empty(t, succeed(t, "rm", "-dir", h.dir, "house"))
	require.Contains(t, refuse(t, exitFailed, "rm", "-dir", h.dir, "house"), `"house": does not exist`)
}

func TestRmWithForceTakesTheName(t *testing.T) {
	h := build(t, "house")
	require.Empty(t, succeed(t, "rm", "-f", "-dir", h.dir, "house"))
	require.Contains(t, refuse(t, exitFailed, "show", "-dir", h.dir, "house"), "does not exist")
	require.NoError(t, h.seg.Check(), "who is attached keeps the segment")
}

func TestGcRemovesWhatTheDeadLeft(t *testing.T) {
	h := build(t, "house")
	alive, err := shm.Create("alive", 1, shm.Dir(h.dir))
	require.NoError(t, err)
	defer alive.Close()
	child := h.let(t, "tenant", false)
	require.NoError(t, h.seg.Close())
	require.NoError(t, proctest.Stop(child.Pid()))
	require.Empty(t, succeed(t, "gc", "-dir", h.dir), "a stopped process is alive")

	kill(t, child)
	require.Equal(t, "would remove house\n", succeed(t, "gc", "-n", "-dir", h.dir))
	require.FileExists(t, filepath.Join(h.dir, "kindred.house"))
	require.Equal(t, "removed house\n", succeed(t, "gc", "-dir", h.dir))
	require.NoFileExists(t, filepath.Join(h.dir, "kindred.house"))
	require.Empty(t, succeed(t, "gc", "-dir", h.dir))
	require.Regexp(t, `(?m)^alive `, succeed(t, "ls", "-dir", h.dir))
}
