package main

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
)

const arenaSize = uint64(unsafe.Sizeof(arena{}))

func arenaIn(o segment.Object) *arena { return (*arena)(o.Pointer()) }
