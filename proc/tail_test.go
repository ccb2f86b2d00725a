package proc

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTailKeepsTheLastLinesThatFit(t *testing.T) {
	for _, chunk := range []int{1, 7, 40, 1000} {
		passed := new(strings.Builder)
		w := &tail{limit: 40, next: passed}
		text := strings.Repeat("0123456789\n", 20)
		for rest := text; rest != ""; {
			n, err := w.Write([]byte(rest[:min(chunk, len(rest))]))
			require.NoError(t, err)
			rest = rest[n:]
		}
		require.Equal(t, text, passed.String())
		require.Equal(t, strings.Repeat("0123456789\n", 3), w.text(), chunk)
		require.LessOrEqual(t, cap(w.last), 256)
	}
	w := &tail{limit: 4}
	_, _ = w.Write([]byte("ab"))
	require.Equal(t, "ab", w.text())
	_, _ = w.Write([]byte("cdefgh"))
	require.Equal(t, "efgh", w.text(), "no line is whole")
}

func TestTailKeepsTheReasonOfAnEnd(t *testing.T) {
	trace := strings.Repeat("main.f()\n", 20)
	for _, chunk := range []int{1, 7, 1000} {
		w := &tail{limit: 40}
		text := "panic: an old one, which somebody printed\n" + trace +
			"runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n\n" + trace
		for rest := text; rest != ""; rest = rest[min(chunk, len(rest)):] {
			_, _ = w.Write([]byte(rest[:min(chunk, len(rest))]))
		}
		require.Equal(t, "fatal error: stack overflow\n[...]\n"+trace[:36], w.text())
	}
	w := &tail{limit: 100}
	_, _ = w.Write([]byte("one\npanic: at hand\ntwo\n"))
	require.Equal(t, "one\npanic: at hand\ntwo\n", w.text())
}

type refusing struct{ calls int }

func (r *refusing) Write([]byte) (int, error) { r.calls++; return 0, errors.New("no") }

func TestTailGoesOnWhenItsWriterRefuses(t *testing.T) {
	r := new(refusing)
	w := &tail{limit: 40, next: r}
	for range 3 {
		_, err := w.Write([]byte("line\n"))
		require.NoError(t, err)
	}
	require.Equal(t, 1, r.calls)
	require.Equal(t, "line\nline\nline\n", w.text())
}
