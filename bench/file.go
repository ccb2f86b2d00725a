package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// fileRows measure open files on their way.
func fileRows() []Row {
	return []Row{{
		Name: "queue/file", About: "an open file through a queue, by the eldest of the family, which is neither of the two, and an answer through another",
		N: 3_000, Warm: 300,
		Place: Free, Payload: "a descriptor, by which a word is read and checked", Concurrency: "1 sender, 1 receiver",
		Ours:      measureFiles,
		Reference: Reference{Name: "Go, SCM_RIGHTS over a Unix socket", Go: measureRights},
	}}
}

// newWord is a file with a word in it, which has no name.
func newWord(v uint64) (*os.File, error) {
	f, err := os.CreateTemp("", "kindred-bench-")
	if err != nil {
		return nil, err
	}
	if err = os.Remove(f.Name()); err == nil {
		_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, v), 0)
	}
	return f, err
}

// checkWord reads the word by a descriptor that has come, and closes that.
func checkWord(f *os.File, want uint64) error {
	var b [8]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return err
	}
	expect(binary.LittleEndian.Uint64(b[:]), want, "receiver")
	return f.Close()
}

func measureFiles(ctx context.Context, j Job) (float64, error) {
	p, err := newPair(j, 1<<20)
	if err != nil {
		return 0, err
	}
	files, err := queue.New[*shm.File](p.seg, 4, shm.Named("files"))
	if err != nil {
		return 0, err
	}
	back, err := queue.New[uint64](p.seg, 1, shm.Named("back"))
	if err != nil {
		return 0, err
	}
	f, err := newWord(j.Salt)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := p.start(ctx, fileReceiver); err != nil {
		return 0, err
	}
	v, err := eachTrip(j, func(v uint64) error {
		if err := files.Put(ctx, shm.NewFile(f)); err != nil {
			return err
		}
		got, err := back.Get(ctx)
		expect(got, v, "sender")
		return err
	})
	return v, p.finish(ctx, err)
}

var fileReceiver = proc.Func("bench/file/receiver", func(ctx context.Context, j Job) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	files, err := queue.Open[*shm.File](seg, "files")
	if err != nil {
		return err
	}
	back, err := queue.Open[uint64](seg, "back")
	if err != nil {
		return err
	}
	for i := range j.Warm + j.N {
		f, err := files.Get(ctx)
		if err != nil {
			return err
		}
		if err := checkWord(f.File, j.PeerSalt); err != nil {
			return err
		}
		if err := back.Put(ctx, j.PeerSalt+i); err != nil {
			return err
		}
	}
	return nil
})

func measureRights(ctx context.Context, j Job) (float64, error) {
	f, err := newWord(j.Salt)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	c, p, err := openDoor(ctx, j, rightsReceiver)
	if err != nil {
		return 0, err
	}
	b := make([]byte, 8)
	v, err := eachTrip(j, func(v uint64) error {
		rights := syscall.UnixRights(int(f.Fd()))
		if _, _, err := c.(*net.UnixConn).WriteMsgUnix(b[:1], rights, nil); err != nil {
			return err
		}
		_, err := io.ReadFull(c, b)
		expect(binary.LittleEndian.Uint64(b), v, "sender")
		return err
	})
	return v, p.finish(ctx, err)
}

var rightsReceiver = proc.Func("bench/file/rights", func(_ context.Context, d door) error {
	c, err := net.Dial("unix", d.Path)
	if err != nil {
		return err
	}
	defer c.Close()
	b, control := make([]byte, 8), make([]byte, syscall.CmsgSpace(4))
	for i := range d.Job.Warm + d.Job.N {
		_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(b[:1], control)
		if err != nil {
			return err
		}
		f, err := fileIn(control[:n])
		if err != nil {
			return err
		}
		if err := checkWord(f, d.Job.PeerSalt); err != nil {
			return err
		}
		if _, err := c.Write(binary.LittleEndian.AppendUint64(b[:0], d.Job.PeerSalt+i)); err != nil {
			return err
		}
	}
	return nil
})

// fileIn is the one that came beside a byte.
func fileIn(control []byte) (*os.File, error) {
	all, err := syscall.ParseSocketControlMessage(control)
	if err != nil || len(all) != 1 {
		return nil, fmt.Errorf("%d control messages: %w", len(all), err)
	}
	fds, err := syscall.ParseUnixRights(&all[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	syscall.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "file"), nil
}
