package linear

import (
	"math"
	"os"
	"regexp"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

const (
	get Kind = iota + 1
	set
)

// register holds a word that is set and got.
var register = Model[uint64]{
	Kinds: []string{"", "get", "set"},
	Step: func(s uint64, op Op) []uint64 {
		switch {
		case op.Kind == set:
			return []uint64{op.Args[0]}
		case op.Fate != Returned || op.Outs[0] == s:
			return []uint64{s}
		}
		return nil
	},
}

func (op Op) by(process int) Op {
	op.Client, op.Process = process, process
	return op
}

func sets(v uint64, call, back int64) Op {
	return Op{Kind: set, Args: [2]uint64{v}, Call: call, Return: back}
}

func gets(v uint64, call, back int64) Op {
	return Op{Kind: get, Outs: [2]uint64{v}, Call: call, Return: back}
}

func (op Op) cut() Op {
	op.Fate = CutOff
	return op
}

func death(call, back int64) Op { return Op{Kind: Death, Call: call, Return: back, Killed: true} }

func TestHistoriesThatAnOrderExplainsAndOthers(t *testing.T) {
	for name, c := range map[string]struct {
		h    History
		want porcupine.CheckResult
	}{
		"one after the other": {History{sets(1, 10, 20), gets(1, 30, 40).by(1)}, porcupine.Ok},
		"what is old":         {History{sets(1, 10, 20), gets(0, 30, 40).by(1)}, porcupine.Illegal},
		"at the same time":    {History{sets(1, 10, 20), gets(0, 15, 40).by(1)}, porcupine.Ok},
		"there and back": {History{sets(1, 10, 50), gets(1, 15, 20).by(1), gets(0, 30, 40).by(1)},
			porcupine.Illegal},
		"cut off, and happened": {History{sets(1, 10, 50).cut(), death(20, 50), gets(1, 60, 70).by(1)},
			porcupine.Ok},
		"cut off, and did not": {History{sets(1, 10, 50).cut(), death(20, 50), gets(0, 60, 70).by(1)},
			porcupine.Ok},
		"cut off, seen, and then gone": {History{sets(1, 10, 50).cut(), death(20, 50),
			gets(1, 25, 30).by(1), gets(0, 60, 70).by(1)}, porcupine.Illegal},
		"cut off, and happened after the death": {History{sets(1, 10, 50).cut(), death(20, 50),
			gets(0, 60, 70).by(1), gets(1, 80, 90).by(1)}, porcupine.Illegal},
		"cut off, and happened between kill and death": {History{sets(1, 10, 50).cut(), death(20, 50),
			gets(0, 30, 35).by(1), gets(1, 40, 45).by(1)}, porcupine.Ok},
		"what a process did before is not undone by its death": {History{sets(1, 10, 20), death(30, 50),
			gets(0, 60, 70).by(1)}, porcupine.Illegal},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, register.check(c.h))
		})
	}
}

func TestADeathComesBehindAllElseOfItsProcess(t *testing.T) {
	m := register
	m.Die = func(uint64, int) uint64 { return 99 }
	kill := death(15, 50)
	require.Equal(t, porcupine.Ok, m.check(History{sets(1, 10, 40), kill, gets(99, 60, 70).by(1)}))
	require.Equal(t, porcupine.Illegal, m.check(History{sets(1, 10, 40), kill, gets(1, 60, 70).by(1)}))
	// Seen dead by one, it is dead to all.
	require.Equal(t, porcupine.Illegal,
		m.check(History{kill, gets(99, 20, 25).by(1), gets(0, 30, 35).by(1)}))
}

func TestWhatBecameOfAnOperationIsToldByOthers(t *testing.T) {
	h := History{sets(1, 10, 50).cut(), death(20, 50), gets(1, 60, 70).by(1)}
	require.Equal(t, porcupine.Ok, register.supposed(h, 0, Happened))
	require.Equal(t, porcupine.Illegal, register.supposed(h, 0, Vanished))
	h[2].Outs[0] = 0
	require.Equal(t, porcupine.Illegal, register.supposed(h, 0, Happened))
	require.Equal(t, porcupine.Ok, register.supposed(h, 0, Vanished))
	require.Equal(t, CutOff, h[0].Fate, "the history is as it was")
}

func TestAReportEndsWithWhatCannotBe(t *testing.T) {
	h := merge(
		History{sets(1, 10, 20), sets(2, 110, 120), sets(3, 210, 220), sets(4, 310, 320), sets(5, 205, 1000).by(2).cut()},
		History{gets(1, 30, 40).by(1), gets(2, 130, 140).by(1), gets(2, 230, 240).by(1), gets(4, 330, 340).by(1)},
	)
	require.Equal(t, porcupine.Illegal, register.check(h))
	part := register.shortest(h)
	require.Len(t, part, 7)
	report := register.report(h)
	require.Contains(t, report, "the last to return was\n  220ns to 230ns ")
	require.Contains(t, report, "process 1 client  1: get(0x0, 0x0) -> ok, 0x2, 0x0\n")
	require.NotContains(t, report, "get(0x0, 0x0) -> ok, 0x4")
	require.Contains(t, report, "195ns to ...")
	require.Contains(t, report, "set(0x5, 0x0), cut off")
	path := regexp.MustCompile(`drawn in (\S+)`).FindStringSubmatch(report)
	require.NotNil(t, path)
	page, err := os.ReadFile(path[1])
	require.NoError(t, err)
	require.NoError(t, os.Remove(path[1]))
	require.Contains(t, string(page), "set(0x5, 0x0), cut off")
}

func TestOverlapsOfOthersThatReturned(t *testing.T) {
	require.Zero(t, History{gets(0, 10, 20), gets(0, 20, 30).by(1)}.overlapping(), "one behind the other")
	require.Equal(t, 2, History{gets(0, 10, 20), gets(0, 15, 30).by(1)}.overlapping())
	require.Equal(t, 3, History{gets(0, 10, 90), gets(0, 15, 30).by(1), gets(0, 40, 50).by(1)}.overlapping())
	same := gets(0, 15, 30)
	same.Client = 1
	require.Zero(t, History{gets(0, 10, 20), same}.overlapping(), "within one process")
	require.Zero(t, History{sets(1, 10, 90).cut(), death(20, 90), gets(0, 15, 30).by(1)}.overlapping(), "what was cut off")
}

func TestAHistoryAsSeenAtATime(t *testing.T) {
	h := History{sets(1, 10, 20), death(25, 50), gets(1, 30, 40).by(1), gets(1, 60, 70).by(1)}
	part := h.until(40)
	require.Len(t, part, 3)
	require.Equal(t, Returned, part[0].Fate)
	require.Equal(t, CutOff, part[1].Fate, "the death is under way")
	require.Equal(t, int64(math.MaxInt64), part[1].Return)
	require.Equal(t, Returned, part[2].Fate)
	require.Equal(t, Returned, h[1].Fate, "the history is as it was")
}
