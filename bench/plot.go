package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/kindred-ipc/kindred/bench/internal/sketch"
)

// plotter is the program that draws, which the go command builds and runs, as it does with what references there are in Go.
const plotter = "github.com/kindred-ipc/kindred/bench/plots"

// drawnBy returns the SVG of each sketch.
func drawnBy(sketches []sketch.Plot) ([]string, error) {
	if len(sketches) == 0 {
		return nil, nil
	}
	in, err := json.Marshal(sketches)
	if err != nil {
		return nil, fmt.Errorf("draw plots: %w", err)
	}
	var out, stderr bytes.Buffer
	cmd := exec.Command("go", "run", plotter)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("draw plots: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var drawn []string
	if err := json.Unmarshal(out.Bytes(), &drawn); err != nil {
		return nil, fmt.Errorf("draw plots: %w", err)
	}
	if len(drawn) != len(sketches) {
		return nil, errors.New("draw plots: not one for each sketch")
	}
	return drawn, nil
}
