package state_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// tally counts letters.
var tally = proc.Func("tally", func(ctx context.Context, in struct {
	Text   string
	Counts shm.Ref
}) error {
	seg, err := proc.Segment(ctx, in.Counts)
	if err != nil {
		return err
	}
	counts, err := state.ArrayFrom[int](seg, in.Counts)
	if err != nil {
		return err
	}
	for _, b := range []byte(in.Text) {
		if b < 'a' || b > 'z' {
			continue
		}
		if _, err := state.AddAt(counts, int(b-'a'), 1); err != nil {
			return err
		}
	}
	return nil
})

// Two processes count letters in one Array. (The program's main, or TestMain as here, has called proc.Main.)
func Example() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	counts, err := state.NewArray[int](seg, 26)
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"shared memory", "remembers"} {
		child, err := tally.Start(ctx, struct {
			Text   string
			Counts shm.Ref
		}{text, counts.Ref()}, proc.Share(seg))
		if err != nil {
			log.Fatal(err)
		}
		defer child.Close()
		if err := child.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for i, n := range counts.All() {
		if n > 2 {
			fmt.Printf("%c %d\n", 'a'+i, n)
		}
	}
	// Output:
	// e 5
	// m 4
	// r 4
}

// A value that is larger than a word changes as a whole: who loads it sees both ends move, or neither.
func ExampleValue_Update() {
	type span struct{ From, To int }
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	window, err := state.NewValue(seg, span{0, 10})
	if err != nil {
		log.Fatal(err)
	}
	err = window.Update(context.Background(), func(s *span) error {
		s.From += 5
		s.To += 5
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(window.Load())
	// Output: {5 15} <nil>
}

// taker takes jobs from a List until there are none.
var taker = proc.Func("taker", func(ctx context.Context, in struct{ Jobs, Done shm.Ref }) error {
	seg, err := proc.Segment(ctx, in.Jobs)
	if err != nil {
		return err
	}
	jobs, err := state.ListFrom[int](seg, in.Jobs)
	if err != nil {
		return err
	}
	done, err := state.ListFrom[int](seg, in.Done)
	if err != nil {
		return err
	}
	for {
		n, err := jobs.PopFront()
		if errors.Is(err, state.ErrEmpty) {
			return nil
		}
		if err == nil {
			err = done.Append(n * n)
		}
		if err != nil {
			return err
		}
	}
})

// Two processes share out what is in a List, and put what they make of it into another one.
func ExampleList() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 16)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	jobs, err := state.NewList[int](seg)
	if err != nil {
		log.Fatal(err)
	}
	done, err := state.NewList[int](seg)
	if err != nil {
		log.Fatal(err)
	}
	if err := jobs.Append(4, 2, 5, 1, 3); err != nil {
		log.Fatal(err)
	}
	var children []*proc.Process
	for range 2 {
		child, err := taker.Start(ctx, struct{ Jobs, Done shm.Ref }{jobs.Ref(), done.Ref()}, proc.Share(seg))
		if err != nil {
			log.Fatal(err)
		}
		defer child.Close()
		children = append(children, child)
	}
	for _, child := range children {
		if err := child.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	if err := done.Sort(cmp.Compare[int]); err != nil {
		log.Fatal(err)
	}
	fmt.Println(done.Snapshot())
	// Output: [1 4 9 16 25] <nil>
}

// Visits are counted by user; whoever meets one first makes its counter.
func ExampleMap() {
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	visits, err := state.NewMap[uint32, int](seg, shm.Named("visits"))
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range []uint32{7, 11, 7, 7} {
		if _, err := state.AddTo(visits, user, 1); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(visits.Get(7))
	fmt.Println(visits.CompareAndDelete(11, 1))
	fmt.Println(visits.Len())
	// Output:
	// 3 true <nil>
	// true <nil>
	// 1 <nil>
}

// What a user has said last is found by the name; all processes see it.
func ExampleMap_boxes() {
	type post struct {
		Text string
		Tags []string
	}
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	last, err := state.NewMap[string, post](seg, shm.Named("last"))
	if err != nil {
		log.Fatal(err)
	}
	if err := last.Set("ada", post{Text: "the engine weaves", Tags: []string{"loom"}}); err != nil {
		log.Fatal(err)
	}
	if err := last.Update("ada", func(p *post, found bool) error {
		p.Tags = append(p.Tags, "algebra")
		return nil
	}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(last.Get("ada"))
	fmt.Println(last.Delete("ada"))
	// Output:
	// {the engine weaves [loom algebra]} true <nil>
	// true <nil>
}
