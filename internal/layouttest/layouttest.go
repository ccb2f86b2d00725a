package layouttest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Structs holds the document's tables of a package against its types: all that lie in shared memory.
// Of a generic type any instance will do that the document's sizes are meant for.
func Structs(t *testing.T, pkg string, types ...reflect.Type) {
	t.Helper()
	var names []string
	for _, typ := range types {
		names = append(names, nameOf(typ))
	}
	slices.Sort(names)
	shared, err := sharedStructs(".")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, shared) {
		t.Errorf("the package has the structs %v in shared memory, the test knows %v", shared, names)
	}
	for _, difference := range compareStructs(read(t), pkg, types) {
		t.Errorf("docs/LAYOUT.md: %s", difference)
	}
}

// Constants holds the document's table of a package's constants against their values.
func Constants(t *testing.T, pkg string, constants map[string]uint64) {
	t.Helper()
	for _, difference := range compareConstants(read(t), pkg, constants) {
		t.Errorf("docs/LAYOUT.md: %s", difference)
	}
}

// read finds the document above the package that is tested.
func read(t *testing.T) document {
	t.Helper()
	d, err := find()
	if err != nil {
		t.Fatalf("docs/LAYOUT.md: %v", err)
	}
	return d
}

func find() (document, error) {
	for dir := "."; ; dir = filepath.Join(dir, "..") {
		text, err := os.ReadFile(filepath.Join(dir, "docs", "LAYOUT.md"))
		if err == nil {
			return parse(string(text))
		}
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil || len(dir) > 100 {
			return document{}, fmt.Errorf("not found: %w", fs.ErrNotExist)
		}
	}
}

// Field is a row of one of the document's tables.
type Field struct {
	Offset, Size uint64
	Name         string // "_" for padding
}

// Tables is the document's structs, by package and name as in "segment.header". It finds the document
// above the working directory.
func Tables() (map[string][]Field, error) {
	d, err := find()
	if err != nil {
		return nil, fmt.Errorf("docs/LAYOUT.md: %w", err)
	}
	tables := make(map[string][]Field)
	for name, t := range d.structs {
		for _, r := range t.rows {
			tables[name] = append(tables[name], Field{r.offset, r.size, r.field})
		}
	}
	return tables, nil
}

// sharedStructs is the names of the structs in dir's package that have a field of structs.HostLayout.
func sharedStructs(dir string) ([]string, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	files := token.NewFileSet()
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, source, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && isShared(spec.Type) {
				names = append(names, spec.Name.Name)
			}
			return true
		})
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no struct in shared memory in %s: %w", dir, fs.ErrNotExist)
	}
	slices.Sort(names)
	return names, nil
}

func isShared(expr ast.Expr) bool {
	s, ok := expr.(*ast.StructType)
	return ok && slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		selector, ok := f.Type.(*ast.SelectorExpr)
		return ok && selector.Sel.Name == "HostLayout"
	})
}
