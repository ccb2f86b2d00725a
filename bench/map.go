package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// mapRows measure a state.Map of a million pairs of words, in one process: nobody else is at it.
func mapRows() []Row {
	million := Row{
		Name: "state/map/million", About: "insert into a state.Map of pairs of 8-byte words while it grows to a million; get and set of its keys",
		N: 1_000_000, Place: OneCPU, Payload: "every value", Concurrency: "1 process",
		Figures:   []Figure{{Name: "insert", Goal: 0.7}, {Name: "get", Goal: 1}, {Name: "set", Goal: 0.7}},
		Meter:     measureMap,
		Reference: Reference{Name: "C++, Boost unordered_map in shared memory, with its mutex", Source: "boost_map.cc"},
	}
	tail := million
	tail.Name, tail.About = "state/map/tail", "how long a single Set takes while a state.Map grows to a million: p99.999"
	tail.Figures, tail.Meter, tail.Unit, tail.Goal = nil, nil, "µs", 1
	tail.Ours, tail.Reference = measureMapTail, limit(1000, "1 ms")
	memory := million
	memory.Name, memory.About = "state/map/memory", "what a state.Map takes for a byte of its pairs, from half a million to a million"
	memory.Figures, memory.Meter, memory.Unit, memory.Goal = nil, nil, "bytes", 1
	memory.Ours, memory.Reference = measureMapMemory, limit(1.6, "1.6 bytes a byte")
	texts := million
	texts.Name, texts.About = "state/map/bytes", "insert into a state.Map of strings of 16 bytes to 32 bytes while it grows to 200,000; get and set of its keys"
	texts.N, texts.Meter = 200_000, measureMapBytes
	texts.Figures = []Figure{{Name: "insert"}, {Name: "get"}, {Name: "set"}}
	texts.Reference = Reference{Name: "C++, Boost unordered_map of strings in shared memory, with its mutex", Source: "boost_map_bytes.cc"}
	return []Row{million, readersRow(), tail, memory, texts}
}

// mapKey is the i-th key: that of splitmix64. The reference has the same.
func mapKey(i uint64) uint64 {
	x := i + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

type wordMap = state.Map[uint64, uint64]

// withMap calls f with an empty Map in a segment that nobody else has.
func withMap[T any](j Job, f func(*shm.Segment, *wordMap) (T, error)) (T, error) {
	return pinned(j.A, func() (none T, err error) {
		seg, err := shm.Anonymous(int64(j.pairs())*64 + 1<<20)
		if err != nil {
			return none, err
		}
		defer seg.Close()
		m, err := state.NewMap[uint64, uint64](seg)
		if err != nil {
			return none, err
		}
		return f(seg, m)
	})
}

// pairs is how many a Map of the job has: as many as it sets, where nothing else is said.
func (j Job) pairs() uint64 { return cmp.Or(j.Capacity, j.N) }

func measureMap(_ context.Context, j Job) (Values, error) {
	pairs := j.pairs()
	return withMap(j, func(_ *shm.Segment, m *wordMap) (Values, error) {
		begin := time.Now()
		if err := setAll(m, j); err != nil {
			return nil, err
		}
		filled := time.Now()
		for n := range j.N {
			i := mapKey(n) % pairs
			v, _, err := m.Get(mapKey(i))
			if err != nil {
				return nil, err
			}
			expect(v, i+j.PeerSalt, "reader")
		}
		read := time.Now()
		for n := range j.N {
			i := mapKey(n) % pairs
			if err := m.Set(mapKey(i), i+j.Salt+1); err != nil {
				return nil, err
			}
		}
		written := time.Now()
		for n := range j.N {
			i := mapKey(n) % pairs
			v, _, err := m.Get(mapKey(i))
			if err != nil {
				return nil, err
			}
			expect(v, i+j.PeerSalt+1, "reader")
		}
		return Values{"insert": float64(filled.Sub(begin)) / float64(pairs), "get": j.per(read.Sub(filled)), "set": j.per(written.Sub(read))}, nil
	})
}

// setAll gives each key of the job its value.
func setAll(m *wordMap, j Job) error {
	for i := range j.pairs() {
		if err := m.Set(mapKey(i), i+j.Salt); err != nil {
			return err
		}
	}
	return nil
}

func measureMapTail(_ context.Context, j Job) (float64, error) {
	took := make([]time.Duration, j.N)
	return withMap(j, func(_ *shm.Segment, m *wordMap) (float64, error) {
		last := time.Now()
		for i := range j.N {
			if err := m.Set(mapKey(i), i+j.Salt); err != nil {
				return 0, err
			}
			now := time.Now()
			took[i], last = now.Sub(last), now
		}
		v, _, err := m.Get(mapKey(j.N - 1))
		expect(v, j.N-1+j.PeerSalt, "reader")
		slices.Sort(took)
		return float64(took[j.N-1-j.N/100_000].Nanoseconds()) / 1000, err
	})
}

func measureMapMemory(_ context.Context, j Job) (float64, error) {
	return withMap(j, func(seg *shm.Segment, m *wordMap) (float64, error) {
		empty := seg.Stats().Used
		sum, looks := 0.0, 0
		for i := range j.N {
			if err := m.Set(mapKey(i), i+j.Salt); err != nil {
				return 0, err
			}
			if i >= j.N/2 && i%(j.N/200) == 0 {
				sum += float64(seg.Stats().Used-empty) / float64(16*(i+1))
				looks++
			}
		}
		v, _, err := m.Get(mapKey(j.N - 1))
		expect(v, j.N-1+j.PeerSalt, "reader")
		return sum / float64(looks), err
	})
}

// mapText is the i-th key as a string of 16 bytes. The reference has the same.
func mapText(i uint64) string {
	var b [16]byte
	for k, x := 0, mapKey(i); k < len(b); k, x = k+1, x>>4 {
		b[k] = "0123456789abcdef"[x&15]
	}
	return string(b[:])
}

func measureMapBytes(_ context.Context, j Job) (Values, error) {
	return pinned(j.A, func() (Values, error) {
		seg, err := shm.Anonymous(int64(j.N)*256 + 1<<20)
		if err != nil {
			return nil, err
		}
		defer seg.Close()
		m, err := state.NewMap[string, []byte](seg)
		if err != nil {
			return nil, err
		}
		value := make([]byte, 32)
		set := func(i, x uint64) error {
			for k := 0; k < len(value); k += 8 {
				binary.LittleEndian.PutUint64(value[k:], x)
			}
			return m.Set(mapText(i), value)
		}
		look := func(salt uint64) error {
			for n := range j.N {
				i := mapKey(n) % j.N
				v, ok, err := m.Get(mapText(i))
				if err != nil || !ok || len(v) != len(value) {
					return errors.Join(err, fmt.Errorf("key %d has %d bytes", i, len(v)))
				}
				expect(binary.LittleEndian.Uint64(v[24:]), i+salt, "reader")
			}
			return nil
		}
		begin := time.Now()
		for i := range j.N {
			if err := set(i, i+j.Salt); err != nil {
				return nil, err
			}
		}
		filled := time.Now()
		if err := look(j.PeerSalt); err != nil {
			return nil, err
		}
		read := time.Now()
		for n := range j.N {
			i := mapKey(n) % j.N
			if err := set(i, i+j.Salt+1); err != nil {
				return nil, err
			}
		}
		written := time.Now()
		if err := look(j.PeerSalt + 1); err != nil {
			return nil, err
		}
		return Values{"insert": j.per(filled.Sub(begin)), "get": j.per(read.Sub(filled)), "set": j.per(written.Sub(read))}, nil
	})
}
