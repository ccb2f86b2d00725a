package corruption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	mmap "github.com/edsrzf/mmap-go"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// Scene is what an operator does to the world.
type Scene struct {
	// Name of the operator's function, unique in the program.
	Name string

	// Script is what the operator does in each trial. It does the same each time: what it does may
	// depend on the answers, and on nothing else.
	Script func(*Trial)

	// Peer is what each of two operators does again and again while others overwrite; nil: Script.
	Peer func(*Trial)

	// Moments is how often the script calls Moment: when the change may come.
	Moments int

	// Changes are the objects whose bodies the script may change, and Attaches says that it may change
	// what an attach and New write: the header behind its first line, and the slots. All other bytes
	// must stay as they are.
	Changes  []string
	Attaches bool

	// Meets are the objects that the script looks at beside those. Of the bytes of others, some are overwritten.
	Meets []string

	operator *proc.Function[orders]
	stuck    time.Duration // for how long a trial may be under way before its operator is taken to hang
}

// orders are what an operator is started with.
type orders struct {
	Dir     string // of the world
	Journal string // path
	Seed    uint64
	One     int    // this trial alone, if it is not negative
	Skip    int    // trials that were done already
	Sample  int    // how many trials, of all; 0: all
	Role    int    // in a storm, from 0 on
	Storm   bool   // others overwrite, until the journal says that it is over
	Repeat  string // the command that repeats a trial, but for seed and number
}

// Register makes the scene known to the operators. Call it in the declaration of a variable.
func Register(s Scene) *Scene {
	if s.stuck == 0 {
		s.stuck = tooLong
	}
	s.operator = proc.Func("corruption/"+s.Name, s.operate)
	return &s
}

// maxFindings is how many findings an operator collects before it gives up.
const maxFindings = 10

// operate is the life of an operator.
func (s *Scene) operate(_ context.Context, o orders) error {
	op, err := s.enter(o)
	if err != nil {
		return err
	}
	stage := op.journal.word(journalStage)
	for stage.Store(stageReady); stage.Load() < stageGo; {
		time.Sleep(time.Millisecond)
	}
	if o.Storm {
		return op.weather(o)
	}
	var findings []error
	for k := o.Skip; k < op.count; k++ {
		i := op.number(k)
		op.journal.word(journalTrial).Store(uint64(k) + 1)
		if c, real := op.plan.Change(i, op.pristine); real {
			if err := op.try(c); err != nil {
				findings = append(findings, err)
			}
			op.journal.word(journalDone).Add(1)
		}
		if len(findings) == maxFindings {
			break
		}
		if k%256 == 0 {
			runtime.GC() // mappings of segments that were opened go back with the collector
		}
	}
	stage.Store(stageDone)
	return errors.Join(findings...)
}

// operator is a process that follows a script.
type operator struct {
	scene    *Scene
	orders   orders
	seg      *shm.Segment
	live     mmap.MMap // the segment's file, mapped once more
	pristine []byte
	expected []byte // pristine, but with the change during a trial
	journal  *journal
	plan     *Plan
	count    int
	step     int
	bounds   bounds
	want     []Answer // without a change
}

// enter attaches to the world, takes down what it is like, and follows the script without a change.
func (s *Scene) enter(o orders) (*operator, error) {
	op := &operator{scene: s, orders: o}
	var err error
	if op.journal, err = openJournal(o.Journal); err != nil {
		return nil, err
	}
	for range maxGatherings { // the runtime puts what it needs now beside a mapping, but hardly ever twice
		if err = op.attach(); err == nil || !strings.Contains(err.Error(), unguarded) {
			break
		}
		if err := op.detach(); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err := moat(2 * 64 << 10); err != nil {
		return nil, err
	}
	op.pristine = slices.Clone(op.live[:min(op.seg.Engine().Info().End+64<<10, uint64(len(op.live)))])
	op.expected = slices.Clone(op.pristine)
	if err := op.plans(); err != nil {
		return nil, err
	}
	op.bounds = boundsOf(s, op.plan.Fields, op.seg.Engine().Info().End, uint64(len(op.pristine)))
	if err := os.WriteFile(filepath.Join(o.Dir, pristineFile), op.pristine, 0o600); err != nil {
		return nil, err
	}
	return op, op.rehearse()
}

// attach maps the segment twice, as its user and as the one who overwrites it, each between memory that nobody may touch.
func (op *operator) attach() (err error) {
	if err := moat(segmentSize + 64<<10); err != nil {
		return err
	}
	if op.seg, err = shm.Open(name, shm.Dir(op.orders.Dir), shm.As("operator")); err != nil {
		return err
	}
	file := path(op.orders.Dir)
	if _, err := guarded(file); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if op.live, err = mmap.Map(f, mmap.RDWR, 0); err != nil {
		return err
	}
	_, err = guarded(file)
	return err
}

// guarded is guard, and says unguarded of its failure.
func guarded(file string) (sides int, err error) {
	if sides, err = guard(file); err != nil {
		err = fmt.Errorf("%s: %w", unguarded, err)
	}
	return sides, err
}

// detach ends attach.
func (op *operator) detach() error {
	err := op.seg.Close()
	if op.live != nil {
		err = errors.Join(err, op.live.Unmap())
	}
	return err
}

// plans finds the fields, and which trials are to be made.
func (op *operator) plans() error {
	fields, err := FieldsOf(op.pristine, nil)
	if err != nil {
		return err
	}
	op.plan = NewPlan(fields, op.scene.Moments, op.orders.Seed)
	op.plan.thin(strangers, op.scene.meets)
	op.count, op.step = op.plan.Trials(), 1
	switch o := op.orders; {
	case o.One >= 0:
		op.count = 1
	case o.Sample > 0 && o.Sample < op.count:
		// A step that shares no divisor with the numbers of patterns and moments meets them all.
		op.step = op.count / o.Sample
		for gcd(op.step, patterns*op.scene.Moments) > 1 {
			op.step++
		}
		op.count = o.Sample
	}
	return nil
}

// strangers is how many bytes take turns that a script does not meet: of other objects, and of the heap's tables.
const strangers = 8

// meets reports whether the script may meet the field.
func (s *Scene) meets(f Field) bool {
	if s.Attaches || len(s.Changes) == 0 || s.changes(f.Object) || slices.Contains(s.Meets, f.Object) || strings.HasPrefix(f.Object, slot) {
		return true
	}
	return f.Object == "" && !strings.HasPrefix(f.Name, run+".")
}

// changes reports whether the script may change the object, which may be the rows of one.
func (s *Scene) changes(object string) bool {
	return slices.Contains(s.Changes, strings.TrimPrefix(object, rowsOf))
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// number is the number of the k-th trial that this operator makes.
func (op *operator) number(k int) int {
	if op.orders.One >= 0 {
		return op.orders.One
	}
	return (int(op.orders.Seed%uint64(op.step)) + k*op.step) % op.plan.Trials()
}

// unguarded begins the text of an operator whose runtime has put memory of its own beside a mapping.
// That happens now and then; another one has more luck.
const unguarded = "not guarded"

// rehearse follows the script without a change, twice, and puts guards around what is mapped by then.
func (op *operator) rehearse() error {
	for range 2 {
		t := op.perform(Change{Index: -1, Moment: -1})
		if err := errors.Join(t.wrong...); err != nil {
			return fmt.Errorf("without a change: %w", err)
		}
		if op.want != nil && !slices.EqualFunc(op.want, t.answers, func(a, b Answer) bool {
			return a.Op == b.Op && a.Class == b.Class && a.Value == b.Value
		}) {
			return fmt.Errorf("without a change, first %v, then %v", op.want, t.answers)
		}
		if t.moments != op.scene.Moments {
			return fmt.Errorf("the script has %d moments, and says %d: %v", t.moments, op.scene.Moments, t.answers)
		}
		op.want = t.answers
	}
	copy(op.live, op.pristine)
	sides, err := guarded(path(op.orders.Dir))
	if err != nil {
		return err
	}
	op.journal.word(journalGuards).Store(uint64(sides))
	return nil
}

// try makes one trial, and returns what is wrong with what came out.
func (op *operator) try(c Change) error {
	t := op.perform(c)
	if err := c.judge(op.want, t.answers); err != nil {
		t.wrong = append(t.wrong, err)
	}
	if len(t.wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%v\n\t%w\n\trepeat: %s", c, errors.Join(t.wrong...), fmt.Sprintf(op.orders.Repeat, op.orders.Seed, c.Index))
}

// tooLong is far more than a script may take; nothing in it waits for as long as a second.
const tooLong = 30 * time.Second

// perform follows the script once, from the bytes as they were at first.
func (op *operator) perform(c Change) *Trial {
	// Where there is neither a field nor anything near one, nothing happens as a rule: that is half a
	// megabyte. Where objects are made, they may lie anywhere.
	all := c.Index%64 <= 0 || c.laxest() == Word || op.scene.Attaches
	restore(op.live, op.pristine, op.bounds.near)
	op.seg.Engine().Forget() // what it knows of the heap is from the trial before
	t := &Trial{Seg: op.seg, Dir: op.orders.Dir, op: op, change: c}
	op.scene.Script(t)
	if t.changed {
		c.Apply(op.expected)
	}
	if !t.misled() {
		t.compare(op.bounds.keptNear)
		if all {
			t.compare(op.bounds.keptFar)
		}
	}
	if all {
		restore(op.live, op.pristine, op.bounds.far)
	}
	for _, s := range c.Stores {
		copy(op.expected[s.Offset:][:len(s.New)], op.pristine[s.Offset:])
	}
	return t
}
