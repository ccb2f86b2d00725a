package sync_test

import "github.com/kindred-ipc/kindred/internal/segment"

func accountIn(o segment.Object) *account { return (*account)(o.Pointer()) }

func countsIn(o segment.Object) *[2]int64 { return (*[2]int64)(o.Pointer()) }

func wordIn(o segment.Object) *uint64 { return (*uint64)(o.Pointer()) }

func as[T any](o segment.Object) *T { return (*T)(o.Pointer()) }
