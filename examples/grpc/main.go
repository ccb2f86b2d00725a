// Grpc serves gRPC to other processes without a socket: google.golang.org/grpc works over connections through memory that the
// processes share, as it is.
//
//	go run ./examples/grpc
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/shm"
)

// address is where the server listens, in the segment.
const address = "speaker"

// loud answers texts in capitals.
type loud struct{}

func (loud) Shout(_ context.Context, t *Text) (*Text, error) {
	return &Text{Text: strings.ToUpper(t.Text)}, nil
}

func (loud) Spell(t *Text, send func(*Text) error) error {
	for _, letter := range t.Text {
		if err := send(&Text{Text: string(letter)}); err != nil {
			return err
		}
	}
	return nil
}

// dial is a client whose connection lies in seg.
func dial(seg *shm.Segment) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // nobody gets at it but who has the segment
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(asJSON{})),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return queue.Dial(ctx, seg, address)
		}))
}

// caller makes n calls, and one whose answer is a stream, and looks at the answers. It runs in a process of its own.
var caller = proc.Func("caller", func(ctx context.Context, n int) error {
	conn, err := dial(proc.Segments(ctx)[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	speaker := speakerClient{conn}
	for i := range n {
		text := fmt.Sprintf("text %d of process %d", i, os.Getpid())
		got, err := speaker.Shout(ctx, &Text{Text: text})
		if err != nil {
			return err
		}
		if got.Text != strings.ToUpper(text) {
			return fmt.Errorf("%q was answered by %q", text, got.Text)
		}
	}
	letters := ""
	for t, err := range speaker.Spell(ctx, &Text{Text: "word"}) {
		if err != nil {
			return err
		}
		letters += t.Text + "."
	}
	if letters != "w.o.r.d." {
		return fmt.Errorf("a word was spelt %q", letters)
	}
	return nil
})

// serve has so many processes make that many calls each, and writes down what they have done.
func serve(ctx context.Context, processes, calls int, out io.Writer) error {
	seg, err := shm.Anonymous(16 << 20) // nobody gets in but the callers
	if err != nil {
		return err
	}
	defer seg.Close()
	l, err := queue.Listen(seg, address)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(asJSON{}))
	server.RegisterService(&speakerService, loud{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err = call(ctx, seg, processes, calls)
	server.Stop()
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d processes have made %d calls each\n", processes, calls)
	return err
}

// call starts the callers, and waits for them.
func call(ctx context.Context, seg *shm.Segment, processes, calls int) error {
	var callers []*proc.Process
	for range processes {
		c, err := caller.Start(ctx, calls, proc.Share(seg), proc.Stderr(os.Stderr))
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
	if err := serve(context.Background(), 3, 1000, os.Stdout); err != nil {
		log.Fatal(err)
	}
}
