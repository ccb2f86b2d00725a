// Package disassemble is for tests that look at what the compiler made of a function: at the order of its stores, and at what may be
// executed between two of them.
package disassemble
