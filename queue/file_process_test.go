//go:build linux || darwin

package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/keeper"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// dossier is a message with a file.
type dossier struct {
	Title string
	File  *shm.File
	More  []any
}

// filer is told by its arguments what to do with dossiers.
type filer struct {
	Do       string
	In, Out  *queue.Queue[dossier]
	File     *shm.File
	Pipe     queue.End
	Deeper   int
	Contents string
}

var filers = proc.Func("queue_test.filer", func(ctx context.Context, c filer) error { return c.work(ctx) })

func init() { filersAgain = filers }

// filersAgain is filers, for one that starts another.
var filersAgain *proc.Function[filer]

func (c filer) work(ctx context.Context) error {
	if c.Deeper > 0 {
		c.Deeper--
		p, err := filersAgain.Start(ctx, c, proc.Share(proc.Segments(ctx)...))
		if err != nil {
			return err
		}
		return p.Wait(ctx)
	}
	switch c.Do {
	case "put":
		f, err := os.CreateTemp("", "kindred-dossier-*")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		if _, err := f.WriteString(c.Contents); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return c.Out.Put(ctx, dossier{Title: c.Contents, File: shm.NewFile(f)})
	case "get":
		d, err := c.In.Get(ctx)
		if err != nil {
			return err
		}
		return c.check(d.File)
	case "pass on":
		d, err := c.In.Get(ctx)
		if err != nil {
			return err
		}
		return c.Out.Put(ctx, d)
	case "arguments":
		return c.check(c.File)
	case "lease and die":
		if _, err := c.In.Lease(ctx); err != nil {
			return err
		}
		os.Exit(7)
	case "starve":
		return c.starve(ctx)
	case "echo":
		end, err := queue.PipeFrom[any, any](nil, c.Pipe)
		if err != nil {
			return err
		}
		got, err := end.Recv(ctx)
		if err != nil {
			return err
		}
		f := got.(*shm.File)
		defer f.Close()
		conn, err := net.FileConn(f.File)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = io.Copy(conn, conn)
		return err
	}
	return errors.ErrUnsupported
}

// starve leases a dossier while this process has as many files as it may, and again when it has room.
func (c filer) starve(ctx context.Context) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = 128
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var full []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		full = append(full, f)
	}
	_, hungry := c.In.Lease(ctx)
	for _, f := range full {
		f.Close()
	}
	if !errors.Is(hungry, syscall.EMFILE) {
		return fmt.Errorf("leased without room: %w", hungry)
	}
	l, err := c.In.Lease(ctx)
	if err != nil {
		return err
	}
	if l.Deliveries != 2 {
		return fmt.Errorf("delivery %d", l.Deliveries)
	}
	return errors.Join(c.check(l.Message.File), l.Ack())
}

func (c filer) check(f *shm.File) error {
	defer f.Close()
	b, err := io.ReadAll(f)
	if err == nil && string(b) != c.Contents {
		err = fmt.Errorf("%q in the file, not %q", b, c.Contents)
	}
	return err
}

// fileOf is a file with these contents, to be read.
func fileOf(t *testing.T, contents string) *os.File {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(contents), 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// nothingKept waits until this process keeps nothing for messages.
func nothingKept(t *testing.T) {
	require.Eventually(t, func() bool { return keeper.Count() == 0 }, 20*time.Second, 2*time.Millisecond)
}

func dossiers(t *testing.T, seg *shm.Segment, opts ...shm.ObjectOption) *queue.Queue[dossier] {
	q, err := queue.New[dossier](seg, 4, opts...)
	require.NoError(t, err)
	return q
}

func TestAFileArrives(t *testing.T) {
	for _, deep := range []int{0, 2} {
		t.Run(fmt.Sprint(deep, " generations down"), func(t *testing.T) {
			ctx, seg := bounded(t), anonymous(t)
			q := dossiers(t, seg)
			f := fileOf(t, "contents")
			require.NoError(t, q.Put(ctx, dossier{File: shm.NewFile(f)}))
			require.NoError(t, f.Close())
			p, err := filers.Start(ctx, filer{Do: "get", In: q, Contents: "contents", Deeper: deep}, proc.Share(seg))
			require.NoError(t, err)
			require.NoError(t, p.Wait(ctx))
			nothingKept(t)
		})
	}
}

func TestAFileOutlivesWhoSentIt(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	first, second := dossiers(t, seg), dossiers(t, seg)
	run := func(c filer) {
		p, err := filers.Start(ctx, c, proc.Share(seg))
		require.NoError(t, err)
		require.NoError(t, p.Wait(ctx))
	}
	run(filer{Do: "put", Out: first, Contents: "from a child", Deeper: 1})
	require.Equal(t, 1, keeper.Count())
	run(filer{Do: "pass on", In: first, Out: second})
	run(filer{Do: "get", In: second, Contents: "from a child"})
	nothingKept(t)

	run(filer{Do: "put", Out: first, Contents: "for the parent"})
	d := must(first.Get(ctx))
	require.Equal(t, "for the parent", string(must(io.ReadAll(d.File))))
	require.NoError(t, d.File.Close())
	nothingKept(t)
}

func TestFilesOfMessagesThatNobodyGetsAreClosed(t *testing.T) {
	file := func(t *testing.T) dossier { return dossier{File: shm.NewFile(fileOf(t, "x"))} }
	cases := map[string]struct {
		opts []shm.ObjectOption
		lose func(t *testing.T, ctx context.Context, seg *shm.Segment, q *queue.Queue[dossier])
	}{
		"dropped": {[]shm.ObjectOption{queue.DropOldest()}, func(t *testing.T, ctx context.Context, _ *shm.Segment, q *queue.Queue[dossier]) {
			for range 4 {
				require.NoError(t, q.Put(ctx, dossier{}))
			}
		}},
		"destroyed": {nil, func(t *testing.T, _ context.Context, seg *shm.Segment, q *queue.Queue[dossier]) {
			require.NoError(t, seg.Destroy(q.Ref()))
		}},
		"detached": {nil, func(t *testing.T, _ context.Context, seg *shm.Segment, _ *queue.Queue[dossier]) {
			require.NoError(t, seg.Close())
		}},
		"shut down": {nil, func(t *testing.T, _ context.Context, _ *shm.Segment, q *queue.Queue[dossier]) {
			require.NoError(t, q.ShutdownNow())
		}},
		"with who got it": {[]shm.ObjectOption{queue.Leases()}, func(t *testing.T, ctx context.Context, seg *shm.Segment, q *queue.Queue[dossier]) {
			p, err := filers.Start(ctx, filer{Do: "lease and die", In: q}, proc.Share(seg))
			require.NoError(t, err)
			require.Error(t, p.Wait(ctx))
			require.Equal(t, 1, keeper.Count())
			l, err := q.Lease(ctx)
			require.NoError(t, err)
			require.Equal(t, 2, l.Deliveries)
			require.Equal(t, "x", string(must(io.ReadAll(l.Message.File))))
			require.NoError(t, l.Message.File.Close())
			require.Equal(t, 1, keeper.Count())
			require.NoError(t, l.Ack())
		}},
	}
	if runtime.GOOS == "darwin" {
		delete(cases, "detached") // there, the keeper cannot see it
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			seg, err := shm.Anonymous(1 << 20)
			require.NoError(t, err)
			t.Cleanup(func() { seg.Close() })
			q := dossiers(t, seg, c.opts...)
			require.NoError(t, q.Put(ctx, file(t)))
			require.Equal(t, 1, keeper.Count())
			c.lose(t, ctx, seg, q)
			nothingKept(t)
		})
	}
}

func TestAFileThatIsNotPutIsNotKept(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q, err := queue.New[dossier](seg, 1, queue.FailWhenFull())
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, dossier{}))
	f := fileOf(t, "x")
	require.ErrorIs(t, q.Put(ctx, dossier{File: shm.NewFile(f)}), queue.ErrFull)
	nothingKept(t)
	require.NoError(t, f.Close())
	_, err = q.Get(ctx)
	require.NoError(t, err)
	err = q.Put(ctx, dossier{More: []any{1, shm.NewFile(f)}})
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorContains(t, err, "More[1]")
	require.ErrorContains(t, q.Put(ctx, dossier{File: new(shm.File)}), "dossier.File")
	var none *os.File
	err = q.Put(ctx, dossier{File: shm.NewFile(none)})
	require.ErrorIs(t, err, os.ErrInvalid)
	require.ErrorContains(t, err, "dossier.File")
	require.Zero(t, keeper.Count())
	require.Zero(t, q.Len())
}

func TestADeadLetterHasItsFile(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	dead := dossiers(t, seg)
	q := dossiers(t, seg, queue.Leases(), queue.DeadTo(dead, 1))
	require.NoError(t, q.Put(ctx, dossier{File: shm.NewFile(fileOf(t, "x"))}))
	l, err := q.Lease(ctx)
	require.NoError(t, err)
	require.NoError(t, l.Message.File.Close())
	require.NoError(t, l.Nack())
	_, ok, err := q.TryLease()
	require.NoError(t, err)
	require.False(t, ok)
	d := must(dead.Get(ctx))
	require.Equal(t, "x", string(must(io.ReadAll(d.File))))
	require.NoError(t, d.File.Close())
	nothingKept(t)
}

func TestAFileArrivesInArguments(t *testing.T) {
	ctx := bounded(t)
	c := func() filer {
		return filer{Do: "arguments", File: shm.NewFile(fileOf(t, "contents")), Contents: "contents"}
	}
	p, err := filers.Start(ctx, c())
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.Zero(t, keeper.Count())

	warm, err := filers.Warm(ctx, 1)
	require.NoError(t, err)
	p, err = warm.Start(ctx, c())
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, warm.Close())
	require.Zero(t, keeper.Count())
}

func TestASocketArrives(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	here, there, err := queue.NewPipe[any, any](seg, 4)
	require.NoError(t, err)
	end, err := there.End()
	require.NoError(t, err)
	p, err := filers.Start(ctx, filer{Do: "echo", Pipe: end}, proc.Share(seg))
	require.NoError(t, err)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	theirs, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, here.Send(ctx, shm.NewFile(theirs.(*net.TCPConn))))
	require.NoError(t, theirs.Close())

	_, err = ours.Write([]byte("hello"))
	require.NoError(t, err)
	b := make([]byte, 5)
	_, err = io.ReadFull(ours, b)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	nothingKept(t) // or the end would not be one
	require.NoError(t, ours.(*net.TCPConn).CloseWrite())
	_, err = ours.Read(b)
	require.Equal(t, io.EOF, err)
	require.NoError(t, p.Wait(ctx))
}

// Nobody has the file any more when all have closed theirs: not even who moved the message, or whose channel lost it.
func TestAFileThatNobodyReceivesIsClosed(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	dead := dossiers(t, seg)
	q := dossiers(t, seg, queue.Leases(), queue.DeadTo(dead, 1))
	var ended <-chan dossier // which has lost a message: before, who receives might get it still
	for name, lose := range map[string]func(f *shm.File){
		"moved": func(f *shm.File) {
			require.NoError(t, q.Put(ctx, dossier{File: f}))
			l, err := q.Lease(ctx)
			require.NoError(t, err)
			require.NoError(t, l.Message.File.Close())
			require.NoError(t, l.Nack())
			_, ok, err := q.TryLease()
			require.NoError(t, err)
			require.False(t, ok)
			require.NoError(t, must(dead.Get(ctx)).File.Close())
		},
		"lost": func(f *shm.File) {
			require.NoError(t, dead.Put(ctx, dossier{File: f}))
			until, end := context.WithCancel(ctx)
			ended = dead.Chan(until)
			require.Eventually(t, dead.Empty, time.Minute, time.Millisecond)
			end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer r.Close()
			lose(shm.NewFile(w))
			require.NoError(t, w.Close())
			require.NoError(t, r.SetReadDeadline(time.Now().Add(20*time.Second)))
			_, err = r.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		})
	}
	_, ok := <-ended
	require.False(t, ok)
}

func TestALeaseThatHasNoRoomForAFileComesBack(t *testing.T) {
	ctx, seg := bounded(t), anonymous(t)
	q := dossiers(t, seg, queue.Leases())
	require.NoError(t, q.Put(ctx, dossier{File: shm.NewFile(fileOf(t, "contents"))}))
	p, err := filers.Start(ctx, filer{Do: "starve", In: q, Contents: "contents"}, proc.Share(seg))
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, q.Join(ctx))
	nothingKept(t)
}
