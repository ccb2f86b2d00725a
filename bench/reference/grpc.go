//go:build reference

// Calls by gRPC over a Unix socket, as hashicorp's go-plugin makes them: the server is a child process, which says where it
// listens; the parent dials. A call has 64 bytes there, of which the first word is complemented, and back. They go as they are:
// what a message's own encoding costs is not in it. It is built with the versions of the modules of this repository.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
)

// asIs is how messages are encoded: not at all. Each is a *[]byte.
type asIs struct{}

func (asIs) Name() string { return "bytes" }

func (asIs) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (asIs) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

const method = "/bench.Complement/Of"

// service is what protoc would make of it.
var service = grpc.ServiceDesc{
	ServiceName: "bench.Complement",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Of", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var b []byte
		if err := decode(&b); err != nil {
			return nil, err
		}
		if len(b) != 64 {
			return nil, fmt.Errorf("%d bytes, not 64", len(b))
		}
		binary.LittleEndian.PutUint64(b, ^binary.LittleEndian.Uint64(b))
		return &b, nil
	}}},
}

// serve is the child. It ends with the parent, whose end its standard input tells.
func serve() error {
	l, err := net.Listen("unix", fmt.Sprintf("@kindred-bench-%d", os.Getpid())) // of the abstract ones: no file is left
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(asIs{}))
	s.RegisterService(&service, nil)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Stop()
	}()
	fmt.Println(l.Addr())
	return s.Serve(l)
}

// start starts the child, and returns a connection to it and what ends both.
func start() (*grpc.ClientConn, func() error, error) {
	cmd := exec.Command(os.Args[0], "serve")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, err
	}
	name := strings.TrimPrefix(strings.TrimSpace(address), "@")
	c, err := grpc.NewClient("unix-abstract:"+name, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(asIs{})))
	return c, func() error {
		if err := c.Close(); err != nil {
			return err
		}
		if err := in.Close(); err != nil {
			return err
		}
		return cmd.Wait()
	}, err
}

// job reads the numbers of the job that the command line has.
func job(args []string) (map[string]uint64, error) {
	j := map[string]uint64{"n": 1000}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "kind":
		case "n", "warm", "capacity", "steps", "workers", "salt", "peersalt", "a", "b":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return nil, err
			}
			j[key] = n
		default:
			return nil, fmt.Errorf("an argument is not of the form key=value, or unknown: %s", arg)
		}
	}
	return j, nil
}

func call(j map[string]uint64) error {
	c, end, err := start()
	if err != nil {
		return err
	}
	ctx := context.Background()
	b, answer := make([]byte, 64), []byte(nil)
	begin := time.Now()
	for i := range j["warm"] + j["n"] {
		if i == j["warm"] {
			begin = time.Now()
		}
		binary.LittleEndian.PutUint64(b, j["salt"]+i)
		if err := c.Invoke(ctx, method, &b, &answer); err != nil {
			return err
		}
		if got, want := binary.LittleEndian.Uint64(answer), ^(j["peersalt"] + i); got != want || len(answer) != len(b) {
			return fmt.Errorf("wrong payload at the caller: got %d, want %d", got, want)
		}
	}
	elapsed := time.Since(begin)
	if err := end(); err != nil {
		return err
	}
	fmt.Println(float64(elapsed) / float64(j["n"]))
	return resident()
}

// resident prints the most memory that this process has had at once, in bytes.
func resident() error {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, after, _ := strings.Cut(string(b), "\nVmHWM:")
	kib := 0
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return err
	}
	fmt.Println("resident", kib<<10)
	return nil
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM) // the parent decides
		return serve()
	}
	j, err := job(os.Args[1:])
	if err == nil {
		err = call(j)
	}
	return err
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
