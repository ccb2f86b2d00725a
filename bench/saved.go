package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// A saved run is a file of one JSON object a line, one for each result.

// save writes results to a file.
func save(path string, all []conditioned) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for _, c := range all {
		if err := e.Encode(c); err != nil {
			return err
		}
	}
	return w.Flush()
}

// saved reads what save has written.
func saved(path string) ([]conditioned, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []conditioned
	for d := json.NewDecoder(f); ; {
		var c conditioned
		err := d.Decode(&c)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: result %d: %w", path, len(all)+1, err)
		}
		all = append(all, c)
	}
}
