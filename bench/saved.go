package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// A session is what was measured at one go, and on what. Saved, it is a file of one JSON object a line: the machine,
// then each result.
type session struct {
	machine Machine
	results []conditioned
}

// header is a saved session's first line.
type header struct{ Machine *Machine }

// save writes the session to a file.
func (s session) save(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	if err := e.Encode(header{&s.machine}); err != nil {
		return err
	}
	for _, c := range s.results {
		if err := e.Encode(c); err != nil {
			return err
		}
	}
	return w.Flush()
}

// saved reads what save has written. Sessions of one machine may stand one behind the other.
func saved(path string) (session, error) {
	f, err := os.Open(path)
	if err != nil {
		return session{}, err
	}
	defer f.Close()
	var s session
	for d := json.NewDecoder(f); ; {
		var l struct {
			header
			conditioned
		}
		err := d.Decode(&l)
		switch {
		case errors.Is(err, io.EOF) && s.machine != (Machine{}):
			return s, nil
		case err != nil:
			return session{}, fmt.Errorf("%s: result %d: %w", path, len(s.results)+1, err)
		case l.Machine == nil && s.machine == (Machine{}):
			return session{}, fmt.Errorf("%s: no saved run: it does not begin with a machine", path)
		case l.Machine == nil:
			s.results = append(s.results, l.conditioned)
		case s.machine == (Machine{}):
			s.machine = *l.Machine
		case !s.machine.is(*l.Machine):
			return session{}, fmt.Errorf("%s: result %d is of another machine", path, len(s.results)+1)
		}
	}
}

// only are the results that keep says, and the same machine.
func (s session) only(keep func(name string) bool) session {
	out := session{machine: s.machine}
	for _, c := range s.results {
		if keep(c.Name) {
			out.results = append(out.results, c)
		}
	}
	return out
}
