package queue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// goods is a message with everything that values are made of.
type goods struct {
	Name    string
	Numbers []int32
	At      [3]uint16
	Flag    bool
	Blob    []byte
	ByName  map[string]any
	Any     any
	Next    *goods
}

// unknown is not registered, so it does not travel in an any.
type unknown struct{ Code int }

// growth makes a value of bytes, and notes where it has put what cannot be encoded.
type growth struct {
	from []byte
	bad  []string
}

// next is the next byte; 0 behind the last.
func (g *growth) next() (b byte) {
	if len(g.from) > 0 {
		b, g.from = g.from[0], g.from[1:]
	}
	return b
}

func (g *growth) text() string { return strings.Repeat(string(rune('a'+g.next()%26)), int(g.next())) }

func (g *growth) goods(at string, deep int) (v goods) {
	v.Name, v.Flag, v.At = g.text(), g.next()%2 == 1, [3]uint16{uint16(g.next()), 0, uint16(g.next()) << 8}
	for range g.next() % 4 {
		v.Numbers = append(v.Numbers, -int32(g.next()))
	}
	if g.next()%2 == 1 {
		v.Blob = []byte(g.text())
	}
	if deep == 0 {
		return v
	}
	for i := range g.next() % 3 {
		if v.ByName == nil {
			v.ByName = make(map[string]any)
		}
		key := string(rune('x' + i))
		v.ByName[key] = g.any(fmt.Sprintf("%s.ByName[%q]", at, key), deep-1)
	}
	v.Any = g.any(at+".Any", deep-1)
	if g.next()%3 == 1 {
		next := g.goods(at+".Next", deep-1)
		v.Next = &next
	}
	return v
}

func (g *growth) any(at string, deep int) any {
	kind := g.next() % 18
	if deep == 0 {
		kind %= 13
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return int(g.next())
	case 2:
		return g.text()
	case 3:
		return float64(g.next()) / 4
	case 4:
		return []byte(g.text())
	case 5:
		return g.next()%2 == 1
	case 6:
		return int8(g.next())
	case 7:
		return []uint16{uint16(g.next()), 1}
	case 8:
		return time.Unix(int64(g.next()), int64(g.next())).UTC()
	case 9:
		return map[string]int{g.text(): 1}
	case 10:
		return [2]bool{g.next()%2 == 1}
	case 11:
		g.bad = append(g.bad, at)
		return make(chan int)
	case 12:
		g.bad = append(g.bad, at)
		return unknown{1}
	case 13, 14:
		list := []any{}
		for i := range g.next() % 4 {
			list = append(list, g.any(fmt.Sprintf("%s[%d]", at, i), deep-1))
		}
		return list
	case 15:
		return map[any]any{"k": g.any(at+`["k"]`, deep-1), 7: nil}
	case 16:
		return map[string]any{"m": g.any(at+`["m"]`, deep-1)}
	}
	return g.goods(at, deep-1)
}

// What is put comes out as it was, or Put says which part of it cannot be encoded.
func FuzzMessages(f *testing.F) {
	shm.Register[goods]()
	f.Add([]byte(nil))
	f.Add([]byte("a long way to go"))
	for kind := range byte(18) {
		seed := []byte{1, 2, 1, 3, 4, 3, 5, 6, 7, 1, 8, 200, 2}
		f.Add(append(seed, kind, 1, 17, 11, 2, kind, 3, 9, 9, kind, 13, 3, kind, 1, kind, 16, kind, 12, 15, kind, 1))
		f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, kind, 3, 1, 2, 3, kind, kind, 1, kind})
	}
	seg, err := shm.Anonymous(16 << 20)
	require.NoError(f, err)
	f.Cleanup(func() { seg.Close() })
	q, err := queue.New[goods](seg, 2)
	require.NoError(f, err)
	here, there, err := queue.NewPipe[any, any](seg, 2)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx := bounded(t)
		g := growth{from: b}
		v := g.goods("goods", 5)
		err := errors.Join(q.Put(ctx, v), here.Send(ctx, v))
		if len(g.bad) > 0 {
			require.Error(t, err)
			requireNames(t, err, g.bad)
			require.Zero(t, q.Len())
			ready, err := there.Ready()
			require.NoError(t, err)
			require.False(t, ready)
			return
		}
		require.NoError(t, err)
		require.Equal(t, v, must(q.Get(ctx)))
		require.Equal(t, any(v), must(there.Recv(ctx)))
	})
}

// requireNames asks for one of the paths in an error.
func requireNames(t *testing.T, err error, paths []string) {
	t.Helper()
	for _, path := range paths {
		if strings.Contains(err.Error(), path+": ") {
			return
		}
	}
	require.Fail(t, "no path", "%v names none of %q", err, paths)
}
