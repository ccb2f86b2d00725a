package queue_test

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// threads is how many this process has.
func threads(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(status), "Threads:")
	line, _, _ := strings.Cut(after, "\n")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	return n
}

// A thousand idle connections, with a reader each, cost a handful of threads.
func TestIdleConnsHaveNoThreads(t *testing.T) {
	const conns = 1000
	seg, err := shm.Anonymous(512 << 20)
	require.NoError(t, err)
	defer seg.Close()
	far := again(t, seg)
	l, err := queue.Listen(seg, "here", queue.MaxBytes(1))
	require.NoError(t, err)
	defer l.Close()
	before := threads(t)
	var reading sync.WaitGroup
	var all []*queue.Conn
	for range conns {
		a, b := connected(t, l, far)
		all = append(all, b)
		reading.Go(func() {
			var one [1]byte
			if _, err := a.Read(one[:]); err != nil || !bytes.Equal(one[:], []byte("x")) {
				t.Error(err, one)
			}
			if _, err := a.Read(one[:]); err != io.EOF {
				t.Error(err)
			}
			_ = a.Close()
		})
	}
	require.LessOrEqual(t, threads(t), before+16)
	for _, c := range all {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, threads(t), before+16)
	for _, c := range all {
		require.NoError(t, c.Close())
	}
	reading.Wait()
	requireBlocks(t, seg, 1)
}
