package linear

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAJournalIsReadByAnother(t *testing.T) {
	j, err := newJournal(t.TempDir(), 2)
	require.NoError(t, err)
	defer j.close()
	fd, err := syscall.Dup(int(j.file.Fd()))
	require.NoError(t, err)
	theirs, err := openJournal(os.NewFile(uintptr(fd), "journal"), 2)
	require.NoError(t, err)
	defer theirs.close()

	before := now()
	c := newClient(7, 3, 1, theirs.of(1), theirs.control)
	c.Invoke(set, 5, 6)
	c.Return(Refused, 8, 9)
	c.Invoke(get)
	require.Equal(t, 2, j.progress())
	require.Empty(t, gather(6, 3, j.of(0), 0))

	h := gather(7, 3, j.of(1), before)
	require.Len(t, h, 2)
	first, second := h[0], h[1]
	require.LessOrEqual(t, before, first.Call)
	require.LessOrEqual(t, first.Call, first.Return)
	require.LessOrEqual(t, first.Return, second.Call)
	first.Call, first.Return, second.Call = 0, 0, 0
	require.Equal(t, Op{Kind: set, Client: 7, Process: 3, Args: [2]uint64{5, 6}, Code: Refused, Outs: [2]uint64{8, 9}}, first)
	require.Equal(t, Op{Kind: get, Client: 7, Process: 3, Fate: CutOff, Return: before}, second)

	// What is known to have been through, but not when, is cut off all the same.
	theirs.of(1)[1].code.Store(1)
	require.Equal(t, CutOff, gather(7, 3, j.of(1), before)[1].Fate)
}

func TestAClientEndsBeforeItsRecordsDo(t *testing.T) {
	c := newClient(0, 0, 1, make([]record, room), new(control))
	n := 0
	for c.More() {
		for range spare {
			c.Invoke(get)
			c.Return(OK)
			n++
		}
	}
	require.Greater(t, n, room-2*spare)
	require.LessOrEqual(t, n, room)
	stopped := newClient(0, 0, 1, make([]record, room), new(control))
	require.True(t, stopped.More())
	stopped.control.stop.Store(1)
	require.False(t, stopped.More())
}
