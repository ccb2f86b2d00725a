// Managed serves an object of this process to worker processes, which call its methods: what Python calls a custom
// manager. The object is any Go value; net/rpc calls it, over connections through memory that the processes share. (What need
// not have methods is better off in that memory itself: package state has values that cost no round trip.)
//
//	go run ./examples/managed
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/rpc"
	"os"
	"slices"
	"sync"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// Bank is the object. Several processes call it at a time, each on a goroutine of its own, so it has a lock.
type Bank struct {
	mu       sync.Mutex
	balances map[string]int
}

// Transfer is what a call is told.
type Transfer struct {
	From, To string
	Amount   int
}

// address is where the bank listens, in the segment.
const address = "bank"

var errFunds = errors.New("insufficient funds")

// Move moves money, if it is there, and replies what is left.
func (b *Bank) Move(t Transfer, left *int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.balances[t.From] < t.Amount {
		return errFunds
	}
	b.balances[t.From] -= t.Amount
	b.balances[t.To] += t.Amount
	*left = b.balances[t.From]
	return nil
}

// teller moves money, one by one, until there is none. It runs in a process of its own.
var teller = proc.Func("teller", func(ctx context.Context, name string) error {
	conn, err := queue.Dial(ctx, proc.Segments(ctx)[0], address)
	if err != nil {
		return err
	}
	bank := rpc.NewClient(conn)
	defer bank.Close()
	for {
		var left int
		err := bank.Call("Bank.Move", Transfer{From: "vault", To: name, Amount: 1}, &left)
		if err != nil && err.Error() == errFunds.Error() { // errors travel as their text
			return nil
		}
		if err != nil {
			return err
		}
	}
})

// serve answers calls to object's exported methods until the listener is closed, and then waits for those who are
// still connected.
func serve(l net.Listener, object any) error {
	server := rpc.NewServer()
	if err := server.Register(object); err != nil {
		return err
	}
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		connections.Go(func() { server.ServeConn(c) })
	}
}

// share has n processes share out what is in the vault, and returns who has what.
func share(ctx context.Context, vault, n int) (map[string]int, error) {
	seg, err := shm.Anonymous(16 << 20) // nobody gets in but the tellers
	if err != nil {
		return nil, err
	}
	defer seg.Close()
	l, err := queue.Listen(seg, address)
	if err != nil {
		return nil, err
	}
	bank := &Bank{balances: map[string]int{"vault": vault}}
	served := make(chan error, 1)
	go func() { served <- serve(l, bank) }()
	err = work(ctx, seg, n)
	return bank.balances, errors.Join(err, l.Close(), <-served)
}

// work starts n tellers, and waits for them.
func work(ctx context.Context, seg *shm.Segment, n int) error {
	var tellers []*proc.Process
	for i := range n {
		t, err := teller.Start(ctx, fmt.Sprintf("teller %d", i), proc.Share(seg), proc.Stderr(os.Stderr))
		if err != nil {
			return err
		}
		defer t.Close() // kills, if it is not through
		tellers = append(tellers, t)
	}
	for _, t := range tellers {
		if err := t.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	proc.Main() // tellers are this program, started again: they end here
	balances, err := share(context.Background(), 10_000, 3)
	if err != nil {
		log.Fatal(err)
	}
	var names []string
	for name := range balances {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Println(name, balances[name])
	}
}
