// Command typecheck reads packages and their tests for another system, as far as types go: what a compiler would refuse, it
// finds, but for assembly, and generates no code, which would take ten times as long.
//
//	typecheck darwin/arm64 ./...
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: typecheck os/arch packages")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target string, patterns []string) error {
	system, arch, ok := strings.Cut(target, "/")
	if !ok {
		return fmt.Errorf("%q: not of the form os/arch", target)
	}
	all, err := packages.Load(&packages.Config{
		Mode:  packages.LoadAllSyntax,
		Env:   append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0"),
		Tests: true,
	}, patterns...)
	if err != nil {
		return err
	}
	if bad := packages.PrintErrors(all); bad > 0 {
		return fmt.Errorf("%s: %d errors", target, bad)
	}
	fmt.Printf("%s: %d packages, tests among them\n", target, len(all))
	return nil
}
