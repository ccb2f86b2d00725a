package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clocked is a progress whose clock moves by hand.
func clocked(width int) (p *progress, out *bytes.Buffer, advance func(time.Duration)) {
	out = new(bytes.Buffer)
	now := time.Unix(1000, 0)
	p = newProgress(out)
	p.width = width
	p.now = func() time.Time { return now }
	return p, out, func(d time.Duration) { now = now.Add(d) }
}

func TestPlainProgressIsALineForEachFifth(t *testing.T) {
	p, out, advance := clocked(0)
	p.begin("processes", 1000)
	for range 1000 {
		advance(time.Millisecond)
		p.counted()
	}
	p.end()
	require.Equal(t, []string{
		"processes   20%  200/1000 files  1000 files/s  0.8s left",
		"processes   40%  400/1000 files  1000 files/s  0.6s left",
		"processes   60%  600/1000 files  1000 files/s  0.4s left",
		"processes   80%  800/1000 files  1000 files/s  0.2s left",
		"processes  100%  1000/1000 files  1000 files/s  done in 1.0s",
	}, strings.Split(strings.TrimSpace(out.String()), "\n"))
}

func TestPlainProgressOfFewFiles(t *testing.T) {
	p, out, advance := clocked(0)
	p.begin("goroutines", 2)
	for range 2 {
		advance(time.Second)
		p.counted()
	}
	p.end()
	require.Equal(t, "goroutines  50%  1/2 files  1 files/s  1.0s left\ngoroutines 100%  2/2 files  1 files/s  done in 2.0s\n", out.String())
}

func TestBarIsRedrawnTenTimesASecondOnOneLine(t *testing.T) {
	p, out, advance := clocked(100)
	p.begin("processes", 2000)
	for range 2000 {
		advance(time.Millisecond)
		p.counted()
	}
	p.end()
	frames := strings.Split(out.String(), "\r")[1:]
	require.Len(t, frames, 1+20+1) // at the start, for each tenth of two seconds, at the end
	require.Equal(t, "processes  [            ]   0%  0/2000 files", frames[0])
	require.Contains(t, frames[10], "[======      ]  50%  1000/2000 files  1000 files/s  1.0s left")
	require.Contains(t, frames[21], "[============] 100%  2000/2000 files  1000 files/s  done in 2.0s")
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}

func TestBarFitsTheTerminal(t *testing.T) {
	p, out, advance := clocked(40)
	p.begin("processes", 10)
	advance(time.Second)
	p.counted()
	p.end()
	for _, frame := range strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
		require.Less(t, len(frame), 40)
	}
}

func TestBarOfTheStandardLibraryFitsEightyColumns(t *testing.T) {
	p, _, advance := clocked(80)
	p.begin("goroutines", 9999)
	p.done = 9990
	advance(99 * time.Second)
	p.counted()
	p.end()
	require.Contains(t, p.line(), "s left")
	require.Less(t, len(p.line()), 80)
}

func TestNoteStandsAboveTheBar(t *testing.T) {
	p, out, _ := clocked(100)
	p.note("before")
	p.begin("processes", 10)
	p.note("killed worker %d", 3)
	p.end()
	screen := strings.Split(out.String(), "\n")
	require.Equal(t, "before", screen[0])
	require.Equal(t, "killed worker 3", strings.TrimRight(screen[1][strings.LastIndex(screen[1], "\r")+1:], " "))
	require.Contains(t, screen[2], "processes  [")
}

func TestShorterLineCoversTheLongerOne(t *testing.T) {
	p, out, advance := clocked(120)
	p.begin("processes", 10)
	advance(100 * time.Second)
	p.counted() // 900.0s left
	long := p.bar
	for range 7 {
		p.counted()
	}
	out.Reset()
	advance(redrawEvery)
	p.counted() // 11.1s left
	require.Less(t, p.bar, long)
	require.Len(t, out.String(), 1+long)
}
