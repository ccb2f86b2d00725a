package main

import (
	"context"
	"testing"
	"time"

	"github.com/kindred-ipc/kindred/proc"
)

func TestMain(m *testing.M) { proc.TestMain(m) }

func TestEachRequestIsAnswered(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := serve(ctx, 2, 50); err != nil {
		t.Fatal(err)
	}
}
