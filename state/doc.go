// Package state has values that processes share.
//
// # Basics
//
// An object lies in a segment (package shm). Its handle is safe for use by many goroutines, and means the
// same whether goroutines of one process or of several meet at it.
//
//	hits, err := state.NewValue[int64](seg, 0, shm.Named("hits"))
//	n, err := state.Add(hits, 1)
//
//	hits, err := state.OpenValue[int64](seg, "hits") // in another process
//	n, err := hits.Load()
//
// Value is one value, Array a fixed number of them. Both are of plain types: no pointers, strings, slices or maps, which is
// checked once, when they are made or opened. List has as many elements as there are at the moment, and Map as many as there
// are keys, of any type that can be encoded (as messages of package queue are). Set is a Map without values. Namespace has named attributes, each of its own type.
//
// # What is atomic
//
// Each call on one value is, each call on a List, and Clear of a Map, on all of its keys. Values of up to 8 bytes are
// words, and no call on them waits for anybody, but for Update, which waits for other Updates. Loads of larger values wait for nobody, and never see half of a
// store; stores to them exclude each other by a lock. A Map has no lock of its own.
//
// What reads a value and stores what depends on it is one call, too: Add, AddAt, AddTo, CompareAndSwap, Update, Edit. A
// Load followed by a Store is two.
//
// # Objects in objects
//
// What is stored is a copy, but for objects. A Map whose values are handles or shm.Ref, a List of such, and a Namespace in
// which one was put, keep the object that is named: it is there as long as it is stored there, whoever dies.
// Destroying it (shm.Segment.Destroy) takes its name at once, and its memory when nobody keeps it any more, as unlink does with
// a file. So, to leave an object to those that store it: store it, and destroy it. An object that nobody destroys stays.
//
// A Ref in a struct, an Array, a Value or a key keeps nothing; it is checked when it is used (shm.ErrStale). Nor does one to an
// object of another segment. Objects that keep each other in a ring, and were destroyed, stay until one of them is taken out
// of another, or the segment goes.
//
// # Death
//
// Every change is committed by one store. A process that is killed in the middle leaves the old value or the
// new one, whole, and nobody need repair anything: there is no ErrOwnerDied. One that is stopped keeps no
// reader from anything; if it has the lock of an object, others that want it wait for it.
//
// # The race detector
//
// It is told that a store comes before the load that sees it, for what goroutines of one process do in Go's
// heap. It sees nothing of what lies in a segment.
package state
