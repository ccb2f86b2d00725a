//go:build linux || darwin

package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// outputs are the pipes by which a child's standard streams come to the writers given as Stdout and
// Stderr. Files are not among them: the child has them itself.
type outputs struct {
	pipes []*outputPipe
}

type outputPipe struct {
	reader *os.File
	writer io.Writer
	own    chan struct{} // closed when all is passed on that the child itself wrote, which has ended
	copied chan struct{} // closed when all is passed on that descendants wrote as well
}

// add makes a pipe to w and returns the end of it that is the child's.
func (o *outputs) add(w io.Writer) (fd int, err error) {
	r, fd, err := outputPair()
	if err != nil {
		return -1, err
	}
	o.pipes = append(o.pipes, &outputPipe{r, w, make(chan struct{}), make(chan struct{})})
	return fd, nil
}

// copy starts to pass on what comes.
func (o *outputs) copy() {
	for _, p := range o.pipes {
		go p.copy()
	}
}

func (p *outputPipe) copy() {
	p.pass(newOwnReader(p.reader))
	close(p.own)
	_ = p.reader.SetReadDeadline(time.Time{})
	p.pass(p.reader)
	close(p.copied)
}

// pass passes on what r has. The writer is called only if something came, not for a ReadFrom that waits for more: who
// gave it may look at it as soon as the child has ended.
func (p *outputPipe) pass(r io.Reader) {
	if _, err := io.Copy(struct{ io.Writer }{p.writer}, r); err != nil {
		// The writer is at fault, not the child, which a broken pipe would kill.
		p.writer = io.Discard
		_, _ = io.Copy(p.writer, r)
	}
	if w, ok := p.writer.(interface{ flush() }); ok {
		w.flush()
	}
}

// end says that the child is reaped, and waits until what itself left in the pipes is passed on.
func (o *outputs) end(patience context.Context) {
	for _, p := range o.pipes {
		ended(p.reader)
	}
	for _, p := range o.pipes {
		waitFor(patience, p.own)
	}
}

// finish waits for what descendants of the child write, and closes the pipes.
func (o *outputs) finish(patience context.Context) {
	for _, p := range o.pipes {
		waitFor(patience, p.copied)
	}
	o.close()
}

// close closes the parent's ends, which ends the copying.
func (o *outputs) close() {
	for _, p := range o.pipes {
		p.reader.Close()
	}
}

// standard adds the standard streams to the child's descriptors.
func (d *descriptors) standard(o *options, pipes *outputs) error {
	if err := d.addNull(os.O_RDONLY); err != nil {
		return err
	}
	if err := d.addOutput(o.stdout, pipes); err != nil {
		return err
	}
	if sameWriter(o.stdout, o.stderr) {
		// One pipe, so that the writer sees one call at a time.
		return d.addDuplicate(d.fds[1])
	}
	return d.addOutput(o.stderr, pipes)
}

func (d *descriptors) addOutput(w io.Writer, pipes *outputs) error {
	switch w := w.(type) {
	case nil:
		return d.addNull(os.O_WRONLY)
	case *os.File:
		// By Fd, which makes it blocking, as programs expect of their standard streams.
		fd, err := duplicateFd(int(w.Fd()))
		if errors.Is(err, unix.EBADF) {
			// The parent's own stream may be closed; that is not the child's fault.
			return d.addNull(os.O_WRONLY)
		}
		if err != nil {
			return err
		}
		d.add(fd)
		return nil
	default:
		fd, err := pipes.add(w)
		if err != nil {
			return err
		}
		d.add(fd)
		return nil
	}
}
