// Lines counts the lines of the files it is given, each in a worker process. It is the program of the
// README.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"slices"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

var lines = pool.Task("lines", func(_ context.Context, path string) (int, error) {
	text, err := os.ReadFile(path)
	return bytes.Count(text, []byte("\n")), err
})

func main() {
	proc.Main() // workers are this program, started again: they end here
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Retry(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Shutdown(ctx)
	for n, err := range lines.Map(ctx, p, slices.Values(os.Args[1:])) {
		fmt.Println(n, err)
	}
}
