package layouttest_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

var update = flag.Bool("update", false, "write the golden segment anew: the layout was changed, and the version with it")

// golden is a segment of version 1: a mutex that a dead process held, a semaphore, a ring of each kind with
// something in it, values and arrays of words and of what is larger, a list, a map, a set and a namespace, which keep
// a list that was destroyed, and queues of which one has a lease.
var golden = filepath.Join("..", "..", "testdata", "layout", "v1.hex")

// TestTheBytesAreThoseOfTheGoldenSegment makes the segment again, on whatever architecture this is.
func TestTheBytesAreThoseOfTheGoldenSegment(t *testing.T) {
	bytes := construct(t)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(dump(bytes)), 0o644))
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(text), "\n"), strings.Split(dump(bytes), "\n"))
}

// TestTheGoldenSegmentCanBeUsed attaches to it: what the dead left is all there.
func TestTheGoldenSegmentCanBeUsed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kindred.golden"), load(t), 0o600))
	seg, err := shm.Open("golden", shm.Dir(dir))
	require.NoError(t, err)
	defer seg.Close()
	require.NoError(t, seg.Check())
	require.Equal(t, uint64(0x1122334455667788), seg.ID())

	ctx := context.Background()
	door, err := sync.OpenMutex(seg, "door")
	require.NoError(t, err)
	require.ErrorIs(t, door.Lock(ctx), sync.ErrOwnerDied)
	require.NoError(t, door.MarkConsistent())
	require.NoError(t, door.Unlock())

	seats, err := sync.OpenSemaphore(seg, "seats")
	require.NoError(t, err)
	require.EqualValues(t, 2, seats.Value())

	ticks, err := ring.OpenSPSC[uint32](seg, "ticks")
	require.NoError(t, err)
	in, err := ticks.Reader()
	require.NoError(t, err)
	for i := uint32(3); i < 6; i++ {
		v, err := in.Pop(ctx)
		require.NoError(t, err)
		require.Equal(t, i, v)
	}
	log, err := ring.OpenBytes(seg, "log")
	require.NoError(t, err)
	records, err := log.Reader()
	require.NoError(t, err)
	record, err := records.Peek(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", string(record))
	records.Release()
	record, err = records.TryPeek()
	require.NoError(t, err)
	require.Nil(t, record)

	hits, err := state.OpenValue[int64](seg, "hits")
	require.NoError(t, err)
	n, err := hits.Load()
	require.NoError(t, err)
	require.EqualValues(t, -3, n)
	point, err := state.OpenValue[[3]float32](seg, "point")
	require.NoError(t, err)
	at, err := point.Load()
	require.NoError(t, err)
	require.Equal(t, [3]float32{1, 2, 4}, at)
	for i, name := range []string{"bytes", "shorts"} {
		a, err := state.OpenArray[uint16](seg, name)
		if i == 0 {
			require.ErrorIs(t, err, shm.ErrLayout)
			continue
		}
		require.NoError(t, err)
		all := make([]uint16, 4)
		k, err := a.CopyTo(all, 0)
		require.NoError(t, err)
		require.Equal(t, []uint16{0, 0x0102, 0}, all[:k])
	}
	points, err := state.OpenArray[[3]float32](seg, "points")
	require.NoError(t, err)
	at, err = points.Load(1)
	require.NoError(t, err)
	require.Equal(t, [3]float32{0.5}, at)
	news, err := ring.OpenBroadcast[uint32](seg, "news")
	require.NoError(t, err)
	s, err := news.Subscribe(ring.FromOldest())
	require.NoError(t, err)
	speaker, err := news.Writer()
	require.NoError(t, err)
	for i := range uint32(9) { // a dead subscriber holds nobody up
		v, err := s.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, 77+i, v)
		require.NoError(t, speaker.Push(ctx, 78+i))
	}
	jobs, err := ring.OpenMPMC[uint32](seg, "jobs")
	require.NoError(t, err)
	v, ok, err := jobs.TryPop()
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 8, v)
	require.Zero(t, jobs.Lost())

	words, err := state.OpenList[string](seg, "words")
	require.NoError(t, err)
	said, err := words.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []string{"a", "list"}, said)
	table, err := state.OpenMap[uint32, uint16](seg, "table")
	require.NoError(t, err)
	pairs, err := table.Snapshot()
	require.NoError(t, err)
	require.Equal(t, map[uint32]uint16{1: 10, 2: 20, 3: 30}, pairs)
	tags, err := state.OpenSet[string](seg, "tags")
	require.NoError(t, err)
	tagged, err := tags.Snapshot()
	require.NoError(t, err)
	require.Equal(t, map[string]struct{}{"red": {}, "green": {}}, tagged)
	notes, err := state.OpenNamespace(seg, "notes")
	require.NoError(t, err)
	limit, _, err := state.Get[int32](notes, "limit")
	require.NoError(t, err)
	require.EqualValues(t, 12, limit)
	kept, ok, err := state.Get[*state.List[uint64]](notes, "kept")
	require.NoError(t, err)
	require.True(t, ok)
	x, err := kept.Load(0)
	require.NoError(t, err)
	require.EqualValues(t, 5, x)
	_, err = notes.Delete("kept")
	require.NoError(t, err)
	_, err = state.ListFrom[uint64](seg, kept.Ref())
	require.ErrorIs(t, err, shm.ErrStale)

	tasks, err := queue.Open[uint32](seg, "tasks")
	require.NoError(t, err)
	v, err = tasks.Get(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 11, v)
	require.NoError(t, tasks.Done())
	require.ErrorIs(t, tasks.Join(ctx), queue.ErrAbandoned)
	errands, err := queue.Open[string](seg, "errands")
	require.NoError(t, err)
	for i, deliveries := range []int{2, 1} {
		l, err := errands.Lease(ctx)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("errand", 1+20*i), l.Message)
		require.Equal(t, deliveries, l.Deliveries)
		require.NoError(t, l.Ack())
	}
	require.NoError(t, seg.Check())
}

// seeded gives a new Map, or what is one, a seed that is the same each time.
func seeded(t *testing.T, seg *shm.Segment, name string) {
	t.Helper()
	found := false
	require.NoError(t, seg.Engine().Objects(func(o segment.Object, its string) bool {
		if found = its == name; found {
			binary.LittleEndian.PutUint64(o.Bytes(), 0x0123456789abcdef)
		}
		return !found
	}))
	require.True(t, found)
}

// construct is the bytes of a segment that is made in the same way each time, with what differs from
// one time to the next set to something that does not.
func construct(t *testing.T) []byte {
	t.Helper()
	dir, ctx := t.TempDir(), context.Background()
	seg, err := shm.Create("golden", 256<<10, shm.Dir(dir), shm.Participants(4), shm.As("maker"))
	require.NoError(t, err)
	defer seg.Close()
	victim, err := shm.Open("golden", shm.Dir(dir), shm.As("victim"))
	require.NoError(t, err)
	defer victim.Close()

	_, err = sync.NewMutex(seg, shm.Named("door"))
	require.NoError(t, err)
	door, err := sync.OpenMutex(victim, "door")
	require.NoError(t, err)
	require.NoError(t, door.Lock(ctx))
	seats, err := sync.NewSemaphore(seg, 3, shm.Named("seats"))
	require.NoError(t, err)
	require.NoError(t, seats.Acquire(ctx, 1))

	ticks, err := ring.NewSPSC[uint32](seg, 4, shm.Named("ticks"))
	require.NoError(t, err)
	in, err := ticks.Reader()
	require.NoError(t, err)
	theirs, err := ring.OpenSPSC[uint32](victim, "ticks")
	require.NoError(t, err)
	out, err := theirs.Writer()
	require.NoError(t, err)
	for i := range uint32(6) {
		require.NoError(t, out.Push(ctx, i))
		if i%2 == 0 {
			_, err := in.Pop(ctx)
			require.NoError(t, err)
		}
	}
	log, err := ring.NewBytes(seg, 1, shm.Named("log"))
	require.NoError(t, err)
	w, err := log.Writer()
	require.NoError(t, err)
	record, err := w.Reserve(ctx, 5)
	require.NoError(t, err)
	w.Commit(copy(record, "hello"))

	hits, err := state.NewValue[int64](seg, 4, shm.Named("hits"))
	require.NoError(t, err)
	_, err = state.Add(hits, -7)
	require.NoError(t, err)
	point, err := state.NewValue(seg, [3]float32{}, shm.Named("point"))
	require.NoError(t, err)
	require.NoError(t, point.Store([3]float32{1, 2, 4}))
	few, err := state.NewArray[byte](seg, 3, shm.Named("bytes"))
	require.NoError(t, err)
	require.NoError(t, few.Fill(9))
	shorts, err := state.NewArray[uint16](seg, 3, shm.Named("shorts"))
	require.NoError(t, err)
	require.NoError(t, shorts.Store(1, 0x0102))
	points, err := state.NewArray[[3]float32](seg, 2, shm.Named("points"))
	require.NoError(t, err)
	require.NoError(t, points.Store(1, [3]float32{0.5}))
	// One record, because how often the writer gives its turn up depends on when it is registered.
	news, err := ring.NewBroadcast[uint32](victim, 4, shm.Named("news"))
	require.NoError(t, err)
	_, err = news.Subscribe(ring.Blocking())
	require.NoError(t, err)
	speaker, err := news.Writer()
	require.NoError(t, err)
	require.NoError(t, speaker.Push(ctx, 77))
	require.NoError(t, speaker.Leave())
	jobs, err := ring.NewMPMC[uint32](seg, 3, shm.Named("jobs"))
	require.NoError(t, err)
	for i := range uint32(2) {
		require.NoError(t, jobs.Push(ctx, 7+i))
	}
	_, err = jobs.Pop(ctx)
	require.NoError(t, err)

	words, err := state.NewList[string](seg, shm.Named("words"))
	require.NoError(t, err)
	require.NoError(t, words.Append("a", "list"))
	_, err = state.NewMap[uint32, uint16](seg, shm.Named("table"))
	require.NoError(t, err)
	seeded(t, seg, "table")
	table, err := state.OpenMap[uint32, uint16](seg, "table")
	require.NoError(t, err)
	for k := range uint32(3) {
		require.NoError(t, table.Set(k+1, uint16(10*k+10)))
	}
	_, err = state.NewSet[string](seg, shm.Named("tags"))
	require.NoError(t, err)
	seeded(t, seg, "tags")
	tags, err := state.OpenSet[string](seg, "tags")
	require.NoError(t, err)
	for _, tag := range []string{"red", "green"} {
		_, err := tags.Add(tag)
		require.NoError(t, err)
	}
	_, err = state.NewNamespace(seg, shm.Named("notes"))
	require.NoError(t, err)
	seeded(t, seg, "notes")
	notes, err := state.OpenNamespace(seg, "notes")
	require.NoError(t, err)
	require.NoError(t, state.Put[int32](notes, "limit", 12))
	kept, err := state.NewList[uint64](seg)
	require.NoError(t, err)
	require.NoError(t, kept.Append(5))
	require.NoError(t, state.Put(notes, "kept", kept))
	require.NoError(t, seg.Destroy(kept.Ref()))
	tasks, err := queue.New[uint32](seg, 3, queue.Joinable(), shm.Named("tasks"))
	require.NoError(t, err)
	errands, err := queue.New[string](seg, 3, queue.Leases(), shm.Named("errands"))
	require.NoError(t, err)
	for i := range uint32(2) {
		require.NoError(t, tasks.Put(ctx, 10+i))
		require.NoError(t, errands.Put(ctx, strings.Repeat("errand", 1+20*int(i))))
	}
	_, err = tasks.Get(ctx)
	require.NoError(t, err)
	abroad, err := queue.Open[string](victim, "errands")
	require.NoError(t, err)
	_, err = abroad.Lease(ctx)
	require.NoError(t, err)

	bytes, err := os.ReadFile(filepath.Join(dir, "kindred.golden"))
	require.NoError(t, err)
	le := binary.LittleEndian
	le.PutUint64(bytes[32:], 0x1122334455667788) // header.id
	le.PutUint64(bytes[56:], 1_000_000_000)      // header.created
	le.PutUint32(bytes[64:], 4711)               // header.creator
	for slot := range uint64(2) {
		p := bytes[384+128*slot:]
		le.PutUint32(p[8:], uint32(4711+slot)) // participant.pid
		le.PutUint64(p[16:], 1)                // .start
		le.PutUint64(p[24:], 2)                // .namespace
		le.PutUint64(p[32:], 2_000_000_000)    // .attached
	}
	id := le.AppendUint64(nil, seg.ID())
	for at := strings.Index(string(bytes), string(id)); at >= 0; at = strings.Index(string(bytes), string(id)) {
		le.PutUint64(bytes[at:], 0x1122334455667788) // in a Ref
	}
	return bytes
}

// dump is the lines of 16 bytes that are not all zero, below the number of bytes.
func dump(bytes []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d bytes\n", len(bytes))
	for off := 0; off < len(bytes); off += 16 {
		line := bytes[off : off+16]
		if strings.Trim(string(line), "\x00") != "" {
			fmt.Fprintf(&b, "%06x %x %x\n", off, line[:8], line[8:])
		}
	}
	return b.String()
}

// load is the opposite of dump.
func load(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open(golden)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	require.True(t, lines.Scan())
	var size int
	_, err = fmt.Sscanf(lines.Text(), "%d bytes", &size)
	require.NoError(t, err)
	bytes := make([]byte, size)
	for lines.Scan() {
		var off int
		var first, second string
		_, err := fmt.Sscanf(lines.Text(), "%x %s %s", &off, &first, &second)
		require.NoError(t, err)
		line, err := hex.DecodeString(first + second)
		require.NoError(t, err)
		copy(bytes[off:], line)
	}
	require.NoError(t, lines.Err())
	return bytes
}
