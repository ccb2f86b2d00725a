package shm

import "github.com/kindred-ipc/kindred/internal/segment"

func bodyOf[T any](o segment.Object) *T { return (*T)(o.Pointer()) }
