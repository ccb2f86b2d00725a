package queue_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// picky is a message that may not decode.
type picky struct{ text string }

var errPicky = errors.New("not this one")

func (p picky) MarshalBinary() ([]byte, error) { return []byte(p.text), nil }

func (p *picky) UnmarshalBinary(b []byte) error {
	if string(b) == "bad" {
		return errPicky
	}
	p.text = string(b)
	return nil
}

func TestGetManyReturnsWhatLiesBehindAMessageThatDoesNotDecode(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[picky](seg, 8)
	require.NoError(t, err)
	_, err = q.PutMany(ctx, []picky{{"a"}, {"bad"}, {"b"}, {"bad"}, {"c"}})
	require.NoError(t, err)
	vs := make([]picky, 8)
	n, err := q.GetMany(ctx, vs)
	require.ErrorIs(t, err, errPicky)
	require.Equal(t, 2, strings.Count(err.Error(), errPicky.Error()), err.Error())
	require.Equal(t, []picky{{"a"}, {"b"}, {"c"}}, vs[:n])
}

func TestGetManyOfAQueueWithLeasesTellsOfAMessageThatDoesNotDecode(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[picky](seg, 8, queue.Leases())
	require.NoError(t, err)
	_, err = q.PutMany(ctx, []picky{{"a"}, {"bad"}, {"b"}})
	require.NoError(t, err)
	vs := make([]picky, 8)
	n, err := q.GetMany(ctx, vs)
	require.ErrorIs(t, err, errPicky)
	require.Equal(t, []picky{{"a"}}, vs[:n])
	n, err = q.GetMany(ctx, vs)
	require.NoError(t, err)
	require.Equal(t, []picky{{"b"}}, vs[:n])
}

func TestAMessageThatTheQueueForTheDeadDoesNotTakeIsHandedOutAgain(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	dead, err := queue.New[string](seg, 4, queue.MaxBytes(200))
	require.NoError(t, err)
	q, err := queue.New[string](seg, 4, queue.DeadTo(dead, 1))
	require.NoError(t, err)
	large := strings.Repeat("x", 500)
	require.NoError(t, q.Put(ctx, large))
	for i := range 3 {
		l, err := q.Lease(ctx)
		require.NoError(t, err)
		require.Equal(t, large, l.Message)
		require.Equal(t, i+1, l.Deliveries)
		require.NoError(t, l.Nack())
	}
	require.Zero(t, dead.Len())
}

func TestAnObserverTakesNothing(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	seg, err := shm.Create("observed", 4<<20, dir)
	require.NoError(t, err)
	defer seg.Close()
	q := leasing(t, seg, 3, shm.Named("q"))
	require.NoError(t, lease0(lease(t, q, 0, 1)).Nack())
	l, err := queue.Listen(seg, "l")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	observer, err := shm.Open("observed", shm.Observe(), dir)
	require.NoError(t, err)
	defer observer.Close()
	observed, err := queue.Open[string](observer, "q")
	require.NoError(t, err)
	_, _, err = observed.TryLease()
	require.ErrorIs(t, err, shm.ErrReadOnly)
	_, _, err = observed.TryGet()
	require.ErrorIs(t, err, shm.ErrReadOnly)
	_, err = queue.Listen(observer, "l")
	require.ErrorIs(t, err, shm.ErrReadOnly)
	require.NotErrorIs(t, err, syscall.EADDRINUSE)
}

func TestAQueueOfWhatTakesNoMemoryIsBoundedByItsCapacityAlone(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[struct{}](seg, 4, queue.MaxBytes(8))
	require.NoError(t, err)
	for range 10 {
		for range 4 {
			ok, err := q.TryPut(struct{}{})
			require.NoError(t, err)
			require.True(t, ok)
		}
		vs := make([]struct{}, 4)
		n, err := q.GetMany(ctx, vs)
		require.NoError(t, err)
		require.Equal(t, 4, n)
	}
}
