package queue_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// visitor gets a page from the listener of its parent.
var visitor = proc.Func("visitor", func(ctx context.Context, page string) error {
	seg := proc.Segments(ctx)[0]
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return queue.Dial(ctx, seg, "web") },
	}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://web/" + page)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && string(text) != "this is "+page {
		err = fmt.Errorf("the page says %q", text)
	}
	return err
})

// A process serves HTTP to another one, through memory that they share.
func ExampleListen() {
	ctx := context.Background()
	seg, err := shm.Anonymous(4 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	l, err := queue.Listen(seg, "web")
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "this is %s", r.URL.Path[1:])
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	child, err := visitor.Start(ctx, "page one", proc.Share(seg))
	if err != nil {
		log.Fatal(err)
	}
	defer child.Close()
	fmt.Println("visited:", child.Wait(ctx))
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-served)
	// Output:
	// visited: <nil>
	// http: Server closed
}
