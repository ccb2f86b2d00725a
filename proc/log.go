package proc

import (
	"bytes"
	"context"
	"log/slog"
)

// lineWriter logs what a child writes, line by line. It is used by one goroutine.
type lineWriter struct {
	options *options // of the start, which has the name by the time of the first line
	log     *slog.Logger
	level   slog.Level
	stream  string
	rest    []byte // a line that has not ended yet
}

// maxLine is how much of a line one record has.
const maxLine = 64 << 10

func (w *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		w.rest = append(w.rest, line...)
		for len(w.rest) > maxLine {
			w.record(w.rest[:maxLine])
			w.rest = append(w.rest[:0], w.rest[maxLine:]...)
		}
		if !whole {
			return n, nil
		}
		w.record(w.rest)
		w.rest, b = w.rest[:0], rest
	}
}

// flush logs what there is of a last line that nobody ended.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.record(w.rest)
		w.rest = nil
	}
}

func (w *lineWriter) record(line []byte) {
	w.log.LogAttrs(context.Background(), w.level, string(bytes.TrimSuffix(line, []byte{'\r'})),
		slog.String("process", w.options.name), slog.String("stream", w.stream))
}
