package ring_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// gush is how many values a gusher pushes at once: so many that it has a lane locked most of the time.
const gush = 32

// gusher pushes batches without a pause until there is something in the other ring.
var gusher = child("mpmc/gusher", func(ctx context.Context, k task) error {
	m, err := openMPMC[mark](ctx, k.Ring)
	if err != nil {
		return err
	}
	halt, err := openMPMC[mark](ctx, k.Answer)
	if err != nil {
		return err
	}
	m.SetPolicy(ring.Spin)
	batch := make([]mark, gush)
	for number := uint32(0); halt.Empty(); {
		for i := range batch {
			number++
			batch[i] = mark{uint32(k.From), number}
		}
		if _, err := m.PushN(ctx, batch); err != nil {
			return err
		}
	}
	return nil
})

// dripper pushes one by one, and so has a bias, until there is something in the other ring.
var dripper = child("mpmc/dripper", func(ctx context.Context, k task) error {
	m, err := openMPMC[mark](ctx, k.Ring)
	if err != nil {
		return err
	}
	halt, err := openMPMC[mark](ctx, k.Answer)
	if err != nil {
		return err
	}
	for number := uint32(1); halt.Empty(); number++ {
		if err := m.Push(ctx, mark{uint32(k.From), number}); err != nil {
			return err
		}
	}
	return nil
})

// Who has the bias of a lane and is stopped outside of a push keeps nothing, dead or alive.
func TestMPMCAStoppedOwnerOfABiasKeepsNothing(t *testing.T) {
	if !ring.Biasing {
		t.Log("there are no biases here")
		return
	}
	const capacity = 100
	ctx, seg := bounded(t), segmentOf(t)
	for _, end := range []unix.Signal{unix.SIGCONT, unix.SIGKILL} {
		m, err := ring.NewMPMC[mark](seg, capacity)
		require.NoError(t, err)
		halt, err := ring.NewMPMC[mark](seg, 1)
		require.NoError(t, err)
		last := map[uint32]uint32{}
		pop := func() bool {
			v, ok, err := m.TryPop()
			require.NoError(t, err)
			if ok {
				require.Equal(t, last[v.By]+1, v.Number, "value of %d", v.By)
				last[v.By] = v.Number
			}
			return ok
		}
		p := start(t, dripper, seg, task{Ring: m.Ref(), Answer: halt.Ref()})
		for number, rounds := uint32(0), 0; rounds < 5; {
			require.NoError(t, ctx.Err())
			for range 500 {
				pop()
			}
			require.NoError(t, proctest.Stop(p.Pid()))
			if kept, _ := ring.Kept(m); kept == 0 && ring.Lent(m) == 1 {
				rounds++
				for pop() {
				}
				for range capacity {
					number++
					ok, err := m.TryPush(mark{1, number})
					require.NoError(t, err)
					require.True(t, ok, "value %d", number)
				}
				require.True(t, m.Full())
				require.Zero(t, ring.Lent(m))
			}
			if end == unix.SIGKILL && rounds == 5 {
				kill(t, p)
				break
			}
			require.NoError(t, p.Signal(unix.SIGCONT))
		}
		require.NoError(t, halt.Push(ctx, mark{}))
		for running := true; running; {
			select {
			case <-p.Done():
				running = false
			default:
				pop()
			}
		}
		for pop() {
		}
		require.Zero(t, m.Lost())
	}
}

// nibbler pops single values until the ring is closed, and pushes them to another one.
var nibbler = child("mpmc/nibbler", func(ctx context.Context, k task) error {
	m, err := openMPMC[mark](ctx, k.Ring)
	if err != nil {
		return err
	}
	out, err := openMPMC[mark](ctx, k.Answer)
	if err != nil {
		return err
	}
	for v, err := range m.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Push(ctx, v); err != nil {
			return err
		}
	}
	return nil
})

// Who has the bias of a lane's head and is stopped outside of a pop keeps nothing. In the middle of one, which is seldom
// met, it keeps what is in that lane, until it goes on or is killed:
// TestMPMCOneStoppedInTheMiddleOfAPopKeepsTheValuesOfItsLane.
func TestMPMCAStoppedOwnerOfTheBiasOfAHead(t *testing.T) {
	if !ring.Biasing {
		t.Log("there are no biases here")
		return
	}
	const capacity = 100
	ctx, seg := bounded(t), segmentOf(t)
	for _, end := range []unix.Signal{unix.SIGCONT, unix.SIGKILL} {
		m, err := ring.NewMPMC[mark](seg, capacity)
		require.NoError(t, err)
		back, err := ring.NewMPMC[mark](seg, 1<<10)
		require.NoError(t, err)
		p := start(t, nibbler, seg, task{Ring: m.Ref(), Answer: back.Ref()})
		came := map[uint32]bool{}
		note := func(v mark) {
			require.False(t, came[v.Number], "%+v came twice", v)
			came[v.Number] = true
		}
		collect := func() {
			last := uint32(0)
			for {
				v, ok, err := back.TryPop()
				require.NoError(t, err)
				if !ok {
					return
				}
				require.Greater(t, v.Number, last)
				last = v.Number
				note(v)
			}
		}
		number := uint32(0)
		push := func() bool {
			ok, err := m.TryPush(mark{1, number + 1})
			require.NoError(t, err)
			if ok {
				number++
			}
			return ok
		}
		pop := func() bool {
			v, ok, err := m.TryPop()
			require.NoError(t, err)
			if ok {
				note(v)
			}
			return ok
		}
		for outside, over := 0, false; !over; {
			require.NoError(t, ctx.Err())
			for range 200 {
				push()
				collect()
			}
			require.NoError(t, proctest.Stop(p.Pid()))
			for push() {
			}
			require.True(t, m.Full())
			lanes, popping := ring.Held(m)
			switch {
			case lanes == 0:
			case popping == 0:
				outside++
				for pop() {
				}
				require.True(t, m.Empty(), "nothing is kept")
				lanes, _ = ring.Held(m)
				require.Zero(t, lanes)
			default:
				require.False(t, pop(), "all is in the lane that is kept")
			}
			if over = outside >= 3; over && end == unix.SIGKILL {
				push() // it was popped, if nothing was kept
				kill(t, p)
				require.True(t, pop(), "nothing is kept by one who is dead")
				continue
			}
			require.NoError(t, p.Signal(unix.SIGCONT))
		}
		if end == unix.SIGCONT {
			require.NoError(t, m.Close())
			for running := true; running; {
				select {
				case <-p.Done():
					running = false
				default:
					collect()
				}
			}
			require.NoError(t, p.Wait(ctx))
		}
		for v, ok, _ := m.TryPop(); ok; v, ok, _ = m.TryPop() {
			note(v)
		}
		collect()
		require.Zero(t, m.Lost())
		if missing := int(number) - len(came); end == unix.SIGCONT {
			require.Zero(t, missing)
		} else {
			require.LessOrEqual(t, missing, 1, "what it had popped, and not pushed yet")
		}
	}
}

// A producer that is stopped while it has a lane locked keeps that lane, and as much room as that may hold. All
// that is committed is popped meanwhile, and all other room is used. Who needs more waits until it goes on, or is
// killed, and no longer. One that is stopped with a bias:
// TestMPMCOneStoppedInTheMiddleOfAPushKeepsTheRoomOfItsLane.
func TestMPMCAStoppedProducerKeepsTheRoomOfItsLane(t *testing.T) {
	for name, end := range map[string]unix.Signal{"it goes on": unix.SIGCONT, "it is killed": unix.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			ctx, seg := bounded(t), segmentOf(t)
			stopped(ctx, t, seg, end)
		})
	}
}

func stopped(ctx context.Context, t *testing.T, seg *shm.Segment, end unix.Signal) {
	const capacity, gushes, mine = 100, 1, 2
	m, err := ring.NewMPMC[mark](seg, capacity)
	require.NoError(t, err)
	halt, err := ring.NewMPMC[mark](seg, 1)
	require.NoError(t, err)
	var last [3]uint32
	pop := func() bool {
		v, ok, err := m.TryPop()
		require.NoError(t, err)
		if ok {
			require.Equal(t, last[v.By]+1, v.Number, "value of %d", v.By)
			last[v.By] = v.Number
		}
		return ok
	}
	number := uint32(0)
	push := func() bool {
		ok, err := m.TryPush(mark{mine, number + 1})
		require.NoError(t, err)
		if ok {
			number++
		}
		return ok
	}

	p := start(t, gusher, seg, task{Ring: m.Ref(), Answer: halt.Ref(), From: gushes})
	kept, lanes := 0, 0
	for lanes == 0 {
		require.NoError(t, ctx.Err())
		for got := last[gushes]; last[gushes] < got+10; {
			require.NoError(t, ctx.Err())
			pop()
			push()
		}
		require.NoError(t, proctest.Stop(p.Pid()))
		if lanes, kept = ring.Kept(m); lanes == 0 {
			require.NoError(t, p.Signal(unix.SIGCONT))
		}
	}

	for pop() {
	}
	require.True(t, m.Empty(), "all that is committed is popped")
	require.Equal(t, number, last[mine])
	for range 5 {
		for range capacity - kept {
			require.True(t, push(), "%d of the room for %d are kept, in %d lanes", kept, capacity, lanes)
		}
		require.False(t, push())
		for pop() {
		}
		require.Equal(t, number, last[mine])
	}
	for range capacity - kept {
		require.True(t, push())
	}
	number++
	pushed := make(chan error, 1)
	go func() { pushed <- m.Push(ctx, mark{mine, number}) }()
	for ring.Sleepers(m) == 0 {
		require.NoError(t, ctx.Err())
		select {
		case err := <-pushed:
			require.FailNow(t, "beyond the room that is left", "%v", err)
		default:
			time.Sleep(time.Millisecond)
		}
	}
	require.EqualValues(t, capacity-kept, m.Len())

	require.NoError(t, halt.Push(ctx, mark{}))
	require.NoError(t, p.Signal(end))
	if end == unix.SIGKILL {
		<-p.Done()
		require.NoError(t, <-pushed, "and nobody popped")
	} else {
		// It may have filled what it kept before the other one came to it.
		for waits := true; waits; {
			select {
			case err := <-pushed:
				require.NoError(t, err)
				waits = false
			default:
				pop()
			}
		}
		for running := true; running; {
			select {
			case <-p.Done():
				running = false
			default:
				pop()
			}
		}
		require.NoError(t, p.Wait(ctx))
	}
	for pop() {
	}
	require.Equal(t, number, last[mine])
	if end == unix.SIGCONT {
		require.Zero(t, last[gushes]%gush, "the last batch is whole")
	}
	for range capacity {
		require.True(t, push(), "all room is there again")
	}
	require.False(t, push())
	for pop() {
	}
	require.Equal(t, number, last[mine])
	require.Zero(t, m.Lost())
}

// A consumer that is stopped wherever it is keeps nothing from anybody but what it has taken, and is not taken for
// dead: that comes when it goes on.
func TestMPMCAStoppedConsumerKeepsNothing(t *testing.T) {
	const capacity = 100
	ctx, seg := bounded(t), segmentOf(t)
	m, err := ring.NewMPMC[mark](seg, capacity)
	require.NoError(t, err)
	back, err := ring.NewMPMC[mark](seg, capacity)
	require.NoError(t, err)
	e := start(t, eater, seg, task{Ring: m.Ref(), Answer: back.Ref()})
	eaten := make(chan int, 1)
	go func() {
		n := 0
		for _, err := range back.All(ctx) {
			if err == nil {
				n++
			}
		}
		eaten <- n
	}()
	number, popped := uint32(0), 0
	push := func() {
		number++
		require.NoError(t, m.Push(ctx, mark{Number: number}))
	}
	for range 30 {
		for range 100 + rand.IntN(500) {
			push()
		}
		require.NoError(t, proctest.Stop(e.Pid()))
		for {
			_, ok, err := m.TryPop()
			require.NoError(t, err)
			if !ok {
				break
			}
			popped++
		}
		for range capacity {
			ok, err := m.TryPush(mark{Number: number + 1})
			require.NoError(t, err)
			require.True(t, ok)
			number++
		}
		require.True(t, m.Full())
		for i := range uint32(capacity) {
			v, ok, err := m.TryPop()
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, number-capacity+i+1, v.Number)
			popped++
		}
		require.True(t, m.Empty())
		require.Zero(t, m.Lost())
		require.NoError(t, e.Signal(unix.SIGCONT))
	}
	require.NoError(t, m.Close())
	require.NoError(t, e.Wait(ctx))
	require.NoError(t, back.Close())
	require.Equal(t, int(number), popped+<-eaten)
	require.Zero(t, m.Lost())
}
