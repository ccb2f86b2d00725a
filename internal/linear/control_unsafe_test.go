package linear

import "github.com/kindred-ipc/kindred/internal/segment"

func sharedIn(o segment.Object) *shared { return (*shared)(o.Pointer()) }
