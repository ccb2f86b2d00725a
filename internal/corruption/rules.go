package corruption

// Rule says what a field that was overwritten may do to an answer, as the operator of a script sees it.
// Errors are always those that the documentation of the operation names.
type Rule uint8

const (
	// Nothing: the answer is as it was. The field is padding, or for people, or its damage mends itself.
	Nothing Rule = iota
	// Value: what is read changes, and nothing else. The bytes are the user's.
	Value
	// Fixed: the answer is as it was, or an error that says that something is wrong with the segment
	// or the object. The field never changes after it was written.
	Fixed
	// Holder: the field names somebody who lives, died, or never was. So beside the above, a call may
	// wait until its context ends, be told of a death, or find free what was held.
	Holder
	// Word: the field is what one side of a structure says to the other, and the change may well be
	// something that the other side could have said. Any answer is right that the structure has.
	Word
)

var ruleNames = [...]string{"nothing", "the value", "an error", "what a holder may do", "what a peer may say"}

// String tells the rule in words.
func (r Rule) String() string { return "may change " + ruleNames[r] }

// What docs/LAYOUT.md describes without a row in a table.
const (
	unused      = "unused bytes"
	nameText    = "bytes of a name"
	userBytes   = "bytes of a raw object"
	recordHead  = "first word of a record"
	recordBytes = "bytes of a record"
	usedControl = "control word of a block"
	freeControl = "control word of no block"
	idle        = "memory of the heap that nobody has yet"

	copyBytes    = "bytes of a copy"
	copySequence = "sequence of copies"
	elementBytes = "bytes of an element"
	rowPlace     = "place of a part of a map"
	boxBytes     = "bytes of a box"
)

// event is what is waited on.
const event = "futex.Event"

// nested are the fields that are structs.
var nested = map[string]string{
	"segment.header.lock":          "segment.LockState",
	"segment.participant.doorbell": event,
	"segment.LockState.event":      event,
	"sync.MutexState.lock":         "segment.LockState",
	"sync.RWMutexState.lock":       "segment.LockState",
	"sync.RWMutexState.readers":    event,
	"sync.RWMutexState.writer":     event,
	"sync.SemaphoreState.event":    event,
	"sync.SemaphoreState.lock":     "segment.LockState",
	"sync.EventState.event":        event,
	"sync.line.row":                "sync.row",
	"sync.readingRow.row":          "sync.row",
	"sync.keepingRow.row":          "sync.row",
	"sync.CondState.event":         event,
	"sync.WaitGroupState.lock":     "segment.LockState",
	"sync.WaitGroupState.event":    event,
	"sync.BarrierState.lock":       "segment.LockState",
	"sync.BarrierState.event":      event,
	"sync.OnceState.lock":          "segment.LockState",
	"ring.control.items":           event,
	"ring.control.room":            event,
	"ring.broadcastControl.items":  event,
	"ring.broadcastControl.room":   event,
	"ring.broadcastControl.turns":  event,
	"ring.hall.items":              event,
	"ring.hall.room":               event,
	"pool.workerState.event":       event,
	"pool.workerState.request":     "pool.mailbox",
	"pool.workerState.reply":       "pool.mailbox",
	"state.valueState.lock":        "segment.LockState",
	"state.arrayState.lock":        "segment.LockState",
	"state.listState.lock":         "segment.LockState",
	"state.listState.even":         "state.listHeader",
	"state.listState.odd":          "state.listHeader",
	"queue.queueState.puts":        "segment.LockState",
	"queue.queueState.gets":        "segment.LockState",
	"queue.queueState.items":       event,
	"queue.queueState.room":        event,
	"queue.queueState.idle":        event,
}

// arrays are the fields that are rows of structs.
var arrays = map[string]string{
	"sync.packedRows.rows":  "sync.row",
	"sync.linedRows.rows":   "sync.line",
	"sync.readingRows.rows": "sync.readingRow",
	"state.bucket.pairs":    "state.pair", // see (*survey).buckets
	"sync.keepingRows.rows": "sync.keepingRow",
}

// rules are those of the fields by name.
var rules = map[string]Rule{
	unused:      Nothing,
	userBytes:   Value,
	nameText:    Fixed,
	recordHead:  Word, // a length that the writer could have committed
	recordBytes: Value,

	copyBytes:    Value,
	copySequence: Word, // the other copy
	elementBytes: Value,
	rowPlace:     Word, // another part, or none
	boxBytes:     Word, // another pair, another type, or what it keeps

	// The first line is read by an attach, and never after it.
	"segment.header.magic":          Fixed,
	"segment.header.version":        Fixed,
	"segment.header.participants":   Fixed,
	"segment.header.layout":         Fixed,
	"segment.header.size":           Fixed,
	"segment.header.id":             Fixed,
	"segment.header.tableOffset":    Fixed,
	"segment.header.heapOffset":     Fixed,
	"segment.header.runsOffset":     Fixed,
	"segment.header.controlsOffset": Fixed,
	"segment.header.runShift":       Fixed,
	"segment.header.created":        Nothing,
	"segment.header.creator":        Nothing,
	"segment.header.directory":      Word, // an entry, perhaps not the newest
	"segment.header.tabled":         Word, // fewer runs
	"segment.header.top":            Word,
	"segment.header.vacant":         Nothing,
	"segment.header.nextSlot":       Nothing,
	"segment.header.swept":          Nothing,

	"segment.run.word":   Word, // it may have been freed
	"segment.run.guests": Nothing,
	"segment.run.extent": Word,
	"segment.run.freed":  Nothing,
	idle:                 Word,
	freeControl:          Word, // a block that somebody else has
	usedControl:          Word,

	"segment.participant.state":     Holder,
	"segment.participant.allocated": Nothing,
	"segment.participant.pid":       Holder, // whose death is taken for the participant's
	"segment.participant.start":     Nothing,
	"segment.participant.namespace": Nothing,
	"segment.participant.attached":  Nothing,
	"segment.participant.name":      Nothing,

	"segment.LockState.owner": Holder,
	"segment.LockState.since": Nothing,
	"futex.Event.seq":         Nothing,
	"futex.Event.mark":        Nothing,
	"futex.Event.hub":         Nothing,

	"segment.blockHeader.size":       Word, // the end of another block
	"segment.blockHeader.layout":     Fixed,
	"segment.blockHeader.kind":       Fixed,
	"segment.blockHeader.bodyOffset": Word,    // another place in the block
	"segment.blockHeader.contents":   Nothing, // until it is destroyed
	"segment.blockHeader.intent":     Nothing,
	"segment.blockHeader.next":       Word, // an older entry than the next one
	"segment.blockHeader.serial":     Word,
	"segment.blockHeader.nameLength": Word, // another name

	"sync.RWMutexState.suspect": Word,
	"sync.RWMutexState.rows":    Word,
	"sync.SemaphoreState.made":  Word, // another number of permits, or another variant
	"sync.SemaphoreState.value": Word,
	"sync.SemaphoreState.rows":  Word,
	"sync.EventState.word":      Word,
	"sync.row.owner":            Holder,
	"sync.row.count":            Word,
	"sync.packedRows.next":      Word,
	"sync.linedRows.next":       Word,
	"sync.readingRows.next":     Word,
	"sync.readingRow.bias":      Word,
	"sync.readingRow.marks":     Word,
	"sync.keepingRows.next":     Word,
	"sync.keepingRow.permits":   Word,
	"sync.keepingRow.states":    Word,
	"sync.WaitGroupState.died":  Word,
	"sync.WaitGroupState.rows":  Word,
	"sync.BarrierState.phase":   Word,
	"sync.BarrierState.spoiled": Word,
	"sync.BarrierState.came":    Word,
	"sync.BarrierState.made":    Word,
	"sync.BarrierState.rows":    Word,
	"sync.CondState.turn":       Nothing,
	"sync.CondState.rows":       Word,
	"sync.OnceState.done":       Word,

	"ring.control.capacity": Word, // some slots less, which take as many lines
	"ring.control.data":     Fixed,
	"ring.control.stride":   Fixed,
	"ring.control.writer":   Holder,
	"ring.control.reader":   Holder,
	"ring.control.closed":   Word,
	"ring.control.position": Word,
	"ring.control.given":    Word,
	"ring.slot.sequence":    Word,
	"ring.slot.value":       Value,

	"state.valueState.word":          Word, // the value; or a sequence, and so the other copy
	"state.valueState.size":          Fixed,
	"state.arrayState.length":        Word, // some elements less, which take as many lines
	"state.arrayState.size":          Fixed,
	"state.arrayState.stride":        Fixed,
	"state.arrayState.data":          Fixed,
	"state.mapState.seed":            Word, // keys are looked for where they are not
	"state.mapState.keySize":         Fixed,
	"state.mapState.valueSize":       Fixed,
	"state.mapState.extent":          Fixed,
	"state.mapState.listed":          Fixed,
	"state.mapState.lists":           Fixed,
	"state.mapState.keeps":           Fixed,
	"state.mapState.root":            Word, // another table
	"state.bucket.header":            Word,
	"state.bucket.tags":              Word,
	"state.pair.key":                 Word,
	"state.pair.value":               Word, // or another box
	"state.listState.size":           Fixed,
	"state.listState.stride":         Fixed,
	"state.listState.sequence":       Word, // the other header
	"state.listHeader.place":         Word, // another block, or none
	"state.listHeader.first":         Word,
	"state.listHeader.length":        Word,
	"state.listHeader.pending":       Word, // an element that is in the spare
	"ring.broadcastControl.capacity": Fixed,
	"ring.broadcastControl.slots":    Fixed,
	"ring.broadcastControl.data":     Fixed,
	"ring.broadcastControl.stride":   Fixed,
	"ring.broadcastControl.used":     Word,
	"ring.broadcastControl.turn":     Word,
	"ring.broadcastControl.tail":     Word,
	"ring.broadcastControl.intent":   Word,
	"ring.broadcastControl.rows":     Word,
	"ring.broadcastRow.owner":        Holder,
	"ring.broadcastRow.busy":         Word,
	"ring.broadcastRow.at":           Word,

	"ring.hall.capacity": Word, // one value less, which takes as many slots
	"ring.hall.size":     Fixed,
	"ring.hall.data":     Fixed,
	"ring.hall.stride":   Fixed,
	"ring.hall.lanes":    Fixed,
	"ring.hall.seats":    Fixed,
	"ring.hall.quotas":   Word,
	"ring.hall.closed":   Word,
	"ring.hall.crowd":    Nothing,
	"ring.hall.eager":    Nothing,
	"ring.lane.lock":     Holder,
	"ring.lane.tail":     Word,
	"ring.lane.limit":    Word,
	"ring.lane.head":     Word,
	"ring.seat.owner":    Holder,
	"ring.seat.takes":    Word,
	"ring.seat.marks":    Word,
	"ring.seat.claims":   Word,
	"ring.seat.lost":     Word,
	"ring.seat.target":   Word,

	"queue.queueState.capacity": Word, // one message less, which takes as many slots
	"queue.queueState.size":     Fixed,
	"queue.queueState.stride":   Fixed,
	"queue.queueState.data":     Fixed,
	"queue.queueState.bound":    Word, // another number of bytes
	"queue.queueState.flags":    Word, // another policy
	"queue.queueState.rows":     Fixed,
	"queue.queueState.shut":     Word,
	"queue.queueState.eager":    Nothing,
	"queue.queueState.heir":     Word,
	"queue.queueState.most":     Word,
	"queue.queueState.tail":     Word,
	"queue.queueState.limit":    Word,
	"queue.queueState.head":     Word,
	"queue.queueState.reach":    Word,
	"queue.queueState.taker":    Word,
	"queue.queueState.credit":   Word,
	"queue.queueState.drained":  Word,
	"queue.queueState.dropped":  Word,
	"queue.queueState.issued":   Word,
	"queue.queueState.high":     Word,
	"queue.queueState.reported": Word,
	"queue.row.owner":           Word,
	"queue.row.taken":           Word,
	"queue.row.done":            Word,
	"queue.row.abandoned":       Word,
	"queue.bay.word":            Word,
	"queue.bay.owner":           Word,
	"queue.bay.at":              Word, // another order
	"queue.parcel.sequence":     Word,
	"queue.parcel.box":          Word,
	"queue.parcel.size":         Word,
	"queue.parcel.through":      Word,
	"queue.parcel.text":         Value,

	"pool.workerState.claimed":   Word,
	"pool.workerState.cancelled": Word,
	"pool.workerState.kept":      Word,
	"pool.workerState.results":   Word,
	"pool.workerState.withdrawn": Word,
	"pool.workerState.outbox":    Value,
	"pool.mailbox.id":            Word,
	"pool.mailbox.task":          Word,
	"pool.mailbox.when":          Word,
	"pool.mailbox.size":          Word,
	"pool.mailbox.outcome":       Word,
	"pool.mailbox.types":         Word,
	"pool.mailbox.payload":       Value,
}
