package proc

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// The control protocol.
//
// Parent and child talk over a pair of connected stream sockets, one pair per child. What the two
// say to each other is framed: one byte of kind, four of length (little-endian), the payload. The
// child learns from an environment variable which descriptor is its end; Main clears the variable.
//
//	KINDRED_CHILD = "v1:" descriptor ":" cookie in hexadecimal
//
// The cookie, 16 random bytes, is also what the parent says first, before there is a child. A
// process that finds the variable is the child if the descriptor is a socket with that cookie
// waiting in it; the child takes it out. Otherwise the variable is stale: it came by way of a
// program that knows nothing of it, to a process that is nobody's child. hello and refused are the
// same in all versions, so that a child of another version can say so.
//
//	frame     from    payload                              parent's state → next
//	hello     parent  cookie                               (none)         → spawned
//	start     parent  function, process, and what else     spawned        → starting
//	                  startMessage has
//	parked    child   (empty)                              starting       → parked, if the start asks for that
//	arguments parent  some of the encoded arguments        parked         → parked
//	run       parent  the last of them                     parked         → starting
//	ready     child   (empty)                              starting       → running
//	refused   child   reason, text                         spawned,
//	                                                       starting       → refused, child exits with 2
//	keeper    child   (empty): it wants a connection       starting,
//	                  to the keeper of descriptors         running        → the same; the parent answers
//	keeper    parent  (empty), with a descriptor; or why   the same       → the same
//	                  there is none
//	failed    child   text of the function's error         running        → running, child exits with 1
//	EOF       child   the child's end, or it let go        starting       → failed, child is killed
//	                  of the socket                        running        → running: only the system's
//	                                                                        word on the process ends it
//	EOF       parent  the parent's end                     child, in any state, kills itself with SIGKILL
//
// A frame that is not in the table, or that is malformed, is ErrProtocol before the child is ready,
// and the child is killed; afterwards it only ends the parent's listening. The child skips kinds
// that it does not know.
//
// Descriptors of the child, from the control socket's number c on: c the control socket, c+1 the
// encoded arguments (a sealed memfd), then the shared segments, then the files.

const childVariable = "KINDRED_CHILD"

const protocolVersion = 1

type frameKind uint8

const (
	frameHello frameKind = iota + 1
	frameStart
	frameReady
	frameRefused
	frameFailed
	frameParked
	frameArguments
	frameRun
	frameKeeper
)

type refusal uint8

const (
	refusedNotRegistered refusal = iota + 1
	refusedUndecodable
	refusedProtocol
	refusedSystem
)

const (
	frameHeader = 5
	cookieSize  = 16

	maxName  = 255     // of functions, processes and files, in bytes
	maxText  = 1 << 20 // of an error, in bytes; longer ones are cut
	maxFrame = 4 << 20 // of a payload: some ten thousand files in a start
)

// A cookie ties a child's environment to its control socket.
type cookie [cookieSize]byte

// invitation is the value of the child's environment variable.
type invitation struct {
	version    int
	descriptor int
	cookie     cookie
}

func (i invitation) String() string {
	return fmt.Sprintf("v%d:%d:%x", i.version, i.descriptor, i.cookie[:])
}

func parseInvitation(s string) (i invitation, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "v") {
		return i, false
	}
	version, err := strconv.ParseUint(parts[0][1:], 10, 31)
	if err != nil {
		return i, false
	}
	descriptor, err := strconv.ParseUint(parts[1], 10, 31)
	if err != nil || descriptor < 3 {
		return i, false
	}
	c, err := hex.DecodeString(parts[2])
	if err != nil || len(c) != cookieSize {
		return i, false
	}
	return invitation{int(version), int(descriptor), cookie(c)}, true
}

// hello returns the frame that the parent sends first.
func (c cookie) hello() []byte { return appendFrame(nil, frameHello, c[:]) }

func appendFrame(dst []byte, kind frameKind, payload []byte) []byte {
	dst = append(dst, byte(kind))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	return append(dst, payload...)
}

func writeFrame(w io.Writer, kind frameKind, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("%w: a frame of %d bytes, the limit is %d", ErrProtocol, len(payload), maxFrame)
	}
	_, err := w.Write(appendFrame(nil, kind, payload))
	return err
}

// readFrame returns ErrProtocol for what is no frame, and any other error when the other side is
// gone.
func readFrame(r io.Reader) (frameKind, []byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	size := binary.LittleEndian.Uint32(header[1:])
	if size > maxFrame {
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes, the limit is %d", ErrProtocol, size, maxFrame)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	return frameKind(header[0]), payload, nil
}

// startMessage is the payload of the start frame.
type startMessage struct {
	function string
	process  string
	parent   string // its name, if it is a child itself
	segments int
	files    []string // names, for os.NewFile
	parked   bool     // the arguments come later, by the socket
	outlive  time.Duration
	niced    bool
	nice     int
	limits   []limit
	keeper   int // pid of the process that keeps descriptors
}

// limit is one of setrlimit(2).
type limit struct {
	resource   int
	soft, hard uint64
}

func (m startMessage) encode() []byte {
	b := appendString(nil, m.function)
	b = appendString(b, m.process)
	b = appendString(b, m.parent)
	b = binary.AppendUvarint(b, uint64(m.segments))
	b = binary.AppendUvarint(b, uint64(len(m.files)))
	for _, name := range m.files {
		b = appendString(b, name)
	}
	b = appendBool(b, m.parked)
	b = binary.AppendUvarint(b, uint64(m.outlive))
	b = appendBool(b, m.niced)
	b = binary.AppendVarint(b, int64(m.nice))
	b = binary.AppendUvarint(b, uint64(len(m.limits)))
	for _, l := range m.limits {
		b = binary.AppendUvarint(b, uint64(l.resource))
		b = binary.AppendUvarint(b, l.soft)
		b = binary.AppendUvarint(b, l.hard)
	}
	b = binary.AppendUvarint(b, uint64(m.keeper))
	return b
}

func decodeStart(b []byte) (m startMessage, err error) {
	r := fields{rest: b}
	m.function = r.string()
	m.process = r.string()
	m.parent = r.string()
	m.segments = r.count()
	files := r.count()
	for i := 0; i < files && !r.bad; i++ {
		m.files = append(m.files, r.string())
	}
	m.parked = r.bool()
	m.outlive = time.Duration(r.unsigned(math.MaxInt64))
	m.niced = r.bool()
	m.nice = int(r.signed())
	limits := r.count()
	for i := 0; i < limits && !r.bad; i++ {
		m.limits = append(m.limits, limit{int(r.unsigned(math.MaxInt32)), r.unsigned(math.MaxUint64), r.unsigned(math.MaxUint64)})
	}
	m.keeper = int(r.unsigned(math.MaxInt32))
	if r.bad || len(r.rest) != 0 {
		return m, fmt.Errorf("%w: malformed start of %d bytes", ErrProtocol, len(b))
	}
	return m, nil
}

// appendString appends s, cut to the length of a name, behind its length.
func appendString(b []byte, s string) []byte {
	s = s[:min(len(s), maxName)]
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// fields reads what appendString and AppendUvarint wrote; bad is sticky.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) number(limit int) int { return int(f.unsigned(uint64(limit))) }

func (f *fields) unsigned(limit uint64) uint64 {
	v, n := binary.Uvarint(f.rest)
	return f.take(v, n, n <= 0 || v > limit)
}

func (f *fields) signed() int64 {
	v, n := binary.Varint(f.rest)
	return int64(f.take(uint64(v), n, n <= 0 || v < math.MinInt32 || v > math.MaxInt32))
}

func (f *fields) bool() bool { return f.unsigned(1) == 1 }

// take is v, of n bytes.
func (f *fields) take(v uint64, n int, bad bool) uint64 {
	if bad {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) string() string {
	n := f.number(min(maxName, len(f.rest)))
	if n > len(f.rest) {
		f.bad = true
		return ""
	}
	s := string(f.rest[:n])
	f.rest = f.rest[n:]
	return s
}

func (f *fields) count() int { return f.number(maxFrame) }

// encodeRefusal returns the payload of a refused frame.
func encodeRefusal(why refusal, text string) []byte {
	return append([]byte{byte(why)}, cut(text)...)
}

// decodeRefusal returns the error that Start reports.
func decodeRefusal(b []byte) error {
	if len(b) == 0 {
		return fmt.Errorf("%w: empty refusal", ErrProtocol)
	}
	text := string(b[1:])
	switch refusal(b[0]) {
	case refusedNotRegistered:
		return fmt.Errorf("%w: %s", ErrNotRegistered, text)
	case refusedUndecodable:
		return fmt.Errorf("%w: %s", ErrUndecodable, text)
	case refusedSystem:
		return fmt.Errorf("in the child: %s", text)
	default:
		return fmt.Errorf("%w: in the child: %s", ErrProtocol, text)
	}
}

// cut shortens an error's text to what a frame takes.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes more)", text[:maxText], len(text)-maxText)
}
