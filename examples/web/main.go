// Web serves HTTP to other processes without a socket: net/http works over connections through memory that the processes
// share, as it is.
//
//	go run ./examples/web
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// address is where the server listens, in the segment.
const address = "web"

// shout answers a text in capitals.
func shout(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, strings.ToUpper(string(text)))
}

// clientIn is an HTTP client whose connections lie in seg, whatever the host of a URL.
func clientIn(seg *shm.Segment) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return queue.Dial(ctx, seg, address) },
	}}
}

// caller posts n texts, and looks at the answers. It runs in a process of its own.
var caller = proc.Func("caller", func(ctx context.Context, n int) error {
	client := clientIn(proc.Segments(ctx)[0])
	defer client.CloseIdleConnections()
	for i := range n {
		text := fmt.Sprintf("text %d of process %d", i, os.Getpid())
		answer, err := client.Post("http://server/shout", "text/plain", strings.NewReader(text))
		if err != nil {
			return err
		}
		got, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		if string(got) != strings.ToUpper(text) {
			return fmt.Errorf("%q was answered by %q", text, got)
		}
	}
	return nil
})

// serve has so many processes make that many requests each.
func serve(ctx context.Context, processes, requests int) error {
	seg, err := shm.Anonymous(16 << 20) // nobody gets in but the callers
	if err != nil {
		return err
	}
	defer seg.Close()
	l, err := queue.Listen(seg, address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(shout)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err = call(ctx, seg, processes, requests)
	err = errors.Join(err, server.Shutdown(ctx))
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// call starts the callers, and waits for them.
func call(ctx context.Context, seg *shm.Segment, processes, requests int) error {
	var callers []*proc.Process
	for range processes {
		c, err := caller.Start(ctx, requests, proc.Share(seg), proc.Stderr(os.Stderr))
		if err != nil {
			return err
		}
		defer c.Close() // kills, if it is not through
		callers = append(callers, c)
	}
	for _, c := range callers {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	proc.Main() // callers are this program, started again: they end here
	if err := serve(context.Background(), 3, 1000); err != nil {
		log.Fatal(err)
	}
	fmt.Println("3 processes have made 1000 requests each")
}
