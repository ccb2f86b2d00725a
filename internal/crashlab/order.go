package crashlab

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// childVariable makes a process a child of the lab. Children sleep without a safety net, so that nothing
// but a wake-up or the news of a death lets them go on, unless the variable says childWithNet.
const (
	childVariable = "KINDRED_CRASHLAB"
	childPlain    = "child"
	childWithNet  = "child with a safety net"
)

// order is what the lab tells a child to do; each is answered.
type order struct {
	Act    string        // one of the acts
	Case   string        // act setup: the case of which the following are about
	N      int           // Actor.N
	Dir    string        // Actor.Dir
	Name   string        // Actor.Name
	Part   string        // act operate: which part of the Play
	Bound  time.Duration // after which Actor.Ctx ends
	Paused bool          // Actor.Paused
	Stormy bool          // Actor.Stormy
	Memory int           // act ballast: bytes to fill
	Said   []string      // act check: Actor.Said
	Deaths int           // act check: Actor.Deaths
}

// The acts. A part of the Play is an act of the same name as its field, in lower case.
const (
	actBegin   = "begin"   // a new trial: make the Play
	actCreate  = "create"  // make the segment and attach
	actAttach  = "attach"  // attach
	actOperate = "operate" // lock the thread, answer with its number, wait for actGo, then do Part between two marks
	actGo      = "go"
	actStorm   = "storm"   // do Play.Storm until killed; answered at once
	actLeave   = "leave"   // close the attach
	actBallast = "ballast" // touch that much private memory
	actCensus  = "census"  // count what is open
	actForeign = "foreign" // do Play.Foreign: answer with the process and its thread
)

// answer is what a child says to an order.
type answer struct {
	Err    string
	Late   bool          // the error is that of the Actor's context
	Began  time.Duration // CLOCK_MONOTONIC
	Ended  time.Duration
	State  string   // of Check
	Deaths []string // that were reported by what was done
	Said   []string // by Actor.Say
	Thread int      // acts operate, foreign
	Pid    int      // act foreign
	Count  int      // act census: descriptors and goroutines
}

// wire carries orders one way and answers the other.
type wire struct {
	enc *json.Encoder
	dec *json.Decoder
	in  io.Closer
	out io.Closer
}

func newWire(in io.ReadCloser, out io.WriteCloser) *wire {
	return &wire{enc: json.NewEncoder(out), dec: json.NewDecoder(in), in: in, out: out}
}

func (w *wire) close() {
	_ = w.in.Close()
	_ = w.out.Close()
}

func (w *wire) answered() (a answer, err error) {
	err = w.dec.Decode(&a)
	return a, err
}

// The child's ends of its wire.
const (
	ordersFd  = 3
	answersFd = 4
)

func childWire() *wire {
	return newWire(os.NewFile(ordersFd, "orders"), os.NewFile(answersFd, "answers"))
}

// refused is a child's answer as an error.
func (a answer) refused(who string, o order) error {
	if a.Err == "" {
		return nil
	}
	what := o.Act
	if o.Part != "" {
		what = o.Part
	}
	return fmt.Errorf("%s, %s: %s", who, what, a.Err)
}
