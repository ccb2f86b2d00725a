// Plots draws the suite's plots: it reads sketches from its standard input, a JSON array of them, and writes an array of
// SVGs, in the same order.
//
// It is a program of its own because the suite is the child of each of its measurements. The library that draws reads twelve
// fonts when a program starts, 5 ms of the 3 to 14 that a start takes: rows that time a start would have it on both sides.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/kindred-ipc/kindred/bench/internal/sketch"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "plots:", err)
		os.Exit(1)
	}
}

func run() error {
	var sketches []sketch.Plot
	if err := json.NewDecoder(os.Stdin).Decode(&sketches); err != nil {
		return fmt.Errorf("read sketches: %w", err)
	}
	drawn := make([]string, len(sketches))
	for i, s := range sketches {
		var err error
		if drawn[i], err = drawing(s); err != nil {
			return fmt.Errorf("%s: %w", s.Title, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(drawn)
}
