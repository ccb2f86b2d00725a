package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// letter is a message with an open file.
type letter struct {
	To   string
	Text *shm.File
}

// writer opens a pipe of the system, sends the end that is read, and writes into the other.
var writer = proc.Func("writer", func(ctx context.Context, letters *queue.Queue[letter]) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	if err := letters.Put(ctx, letter{"the parent", shm.NewFile(r)}); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "I am gone when you read this")
	return err
})

// A process sends an open file, which another one reads when the first is gone.
func Example_files() {
	ctx := context.Background()
	seg, err := shm.Anonymous(1 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	letters, err := queue.New[letter](seg, 16)
	if err != nil {
		log.Fatal(err)
	}
	child, err := writer.Start(ctx, letters, proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	if err := child.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	l, err := letters.Get(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Text.Close()
	lines := bufio.NewScanner(l.Text)
	for lines.Scan() {
		fmt.Printf("to %s: %s\n", l.To, lines.Text())
	}
	// Output: to the parent: I am gone when you read this
}
