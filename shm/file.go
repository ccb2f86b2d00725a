package shm

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"

	"github.com/kindred-ipc/kindred/internal/keeper"
)

// ErrFile: the open file that a message names cannot be had. Nobody keeps it any more, or the process that does is of another family, and
// the system does not let this one have it; the text says which.
var ErrFile = keeper.ErrGone

var _ = registerFile()

func registerFile() bool {
	Register[File]()
	return true
}

// maxFileName is how many bytes of a file's name travel.
const maxFileName = 255

// File is an open file, or a socket, that travels: in a message of a queue or a pipe, or in the arguments of a child, as a pointer,
// wherever these may have one. It arrives with a descriptor of the receiver's own, of the same open file: what one reads, the
// other does not; the place in the file is the same.
//
//	err := q.Put(ctx, Job{Input: shm.NewFile(f)})   // f may be closed now
//
//	job, err := q.Get(ctx)                          // in another process
//	defer job.Input.Close()
//	_, err = io.Copy(w, job.Input)
//
// A socket arrives as a file, too, of which net.FileConn and net.FileListener make what it was.
//
// Put sees to it that the descriptor is kept: by the process that the sender, its parent, and their parents, descend from.
// The sender may exit at once, or be killed. That process closes it when the message has been received by whoever got it, was dropped, or went with its
// queue: some ten milliseconds later, or up to a second, if nobody received it. Until then the file is open; so the other end of a pipe sees
// no end of file. A message that is leased again comes with the same file again.
//
// Elsewhere, in what maps and lists hold, and in the inputs and results of a pool's tasks, a File has nobody who keeps it, and who
// reads it there gets ErrFile.
type File struct {
	*os.File // nil at the sender of a socket
	from     syscall.Conn
	name     string
	token    keeper.Token
	keeper   int // pid
}

// NewFile is what carries f to another process: an *os.File, or a connection or a listener of package net. f stays the
// caller's, and must be open when the message is put.
func NewFile(f syscall.Conn) *File {
	c := &File{from: f, token: keeper.NewToken(), keeper: keeper.Pid()}
	if file, ok := f.(*os.File); ok && file != nil {
		c.File, c.name = file, file.Name()
	}
	return c
}

// Passage is for the packages of this module: it says what is to be kept.
func (f *File) Passage() (keeper.Token, func() (int, error)) {
	return f.token, func() (int, error) {
		if f.from == nil {
			return -1, os.ErrInvalid
		}
		return keeper.DuplicateOf(f.from)
	}
}

// MarshalBinary is for the codec: it returns what the file is kept under, and its name.
func (f *File) MarshalBinary() ([]byte, error) {
	if f.from == nil {
		return nil, fmt.Errorf("a File that NewFile did not make: %w", os.ErrInvalid)
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(f.keeper))
	b = append(b, f.token[:]...)
	return append(b, f.name[:min(len(f.name), maxFileName)]...), nil
}

// UnmarshalBinary reads what MarshalBinary wrote; the File can be used for nothing but Resolve.
func (f *File) UnmarshalBinary(b []byte) error {
	const head = 8 + len(f.token)
	if len(b) < head || len(b) > head+maxFileName {
		return fmt.Errorf("a file of %d bytes: %w", len(b), ErrCorrupt)
	}
	f.keeper = int(int32(binary.LittleEndian.Uint64(b)))
	f.token = keeper.Token(b[8:head])
	f.name = string(b[head:])
	return nil
}

// Drop is for the codec: it closes a File that arrived in a message that nobody receives.
func (f *File) Drop() {
	if f.File != nil {
		_ = f.File.Close()
	}
}

// Resolve is for the codec: it returns the File with a descriptor of this process. It fails with ErrFile.
func (f *File) Resolve(any) (*File, error) {
	fd, err := keeper.Take(f.token, f.keeper)
	if err != nil {
		return nil, fmt.Errorf("shm: file %q: %w", f.name, err)
	}
	file := os.NewFile(uintptr(fd), f.name)
	return &File{File: file, from: file, name: f.name, token: f.token, keeper: keeper.Pid()}, nil
}
