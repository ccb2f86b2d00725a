package demo

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
)

// count reads and parses the file at path and adds what it holds to t. This is the work that the demo divides,
// the same whether a worker process or a goroutine does it.
//
// Functions are declarations of functions and methods; function literals are not counted. Identifiers are counted
// at each place where one is written, the package's name and the blank identifier among them. A file that does
// not parse counts as a file with its lines and bytes, and adds no functions and no identifiers: what a parser
// makes of the rest after an error is nobody's contract.
//
// The error is that of reading the file.
func (t *tally) count(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t.countSource(path, source)
	return nil
}

func (t *tally) countSource(path string, source []byte) {
	t.Files++
	t.Bytes += len(source)
	t.Lines += lines(source)
	// A file set of its own: positions are not kept, and a shared one would grow with every file.
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Unparsed++
		return
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			t.Functions++
		case *ast.Ident:
			t.identifiers[node.Name]++
		}
		return true
	})
}

// lines counts the lines of source, the last one with or without its newline.
func lines(source []byte) int {
	n := bytes.Count(source, []byte{'\n'})
	if len(source) > 0 && source[len(source)-1] != '\n' {
		n++
	}
	return n
}
