// Package crashtest is for the tests of crash cases.
package crashtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
)

// Main is the TestMain of a package of cases: children of the lab play their parts, and goroutines that
// are left after the tests make the parent fail.
func Main(m *testing.M, cases []crashlab.Case) {
	proc.Main()
	crashlab.Main(cases)
	proctest.Main(m)
}

// generous is how long recovery may take beside other tests, on a busy machine. A wake-up that is
// missing takes for ever (the lab's children have no safety net), so this finds it all the same.
const generous = 10 * time.Second

// share is how long the cases of a package may take all together: go test is for every day, the whole
// is what cmd/crashlab runs.
const share = 12 * time.Second

// Run tries some of the kills of each case, others every time. Of more cases than there is time for it
// takes others every time, too.
func Run(t *testing.T, cases []crashlab.Case) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	begun := time.Now()
	for done, i := range rand.New(rand.NewPCG(seed, 0)).Perm(len(cases)) {
		if time.Since(begun) > share {
			t.Logf("%d of %d cases", done, len(cases))
			return
		}
		c := cases[i]
		if c.Long {
			t.Logf("%s: left to cmd/crashlab, for a walk through all of its steps, and system calls, takes seconds", c.Name)
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			r, err := crashlab.Try(crashlab.Options{
				Sample: 6, Second: 3, Pauses: 1, Storms: 1, Seed: seed, Budget: share / time.Duration(len(cases)),
				Limit: generous,
			}, c, crashlab.Trial{})
			require.NoError(t, err)
			require.Empty(t, r.Failures)
			require.Equal(t, r.Trials, r.Survived)
			require.Positive(t, r.Trials, "no death fell inside the operation")
		})
	}
}

// Covered fails for each exported operation of the package in the directory that no case covers, unless
// exempt gives a reason; and for cases and reasons of operations that are not there.
func Covered(t *testing.T, dir string, cases []crashlab.Case, exempt map[string]string) {
	t.Helper()
	operations, err := operations(dir)
	require.NoError(t, err)
	covered := make(map[string]bool)
	for _, c := range cases {
		require.NotEmpty(t, c.Covers, "%s covers nothing", c.Name)
		for _, name := range c.Covers {
			covered[name] = true
			require.NotContains(t, exempt, name, "it has a case, and a reason for having none")
		}
	}
	for _, name := range operations {
		if !covered[name] && exempt[name] == "" {
			t.Errorf("%s has no crash case, and no reason is given for that", name)
		}
	}
	for name := range exempt {
		require.Contains(t, operations, name, "a reason is given for what is not there")
	}
}

// travels are methods by which handles travel: of an operation that is cut off they are no more than Ref, and From.
var travels = map[string]bool{"MarshalBinary": true, "UnmarshalBinary": true, "Resolve": true}

// operations lists the exported functions and methods of a package, as Case.Covers names them. Types
// that are another package's under a name of this one are that package's matter.
func operations(dir string) ([]string, error) {
	pkg, err := load(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range pkg.Scope().Names() {
		o := pkg.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		switch o := o.(type) {
		case *types.Func:
			all = append(all, pkg.Name()+"."+name)
		case *types.TypeName:
			if o.IsAlias() {
				continue
			}
			methods := types.NewMethodSet(types.NewPointer(o.Type()))
			for m := range methods.Methods() {
				if m.Obj().Exported() && !travels[m.Obj().Name()] && ours(m.Obj()) {
					all = append(all, pkg.Name()+"."+name+"."+m.Obj().Name())
				}
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

// ours reports whether a method is of this module, and not one that a type has because it embeds another's.
func ours(method types.Object) bool {
	return strings.HasPrefix(method.Pkg().Path(), "github.com/kindred-ipc/kindred")
}

// load reads the types of a package from what the compiler wrote for its importers.
func load(dir string) (*types.Package, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,DepOnly", ".")
	list.Dir = dir
	var out, complaints bytes.Buffer
	list.Stdout, list.Stderr = &out, &complaints
	if err := list.Run(); err != nil {
		return nil, errors.New(err.Error() + ": " + complaints.String())
	}
	exports := make(map[string]string)
	path := ""
	for dec := json.NewDecoder(&out); ; {
		var p struct {
			ImportPath, Export string
			DepOnly            bool
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			path = p.ImportPath
		}
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	return importer.ForCompiler(token.NewFileSet(), "gc", lookup).Import(path)
}
