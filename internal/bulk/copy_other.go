//go:build !amd64 || race

package bulk

const quick = false

func move(dst, src []byte) { copy(dst, src) }
