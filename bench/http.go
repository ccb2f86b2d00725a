package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
)

// httpBody is how many bytes a request has, and its answer.
const httpBody = 1 << 10

// httpRows measure net/http over connections.
func httpRows() []Row {
	const faster = 1 / 1.5 // of the time
	one := Row{
		Name: "conn/http/1", About: "requests to a net/http server over queue.Listen and Dial, by 1 connection",
		N: 20_000, Warm: 2_000, Workers: 1, Goal: faster,
		Place: Free, Payload: "1 KiB to and fro, a word checked at both ends", Concurrency: "1 connection",
		Ours:      measureHTTP(false),
		Reference: Reference{Name: "the same server on a Unix socket", Go: measureHTTP(true)},
	}
	many := one
	many.Name, many.About = "conn/http/16", "the same, by 16 connections at a time"
	many.Workers, many.Concurrency = 16, "16 connections"
	return []Row{one, many}
}

// httpJob is what the client is told.
type httpJob struct {
	Job
	Socket string // path of the server's Unix socket; "": it listens in the segment
}

// measureHTTP has the server measure, from the request behind the warm-up to the last.
func measureHTTP(unixSocket bool) Side {
	return func(ctx context.Context, j Job) (v float64, err error) {
		p, err := newPair(j, 32<<20)
		if err != nil {
			return 0, err
		}
		job := httpJob{Job: j}
		var l net.Listener
		if unixSocket {
			dir, err := os.MkdirTemp("", "kindred-bench-http-*")
			if err != nil {
				return 0, err
			}
			defer os.RemoveAll(dir)
			job.Socket = filepath.Join(dir, "socket")
			if l, err = net.Listen("unix", job.Socket); err != nil {
				return 0, err
			}
		} else if l, err = queue.Listen(p.seg, "http"); err != nil {
			return 0, err
		}
		s := &http.Server{Handler: newEchoHTTP(j)}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		if err := begin(ctx, p, httpClient, job); err != nil {
			return 0, err
		}
		err = p.peer.Wait(ctx)
		err = errors.Join(err, s.Close())
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		e := s.Handler.(*echoHTTP)
		return j.per(time.Duration(e.ended.Load() - e.began.Load())), p.finish(ctx, err)
	}
}

// echoHTTP answers each request with its body, and the complement of its word.
type echoHTTP struct {
	job          Job
	came         atomic.Uint64   // requests
	sent         []atomic.Uint64 // by each connection
	began, ended atomic.Int64    // nanoseconds from start
	start        time.Time
}

func newEchoHTTP(j Job) *echoHTTP {
	return &echoHTTP{job: j, sent: make([]atomic.Uint64, j.Workers), start: time.Now()}
}

func (e *echoHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body [httpBody]byte
	if _, err := io.ReadFull(r.Body, body[:]); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	word, who := binary.LittleEndian.Uint64(body[:]), binary.LittleEndian.Uint64(body[8:])
	expect(word, e.job.Salt+e.sent[who%e.job.Workers].Add(1), "server")
	n := e.came.Add(1)
	if n == e.job.Warm+1 {
		e.began.Store(int64(time.Since(e.start)))
	}
	if n == e.job.Warm+e.job.N {
		defer func() { e.ended.Store(int64(time.Since(e.start))) }()
	}
	binary.LittleEndian.PutUint64(body[:], ^word)
	_, _ = w.Write(body[:]) // what is wrong shows at the client
}

var httpClient = proc.Func("bench/http/client", func(ctx context.Context, j httpJob) error {
	seg, err := attached(ctx)
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if j.Socket != "" {
			return new(net.Dialer).DialContext(ctx, "unix", j.Socket)
		}
		return queue.Dial(ctx, seg, "http")
	}
	var left atomic.Int64
	left.Store(int64(j.Warm + j.N))
	errs := make([]error, j.Workers)
	var all sync.WaitGroup
	for who := range errs {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{DialContext: dial, MaxConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			for k := uint64(1); left.Add(-1) >= 0 && errs[who] == nil; k++ {
				errs[who] = request(ctx, client, uint64(who), j.PeerSalt+k)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
})

// request sends a word, and checks the answer.
func request(ctx context.Context, client *http.Client, who, word uint64) error {
	var body [httpBody]byte
	binary.LittleEndian.PutUint64(body[:], word)
	binary.LittleEndian.PutUint64(body[8:], who)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bench/", bytes.NewReader(body[:]))
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.ReadFull(answer.Body, body[:]); err != nil {
		return fmt.Errorf("%s: %w", answer.Status, err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	expect(binary.LittleEndian.Uint64(body[:]), ^word, "client")
	return nil
}
