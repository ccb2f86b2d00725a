package futex

// LoadFence keeps the loads before it, plain ones too, before those behind it: a copy before the look
// that says whether the copy counts. An atomic load holds back only what comes behind it.
//
//go:noescape
func LoadFence()

// StoreFence keeps the stores before it before those behind it, plain ones too: the announcement of a
// change before the change. An atomic store holds back only what comes before it.
//
//go:noescape
func StoreFence()
