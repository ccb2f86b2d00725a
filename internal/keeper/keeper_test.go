//go:build linux || darwin

package keeper

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is the ends of a connection.
func pair(t *testing.T) (one, other int) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds[0], fds[1]
}

// open is a descriptor, and a check whether it is open.
func open(t *testing.T) int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	return fd
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func newStore() *store {
	return &store{kept: make(map[Token]*record), ledgers: make(map[uint64]*ledger)}
}

// served is a client of a store.
func served(t *testing.T, s *store) *client {
	c := newClient(func() (int, error) {
		here, there := pair(t)
		return here, s.serve(there)
	})
	t.Cleanup(func() {
		if c.conn != nil {
			c.conn.close()
		}
	})
	return c
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

func empty(t *testing.T, s *store) {
	t.Helper()
	require.Eventually(t, func() bool { return s.count() == 0 }, 20*time.Second, time.Millisecond)
}

func TestWhatIsHeldIsGoneWithWhoHeldIt(t *testing.T) {
	s := newStore()
	one, other := served(t, s), served(t, s)
	token := NewToken()
	fd := open(t)
	_, err := one.ask(t.Context(), request{op: opHold, token: token, fds: []int{fd}})
	require.NoError(t, err)
	a, err := other.ask(t.Context(), request{op: opTake, token: token})
	require.NoError(t, err)
	require.True(t, isOpen(a.fd))
	closeFd(a.fd)

	_, err = other.ask(t.Context(), request{op: opRelease, token: token}) // which it does not hold
	require.NoError(t, err)
	require.Equal(t, 1, s.count())
	one.conn.close()
	empty(t, s)
	_, err = other.ask(t.Context(), request{op: opTake, token: token})
	require.ErrorIs(t, err, ErrGone)
}

func TestWhatIsKeptForABlockIsGoneWithIt(t *testing.T) {
	seg, err := segment.Anonymous(1<<16, segment.Config{})
	require.NoError(t, err)
	defer seg.Close()
	s := newStore()
	c := served(t, s)
	b, err := seg.Alloc(64, 0)
	require.NoError(t, err)
	file, err := fileOf(seg)
	require.NoError(t, err)
	r := request{op: opKeep, token: NewToken(), segment: seg.ID(), place: b.Place(), fds: []int{open(t), file}}
	_, err = c.ask(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, 1, s.count())
	require.NoError(t, b.Free())
	empty(t, s)
	require.Empty(t, s.ledgers)
}

func TestAPeerThatLiesGetsAnError(t *testing.T) {
	seg, err := segment.Anonymous(1<<16, segment.Config{})
	require.NoError(t, err)
	defer seg.Close()
	s := newStore()
	c := served(t, s)
	for name, r := range map[string]func() request{
		"no operation": func() request { return request{op: 99} },
		"no file":      func() request { return request{op: opHold} },
		"no segment":   func() request { return request{op: opKeep, token: NewToken(), fds: []int{open(t)}} },
		"no segment's file": func() request {
			return request{op: opKeep, token: NewToken(), segment: 1, fds: []int{open(t), open(t)}}
		},
		"another's file":     func() request { f, _ := fileOf(seg); return request{op: opKeep, segment: 1, fds: []int{open(t), f}} },
		"a file to talk to":  func() request { return request{op: opServe, fds: []int{open(t)}} },
		"nobody to talk to":  func() request { return request{op: opServe} },
		"nothing to take":    func() request { return request{op: opTake, token: NewToken()} },
		"nothing to release": func() request { return request{op: opSegment, segment: 7} },
	} {
		_, err := c.ask(t.Context(), r())
		require.Error(t, err, name)
		require.Zero(t, s.count(), name)
	}
	require.Empty(t, s.ledgers)

	here, there := pair(t)
	require.NoError(t, s.serve(there))
	b := make([]byte, frameSize)
	b[2] = 3 // descriptors that do not come
	_, err = unix.Write(here, b)
	require.NoError(t, err)
	n, err := unix.Read(here, b)
	require.NoError(t, err)
	require.Zero(t, n, "the end")
	closeFd(here)
}

func TestAKeeperThatIsSilentHoldsUpNobodyForEver(t *testing.T) {
	here, there := pair(t)
	c := newClient(func() (int, error) { return here, nil })
	for range 2 { // the second finds the first at it
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		fd := open(t)
		_, err := c.ask(ctx, request{op: opHold, token: NewToken(), fds: []int{fd}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
	}
	closeFd(there) // the end of the keeper ends what is under way
	c.turn <- struct{}{}
	require.Nil(t, c.conn)
}

func FuzzFrames(f *testing.F) {
	f.Add((&request{op: opKeep, token: NewToken(), segment: 1, place: 2}).encode())
	f.Add(replyOf(ErrSilent).encode())
	f.Add(make([]byte, frameSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame := make([]byte, frameSize)
		copy(frame, b)
		if r, err := decodeRequest(frame, nil); err == nil {
			again, err := decodeRequest(r.encode(), nil)
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		if a, err := decodeReply(frame, nil); err == nil {
			again, err := decodeReply(a.encode(), nil)
			require.NoError(t, err)
			require.Equal(t, a, again)
		}
	})
}
