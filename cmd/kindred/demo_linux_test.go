package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kindred is the binary under test: go run would turn every exit status into 1.
var kindred string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kindred-test-")
	if err != nil {
		log.Fatal(err)
	}
	// As /proc names it; and another user must be able to run it.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		log.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		log.Fatal(err)
	}
	kindred = filepath.Join(dir, "kindred")
	build := exec.Command("go", "build", "-o", kindred, ".")
	build.Stderr = os.Stderr
	status := 1
	if err := build.Run(); err == nil {
		status = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// program is one run of the binary.
type program struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// prepare makes a run that is killed after a minute: nothing may hang.
func prepare(t *testing.T, args ...string) *program {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	p := &program{Cmd: exec.CommandContext(ctx, kindred, args...)}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

// finish waits for the end, sees that no child is left, and returns the exit status.
func (p *program) finish(t *testing.T) int {
	t.Helper()
	_ = p.Wait()
	requireNoChildLeft(t)
	return p.ProcessState.ExitCode()
}

func (p *program) run(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.Start())
	return p.finish(t)
}

// running are the processes that run the binary under test, whoever started them and whoever their parent is now.
func running() []int {
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == kindred {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

func requireNoChildLeft(t *testing.T) {
	t.Helper()
	require.Empty(t, running(), "processes of the demo are left when it has ended")
}

const source = "package p\n\nfunc f(a, b int) int { return a + b }\n"

// writeTree makes a tree of n files, the last of which does not parse.
func writeTree(t *testing.T, n int) string {
	dir := t.TempDir()
	for i := range n - 1 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%04d.go", i)), []byte(source), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unparsed.go"), []byte("package p\nfunc {\n"), 0o644))
	return dir
}

// report is the part of the demo's JSON that the tests look at.
type report struct {
	Workers, Files, Unparsed, Lines, Functions int
	Agree                                      bool
	Restarts                                   int `json:"worker_restarts"`
	Top                                        []struct {
		Name  string
		Count int
	} `json:"top_identifiers"`
	Kills []struct {
		Pid, Attempt int
		Task, Cause  string
		Replacement  int `json:"replacement_pid"`
		DoneBy       int `json:"done_by_pid"`
	}
}

func decode(t *testing.T, p *program) report {
	var r report
	decoder := json.NewDecoder(&p.stdout)
	require.NoError(t, decoder.Decode(&r), p.stderr.String())
	require.False(t, decoder.More(), "one object")
	return r
}

func TestDemoIsCompleteThoughAWorkerIsKilled(t *testing.T) {
	dir := writeTree(t, 300)
	p := prepare(t, "demo", "-dir", dir, "-workers", "3", "-json")
	require.Zero(t, p.run(t), p.stderr.String())
	r := decode(t, p)
	require.Equal(t, 3, r.Workers)
	require.Equal(t, 300, r.Files)
	require.Equal(t, 1, r.Unparsed)
	require.Equal(t, 299*3+2, r.Lines)
	require.Equal(t, 299, r.Functions)
	require.True(t, r.Agree)
	require.Equal(t, "a", r.Top[0].Name)
	require.Equal(t, 299*2, r.Top[0].Count)

	require.Equal(t, 1, r.Restarts)
	require.Len(t, r.Kills, 1)
	k := r.Kills[0]
	require.FileExists(t, filepath.Join(dir, k.Task))
	require.Contains(t, k.Cause, "killed")
	require.Equal(t, 2, k.Attempt)
	require.NotEqual(t, k.Pid, k.Replacement)
	require.NotEqual(t, k.Pid, k.DoneBy)
	require.Contains(t, p.stderr.String(), fmt.Sprintf("(pid %d) at %s\n", k.Pid, k.Task))
}

func TestDemoKillsInTheSmallestTrees(t *testing.T) {
	for _, c := range []struct{ files, workers, kills int }{{1, 1, 1}, {1, 4, 1}, {2, 2, 2}, {3, 1, 3}, {20, 2, 5}} {
		p := prepare(t, "demo", "-dir", writeTree(t, c.files), "-workers", strconv.Itoa(c.workers), "-kill", strconv.Itoa(c.kills), "-json")
		require.Zero(t, p.run(t), "%+v: %s", c, &p.stderr)
		r := decode(t, p)
		require.Len(t, r.Kills, c.kills)
		require.Equal(t, c.kills, r.Restarts)
		require.True(t, r.Agree)
		for _, k := range r.Kills {
			require.GreaterOrEqual(t, k.Attempt, 2)
		}
	}
}

func TestDemoPrintsATable(t *testing.T) {
	p := prepare(t, "demo", "-dir", writeTree(t, 40))
	require.Zero(t, p.run(t), p.stderr.String())
	out := p.stdout.String()
	require.Regexp(t, `^kill 1 of 1, with \d+ of 40 results in:
  worker \d+ \(pid \d+\) was stopped, seen to hold the task \w+\.go, and killed
  the pool noticed after \S+ \(signal 9, killed\), and replaced the worker by pid \d+
  the task was done again \(attempt 2\), by pid \d+
`, out)
	for _, row := range []string{"time", "tasks/s", "ratio of times", "worker restarts +1", "files +40", "unparsed files +1",
		"lines +119", "functions +39", "bytes", "  a +78"} {
		require.Regexp(t, "(?m)^"+row, out)
	}
	require.Contains(t, out, "agree on every total")
	require.Regexp(t, `processes  100%  40/40 files  \d+ files/s  done in`, p.stderr.String())
}

func TestDemoWithoutAKill(t *testing.T) {
	p := prepare(t, "demo", "-dir", writeTree(t, 5), "-kill", "0", "-json")
	require.Zero(t, p.run(t), p.stderr.String())
	r := decode(t, p)
	require.Empty(t, r.Kills)
	require.Zero(t, r.Restarts)
}

func TestWrongCommandLineIsStatusTwo(t *testing.T) {
	dir := writeTree(t, 2)
	for _, args := range [][]string{
		{"demo", "-workers", "0"},
		{"demo", "-workers", "-1"},
		{"demo", "-workers", "1000000", "-dir", dir},
		{"demo", "-kill", "-1"},
		{"demo", "-kill", "3", "-dir", dir},
		{"demo", "-nonsense"},
		{"demo", "argument"},
		{"nonsense"},
		{},
	} {
		p := prepare(t, args...)
		require.Equal(t, 2, p.run(t), args)
		require.NotEmpty(t, p.stderr.String(), args)
		require.Empty(t, p.stdout.String(), args)
	}
}

func TestUnreadableInputIsStatusOneAndNamed(t *testing.T) {
	dir := writeTree(t, 2)
	with := func(name string, place func(path string) error) string {
		dir := writeTree(t, 2)
		require.NoError(t, place(filepath.Join(dir, name)))
		return dir
	}
	for _, c := range []struct{ dir, want string }{
		{filepath.Join(dir, "missing"), "missing: no such file"},
		{filepath.Join(dir, "f0000.go"), "f0000.go: not a directory"},
		{t.TempDir(), "no Go files"},
		{with("x.go", func(path string) error { return os.Symlink("nowhere", path) }), "x.go: "},
		{with("fifo.go", func(path string) error { return syscall.Mkfifo(path, 0o600) }), "fifo.go: not a regular file"},
	} {
		p := prepare(t, "demo", "-dir", c.dir)
		require.Equal(t, 1, p.run(t), c)
		require.Contains(t, p.stderr.String(), c.want)
		require.Empty(t, p.stdout.String())
	}
}

// TestForbiddenInputIsStatusOneAndNamed runs the demo as a user who may not read everything; root may.
func TestForbiddenInputIsStatusOneAndNamed(t *testing.T) {
	for _, forbidden := range []string{"secret", "secret.go"} {
		dir, err := os.MkdirTemp("", "kindred-test-")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte(source), 0o644))
		path := filepath.Join(dir, forbidden)
		if filepath.Ext(forbidden) == ".go" {
			require.NoError(t, os.WriteFile(path, []byte(source), 0))
		} else {
			require.NoError(t, os.Mkdir(path, 0))
		}
		p := prepare(t, "demo", "-dir", dir)
		if os.Geteuid() == 0 {
			p.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		require.Equal(t, 1, p.run(t), p.stderr.String())
		require.Contains(t, p.stderr.String(), path+": permission denied")
	}
}

// interrupt starts the demo on the standard library and sends it a signal once workers are at work.
func interrupt(t *testing.T, sig os.Signal) *program {
	p := prepare(t, "demo", "-workers", "2", "-kill", "0")
	require.NoError(t, p.Start())
	require.Eventually(t, func() bool { return len(running()) == 3 }, time.Minute, time.Millisecond)
	require.NoError(t, p.Process.Signal(sig))
	return p
}

func TestInterruptLeavesNoChild(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := interrupt(t, sig)
		require.Equal(t, 130, p.finish(t), p.stderr.String())
		require.Contains(t, p.stderr.String(), "kindred demo: interrupted\n")
		require.Empty(t, p.stdout.String())
	}
}

func TestKilledDemoLeavesNoChild(t *testing.T) {
	p := interrupt(t, syscall.SIGKILL)
	require.Error(t, p.Wait())
	require.Eventually(t, func() bool { return len(running()) == 0 }, time.Minute, time.Millisecond)
}
