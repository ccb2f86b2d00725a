//go:build linux || darwin

package inspect

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/kindred-ipc/kindred/internal/corruption"
)

// Whatever stands in a segment, the tool says what it sees, or what is wrong, in text that is safe to
// show, and changes nothing.
var looks = corruption.Register(corruption.Scene{
	Name:    "look",
	Moments: 1,
	Script: func(t *corruption.Trial) {
		t.Moment()
		for _, c := range []struct {
			name string
			run  func(context.Context, []string, io.Writer, io.Writer) int
			args []string
		}{
			{"show", Show, nil},
			{"show -json", Show, []string{"-json"}},
			{"check", Check, nil},
		} {
			t.Do(c.name, func() (any, error) {
				var out, errs bytes.Buffer
				status := c.run(context.Background(), append(c.args, "-dir", t.Dir, corruption.Name), &out, &errs)
				for _, text := range []string{out.String(), errs.String()} {
					if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
						t.Fail("%s prints %q", c.name, text)
					}
					t.Between("length of what is printed", 0, len(text), 64<<10)
				}
				if strings.Contains(errs.String(), "page went away") { // what observe makes of a fault
					t.Fail("%s: %s", c.name, errs.String())
				}
				if (status == exitFailed) != (errs.Len() > 0) || status == exitUsage {
					t.Fail("%s exits with %d and complains %q", c.name, status, errs.String())
				}
				return nil, nil
			})
		}
	},
})

func TestAnyByteThatIsOverwrittenUnderTheTool(t *testing.T) { looks.Run(t, 1500) }

func TestTheToolBesideAHostilePeer(t *testing.T) { looks.Storm(t, 500) }
