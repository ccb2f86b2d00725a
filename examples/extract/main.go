// Extract reads the text and the headings of PDF files, each in a worker process. Files that people send in are not
// to be trusted: some make the parser overflow its stack, or ask for more memory than there is, which recover cannot
// catch, and some keep it busy for ever. Each costs its own task, and a worker that is replaced.
//
//	go run . a.pdf b.pdf
//	go run . -corpus DIR
//
// A corpus of real files, good and bad ones, is in the tests of pdfcpu. Its module has 500 of them; it need not be in any
// go.mod to be fetched:
//
//	go run . -corpus $(cd /tmp && go mod download -json github.com/pdfcpu/pdfcpu@latest | jq -r .Dir)
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ledongthuc/pdf"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// Document is what is in a file.
type Document struct {
	Pages    int
	Headings []string
	Text     string
}

// extract reads a file. A panic of the parser is an error of this task without further ado.
var extract = pool.Task("extract", func(_ context.Context, path string) (Document, error) { return read(path) })

func read(path string) (d Document, err error) {
	f, r, err := pdf.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	text, err := r.GetPlainText()
	if err != nil {
		return d, err
	}
	b, err := io.ReadAll(text)
	if err != nil {
		return d, err
	}
	d = Document{Pages: r.NumPage(), Text: string(b)}
	d.add(r.Outline())
	return d, nil
}

// add takes the headings out of an outline.
func (d *Document) add(o pdf.Outline) {
	if o.Title != "" {
		d.Headings = append(d.Headings, o.Title)
	}
	for _, child := range o.Child {
		d.add(child)
	}
}

// bound is what each worker begins with. Go gives a stack that has no end a gigabyte before it gives up.
var bound = pool.Task("extract/bound", func(_ context.Context, stack int) (int, error) {
	return debug.SetMaxStack(stack), nil
})

// Limits are those of one file.
type Limits struct {
	Time   time.Duration
	Memory int64
	Stack  int
}

// Result is what became of a file.
type Result struct {
	Path     string
	Document Document
	Err      error
}

// newPool makes the pool that keeps to the limits.
func newPool(ctx context.Context, workers int, l Limits) (*pool.Pool, error) {
	opts := []pool.Option{
		pool.Workers(workers),
		pool.Initializer(bound, l.Stack),
		pool.Grace(0), // the parser does not look at its context
		pool.Process(proc.Stderr(nil)),
	}
	if runtime.GOOS == "linux" {
		opts = append(opts, pool.MemoryCap(uint64(l.Memory)), pool.MemoryLimit(l.Memory/2))
	}
	return pool.New(ctx, opts...)
}

// extractAll has the files read, and calls report with what became of each, one at a time, in no order.
func extractAll(ctx context.Context, p *pool.Pool, limit time.Duration, paths []string, report func(Result)) {
	work, results := make(chan string), make(chan Result)
	var wg sync.WaitGroup
	for range p.Size() {
		wg.Go(func() {
			for path := range work {
				ctx, cancel := context.WithTimeout(ctx, limit)
				d, err := extract.Call(ctx, p, path)
				cancel()
				results <- Result{path, d, err}
			}
		})
	}
	go func() {
		for _, path := range paths {
			work <- path
		}
		close(work)
		wg.Wait()
		close(results)
	}()
	for r := range results {
		report(r)
	}
}

// corpus finds the PDF files in a directory.
func corpus(dir string) (paths []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".pdf") {
			paths = append(paths, path)
		}
		return err
	})
	return paths, err
}

func main() {
	proc.Main() // workers are this program, started again: they end here
	dir := flag.String("corpus", "", "read all PDF files in this `directory`")
	workers := flag.Int("workers", runtime.GOMAXPROCS(0), "how many workers")
	limits := Limits{}
	flag.DurationVar(&limits.Time, "time", 10*time.Second, "what a file may take")
	flag.Int64Var(&limits.Memory, "memory", 1<<30, "`bytes` of memory that a file may take")
	flag.IntVar(&limits.Stack, "stack", 64<<20, "`bytes` of stack that a file may take")
	flag.Parse()
	if err := run(*dir, *workers, limits, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(dir string, workers int, limits Limits, paths []string) error {
	// The first Ctrl-C ends what is under way, the second one the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	if dir != "" {
		found, err := corpus(dir)
		if err != nil {
			return err
		}
		paths = append(paths, found...)
	}
	p, err := newPool(ctx, workers, limits)
	if err != nil {
		return err
	}
	defer p.Shutdown(context.Background())
	begin, failed := time.Now(), 0
	extractAll(ctx, p, limits.Time, paths, func(r Result) {
		if r.Err != nil {
			failed++
			first, _, _ := strings.Cut(r.Err.Error(), "\n")
			fmt.Printf("%s: %s\n", r.Path, first)
			return
		}
		fmt.Printf("%s: %d pages, %d headings, %d bytes of text\n",
			r.Path, r.Document.Pages, len(r.Document.Headings), len(r.Document.Text))
	})
	s := p.Stats()
	fmt.Printf("%d files in %v, %d of them failed; %d workers died and were replaced\n",
		len(paths), time.Since(begin).Round(time.Millisecond), failed, s.Restarts)
	return nil
}
