package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	redrawEvery = 100 * time.Millisecond // on a terminal
	plainSteps  = 5                      // lines of a whole run where there is no terminal
	barWidth    = 12
)

// progress shows how far a run has come: on a terminal as a bar on one line, redrawn at most ten times a second,
// elsewhere as a plain line for every fifth of the work. Safe for concurrent use.
//
// Errors in writing are ignored: the work does not depend on anybody watching it.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	width int // of the terminal, in columns; 0: w is no terminal
	now   func() time.Time

	label string
	total int
	done  int
	start time.Time
	drawn time.Time // when the bar was last redrawn
	steps int       // plain lines written
	bar   int       // length of the bar that stands on the line now
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, width: terminalWidth(w), now: time.Now}
}

// begin starts a run of total files.
func (p *progress) begin(label string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.label, p.total, p.done, p.steps = label, total, 0, 0
	p.start = p.now()
	p.drawn = p.start
	if p.width > 0 {
		p.draw()
	}
}

// counted says that one more file is done.
func (p *progress) counted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.width == 0 {
		if step := p.done * plainSteps / p.total; step > p.steps {
			p.steps = step
			fmt.Fprintln(p.w, p.line())
		}
		return
	}
	if now := p.now(); now.Sub(p.drawn) >= redrawEvery {
		p.drawn = now
		p.draw()
	}
}

// end finishes the run's line, complete or not.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 {
		p.draw()
		fmt.Fprintln(p.w)
		p.bar = 0
	}
}

// note writes a line of its own, above the bar where there is one.
func (p *progress) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if p.bar == 0 {
		fmt.Fprintln(p.w, text)
		return
	}
	fmt.Fprintf(p.w, "\r%-*s\n", p.bar, text)
	p.draw()
}

// draw writes the bar over the one before, with blanks over what that was longer.
func (p *progress) draw() {
	line := p.line()
	// The last column stays free: some terminals begin a new line after it.
	if len(line) > p.width-1 {
		line = line[:p.width-1]
	}
	fmt.Fprintf(p.w, "\r%-*s", p.bar, line)
	p.bar = len(line)
}

// line is the state of the run in words and, for a terminal, as a bar.
func (p *progress) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s ", p.label)
	if p.width > 0 {
		filled := barWidth * p.done / p.total
		b.WriteString("[" + strings.Repeat("=", filled) + strings.Repeat(" ", barWidth-filled) + "] ")
	}
	fmt.Fprintf(&b, "%3d%%  %d/%d files", 100*p.done/p.total, p.done, p.total)
	elapsed := p.now().Sub(p.start)
	if p.done == 0 || elapsed <= 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "  %.0f files/s", float64(p.done)/elapsed.Seconds())
	if p.done == p.total {
		fmt.Fprintf(&b, "  done in %.1fs", elapsed.Seconds())
	} else {
		left := elapsed.Seconds() / float64(p.done) * float64(p.total-p.done)
		fmt.Fprintf(&b, "  %.1fs left", left)
	}
	return b.String()
}
