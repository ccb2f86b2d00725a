package crashcases

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// directory is the variable that tells workers where the files of their trial are: what they begin with.
const directory = "KINDRED_CRASHCASES"

// victimEnv is what the lab gives its own victims, so that the count of their steps repeats.
var victimEnv = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1"}

// surroundings are options for workers of the trial.
func surroundings(a *crashlab.Actor) pool.Option {
	return pool.Process(proc.Env(append(victimEnv, directory+"="+a.Scratch(""))...))
}

// What a worker knows.
var (
	stepped bool     // it is the lab's victim: its tasks come to marks
	diary   *os.File // of what was begun
)

// ids are those of a process and its thread.
type ids struct{ Pid, Thread int }

// introduce ties tasks, requests and replies, which one goroutine sees to, to one thread for good. After
// it the worker is for the lab.
var introduce = pool.Task("crashcases/introduce", func(context.Context, bool) (ids, error) {
	runtime.LockOSThread()
	stepped = true
	return ids{os.Getpid(), crashlab.Thread()}, note("introduced")
})

// job is a number, and what makes its message long.
type job struct {
	N    int
	Load []byte
}

// echo returns its input, and notes down that it was begun.
var echo = pool.Task("crashcases/echo", func(_ context.Context, j job) (job, error) { return j, begin(j.N) })

// number is echo for plain memory, of which a Map makes rows.
var number = pool.Task("crashcases/number", func(_ context.Context, n int) (int, error) { return n, begin(n) })

func begin(n int) error {
	if err := note(fmt.Sprint(n)); err != nil {
		return err
	}
	if stepped {
		crashlab.Mark()
	}
	return nil
}

// ask has echo done by another worker of the pool.
var ask = pool.Task("crashcases/ask", func(ctx context.Context, j job) (job, error) {
	if stepped {
		crashlab.Mark()
		defer crashlab.Mark()
	}
	return echo.Call(ctx, pool.Current(ctx), j)
})

// hold goes on until somebody has opened the gate. It does not look at its context.
var hold = pool.Task("crashcases/hold", func(_ context.Context, n int) (int, error) {
	for {
		if _, err := os.Stat(os.Getenv(directory) + gate); err == nil {
			return n, nil
		}
		time.Sleep(time.Millisecond)
	}
})

// heed notes down that it was begun, and as call 1 it goes on until its caller gives it up.
var heed = pool.Task("crashcases/heed", func(ctx context.Context, n int) (int, error) {
	if err := begin(n); err != nil || n != 1 {
		return n, err
	}
	<-ctx.Done()
	return n, ctx.Err()
})

// Names of scratch files.
const (
	diaryFile = "diary"
	gate      = "gate"
	quit      = "quit" // the victim gives its call up
)

func openGate(a *crashlab.Actor) error { return os.WriteFile(a.Scratch(gate), nil, 0o600) }

func askToQuit(a *crashlab.Actor) error { return os.WriteFile(a.Scratch(quit), nil, 0o600) }

// note writes a line, with one system call, which either happened or did not.
func note(word string) (err error) {
	if diary == nil {
		path := filepath.Clean(os.Getenv(directory) + diaryFile)
		if diary, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	_, err = diary.WriteString(word + "\n")
	return err
}

// noted counts how often a word was noted.
func noted(a *crashlab.Actor, word string) (n int, err error) {
	text, err := os.ReadFile(a.Scratch(diaryFile))
	if err != nil && !os.IsNotExist(err) {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if line == word+"\n" {
			n++
		}
	}
	return n, nil
}
