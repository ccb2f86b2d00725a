package proc

import (
	"bytes"
	"io"
	"sync"
)

// KeepStderr has the parent keep the last bytes of what the child writes to its standard error, for LastStderr, at most
// 1 MiB; it goes to its place all the same. For that it goes through the parent, also if its place is a file. If standard
// output goes to the same writer, it is kept as well, so that the order of the two stays. 0, which is the default: nothing is kept.
func KeepStderr(n int) Option {
	return func(o *options) {
		if n < 0 || n > maxTail {
			o.refuse("KeepStderr(%d) must be from 0 to %d", n, maxTail)
			return
		}
		o.keep = n
	}
}

const maxTail = 1 << 20

// LastStderr returns what is kept of the child's standard error (see KeepStderr), whole lines if they fit. When the child ended in
// a panic or a fatal error of the Go runtime and wrote more than is kept, the line that says so stands in front. It does not
// wait: all that the child itself wrote is there when Done is closed (see Stdout).
func (p *Process) LastStderr() string {
	if p.tail == nil {
		return ""
	}
	return p.tail.text()
}

// tail is a writer that keeps the end of what passes through it.
type tail struct {
	next io.Writer // nil: nowhere

	mu     sync.Mutex
	limit  int
	last   []byte // up to twice the limit, so that it is moved rarely
	cut    bool   // there was more
	line   []byte // the beginning of the line that is being written
	reason []byte // the line by which the Go runtime announced the end, and where it began
	since  int    // bytes written from its beginning on
}

// maxReason is how much is kept of a line that may be the reason of an end.
const maxReason = 512

// reasons are how lines begin by which the Go runtime announces the end of a program.
var reasons = [][]byte{[]byte("panic: "), []byte("fatal error: ")}

func (t *tail) Write(b []byte) (int, error) {
	t.keep(b)
	if t.next != nil {
		if _, err := t.next.Write(b); err != nil {
			t.next = nil // it takes no more; that is no reason to keep no more
		}
	}
	return len(b), nil
}

func (t *tail) keep(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look(b)
	if len(b) > t.limit {
		t.cut = true
		t.last, b = t.last[:0], b[len(b)-t.limit:]
	}
	t.last = append(t.last, b...)
	if over := len(t.last) - t.limit; over > t.limit {
		t.last = t.last[:copy(t.last, t.last[over:])]
		t.cut = true
	}
}

// look takes note of a reason. The first counts of those that stand together: what follows tells where it came from.
func (t *tail) look(b []byte) {
	for len(b) > 0 {
		part, rest, ended := bytes.Cut(b, []byte{'\n'})
		t.since += len(b) - len(rest)
		t.line = append(t.line, part[:min(len(part), maxReason-len(t.line))]...)
		if ended {
			for _, r := range reasons {
				if bytes.HasPrefix(t.line, r) {
					t.reason, t.since = bytes.Clone(t.line), len(t.line)+1
				}
			}
			t.line = t.line[:0]
		}
		b = rest
	}
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, cut := t.last, t.cut
	if over := len(last) - t.limit; over > 0 {
		last, cut = last[over:], true
	}
	if cut {
		if _, whole, ok := bytes.Cut(last, []byte{'\n'}); ok && len(whole) > 0 {
			last = whole
		}
	}
	if t.reason != nil && t.since > len(last) {
		return string(t.reason) + "\n[...]\n" + string(last)
	}
	return string(last)
}

// flush passes on that there is no more.
func (t *tail) flush() {
	if w, ok := t.next.(interface{ flush() }); ok {
		w.flush()
	}
}

// observed is o with a tail in the way of the standard error, if one is asked for.
func (o *options) observed() (*options, *tail) {
	if o.keep == 0 {
		return o, nil
	}
	t := &tail{limit: o.keep, next: o.stderr}
	with := *o
	if o.stderr != nil && sameWriter(o.stdout, o.stderr) {
		with.stdout = t
	}
	with.stderr = t
	return &with, t
}

// sameWriter compares writers, which need not be of a type that can be compared.
func sameWriter(a, b io.Writer) (same bool) {
	defer func() { _ = recover() }()
	return a == b
}
