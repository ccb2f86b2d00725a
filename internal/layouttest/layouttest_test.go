package layouttest

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"structs"
	"testing"

	"github.com/stretchr/testify/require"
)

type sample struct {
	_     structs.HostLayout
	magic uint64
	_     uint32
	pair  generic[uint16]
}

type generic[T any] struct {
	_             structs.HostLayout
	first, second T
}

const text = `
# A document

| offset | size | field |
| ---: | ---: | --- |
| not a number | of anything | that concerns anybody |

### ` + "`sample.sample`" + ` (16 bytes)

Some words before the table.

| offset | size | field | meaning |
| ---: | ---: | --- | --- |
| 0 | 8 | ` + "`magic`" + ` | a word |
| 8 | 4 | ` + "`_`" + ` | |
| 12 | 4 | ` + "`pair`" + ` | a pair |

| from | to |
| --- | --- |
| one | other |

### ` + "`sample.generic`" + ` (4 bytes, for halves of 2)

| offset | size | field |
| ---: | ---: | --- |
| 0 | 2 | ` + "`first`" + ` |
| 2 | 2 | ` + "`second`" + ` |

### Constants of ` + "`sample`" + `

| name | value |
| --- | --- |
| ` + "`one`" + ` | 1 |
| ` + "`lots`" + ` | 0xffffffffffffffff |

### ` + "`other.sample`" + ` (99 bytes)
`

var (
	types     = []reflect.Type{reflect.TypeFor[sample](), reflect.TypeFor[generic[uint16]]()}
	constants = map[string]uint64{"one": 1, "lots": ^uint64(0)}
)

// differences is all that is found in a document.
func differences(t *testing.T, text string) []string {
	t.Helper()
	d, err := parse(text)
	if err != nil {
		return []string{err.Error()}
	}
	return append(compareStructs(d, "sample", types), compareConstants(d, "sample", constants)...)
}

func TestADocumentThatIsRight(t *testing.T) {
	require.Empty(t, differences(t, text))
}

func TestEveryNumberAndEveryNameCounts(t *testing.T) {
	changed := 0
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "| 0") && !strings.HasPrefix(line, "| 1") && !strings.HasPrefix(line, "| 2") &&
			!strings.HasPrefix(line, "| 8") && !strings.HasPrefix(line, "| `") && !strings.HasPrefix(line, "### `sample") {
			continue
		}
		for _, at := range regexp.MustCompile("0xf+|[0-9]+|`[._a-z]+`").FindAllStringIndex(line, -1) {
			if strings.Contains(line[:at[0]], "halves") {
				continue // words
			}
			old := line[at[0]:at[1]]
			now := "`renamed`"
			if n, err := strconv.ParseUint(old, 0, 64); err == nil {
				now = strconv.FormatUint(n^1, 10)
			}
			lines[i] = line[:at[0]] + now + line[at[1]:]
			require.NotEmpty(t, differences(t, strings.Join(lines, "\n")), lines[i])
			changed++
		}
		lines[i] = line
	}
	require.Equal(t, 2*2+5*3+2*2, changed)
}

func TestWhatIsMissingOrTooMuchIsFound(t *testing.T) {
	for _, c := range []struct{ old, new, says string }{
		{"### `sample.generic`", "### generic", "sample.generic is missing"},
		{"### `other.", "### `sample.other` (1 bytes)\n### `other.", "sample.other is documented and does not exist"},
		{"| 8 | 4 | `_` | |\n", "", "sample.sample has"},
		{"| `one` | 1 |\n", "", "sample.one is 0x1"},
		{"| `one` | 1 |\n", "| `one` | 1 |\n| `two` | 2 |\n", "sample.two is documented"},
		{"### `other.sample`", "### `sample.sample`", "sample.sample stands twice"},
		{"| 2 | 2 | `second` |", "| 2 | two | `second` |", "invalid syntax"},
		{"| 2 | 2 | `second` |", "| 2 | 2 | second |", "no name in backticks"},
		{"| 2 | 2 | `second` |", "| 2 |", "1 cells"},
	} {
		require.Contains(t, text, c.old)
		found := differences(t, strings.Replace(text, c.old, c.new, 1))
		require.Contains(t, strings.Join(found, "\n"), c.says)
	}
}

func TestSharedStructsAreFoundInTheSource(t *testing.T) {
	names, err := sharedStructs("../segment")
	require.NoError(t, err)
	require.Contains(t, names, "header")
	require.Contains(t, names, "LockState")
	require.NotContains(t, names, "Segment")
	_, err = sharedStructs(t.TempDir())
	require.Error(t, err)
}

func TestTheDocumentIsFoundFromAnyPackage(t *testing.T) {
	require.Contains(t, read(t).structs, "segment.header")
	t.Chdir("../../cmd/kindred")
	require.Contains(t, read(t).structs, "ring.slot")
}
