package corruption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/layouttest"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// listener is what a test that is expected to fail reports to.
type listener struct {
	*testing.T
	reports []string
}

func (l *listener) Errorf(format string, args ...any) {
	l.reports = append(l.reports, fmt.Sprintf(format, args...))
}

func (l *listener) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	runtime.Goexit()
}

// listen returns what a run reports.
func listen(t *testing.T, run func(T)) string {
	t.Helper()
	l := &listener{T: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(l)
	}()
	<-done
	return strings.Join(l.reports, "\n")
}

// user is the bytes of the raw object.
func user(t *Trial) []byte {
	var b []byte
	err := t.Seg.Engine().Objects(func(o segment.Object, name string) bool {
		if name == User {
			b = o.Bytes()
		}
		return b == nil
	})
	if err != nil {
		t.Fail("%v", err)
	}
	return b
}

// broken is an operator with an error that shows when the first byte of User is not what it was.
func broken(name string, harm func(t *Trial, user []byte)) *Scene {
	s := Scene{Name: "broken/" + name, Moments: 1, Changes: []string{Free}, Meets: []string{User}}
	s.Script = func(t *Trial) {
		b := user(t)
		t.Moment()
		t.Do("look", func() (any, error) { return nil, nil })
		if len(b) > 0 && b[0] != 0 {
			harm(t, b)
		}
	}
	return Register(s)
}

var (
	panics = broken("panic", func(_ *Trial, b []byte) { _ = b[len(b)+int(b[0])] })
	exits  = broken("exit", func(*Trial, []byte) { os.Exit(0) })
	beyond = broken("beyond", func(t *Trial, _ []byte) {
		t.Do("read beyond", func() (any, error) { return behind(t.op.live, 4096), nil })
	})
	strays = broken("stray", func(t *Trial, b []byte) {
		t.Do("stray", func() (any, error) { b[9]++; return nil, nil })
	})
	odd = broken("odd", func(t *Trial, _ []byte) {
		t.Do("fail", func() (any, error) { return nil, errors.New("odd") })
	})
	lies  = broken("lie", func(t *Trial, _ []byte) { t.Between("length", 0, 5, 4) })
	hangs = broken("hang", func(t *Trial, _ []byte) {
		t.Do("hang", func() (any, error) { time.Sleep(time.Hour); return nil, nil })
	})
)

// trialOf is the number of the trial that gives the first byte of User the value of a pattern.
func trialOf(t *testing.T, pattern int) int {
	dir := t.TempDir()
	w, err := newWorld(context.Background(), dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.close()) }()
	content, err := os.ReadFile(path(dir))
	require.NoError(t, err)
	fields, err := FieldsOf(content, nil)
	require.NoError(t, err)
	p := NewPlan(fields, 1, 1)
	p.thin(strangers, panics.meets)
	for k, off := range p.bytes {
		if f := fieldAt(fields, off); f.Name == userBytes && f.Object == User {
			return k*patterns + pattern
		}
	}
	require.Fail(t, "no such byte")
	return 0
}

// Each error is found, with the change that shows it, and with the command that repeats it.
func TestErrorsOfAnOperatorAreFound(t *testing.T) {
	hangs.stuck = 2 * time.Second
	trial := trialOf(t, 1) // 0xff
	t.Setenv(variable, fmt.Sprintf("1/%d", trial))
	for scene, want := range map[*Scene]string{
		panics: `exit status 2, in "look"`,
		exits:  `the operator has just left, in "look"`,
		beyond: `exit status 2, in "read beyond"`,
		strays: `(bytes of a raw object of "user") is 0xa after the operations, and was 0x9`,
		odd:    "fail: unknown (odd): no documentation names this error",
		lies:   "length is 5, which is not from 0 to 4",
		hangs:  `the operator hangs, in "hang"`,
	} {
		t.Run(strings.TrimPrefix(scene.Name, "broken/"), func(t *testing.T) {
			report := listen(t, func(t T) { scene.Run(t, 1) })
			require.Contains(t, report, want)
			require.Contains(t, report, `(bytes of a raw object of "user"): 00 -> ff, at moment 0`)
			require.Contains(t, report, fmt.Sprintf("%s=1/%d go test -count=1 -run '^%s$'", variable, trial, t.Name()))
		})
	}
}

// An operator that dies does not keep the others from their trials.
func TestTheTrialBehindADeathIsTheNextOne(t *testing.T) {
	report := listen(t, func(t T) { panics.Run(t, 1<<30) })
	deaths := strings.Count(report, "exit status 2")
	require.GreaterOrEqual(t, deaths, 3, "0xff, a random byte and 1")
	require.NotContains(t, report, "before the first trial")
	for _, to := range []string{"ff", "01"} {
		require.Contains(t, report, `(bytes of a raw object of "user"): 00 -> `+to)
	}
}

var mutual = Register(Scene{
	Name: "mutual", Moments: 1, Changes: []string{Free},
	Script: func(t *Trial) {
		t.Moment()
		t.Do("lock", func() (any, error) {
			m, err := sync.OpenMutex(t.Seg, Free)
			if err != nil {
				return nil, err
			}
			if got, err := m.TryLock(); !got || err != nil {
				return got, err
			}
			return true, m.Unlock()
		})
	},
})

// What a field may do decides about the same answer.
func TestRulesExcuseWhatFieldsMayDo(t *testing.T) {
	want := Answer{Op: "op", Class: ok, Value: "1"}
	for _, c := range []struct {
		rule Rule
		got  Answer
		fine bool
	}{
		{Nothing, want, true},
		{Nothing, Answer{Op: "op", Class: ok, Value: "2"}, false},
		{Nothing, Answer{Op: "op", Class: "corrupt"}, false},
		{Value, Answer{Op: "op", Class: ok, Value: "2"}, true},
		{Value, Answer{Op: "op", Class: "corrupt"}, false},
		{Fixed, Answer{Op: "op", Class: ok, Value: "2"}, false},
		{Fixed, Answer{Op: "op", Class: "corrupt"}, true},
		{Fixed, Answer{Op: "op", Class: waited}, false},
		{Holder, Answer{Op: "op", Class: waited}, true},
		{Holder, Answer{Op: "op", Class: "owner died"}, true},
		{Word, Answer{Op: "op", Class: ok, Value: "2"}, true},
		{Word, Answer{Op: "op", Class: unknown}, false},
	} {
		require.Equal(t, c.fine, c.rule.allows(want, c.got), "%v: %v", c.rule, c.got)
	}
	require.Empty(t, listen(t, func(t T) { mutual.Run(t, 100) }))
}

// Each field of docs/LAYOUT.md that lies in a segment has a rule, and each rule a field.
func TestRulesAreThoseOfTheDocument(t *testing.T) {
	tables, err := layouttest.Tables()
	require.NoError(t, err)
	documented := map[string]bool{unused: true, nameText: true, userBytes: true, recordHead: true, recordBytes: true,
		usedControl: true, freeControl: true, idle: true, copyBytes: true, copySequence: true, elementBytes: true,
		rowPlace: true, boxBytes: true}
	for name, table := range tables {
		if name == "segment.Ref" || name == "ring.body" || name == "ring.broadcastBody" || name == "ring.foyer" {
			continue // it has no place of its own; its parts stand elsewhere
		}
		if name == "queue.pipeState" || name == "queue.listenerState" || name == "queue.link" {
			continue // no pipe and no listener is in this world: their own tests overwrite what they have
		}
		for _, f := range table {
			full := name + "." + f.Name
			if nested[full] != "" || arrays[full] != "" || f.Name == "_" {
				continue
			}
			documented[full] = true
			require.Contains(t, rules, full)
		}
	}
	for name := range rules {
		require.Contains(t, documented, name)
	}
}

// A plan changes each byte of each field, to five values at the most, and does not depend on what else
// was changed.
func TestPlanReachesEveryByte(t *testing.T) {
	fields := []Field{{Offset: 0, Size: 8, Name: unused}, {Offset: 16, Size: 3, Name: userBytes, Rule: Value}}
	content := make([]byte, 32)
	p := NewPlan(fields, 2, 7)
	require.Equal(t, 11*patterns, p.Singles())
	hit := map[uint64]map[byte]bool{}
	moments := map[int]int{}
	for i := range p.Singles() {
		c, real := p.Change(i, content)
		again, _ := p.Change(i, content)
		require.Equal(t, c, again)
		if !real {
			continue
		}
		moments[c.Moment]++
		s := c.Stores[0]
		if hit[s.Offset] == nil {
			hit[s.Offset] = map[byte]bool{}
		}
		hit[s.Offset][s.New[0]] = true
		require.NotEqual(t, s.Old, s.New)
	}
	require.Len(t, hit, 11)
	for off, values := range hit {
		require.True(t, values[0xff] && values[1], "offset %d", off)
		require.False(t, values[0])
	}
	require.Greater(t, moments[0], 5)
	require.Greater(t, moments[1], 5)
	for i := p.Singles(); i < p.Trials(); i++ {
		c, real := p.Change(i, content)
		require.True(t, real)
		require.Len(t, c.Fields, len(c.Stores))
		for _, s := range c.Stores {
			require.LessOrEqual(t, s.Offset+uint64(len(s.New)), uint64(24))
		}
		c.Apply(content)
		clear(content)
	}
}

func TestTheWorldHasWhatItSays(t *testing.T) {
	dir := t.TempDir()
	w, err := newWorld(context.Background(), dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.close()) }()
	seg, err := shm.Open(name, shm.Dir(dir))
	require.NoError(t, err)
	defer seg.Close()
	require.NoError(t, seg.Check())
	all, err := seg.Engine().Participants()
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.False(t, all[0].Alive, "the builder")
	require.True(t, all[1].Alive, "the keeper")
	content, err := os.ReadFile(filepath.Join(dir, "kindred."+name))
	require.NoError(t, err)
	fields, err := FieldsOf(content, nil)
	require.NoError(t, err)
	count := map[string]int{}
	for _, f := range fields {
		count[f.Name]++
	}
	require.Equal(t, 4, count["segment.participant.state"])
	require.Equal(t, 3*Slots+Slots+1+8*Slots, count["ring.slot.sequence"], "of three rings of values, a broadcast ring, and eight lanes")
	require.Equal(t, 3+2+2+1, count[recordBytes], "one crosses the end")
	require.Equal(t, 33, count[nameText])
}

func TestWhatTheEnvironmentAsksFor(t *testing.T) {
	for value, want := range map[string]orders{
		"":      {Seed: 1, One: -1, Sample: 50},
		"all":   {Seed: 1, One: -1},
		"all/7": {Seed: 7, One: -1},
		"x4":    {Seed: 1, One: -1, Sample: 200},
		"x4/7":  {Seed: 7, One: -1, Sample: 200},
		"7/3":   {Seed: 7, One: 3, Sample: 50},
	} {
		got, err := extentOf(value, 50)
		require.NoError(t, err, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{"x0/1", "x", "xy/1", "7/y", "y", "all/y"} {
		_, err := extentOf(value, 50)
		require.Error(t, err, value)
	}
}
