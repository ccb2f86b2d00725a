package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/proc"
)

// scene says how a worker behaves that is none. The first process of a pool does so, once; its
// successors are workers.
const sceneVariable = "POOL_TEST_SCENE"

// puppet stands in for worker.
var puppet = proc.Func("kindred/pool/puppet", func(ctx context.Context, o orders) error {
	dir, scene, ok := cutScene()
	if !ok {
		return errors.New("no scene")
	}
	f, err := os.OpenFile(filepath.Join(dir, "played"), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return work(ctx, o)
	}
	f.Close()
	c, err := attach(ctx, o)
	if err != nil {
		return err
	}
	return (&actor{child: c, ctx: ctx, orders: o}).play(scene)
})

func cutScene() (dir, scene string, ok bool) {
	v := os.Getenv(sceneVariable)
	dir, scene = filepath.Split(v)
	return dir, scene, v != ""
}

var square = Task("square", func(_ context.Context, n int) (int, error) { return n * n, nil })

// play puts the puppet, in that scene, on a stage of one worker.
func play(t *testing.T, scene string, opts ...Option) *Pool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	stage := func(o *options) { o.program = puppet }
	env := proc.Env(sceneVariable + "=" + filepath.Join(t.TempDir(), scene))
	p, err := New(ctx, append([]Option{stage, Workers(1), Process(env, proc.Stderr(nil))}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Terminate()
		require.NoError(t, p.Join(context.Background()))
	})
	return p
}

// actor is a worker with a mind of its own.
type actor struct {
	*child
	ctx    context.Context
	orders orders
}

func (a *actor) die() {
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	a.hang()
}

func (a *actor) hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// write commits a record of the given bytes.
func (a *actor) write(b []byte) {
	record, err := a.replies.Reserve(a.ctx, len(b))
	if err != nil {
		a.die()
	}
	copy(record, b)
	a.replies.Commit(len(b))
}

// announce commits a head.
func (a *actor) announce(h head) {
	b := make([]byte, headSize)
	h.put(b)
	a.write(b)
}

// deny takes this process's name off the writing end of the replies, as a stray store would.
func (a *actor) deny(forParent bool) error {
	seg, err := proc.Segment(a.ctx, a.orders.Replies)
	if err != nil {
		return err
	}
	f, err := seg.File()
	if err != nil {
		return err
	}
	// The names of writer and reader stand side by side in the ring.
	at := int64(a.orders.Replies.Offset())
	names := make([]byte, 16)
	for binary.LittleEndian.Uint64(names) != uint64(seg.Engine().Self()) {
		at += 8
		if _, err := f.ReadAt(names, at); err != nil {
			return err
		}
	}
	name := make([]byte, 8)
	if forParent {
		copy(name, names[8:])
	}
	_, err = f.WriteAt(name, at)
	return err
}

func (a *actor) play(scene string) error {
	if !a.greet(a.ctx) {
		return <-a.ended
	}
	record, err := a.peek(a.ctx)
	if err != nil {
		return err
	}
	if scene == "dies before the claim" {
		a.die()
	}
	posted, complete := record == nil, true
	if posted {
		err = a.in.take(&a.state.request)
	} else {
		complete, err = a.in.add(record)
	}
	if err != nil || !complete {
		return fmt.Errorf("request: %v, %w", complete, err)
	}
	id := a.in.head.id
	a.state.claimed.Store(id)
	if scene == "dies before it runs the task" {
		a.die()
	}
	if posted {
		a.posted = id
	} else {
		a.requests.Release()
	}
	input := binary.LittleEndian.Uint32(a.in.payload)
	result := make([]byte, len(a.in.payload))
	binary.LittleEndian.PutUint32(result, input*input)
	size := uint64(len(result))

	switch scene {
	case "dies before the reply":
		a.die()
	case "dies within the reply":
		a.announce(head{id: id, size: size})
		a.die()
	case "dies within the reply in the mailbox":
		a.state.reply.size = size
		copy(a.state.reply.payload[:], result)
		a.die()
	case "dies before the claim is given up":
		a.announce(head{id: id, size: size})
		a.write(result)
		a.die()
	case "dies before the claim is given up, with the reply in the mailbox":
		a.state.reply.post(&head{id: id}, result)
		a.die()
	case "dies after the claim is given up":
		a.reply(a.ctx, id, result, outcomeResult)
		a.die()

	case "answers another call":
		a.announce(head{id: id + 1, size: size})
	case "posts the answer to another call":
		a.state.reply.post(&head{id: id + 1}, result)
		a.replies.Knock()
	case "posts more than the mailbox holds":
		a.state.reply.size = mailboxSize
		a.state.reply.id.Store(id)
		a.replies.Knock()
	case "posts an answer amid another":
		a.announce(head{id: id, size: size})
		a.state.reply.post(&head{id: id}, result)
		a.replies.Knock()
	case "posts a kind of its own":
		a.state.reply.post(&head{id: id, outcome: outcomes}, result)
		a.replies.Knock()
	case "sends a head that is none":
		a.write(make([]byte, headSize-1))
	case "sends nothing at all":
		a.write(nil)
	case "announces 16 EiB":
		a.announce(head{id: id, size: 1<<64 - 1})
	case "announces more than the limit":
		a.announce(head{id: id, size: leastLimit + 1})
	case "sends more than it announced":
		a.announce(head{id: id, size: 3})
		a.write(make([]byte, 4))
	case "sends an empty part":
		a.announce(head{id: id, size: 3})
		a.write(nil)
	case "has a kind of its own":
		a.announce(head{id: id, outcome: outcomes})
	case "hides its claim and breaks the protocol":
		a.state.claimed.Store(0)
		a.write(nil)

	case "gives back what is not withdrawn":
		a.announce(head{id: id, outcome: replyWithdrawn})
	case "sends several outcomes, and none":
		a.announce(head{id: id, outcome: replySeveral})
	case "sends an outcome that does not end":
		a.announce(head{id: id, task: 1, size: 4, outcome: replySeveral})
		a.write([]byte{0xff, 0xff, 0, 0})
	case "sends a row of no results":
		a.announce(head{id: id, outcome: replyRow})
	case "sends a row that is uneven":
		a.announce(head{id: id, task: 3, size: 4, outcome: replyRow})
		a.write(make([]byte, 4))
	case "sends a row of more results than there are calls":
		a.announce(head{id: id, task: 2, size: 2 * size, outcome: replyRow})
		a.write(append(result, result...))
	case "sends more outcomes than there are calls":
		a.announce(head{id: id, task: 2, size: 2 * (frameSize + size), outcome: replySeveral})
		for range 2 {
			frame := append(make([]byte, frameSize), result...)
			putFrame(frame, outcomeResult)
			a.write(frame)
		}

	case "closes its ring and stays":
		if err := a.replies.Close(); err != nil {
			return err
		}
	case "ends its function":
		return nil

	case "says that nobody writes, and dies", "says that its parent writes, and dies":
		if err := a.deny(scene == "says that its parent writes, and dies"); err != nil {
			return err
		}
		a.die()
	default:
		return errors.New("unknown scene: " + scene)
	}
	a.hang()
	return nil
}

// At every step from the request to the next one, a death has the one outcome that is promised.
func TestDeathAtEveryStepOfACall(t *testing.T) {
	for _, c := range []struct {
		scene string
		begun bool // so that it fails without a retry
		done  bool // the result is there
	}{
		{scene: "dies before the claim"},
		{scene: "dies before it runs the task", begun: true},
		{scene: "dies before the reply", begun: true},
		{scene: "dies within the reply", begun: true},
		{scene: "dies within the reply in the mailbox", begun: true},
		{scene: "dies before the claim is given up", done: true},
		{scene: "dies before the claim is given up, with the reply in the mailbox", done: true},
		{scene: "dies after the claim is given up", done: true},
	} {
		for retry := range 2 {
			t.Run(fmt.Sprint(c.scene, ", retry ", retry), func(t *testing.T) {
				var retried, lost, begun int
				p := play(t, c.scene, Retry(retry), OnEvent(func(e Event) {
					switch e.Kind {
					case TaskRetried:
						retried++
					case WorkerLost:
						lost++
						if e.Task != "" {
							begun++
						}
					}
				}))
				pid := p.Workers()[0].Pid
				got, err := square.Call(context.Background(), p, 12)
				if c.begun && retry == 0 {
					var died *WorkerDied
					require.ErrorAs(t, err, &died)
					require.Equal(t, WorkerDied{
						Task: "square", Pid: pid, Code: -1, Signal: syscall.SIGKILL, Attempts: 1, OOM: died.OOM,
					}, *died)
				} else {
					require.NoError(t, err)
					require.Equal(t, 144, got)
				}
				got, err = square.Call(context.Background(), p, 3)
				require.NoError(t, err)
				require.Equal(t, 9, got)
				require.NotEqual(t, pid, p.Workers()[0].Pid)
				require.NoError(t, p.Shutdown(context.Background()))
				require.Equal(t, 1, lost)
				want := 0
				if c.begun {
					want = 1
				}
				require.Equal(t, want, begun)
				require.Equal(t, want*retry, retried)
			})
		}
	}
}

// Whatever a worker writes, its call fails or is tried again, it is killed and replaced, and its
// parent goes on.
func TestWorkerThatBreaksTheProtocolIsKilledAndReplaced(t *testing.T) {
	for scene, want := range map[string]string{
		"answers another call":                    "reply to call 2, not 1: worker breaks the protocol",
		"posts the answer to another call":        "reply to call 2, not 1: worker breaks the protocol",
		"posts more than the mailbox holds":       "message of 1024 bytes in the mailbox: worker breaks the protocol",
		"posts an answer amid another":            fmt.Sprintf("message of %d bytes in the mailbox: worker breaks the protocol", strconv.IntSize/8),
		"posts a kind of its own":                 fmt.Sprintf("reply of kind %d: worker breaks the protocol", outcomes),
		"sends a head that is none":               "head of 39 bytes: worker breaks the protocol",
		"sends nothing at all":                    "head of 0 bytes: worker breaks the protocol",
		"announces 16 EiB":                        "18446744073709551615 bytes announced, the limit is 16384: worker breaks the protocol",
		"announces more than the limit":           "16385 bytes announced, the limit is 16384: worker breaks the protocol",
		"sends more than it announced":            "4 bytes, 3 were announced: worker breaks the protocol",
		"sends an empty part":                     "empty part: worker breaks the protocol",
		"has a kind of its own":                   fmt.Sprintf("reply of kind %d: worker breaks the protocol", outcomes),
		"hides its claim and breaks the protocol": "head of 0 bytes: worker breaks the protocol",
	} {
		for retry := range 2 {
			t.Run(fmt.Sprint(scene, ", retry ", retry), func(t *testing.T) {
				p := play(t, scene, Retry(retry), MaxMessage(leastLimit))
				pid := p.Workers()[0].Pid
				got, err := square.Call(context.Background(), p, 12)
				if retry == 0 {
					var died *WorkerDied
					require.ErrorAs(t, err, &died)
					require.Equal(t, syscall.SIGKILL, died.Signal)
					require.ErrorContains(t, err, want)
				} else {
					require.NoError(t, err)
					require.Equal(t, 144, got)
				}
				got, err = square.Call(context.Background(), p, 3)
				require.NoError(t, err)
				require.Equal(t, 9, got)
				require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
			})
		}
	}
}

func TestWorkerThatBreaksTheProtocolOfAMapIsKilledAndReplaced(t *testing.T) {
	for scene, want := range map[string]string{
		"answers another call":                             "message about call 2, which is not under way",
		"has a kind of its own":                            fmt.Sprintf("reply of kind %d", outcomes),
		"gives back what is not withdrawn":                 "calls from 1 on come back",
		"sends several outcomes, and none":                 "no outcomes from call 1 on",
		"sends an outcome that does not end":               "frame that does not end, in 4 bytes",
		"sends more outcomes than there are calls":         "the next is 2",
		"sends a row of no results":                        "0 bytes, for 0 results from call 1 on",
		"sends a row that is uneven":                       "4 bytes, for 3 results from call 1 on",
		"sends a row of more results than there are calls": "reply to call 2, the next is 2",
		"announces 16 EiB":                                 "18446744073709551615 bytes announced, the limit is 16384",
	} {
		for retry := range 2 {
			t.Run(fmt.Sprint(scene, ", retry ", retry), func(t *testing.T) {
				p := play(t, scene, Retry(retry), MaxMessage(leastLimit))
				pid := p.Workers()[0].Pid
				n := 0
				for got, err := range square.Map(context.Background(), p, slices.Values([]int{12})) {
					n++
					if retry == 1 || strings.HasSuffix(scene, "than there are calls") {
						require.NoError(t, err)
						require.Equal(t, 144, got)
						continue
					}
					var died *WorkerDied
					require.ErrorAs(t, err, &died)
					require.Equal(t, syscall.SIGKILL, died.Signal)
					require.ErrorContains(t, err, want+": worker breaks the protocol")
				}
				require.Equal(t, 1, n)
				got, err := square.Call(context.Background(), p, 3)
				require.NoError(t, err)
				require.Equal(t, 9, got)
				require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
			})
		}
	}
}

// A worker that lets go of its ring, or that writes somebody else's name there, has to go as well,
// and its death is noticed.
func TestWorkerThatDeniesItsRingIsNoticed(t *testing.T) {
	for scene, want := range map[string]syscall.Signal{
		"closes its ring and stays":             syscall.SIGKILL,
		"ends its function":                     0,
		"says that nobody writes, and dies":     syscall.SIGKILL,
		"says that its parent writes, and dies": syscall.SIGKILL,
	} {
		t.Run(scene, func(t *testing.T) {
			var lost []Event
			p := play(t, scene, Retry(1), OnEvent(func(e Event) {
				if e.Kind == WorkerLost {
					lost = append(lost, e)
				}
			}))
			got, err := square.Call(context.Background(), p, 12)
			require.NoError(t, err)
			require.Equal(t, 144, got)
			require.NoError(t, p.Shutdown(context.Background()))
			require.Len(t, lost, 1)
			require.Equal(t, want, lost[0].Signal)
			if want == 0 {
				require.Zero(t, lost[0].Code)
			}
		})
	}
}
