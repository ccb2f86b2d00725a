package keeper

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// How long a keeper waits before it looks whether messages are gone.
const (
	soon    = 10 * time.Millisecond
	later   = 100 * time.Millisecond
	seldom  = time.Second
	mostFds = 1 << 14 // that are kept at a time
)

// own is the store of this process. Only a keeper has anything in it.
var own = store{kept: make(map[Token]*record), ledgers: make(map[uint64]*ledger)}

// attaching is held by who fetches a segment, so that each is fetched once.
var attaching sync.Mutex

// store is what a keeper keeps.
type store struct {
	mu      sync.Mutex
	kept    map[Token]*record
	ledgers map[uint64]*ledger // of segments that anchors lie in
	timer   *time.Timer        // of the next look
	due     time.Time
	pause   time.Duration // before the look behind that
	table   table
}

// record is a descriptor that is kept.
type record struct {
	fd      int
	anchors map[anchor]struct{}
	holders map[*peer]int
}

// anchor is a block of a segment.
type anchor struct{ segment, place uint64 }

// ledger is the file of a segment that has n anchors.
type ledger struct {
	*segment.Ledger
	n int
}

// peer is one who has a connection; nil is the keeper itself.
type peer struct{ fd int }

// answer does what one asks for.
func (s *store) answer(from *peer, r request) reply {
	defer r.close()
	switch r.op {
	case opKeep, opHold:
		return replyOf(s.keep(from, &r))
	case opRelease:
		s.release(from, r.token)
		return replyOf(nil)
	case opTake:
		return fdOf(s.take(r.token))
	case opSegment:
		fd, err := s.take(tokenOf(r.segment))
		if errors.Is(err, ErrGone) {
			fd, err = attached(r.segment)
		}
		return fdOf(fd, err)
	case opKnow:
		if _, err := segment.Reach(nil, segment.RefOf(r.segment)); err != nil {
			return replyOf(ErrGone)
		}
		return replyOf(nil)
	case opServe:
		fd, err := r.take(0)
		if err == nil {
			err = s.serve(fd)
		}
		return replyOf(err)
	}
	return replyOf(fmt.Errorf("request %d: %w", r.op, errProtocol))
}

// attached is the file of a segment that the keeper is attached to.
func attached(id uint64) (int, error) {
	s, err := segment.Reach(nil, segment.RefOf(id))
	if err != nil {
		return -1, fmt.Errorf("segment %016x: %w", id, ErrGone)
	}
	return fileOf(s)
}

func (s *store) keep(from *peer, r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.kept[r.token]
	if rec == nil {
		if len(s.kept) >= mostFds {
			return fmt.Errorf("%d descriptors are kept already: %w", len(s.kept), ErrGone)
		}
		fd, err := r.take(0)
		if err != nil {
			return err
		}
		rec = &record{fd: fd, anchors: make(map[anchor]struct{}), holders: make(map[*peer]int)}
		s.kept[r.token] = rec
		s.table.publish(r.token, fd)
	}
	err := s.tie(from, rec, r)
	if err != nil {
		s.dropIfFree(r.token, rec)
		s.tidy()
	}
	s.look(later, later)
	return err
}

// tie notes what a record is kept for.
func (s *store) tie(from *peer, rec *record, r *request) error {
	if r.op == opHold {
		rec.holders[from]++
		return nil
	}
	a := anchor{r.segment, r.place}
	l := s.ledgers[a.segment]
	if l == nil {
		fd, err := r.take(1)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "segment")
		read, err := segment.LedgerOf(f)
		if err == nil && read.ID() != a.segment {
			err = fmt.Errorf("segment %016x in place of %016x: %w", read.ID(), a.segment, errProtocol)
		}
		if err != nil {
			f.Close()
			return err
		}
		l = &ledger{Ledger: read}
		s.ledgers[a.segment] = l
	}
	if _, tied := rec.anchors[a]; !tied {
		rec.anchors[a] = struct{}{}
		l.n++
	}
	return nil
}

func (s *store) take(t Token) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.kept[t]
	if rec == nil {
		return -1, ErrGone
	}
	s.look(soon, soon)
	return duplicateFd(rec.fd)
}

func (s *store) release(from *peer, t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.kept[t]
	if rec == nil {
		return
	}
	if rec.holders[from]--; rec.holders[from] <= 0 {
		delete(rec.holders, from)
	}
	s.dropIfFree(t, rec)
	s.tidy()
}

// leave takes all that a peer held from it: its connection has ended.
func (s *store) leave(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, rec := range s.kept {
		delete(rec.holders, p)
		s.dropIfFree(t, rec)
	}
	s.tidy()
	s.look(soon, later) // messages of a dead one that it had not committed
}

// dropIfFree closes what is kept for nothing.
func (s *store) dropIfFree(t Token, rec *record) {
	if len(rec.anchors) == 0 && len(rec.holders) == 0 {
		s.table.withdraw(t)
		closeFd(rec.fd)
		delete(s.kept, t)
	}
}

// tidy closes what is of no use without descriptors.
func (s *store) tidy() {
	for id, l := range s.ledgers {
		if l.n == 0 {
			_ = l.Close()
			delete(s.ledgers, id)
		}
	}
	if len(s.kept) == 0 {
		s.table.close()
	}
}

// look has the next look be in that time, or before, and the one behind it so much later.
func (s *store) look(in, next time.Duration) {
	if len(s.kept) == 0 {
		return
	}
	due := time.Now().Add(in)
	if s.timer != nil && !s.due.After(due) {
		s.pause = min(s.pause, next)
		return
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.pause, s.due = next, due
	s.timer = time.AfterFunc(in, s.looked)
}

// looked looks which messages are gone.
func (s *store) looked() {
	for _, id := range s.watched() {
		segment.Mourn(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	alone := make(map[uint64]bool)
	for id, l := range s.ledgers {
		alone[id] = !l.Attended()
	}
	gone := 0
	for t, rec := range s.kept {
		for a := range rec.anchors {
			if l := s.ledgers[a.segment]; alone[a.segment] || !l.Has(a.place) {
				delete(rec.anchors, a)
				l.n--
				gone++
			}
		}
		s.dropIfFree(t, rec)
	}
	s.tidy()
	s.timer = nil
	next := min(2*s.pause, seldom)
	if gone > 0 {
		next = soon
	}
	s.look(next, next)
}

// watched are the segments that anchors lie in.
func (s *store) watched() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.ledgers))
}

// Count is how many descriptors this process keeps, for others.
func Count() int {
	own.mu.Lock()
	defer own.mu.Unlock()
	return len(own.kept)
}
