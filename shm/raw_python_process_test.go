package shm_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// python is an interpreter that executes a line at a time.
type python struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Reader
}

// prelude has each line answered by one: the value of the expression, or the name of the exception. What the
// program opens or makes is ours to remove: the tracker is told to forget it, as track=False does from 3.13 on.
const prelude = `
import sys, traceback
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory, ShareableList
resource_tracker.register = resource_tracker.unregister = lambda *_: None
for line in sys.stdin:
    try:
        try:
            answer = eval(line)
        except SyntaxError:
            exec(line)
            answer = None
        print(answer, flush=True)
    except Exception as e:
        print(type(e).__name__, flush=True)
`

func startPython(t testing.TB) *python {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	ctx := bounded(t)
	c := exec.CommandContext(ctx, path, "-c", prelude)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, c.Wait())
	})
	return &python{t, in, bufio.NewReader(out)}
}

// says is the answer to a line.
func (p *python) says(format string, args ...any) string {
	p.t.Helper()
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	require.NoError(p.t, err)
	answer, err := p.out.ReadString('\n')
	require.NoError(p.t, err)
	return strings.TrimSuffix(answer, "\n")
}

// shared is a name that nobody else has.
func shared(t testing.TB, what string) string {
	name := fmt.Sprintf("kt-%d-%s", os.Getpid(), what)
	_ = shm.UnlinkRaw(name)
	t.Cleanup(func() { _ = shm.UnlinkRaw(name) })
	return name
}

func TestGoAndPythonShareMemoryWhoeverMakesIt(t *testing.T) {
	p := startPython(t)

	ours := shared(t, "ours")
	r, err := shm.CreateRaw(ours, 100)
	r = rawClosed(t, r, err)
	copy(r.Bytes(), "from Go")
	require.Equal(t, "None", p.says("a = SharedMemory(%q, size=1)", ours))
	require.Equal(t, fmt.Sprint(r.Size()), p.says("a.size"))
	require.Equal(t, "b'from Go'", p.says("bytes(a.buf[:7])"))
	require.Equal(t, "None", p.says("a.buf[99] = 7"))
	require.EqualValues(t, 7, r.Bytes()[99])
	require.Equal(t, "FileExistsError", p.says("SharedMemory(%q, create=True, size=1)", ours))
	require.NoError(t, shm.UnlinkRaw(ours))
	require.Equal(t, "FileNotFoundError", p.says("SharedMemory(%q)", ours))
	require.Equal(t, "FileNotFoundError", p.says("a.unlink()"))
	require.Equal(t, "None", p.says("a.buf[98] = 8"))
	require.EqualValues(t, 8, r.Bytes()[98], "the memory stays")
	require.Equal(t, "None", p.says("a.close()"))

	require.Equal(t, "None", p.says("b = SharedMemory(create=True, size=5000)"))
	theirs := p.says("b.name")
	require.True(t, strings.HasPrefix(theirs, "psm_"), theirs)
	t.Cleanup(func() { _ = shm.UnlinkRaw(theirs) })
	require.Equal(t, "None", p.says("b.buf[:11] = b'from Python'"))
	for _, name := range []string{theirs, "/" + theirs} {
		r, err := shm.OpenRaw(name)
		r = rawClosed(t, r, err)
		require.Equal(t, theirs, r.Name())
		require.Equal(t, p.says("b.size"), fmt.Sprint(r.Size()))
		require.Equal(t, "from Python", string(r.Bytes()[:11]))
		binary.LittleEndian.PutUint64(r.Bytes()[4992:], 1<<40)
		require.Equal(t, "1099511627776", p.says("int.from_bytes(b.buf[4992:5000], 'little')"))
	}
	_, err = shm.CreateRaw(theirs, 1)
	require.ErrorIs(t, err, shm.ErrExist)
	eye, err := shm.OpenRaw(theirs, shm.Observe())
	eye = rawClosed(t, eye, err)
	require.Equal(t, "None", p.says("b.unlink()"))
	_, err = shm.OpenRaw(theirs)
	require.ErrorIs(t, err, shm.ErrNotExist)
	require.ErrorIs(t, shm.UnlinkRaw(theirs), shm.ErrNotExist)
	require.Equal(t, "None", p.says("b.buf[0] = 33"))
	require.EqualValues(t, 33, eye.Bytes()[0])
}

func TestAShareableListIsReadAsPythonHasIt(t *testing.T) {
	p := startPython(t)
	name := shared(t, "list")
	require.Equal(t, "None", p.says(
		"l = ShareableList([1, -2**63, 2.5, True, False, None, 'schön', '', b'bytes', b'', 'x' * 100], name=%q)", name))
	r, err := shm.OpenRaw(name)
	r = rawClosed(t, r, err)
	want := []any{
		int64(1), int64(-1 << 63), 2.5, true, false, nil, "schön", "", []byte("bytes"), []byte{}, strings.Repeat("x", 100),
	}
	got, err := r.ShareableList()
	require.NoError(t, err)
	require.Equal(t, want, got)

	// In place, also to another type.
	require.Equal(t, "None", p.says("l[0] = None; l[1] = 7; l[5] = 8; l[6] = b'ab'; l[8] = 'cd'; l[10] = 1.5"))
	want[0], want[1], want[5], want[6], want[8], want[10] = nil, int64(7), int64(8), []byte("ab"), "cd", 1.5
	got, err = r.ShareableList()
	require.NoError(t, err)
	require.Equal(t, want, got)

	empty := shared(t, "empty")
	require.Equal(t, "None", p.says("e = ShareableList([], name=%q)", empty))
	none, err := shm.OpenRaw(empty)
	none = rawClosed(t, none, err)
	got, err = none.ShareableList()
	require.NoError(t, err)
	require.Empty(t, got)

	// Whatever byte of it is another one, there is an answer.
	text := append([]byte(nil), r.Bytes()...)
	for i := range text {
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff, text[i] ^ 4} {
			r.Bytes()[i] = b
			if _, err := r.ShareableList(); err != nil {
				require.ErrorIs(t, err, shm.ErrCorrupt)
			}
		}
		r.Bytes()[i] = text[i]
	}
	small, err := shm.CreateRaw(shared(t, "small"), 8)
	small = rawClosed(t, small, err)
	_, err = small.ShareableList()
	require.ErrorIs(t, err, shm.ErrCorrupt)
}
