package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kindred-ipc/kindred/internal/crashlab"
)

// saved is what -json has written to a file, of one run or of several, one behind the other: of what was tried twice, what
// was tried last.
type saved struct {
	results  map[string]crashlab.Result
	outcomes map[string]crashlab.Outcome
}

func load(path string) (saved, error) {
	s := saved{map[string]crashlab.Result{}, map[string]crashlab.Outcome{}}
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	lines := json.NewDecoder(f)
	for n := 1; ; n++ {
		var object json.RawMessage
		err := lines.Decode(&object)
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err == nil {
			err = s.add(object)
		}
		if err != nil {
			return s, fmt.Errorf("%s: object %d: %w", path, n, err)
		}
	}
}

// add takes the object of a case or of a scenario, and leaves a sum alone.
func (s saved) add(object []byte) error {
	var r crashlab.Result
	var o crashlab.Outcome
	if err := errors.Join(json.Unmarshal(object, &r), json.Unmarshal(object, &o)); err != nil {
		return err
	}
	switch {
	case r.Operation != "":
		s.results[r.Operation] = r
	case o.Scenario != "":
		s.outcomes[o.Scenario] = o
	}
	return nil
}

// pick returns what there is of the cases and scenarios, in their order, and says which are missing.
func (s saved) pick(cases []crashlab.Case, scenarios []crashlab.Scenario, errs io.Writer) (results []crashlab.Result, outcomes []crashlab.Outcome) {
	for _, c := range cases {
		if r, ok := s.results[c.Name]; ok {
			results = append(results, r)
		} else {
			fmt.Fprintln(errs, "not tried:", c.Name)
		}
	}
	for _, c := range scenarios {
		if o, ok := s.outcomes[c.Case.Name]; ok {
			outcomes = append(outcomes, o)
		} else {
			fmt.Fprintln(errs, "not tried:", c.Case.Name)
		}
	}
	return results, outcomes
}
