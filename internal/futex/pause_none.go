//go:build !amd64 && !386 && !arm64

package futex

func pause() {}
