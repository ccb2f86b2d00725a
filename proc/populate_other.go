//go:build darwin

package proc

func populate() {}
