package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// quoted is a segment's name in an error.
func quoted(name string) string { return strconv.Quote(name) }

// shown is a message without anything in it that a terminal would take for a command.
func shown(message string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, message)
}

// writeJSON writes v as one line. Strings may come from anybody, and JSON lets characters through that a
// terminal takes for commands: those are escaped, too.
func writeJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var safe strings.Builder
	for _, r := range string(text) {
		if unicode.IsControl(r) {
			fmt.Fprintf(&safe, "\\u%04x", r)
		} else {
			safe.WriteRune(r)
		}
	}
	_, err = fmt.Fprintln(w, safe.String())
	return err
}

// size is n bytes in words.
func size[N int64 | uint64](n N) string {
	const units = "KMGTPE"
	v, unit := float64(n), -1
	for v >= 1024 && unit+1 < len(units) {
		v /= 1024
		unit++
	}
	if unit < 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}

// age is how long ago t was, in the largest unit that fits.
func age(t time.Time) string {
	switch d := time.Since(t); {
	case d < 0:
		return "in the future"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}

// moment is a point in time for people.
func moment(t time.Time) string { return t.Format(time.DateTime) }
