// Package models holds the Promela models of the protocols, and the tests that check them with spin.
package models

import (
	"context"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rest = flag.Bool("rest", false, "with -all: but for those that are checked without it")

var long = flag.Bool("long", false, "check what takes a minute each as well")

var all = flag.Bool("all", false, "check every configuration and every control, not only some that take seconds")

// check is a model in one configuration. What is to be lost names a control: something that the
// production code does is left out, and spin must find what that costs.
type check struct {
	model string
	flags string
	lost  string
	quick bool
	large bool // the compiler optimizes its search; others are over before that pays
	long  bool
}

const (
	oneWaiter = "-DWAITERS=1"
	mourned   = "-DWAITERS=1 -DDEATHS"
	two       = "-DCONTENDERS=2 -DDEATHS=3 -DBYSTANDER"
	pair      = "-DCONTENDERS=2 -DDEATHS=1 -DONCE -DBYSTANDER"
	cancelled = "-DCONTENDERS=3 -DONCE -DCANCELS"
	three     = "-DCONTENDERS=3 -DONCE -DDEATHS=1 -DBARGER=2"
	newcomer  = "-DCONTENDERS=3 -DSLOTS=2 -DONCE -DDEATHS=1"
	late      = newcomer + " -DBARGER=2"
	bothDie   = "-DDEATHS=2" // a reader and a writer
	takers    = "-DPRODUCERS=1 -DEACH=2 -DMORTAL=6"
	uneven    = "-DPUSHERS=3 -DUNEVEN"
	once      = "-DDEATHS=1 -DEACH=1"
	single    = "-DDEATHS=1"
	recallers = "-DCLIENTS=3 -DROUNDS=1 -DGRANTS=1 -DDEATHS=1"
	pushers   = "-DCONSUMERS=1 -DEACH=1 -DMORTAL=3"
)

var checks = []check{
	{model: "bias", quick: true},
	{model: "bias", flags: "-DPUSHERS=3 -DEACH=1", quick: true},
	{model: "bias", flags: "-DEACH=3"},
	{model: "bias", flags: uneven, large: true},
	{model: "bias", flags: uneven + " -DDEATHS=0", lost: "BREAK_NAME"},
	{model: "bias", lost: "BREAK_FENCE", quick: true},
	{model: "bias", lost: "BREAK_MARK"},
	{model: "bias", lost: "BREAK_LOOK"},

	{model: "conn", flags: "-DDIALLERS=1 -DDEATHS=2 -DCANCELS", quick: true},
	{model: "conn"},
	{model: "conn", lost: "BREAK_AGAIN", quick: true},
	{model: "conn", lost: "BREAK_ENDS"},
	{model: "conn", lost: "BREAK_ANSWERING"},

	{model: "event", flags: oneWaiter, quick: true},
	{model: "event", flags: mourned},
	{model: "event", flags: "-DWAITERS=2 -DODD=0", large: true},
	{model: "event", flags: oneWaiter, lost: "BREAK_BARRIER", quick: true},
	{model: "event", flags: oneWaiter, lost: "BREAK_DEMAND"},
	{model: "event", flags: oneWaiter, lost: "BREAK_REGISTER"},
	{model: "event", flags: oneWaiter, lost: "BREAK_EARLY"},
	{model: "event", flags: oneWaiter, lost: "BREAK_LOOK"},
	{model: "event", flags: oneWaiter, lost: "BREAK_STALE"},
	{model: "event", flags: oneWaiter, lost: "BREAK_SAMPLE"},
	{model: "event", flags: oneWaiter, lost: "BREAK_SEQUENCE"},
	{model: "event", flags: oneWaiter, lost: "BREAK_WAKE"},
	{model: "event", flags: oneWaiter, lost: "BREAK_CLOCK"},
	{model: "event", flags: mourned, lost: "BREAK_PUSH"},
	{model: "event", flags: mourned, lost: "NOT_PUSHED"},

	{model: "hub", quick: true},
	{model: "hub", flags: "-DDEATHS", large: true},
	{model: "hub", flags: "-DSAME"},
	{model: "hub", lost: "BREAK_RING", quick: true},
	{model: "hub", lost: "BREAK_COMPARE"},
	{model: "hub", lost: "BREAK_ORDER"},
	{model: "hub", lost: "BREAK_MARKS"},
	{model: "hub", flags: "-DSAME", lost: "BREAK_COUNT"},
	{model: "hub", flags: "-DDEATHS", lost: "BREAK_PUSH"},
	{model: "hub", flags: "-DDEATHS", lost: "BREAK_DOORMARK"},
	{model: "hold", quick: true},
	{model: "hold", flags: "-DPOPPERS=3 -DTOTAL=3", large: true},
	{model: "hold", lost: "BREAK_FENCE", quick: true},
	{model: "hold", lost: "BREAK_CLAIM"},
	{model: "hold", lost: "BREAK_AGAIN"},
	{model: "hold", lost: "BREAK_LOOK"},

	{model: "marks", quick: true},
	{model: "marks", flags: "-DSHARED"},
	{model: "marks", flags: "-DREADERS=1 -DWRITERS=2 -DDEATHS=2"},
	{model: "marks", flags: "-DWRITERS=2 -DDEATHS=1", long: true},
	{model: "marks", lost: "BREAK_FENCE", quick: true},
	{model: "marks", lost: "BREAK_LOOK"},
	{model: "marks", lost: "BREAK_AGAIN"},
	{model: "marks", lost: "BREAK_ORDER"},
	{model: "marks", flags: "-DREADERS=1 -DWRITERS=2 -DDEATHS=1", lost: "BREAK_REVOKED"},

	{model: "mpmc", flags: pushers, quick: true},
	{model: "mpmc", flags: takers, large: true},
	{model: "mpmc", flags: takers, lost: "NO_KEEP", quick: true},
	{model: "mpmc", flags: takers, lost: "NO_FOLD"},
	{model: "mpmc", flags: takers, lost: "BREAK_LATER"},

	{model: "mutex", flags: pair, quick: true},
	{model: "mutex", flags: cancelled},
	{model: "mutex", flags: three},
	{model: "mutex", flags: two},
	{model: "mutex", flags: newcomer},
	{model: "mutex", flags: late},
	{model: "mutex", flags: late, lost: "BREAK_GENERATION"},
	{model: "mutex", flags: late, lost: "NO_JOINROUSE"},
	{model: "mutex", flags: two, lost: "BREAK_PUSH"},
	{model: "mutex", flags: two, lost: "BREAK_PROOF"},
	{model: "mutex", flags: two, lost: "BREAK_SAMPLE"},
	{model: "mutex", flags: two, lost: "BREAK_ANNOUNCE"},
	{model: "mutex", flags: two, lost: "BREAK_WAKE"},
	{model: "mutex", flags: pair, lost: "NO_RECHECK", quick: true},
	{model: "mutex", flags: two, lost: "NO_PRUNEPOKE"},
	{model: "mutex", flags: three, lost: "NO_WATCH"},
	{model: "mutex", flags: cancelled, lost: "BREAK_PASSON"},

	{model: "lease", flags: single, quick: true},
	{model: "lease"},
	{model: "lease", flags: "-DBAYS=1"},
	{model: "lease", flags: single, lost: "NO_RECLAIM", quick: true},
	{model: "lease", flags: single, lost: "NO_MEND"},
	{model: "lease", flags: single, lost: "BREAK_OWNER"},
	{model: "lease", flags: single, lost: "BREAK_BOX"},
	{model: "lease", flags: single, lost: "BREAK_ACK"},

	{model: "line", quick: true},
	{model: "line", flags: "-DPARTIES=3 -DPHASES=1"},
	{model: "line", flags: "-DSTRANGERS=2 -DPHASES=1"},
	{model: "line", flags: "-DPARTIES=3 -DPHASES=3 -DSTRANGERS=0"},
	{model: "line", lost: "BREAK_ORDER", quick: true},
	{model: "line", lost: "BREAK_OWN"},
	{model: "line", lost: "BREAK_COUNT"},
	{model: "line", lost: "BREAK_FREE"},
	{model: "line", lost: "BREAK_LOOK"},

	{model: "pipe", quick: true},
	{model: "pipe", flags: "-DDEATHS=2"},
	{model: "pipe", lost: "BREAK_AGAIN"},
	{model: "pipe", lost: "BREAK_PASSING"},
	{model: "pipe", lost: "BREAK_ROUSE"},
	{model: "pipe", lost: "BREAK_SERIAL", quick: true},
	{model: "pipe", flags: "-DDEATHS=2", lost: "BREAK_HANDS"},
	{model: "pipe", flags: "-DDEATHS=2", lost: "BREAK_PUSH"},
	{model: "pipe", flags: "-DDEATHS=2", lost: "BREAK_OTHERS"},

	{model: "queue", flags: once, quick: true},
	{model: "queue", large: true},
	{model: "queue", flags: once, lost: "NO_MENDPUTS", quick: true},
	{model: "queue", lost: "NO_RELEASE"},
	{model: "queue", lost: "NO_MENDGETS"},
	{model: "queue", lost: "BREAK_TAKE"},
	{model: "queue", lost: "BREAK_CREDIT"},

	{model: "rwmutex", flags: "-DROUNDS=2"},
	{model: "rwmutex", flags: bothDie, quick: true},
	{model: "rwmutex", flags: "-DROUNDS=2 -DDEATHS=1"},
	{model: "rwmutex", flags: "-DROUNDS=1", lost: "BREAK_WAKEWRITER"},
	{model: "rwmutex", flags: "-DROUNDS=1", lost: "BREAK_WAKEREADERS"},
	{model: "rwmutex", flags: bothDie, lost: "BREAK_LOOK", quick: true},
	{model: "rwmutex", flags: bothDie, lost: "BREAK_DRAIN"},
	{model: "rwmutex", flags: bothDie, lost: "BREAK_BURY"},
	{model: "rwmutex", flags: bothDie, lost: "BREAK_PUSH"},
	{model: "rwmutex", flags: "-DREADERS=2 -DDEATHS=1", lost: "BREAK_OPEN"},

	{model: "semaphore", flags: "-DDEATHS=1", quick: true},
	{model: "semaphore", flags: "-DDEATHS=2"},
	{model: "semaphore", flags: "-DPERMITS=2 -DROUNDS=3"},
	{model: "semaphore", flags: recallers, long: true},
	{model: "semaphore", lost: "BREAK_FENCE", quick: true},
	{model: "semaphore", lost: "BREAK_LOOK"},
	{model: "semaphore", lost: "BREAK_OWN"},
	{model: "semaphore", lost: "BREAK_GRANT"},
	{model: "semaphore", lost: "BREAK_DECIDE"},
	{model: "semaphore", lost: "BREAK_AGAIN"},
	{model: "semaphore", lost: "BREAK_WAKE"},
}

func TestSpinFindsNoFaultInTheModelsAndOneInEachControl(t *testing.T) {
	if _, err := exec.LookPath("spin"); err != nil {
		t.Skip("needs spin (Debian package spin)")
	}
	for _, c := range checks {
		if c.long && !*long || !c.quick && !*all || c.quick && *rest {
			continue
		}
		name := c.model + " " + c.flags
		if c.lost != "" {
			name += " without " + c.lost
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verify(t, c)
		})
	}
}

var (
	errorsFound = regexp.MustCompile(`depth reached (\d+), errors: (\d+)`)
	statesFound = regexp.MustCompile(`(\d+) states, stored\n`)
	curtailed   = regexp.MustCompile(`out of memory|search depth too small|max search depth|not completed`)
)

// verify has spin search all states. An answer counts only if the search was complete, or found a fault.
func verify(t *testing.T, c check) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, file := range []string{c.model, "wait"} {
		text, err := os.ReadFile(filepath.Join(here, file+".pml"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file+".pml"), text, 0o600))
	}
	run := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	flags := strings.Fields(c.flags)
	if c.lost != "" {
		flags = append(flags, "-D"+c.lost)
	}
	out, err := run("spin", append(append([]string{"-a"}, flags...), c.model+".pml")...)
	require.NoError(t, err, out)
	optimize := "-O0"
	if c.large || c.long {
		optimize = "-O1"
	}
	out, err = run("cc", optimize, "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=900", "-o", "pan", "pan.c")
	require.NoError(t, err, out)
	begin := time.Now()
	out, err = run(filepath.Join(dir, "pan"), "-m100000", "-n", "-w22")
	found := errorsFound.FindStringSubmatch(out)
	states := statesFound.FindStringSubmatch(out)
	require.NotNil(t, found, "%v: %s", err, out)
	require.NotNil(t, states, out)
	t.Logf("%s states, depth %s, %.1f s", states[1], found[1], time.Since(begin).Seconds())
	if c.lost != "" {
		require.Equal(t, "1", found[2], "the control was not found: %s", out)
		return
	}
	require.Equal(t, "0", found[2], out)
	require.NotRegexp(t, curtailed, out)
}

var (
	reference = regexp.MustCompile(`((?:\w+/)+\w+\.go): ([^\n]*)`)
	function  = regexp.MustCompile(`^(?:\(\*?(\w+)\)\.)?(\w+)(?:$|[.:;]| \(its )`)
)

func TestEveryFunctionThatAModelNamesExists(t *testing.T) {
	models, err := filepath.Glob("*.pml")
	require.NoError(t, err)
	require.Len(t, models, 15)
	named := 0
	for _, model := range models {
		text, err := os.ReadFile(model)
		require.NoError(t, err)
		for _, r := range reference.FindAllStringSubmatch(string(text), -1) {
			declared := declarations(t, filepath.Join("..", "..", filepath.FromSlash(r[1])))
			for i, part := range strings.Split(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(r[2]), "*/")), ", ") {
				f := function.FindStringSubmatch(part)
				if i == 0 {
					f = function.FindStringSubmatch(strings.SplitN(part, " ", 2)[0])
				}
				if f == nil {
					require.NotZero(t, i, "%s names nothing: %s", model, r[0])
					break // a remark
				}
				name := strings.TrimPrefix(f[1]+"."+f[2], ".")
				require.Contains(t, declared, name, "%s: %s", model, r[0])
				named++
			}
		}
	}
	require.Greater(t, named, 50)
}

// declarations is what a file declares: functions, methods as "T.f", types, constants and variables.
func declarations(t *testing.T, path string) map[string]bool {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	names := map[string]bool{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			names[name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names[s.Name.Name] = true
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names[n.Name] = true
					}
				}
			}
		}
	}
	return names
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
