package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kindred-ipc/kindred/proc"
)

func TestMain(m *testing.M) { proc.TestMain(m) }

func TestEachCallIsAnswered(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	if err := serve(ctx, 2, 50, &out); err != nil {
		t.Fatal(err)
	}
	if want := "2 processes have made 50 calls each\n"; out.String() != want {
		t.Fatalf("%q, not %q", out.String(), want)
	}
}
