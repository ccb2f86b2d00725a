package main

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

func TestMain(m *testing.M) { proc.TestMain(m) }

func TestMoneyIsMovedAndNoneIsLost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const vault = 500
	balances, err := share(ctx, vault, 3)
	if err != nil {
		t.Fatal(err)
	}
	if sum(balances) != vault || balances["vault"] != 0 {
		t.Errorf("balances are %v, and not %d in all", balances, vault)
	}
}

func TestATellerWhoDiesTakesNobodyWithIt(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seg, err := shm.Anonymous(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	l, err := queue.Listen(seg, address)
	if err != nil {
		t.Fatal(err)
	}
	const vault = 1 << 30
	bank := &Bank{balances: map[string]int{"vault": vault}}
	served := make(chan error, 1)
	go func() { served <- serve(l, bank) }()

	victim, err := teller.Start(ctx, "victim", proc.Share(seg))
	if err != nil {
		t.Fatal(err)
	}
	moved := func() bool {
		bank.mu.Lock()
		defer bank.mu.Unlock()
		return bank.balances["victim"] > 0
	}
	for !moved() {
		if ctx.Err() != nil {
			t.Fatal("the victim does nothing")
		}
		runtime.Gosched()
	}
	victim.Close() // kills

	bank.mu.Lock()
	bank.balances["safe"] = bank.balances["vault"] - 100
	bank.balances["vault"] = 100
	bank.mu.Unlock()
	if err := work(ctx, seg, 2); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if n := sum(bank.balances); n != vault || bank.balances["vault"] != 0 {
		t.Errorf("balances are %v, and not %d in all", bank.balances, vault)
	}
}

func sum(balances map[string]int) (n int) {
	for _, b := range balances {
		n += b
	}
	return n
}
