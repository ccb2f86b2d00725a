package main

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

const arenaSize = uint64(unsafe.Sizeof(arena{}))

func arenaIn(o segment.Object) *arena { return (*arena)(o.Pointer()) }

// wordOf is the first word of b, as memory that the compiler does not know to be this loop's alone.
func wordOf(b []byte) *word.Uint64 { return (*word.Uint64)(unsafe.Pointer(unsafe.SliceData(b))) }
