//go:build !linux

package main

// lifeRows are for Linux, as recoveryRows.
func lifeRows() []Row { return nil }
