package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

func TestMain(m *testing.M) { proc.TestMain(m) }

var limits = Limits{Time: 5 * time.Second, Memory: 512 << 20, Stack: 1 << 20}

// evil is a file of which a program dies, or never returns.
type evil struct {
	name  string
	bytes []byte
	ends  bool // it kills by itself; the others go on for ever
}

func evils() []evil {
	return []evil{
		// The parser takes memory for 5 million million entries because the table begins there.
		{"xref", write(page("lost"), 5_000_000_000_000), true},
		// The first child of the outline is the outline.
		{"outline-first", write(outlined("/Title (again) /First 6 0 R"), 0), true},
		// The next one is itself, without end, and each is kept.
		{"outline-next", write(outlined("/First 7 0 R", "/Title (again) /Next 7 0 R"), 0), false},
		// The page's parent, of which it inherits what it does not have, is itself.
		{"parent", write(append(page("lost")[:2], "<< /Type /Page /Parent 3 0 R /Contents 4 0 R >>", page("lost")[3]), 0), false},
	}
}

// page has the objects of a document of one page.
func page(text string) []string {
	content := fmt.Sprintf("BT /F1 12 Tf 72 720 Td (%s) Tj ET", text)
	return []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
}

// outlined is a document with an outline, of which the objects count from 6.
func outlined(outline ...string) []string {
	objects := page("text")
	objects[0] = "<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>"
	for _, o := range outline {
		objects = append(objects, "<< "+o+" >>")
	}
	return objects
}

// write makes a file of the objects, with one more entry at the given place of the table, if that is not 0.
func write(objects []string, stray int64) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	if stray != 0 {
		fmt.Fprintf(&b, "%d 1\n0000000009 00000 n \n", stray)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table)
	return b.Bytes()
}

func store(t *testing.T, name string, b []byte) string {
	path := filepath.Join(t.TempDir(), name+".pdf")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// plain is a process without a pool: it reads one file, and recovers from panics.
var plain = proc.Func("extract/plain", func(_ context.Context, path string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("recovered: %v", v)
		}
	}()
	debug.SetMaxStack(limits.Stack)
	_, err = read(path)
	return err
})

// Each of them is the end of a program that reads it in a goroutine: recover does not help, nor does a context.
func TestEachEvilFileEndsAPlainProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, e := range evils() {
		opts := []proc.Option{proc.Stderr(nil)}
		if runtime.GOOS == "linux" {
			opts = append(opts, proc.Rlimit(syscall.RLIMIT_DATA, uint64(limits.Memory), uint64(limits.Memory)))
		}
		child, err := plain.Start(ctx, store(t, e.name, e.bytes), opts...)
		if err != nil {
			t.Fatal(err)
		}
		patience, stop := ctx, context.CancelFunc(func() {})
		if !e.ends {
			patience, stop = context.WithTimeout(ctx, 100*time.Millisecond)
		}
		err = child.Wait(patience)
		stop()
		var exit *proc.ExitError
		switch {
		case e.ends && (!errors.As(err, &exit) || exit.Code != 2):
			t.Errorf("%s: %v, and not a fatal error of the runtime", e.name, err)
		case !e.ends && !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("%s: %v, and not an endless loop", e.name, err)
		}
		child.Close()
	}
}

func TestOnlyTheEvilFilesFail(t *testing.T) {
	limits := limits
	limits.Time = 3 * time.Second
	p, err := newPool(t.Context(), 2, limits)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Shutdown(context.Background())
	var paths []string
	bad := make(map[string]bool)
	texts := make(map[string]string)
	for i, e := range evils() {
		good := fmt.Sprint("good ", i)
		objects := page(good)
		if i == 0 {
			objects = outlined("/First 7 0 R", "/Title (Chapter) /Next 8 0 R", "/Title (Verse)")
			objects[3] = page(good)[3]
		}
		path := store(t, good, write(objects, 0))
		texts[path] = good
		evil := store(t, e.name, e.bytes)
		bad[evil] = true
		paths = append(paths, path, evil)
	}
	var headings []string
	extractAll(t.Context(), p, limits.Time, paths, func(r Result) {
		headings = append(headings, r.Document.Headings...)
		var died *pool.WorkerDied
		switch lost := errors.As(r.Err, &died) || errors.Is(r.Err, context.DeadlineExceeded); {
		case bad[r.Path] && !lost:
			t.Errorf("%s: %v, and not a worker that was lost", r.Path, r.Err)
		case !bad[r.Path] && (r.Err != nil || !bytes.Contains([]byte(r.Document.Text), []byte(texts[r.Path]))):
			t.Errorf("%s: %q, %v", r.Path, r.Document.Text, r.Err)
		}
		delete(texts, r.Path)
	})
	if len(texts) != 0 {
		t.Errorf("nothing came of %v", texts)
	}
	if fmt.Sprint(headings) != "[Chapter Verse]" {
		t.Errorf("headings are %q", headings)
	}
	if s := p.Stats(); s.Done != 4 {
		t.Errorf("%+v", s)
	}
}
