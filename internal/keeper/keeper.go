package keeper

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Errors of what was to be kept, or taken.
var (
	// ErrGone: nobody keeps it, or it cannot be had.
	ErrGone = errors.New("the descriptor cannot be had")
	// ErrSilent: the keeper does not answer.
	ErrSilent = errors.New("it does not answer")
)

// patience is for how long one who has no context of its own waits for the keeper.
const patience = 10 * time.Second

// Token names a descriptor that is kept. It cannot be guessed.
type Token [16]byte

// NewToken is one that nobody has.
func NewToken() (t Token) {
	_, _ = rand.Read(t[:]) // does not fail
	return t
}

// tokenOf is that of a segment's file.
func tokenOf(id uint64) (t Token) {
	copy(t[:], "segment ")
	binary.LittleEndian.PutUint64(t[8:], id)
	return t
}

// elder is the keeper, for a process that is not.
type elder struct {
	pid  int
	link *client
}

// above is set once, by a child.
var above atomic.Pointer[elder]

// Join says that this process is of a family whose keeper has that pid. dial makes a connection to it.
func Join(pid int, dial func() (fd int, err error)) {
	above.Store(&elder{pid, newClient(dial)})
}

// Pid is that of the keeper.
func Pid() int {
	if e := above.Load(); e != nil {
		return e.pid
	}
	return os.Getpid()
}

// ask has the keeper do something. The descriptors of the request are closed.
func ask(ctx context.Context, r request) (reply, error) {
	e := above.Load()
	if e == nil {
		return own.answer(nil, r).checked()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrSilent)
	defer cancel()
	a, err := e.link.ask(ctx, r)
	if err != nil && !errors.Is(err, ErrGone) {
		err = e.blame(err)
	}
	return a, err
}

// blame says whose fault it is that the keeper could not be asked: who is stopped between this process and the keeper has not made the
// connection to it.
func (e *elder) blame(err error) error {
	switch pid := stoppedElder(e.pid); pid {
	case 0:
		return fmt.Errorf("process %d, which keeps descriptors: %w", e.pid, err)
	case e.pid:
		return fmt.Errorf("process %d, which keeps descriptors, is stopped: %w", pid, err)
	default:
		return fmt.Errorf("process %d, by way of which process %d keeps descriptors, is stopped: %w", pid, e.pid, err)
	}
}

// A Traveller is what has a descriptor that is to be kept.
type Traveller interface {
	// Passage names it, and makes a duplicate.
	Passage() (t Token, duplicate func() (fd int, err error))
}

// Held is what is held while it travels, by its segment.
type Held interface {
	// Hold has it held by this process until release is called.
	Hold() (release func(), err error)
}

// placed is a handle of an object.
type placed interface{ Ref() segment.Ref }

// freight is a descriptor that is to be kept.
type freight struct {
	token     Token
	duplicate func() (int, error)
}

// freightOf is what is to be kept for a handle, on its way through home, or to a process that has it from its parent, if home is nil.
func freightOf(ctx context.Context, home *segment.Segment, handle any) (f freight, needed bool, err error) {
	switch h := handle.(type) {
	case Traveller:
		f.token, f.duplicate = h.Passage()
		return f, true, nil
	case placed:
		e := above.Load()
		ref := h.Ref()
		if e == nil || ref.IsZero() || home != nil && ref.Segment() == home.ID() {
			return f, false, nil // who asks the keeper for a segment that it is attached to gets that
		}
		s, err := segment.Reach(nil, ref)
		if err != nil {
			return f, false, nil // the receiver says what is wrong, if it is
		}
		if known, err := e.link.knows(ctx, s.ID()); known || err != nil {
			return f, false, err
		}
		f.token = tokenOf(s.ID())
		f.duplicate = func() (int, error) { return fileOf(s) }
		return f, true, nil
	}
	return f, false, nil
}

// Needed reports whether a handle, in a message that goes through home, has a descriptor that is to be kept.
func Needed(ctx context.Context, home *segment.Segment, handle any) (bool, error) {
	_, needed, err := freightOf(ctx, home, handle)
	return needed, err
}

// Keep has the descriptor of a handle kept until a block of home is freed.
func Keep(ctx context.Context, home *segment.Segment, place uint64, handle any) error {
	f, needed, err := freightOf(ctx, home, handle)
	if err != nil || !needed {
		return err
	}
	r := request{op: opKeep, token: f.token, segment: home.ID(), place: place}
	if err := r.add(f.duplicate); err != nil {
		return err
	}
	if err := r.add(func() (int, error) { return fileOf(home) }); err != nil {
		r.close()
		return err
	}
	_, err = ask(ctx, r)
	return err
}

// Hold has the descriptor of a handle kept, and what is Held held, until it is released, or this process ends.
func Hold(ctx context.Context, handle any) (release func(), err error) {
	closed, err := holdDescriptor(ctx, handle)
	h, ok := handle.(Held)
	if err != nil || !ok {
		return closed, err
	}
	released, err := h.Hold()
	return func() { closed(); released() }, err
}

func holdDescriptor(ctx context.Context, handle any) (release func(), err error) {
	release = func() {}
	f, needed, err := freightOf(ctx, nil, handle)
	if err != nil || !needed {
		return release, err
	}
	r := request{op: opHold, token: f.token}
	if err := r.add(f.duplicate); err != nil {
		return release, err
	}
	release = func() { _, _ = ask(context.Background(), request{op: opRelease, token: f.token}) }
	if _, err = ask(ctx, r); err != nil {
		go release() // who gave up may have been heard
		return func() {}, err
	}
	return release, nil
}

// Take is a duplicate of the descriptor of that token, which the keeper with that pid keeps. It fails with ErrGone.
func Take(t Token, pid int) (fd int, err error) {
	a, err := ask(context.Background(), request{op: opTake, token: t})
	if errors.Is(err, ErrGone) && pid != Pid() {
		return takeFrom(pid, t)
	}
	if err != nil && !errors.Is(err, ErrGone) {
		err = fmt.Errorf("%w: %w", ErrGone, err)
	}
	return a.fd, err
}

// Segment attaches this process to the segment of what ref names, which has come by way of home, if that is not nil.
func Segment(home any, ref segment.Ref) (*segment.Segment, error) {
	attaching.Lock()
	defer attaching.Unlock()
	s, missing := segment.Reach(home, ref)
	if missing == nil || ref.IsZero() {
		return s, missing // another goroutine was here
	}
	a, err := ask(context.Background(), request{op: opSegment, segment: ref.Segment()})
	if errors.Is(err, ErrGone) {
		if h, ok := home.(*segment.Segment); ok && h != nil {
			a.fd, err = segmentFrom(h, ref.Segment())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w; %w", missing, err)
	}
	f := os.NewFile(uintptr(a.fd), "segment")
	defer f.Close()
	s, err = segment.FromFile(f, segment.Config{})
	if err == nil && s.ID() != ref.Segment() {
		_ = s.Close()
		err = fmt.Errorf("segment %016x in its place: %w", s.ID(), segment.ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; attach: %w", missing, err)
	}
	return s, nil
}
