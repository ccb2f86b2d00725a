package corruption

import ()

// wordSize is how large a value of package state is at most that lies there once.
const wordSize = 8

// value takes down a Value, and the two copies of a large one.
func (m *survey) value(body uint64, object string) (end uint64) {
	const value = "state.valueState"
	m.structure(body, value, object)
	size := m.uint64(m.at(body, value, "size"))
	end = body + m.end(value)
	if size > wordSize {
		end = m.copies(end, size, object)
	}
	return end
}

// copies takes down the two copies of a value, and what is behind each up to a multiple of 8.
func (m *survey) copies(at, size uint64, object string) (end uint64) {
	for range 2 {
		m.add(at, size, object, copyBytes)
		m.gap(at+size, at+(size+7)&^7, object)
		at += (size + 7) &^ 7
	}
	return at
}

// elements takes down an Array.
func (m *survey) elements(body uint64, object string) (end uint64) {
	const array = "state.arrayState"
	m.structure(body, array, object)
	length, size, stride := m.uint64(m.at(body, array, "length")), m.uint64(m.at(body, array, "size")), m.uint64(m.at(body, array, "stride"))
	end = m.uint64(m.at(body, array, "data"))
	for range length {
		if size > wordSize {
			m.add(end, 8, object, copySequence)
			m.copies(end+8, size, object)
		} else {
			m.add(end, stride, object, elementBytes)
		}
		end += stride
	}
	return end
}

const control = "ring.control"

func (m *survey) slots(body uint64, object string) (end uint64) {
	m.structure(body, control, object)
	capacity, stride := m.uint64(m.at(body, control, "capacity")), m.uint64(m.at(body, control, "stride"))
	end = m.uint64(m.at(body, control, "data"))
	for range capacity {
		m.add(end, 8, object, "ring.slot.sequence")
		m.add(end+8, stride-8, object, "ring.slot.value")
		end += stride
	}
	return end
}

func (m *survey) broadcast(body uint64, object string) (end uint64) {
	const control = "ring.broadcastControl"
	m.structure(body, control, object)
	slots, stride := m.uint64(m.at(body, control, "slots")), m.uint64(m.at(body, control, "stride"))
	end = m.uint64(m.at(body, control, "data"))
	for range slots {
		m.add(end, 8, object, "ring.slot.sequence")
		m.add(end+8, stride-8, object, "ring.slot.value")
		end += stride
	}
	return end
}

// mpmc takes down a ring of any number of ends: the hall, all lanes, those seats up to the first behind the commons
// that is nobody's, and all slots.
func (m *survey) mpmc(body uint64, object string) (end uint64) {
	const hall, lane, seat, commons, line = "ring.hall", "ring.lane", "ring.seat", 4, 128
	m.structure(body, hall, object)
	capacity, size, stride := m.uint64(m.at(body, hall, "capacity")), m.uint64(m.at(body, hall, "size")), m.uint64(m.at(body, hall, "stride"))
	lanes, data := m.uint32(m.at(body, hall, "lanes")), m.uint64(m.at(body, hall, "data"))
	if capacity > size {
		m.fail("%d values in %d slots", capacity, size)
	}
	end = body + m.end(hall)
	for range lanes {
		m.structure(end, lane, object)
		end += m.end(lane)
	}
	for i := 0; end < data; i++ {
		owner := m.uint64(m.at(end, seat, "owner"))
		m.structure(end, seat, object)
		if end += m.end(seat); i >= commons && owner == 0 {
			break
		}
	}
	for end = data; lanes > 0; lanes-- {
		next := end + (size*stride+line-1)&^(line-1)
		for range size {
			m.add(end, 8, object, "ring.slot.sequence")
			m.add(end+8, stride-8, object, "ring.slot.value")
			end += stride
		}
		m.gap(end, next, object)
		end = next
	}
	return end
}

// queue takes down a Queue: its state, rows, slots, and bays.
func (m *survey) queue(body, next uint64, object string) (end uint64) {
	const state, row, bay, leased = "queue.queueState", "queue.row", "queue.bay", 8
	m.structure(body, state, object)
	size, stride, data := m.uint64(m.at(body, state, "size")), m.uint64(m.at(body, state, "stride")), m.uint64(m.at(body, state, "data"))
	if size*stride > next-body {
		m.fail("%d slots of %d bytes", size, stride)
		return next
	}
	for end = body + m.end(state); end < data; end += m.end(row) {
		m.structure(end, row, object)
	}
	slot := func() {
		if stride == m.end("queue.parcel") {
			m.structure(end, "queue.parcel", object)
		} else {
			m.add(end, 8, object, "queue.parcel.sequence")
			m.add(end+8, stride-8, object, "queue.parcel.text")
		}
		end += stride
	}
	for range size {
		slot()
	}
	if m.uint32(m.at(body, state, "flags"))&leased != 0 {
		for range size {
			m.structure(end, bay, object)
			end += m.end(bay)
			slot()
		}
	}
	return end
}

// records takes down the records of a ring of bytes, the 0 behind them, and the begin of what is free.
// The ring ends where its last byte does, wherever its records are.
func (m *survey) records(body uint64, object string) (end uint64) {
	m.structure(body, control, object)
	data, capacity := m.uint64(m.at(body, control, "data")), m.uint64(m.at(body, control, "capacity"))
	position := m.uint64(m.at(body, control, "position"))
	cyclic := func(n uint64, name string) {
		for n > 0 {
			at := position % capacity
			part := min(n, capacity-at)
			m.add(data+at, part, object, name)
			position, n = position+part, n-part
		}
	}
	for {
		word := m.uint64(data + position%capacity)
		cyclic(8, recordHead)
		if word == 0 {
			break
		}
		cyclic(word-1, recordBytes)
		cyclic(-(word-1)%8, unused)
	}
	cyclic(maxGap, unused)
	return data + capacity
}
