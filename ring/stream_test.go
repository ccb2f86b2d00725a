package ring_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/ring"
)

// noise is n bytes that follow from seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func TestAStreamIsAReader(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 200_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			ctx := bounded(t)
			w, in, _ := bytesPipe(t, 1)
			content := noise(1, n)
			done := make(chan error, 1)
			go func() {
				out := w.Stream(ctx)
				_, err := out.Write(content)
				done <- errors.Join(err, out.Close())
			}()
			require.NoError(t, iotest.TestReader(in.Stream(ctx), content))
			require.NoError(t, <-done)
		})
	}
}

// Reads of all sizes, of records of all sizes, by one Stream after the other, and by Peek in between.
func TestShortReadsLoseNothing(t *testing.T) {
	ctx := bounded(t)
	w, in, _ := bytesPipe(t, 1)
	content := noise(2, 300_000)
	done := make(chan error, 1)
	go func() {
		out := w.Stream(ctx)
		for rest := content; len(rest) > 0; {
			if rand.IntN(10) == 0 {
				if _, err := w.Reserve(ctx, 100); err != nil {
					done <- err
					return
				}
				w.Commit(0) // a record without a byte
			}
			n := min(len(rest), 1+rand.IntN(3000))
			if _, err := out.Write(rest[:n]); err != nil {
				done <- err
				return
			}
			rest = rest[n:]
		}
		done <- out.Close()
	}()
	var got []byte
	buf := make([]byte, 5000)
	for {
		if rand.IntN(10) == 0 {
			b, err := in.Peek(ctx)
			if errors.Is(err, ring.ErrClosed) {
				break
			}
			require.NoError(t, err)
			got = append(got, b...)
			in.Release()
			continue
		}
		n, err := in.Stream(ctx).Read(buf[:1+rand.IntN(len(buf))])
		got = append(got, buf[:n]...)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Positive(t, n)
	}
	require.True(t, bytes.Equal(content, got))
	require.NoError(t, <-done)
	n, err := in.Stream(ctx).Read(nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

// only hides what else a reader or writer can do, so that io.Copy reads and writes.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

func TestCopyGoesThroughAStreamEitherWay(t *testing.T) {
	content := noise(3, 500_000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader,
		"with the error": iotest.DataErrReader, "only": func(r io.Reader) io.Reader { return onlyReader{r} },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			w, in, _ := bytesPipe(t, 1)
			done := make(chan error, 1)
			go func() {
				var out io.Writer = w.Stream(ctx)
				if name == "only" {
					out = onlyWriter{out}
				}
				n, err := io.Copy(out, wrap(bytes.NewReader(content)))
				if err == nil && n != int64(len(content)) {
					err = fmt.Errorf("%d bytes", n)
				}
				done <- errors.Join(err, w.Close())
			}()
			var got bytes.Buffer
			var from io.Reader = in.Stream(ctx)
			if name == "only" {
				from = onlyReader{from}
			}
			n, err := io.Copy(onlyWriter{&got}, from)
			require.NoError(t, err)
			require.EqualValues(t, len(content), n)
			require.True(t, bytes.Equal(content, got.Bytes()))
			require.NoError(t, <-done)
		})
	}
}

// choosy takes a few bytes at a time, and says so in either way.
type choosy struct {
	strings.Builder
	err error
}

func (c *choosy) Write(p []byte) (int, error) {
	n, _ := c.Builder.Write(p[:(len(p)+1)/2])
	return n, c.err
}

func TestWhatAWriterDidNotTakeIsReadNext(t *testing.T) {
	w, in, _ := bytesPipe(t, 1)
	_, err := w.Stream(t.Context()).WriteString("hello, shared memory")
	require.NoError(t, err)
	full := errors.New("full")
	dst := &choosy{err: full}
	_, err = in.Stream(t.Context()).WriteTo(dst)
	require.ErrorIs(t, err, full)
	dst.err = nil
	_, err = in.Stream(t.Context()).WriteTo(dst)
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.NoError(t, w.Close())
	rest, err := io.ReadAll(in.Stream(t.Context()))
	require.NoError(t, err)
	require.Equal(t, "hello, shared memory", dst.String()+string(rest))
}

func TestErrorsOfASourceComeBehindWhatItGave(t *testing.T) {
	w, in, _ := bytesPipe(t, 1)
	broken := errors.New("broken")
	n, err := w.Stream(t.Context()).ReadFrom(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.EqualValues(t, 4, n)
	_, err = w.Stream(t.Context()).ReadFrom(idle{})
	require.ErrorIs(t, err, io.ErrNoProgress)
	buf := make([]byte, 10)
	k, err := in.Stream(over()).Read(buf)
	require.NoError(t, err)
	require.Equal(t, "some", string(buf[:k]))
	_, err = in.Stream(over()).Read(buf)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, in.Close())
	_, err = in.Stream(t.Context()).Read(buf)
	require.ErrorIs(t, err, ring.ErrClosed, "one's own Close is no end of the stream")
	_, err = w.Stream(t.Context()).Write(buf)
	require.ErrorIs(t, err, ring.ErrClosed)
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// pour writes N bytes of noise in a stream, and closes it.
var pour = child("pour", func(ctx context.Context, k task) error {
	b, err := k.openBytes(ctx)
	if err != nil {
		return err
	}
	w, err := b.Writer(ring.Waiting(k.Policy))
	if err != nil {
		return err
	}
	out := w.Stream(ctx)
	if _, err := out.ReadFrom(bytes.NewReader(noise(k.From, int(k.N)))); err != nil {
		return err
	}
	return out.Close()
})

func TestAStreamOfBytesBetweenTwoProcesses(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			seg := segmentOf(t)
			b, err := ring.NewBytes(seg, 1)
			require.NoError(t, err)
			k := task{Ring: b.Ref(), N: 2 << 20, From: 9, Policy: policy}
			p := start(t, pour, seg, k)
			in, err := b.Reader(ring.Waiting(policy))
			require.NoError(t, err)
			sum := sha256.New()
			n, err := io.Copy(sum, in.Stream(ctx))
			require.NoError(t, err)
			require.EqualValues(t, k.N, n)
			want := sha256.Sum256(noise(k.From, int(k.N)))
			require.Equal(t, want[:], sum.Sum(nil))
			require.NoError(t, p.Wait(ctx))
		})
	}
}

// A stream whose writer is killed has no regular end: what came is its begin, and then an error.
func TestAStreamOfAKilledWriterDoesNotEnd(t *testing.T) {
	ctx := bounded(t)
	for range 5 {
		seg := segmentOf(t)
		b, err := ring.NewBytes(seg, 1)
		require.NoError(t, err)
		k := task{Ring: b.Ref(), N: 32 << 20, From: 4}
		p := start(t, pour, seg, k)
		in, err := b.Reader()
		require.NoError(t, err)
		got := make([]byte, 1+rand.IntN(1<<20))
		_, err = io.ReadFull(in.Stream(ctx), got)
		require.NoError(t, err)
		require.NoError(t, p.Kill())
		rest, err := io.ReadAll(in.Stream(ctx))
		require.ErrorIs(t, err, ring.ErrPeerDied)
		got = append(got, rest...)
		require.True(t, bytes.Equal(noise(k.From, len(got)), got))
		<-p.Done()
	}
}
