// Package examples_test holds the README's programs against those that are here, and runs them.
package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheProgramsOfTheREADMERun(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	programs := []struct{ name, prints string }{{"lines", "3 <nil>\n"}, {"greet", "hello <nil>\n"}}
	if len(blocks) != len(programs) {
		t.Fatalf("%d programs in the README, and %d are known", len(blocks), len(programs))
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("1\n2\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./lines", "./greet").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(p.name, "main.go"))
			if err != nil {
				t.Fatal(err)
			}
			if block, _, _ := strings.Cut(blocks[i], "```"); !strings.Contains(string(source), block) {
				t.Errorf("examples/%s is not the program of the README", p.name)
			}
			out, err := exec.CommandContext(t.Context(), filepath.Join(dir, p.name), file).CombinedOutput()
			if err != nil || string(out) != p.prints {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
