package main

import (
	"structs"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// arena is plain memory that both sides of a row share, a line for each word.
type arena struct {
	_ structs.HostLayout

	counter uint64 // what the lock that is measured guards, and whatever else it orders
	_       [15]uint64
	over    word.Uint32 // side A has measured
	_       [31]uint32
	counted word.Uint64 // operations of all who took part, told when they end
	_       [15]uint64
	at      word.Uint64 // when something happened, in nanoseconds of the clock that all processes share
	_       [15]uint64
}

// newArena makes the arena of side A.
func newArena(seg *shm.Segment) (*arena, error) {
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: arenaSize, Align: 128, Name: "arena"})
	if err != nil {
		return nil, err
	}
	return arenaIn(o), nil
}

// openArena finds it on side B.
func openArena(seg *shm.Segment) (*arena, error) {
	o, err := seg.Engine().Lookup("arena", segment.KindRaw, 0)
	if err != nil {
		return nil, err
	}
	return arenaIn(o), nil
}
