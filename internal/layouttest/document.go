package layouttest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// document is what stands in the tables.
type document struct {
	structs   map[string]table             // by package.Name
	constants map[string]map[string]uint64 // by package, then name
}

// table is a struct as the document has it.
type table struct {
	size uint64
	rows []row
}

// row is one field; padding is named _.
type row struct {
	offset, size uint64
	field        string
}

var (
	structHeading    = regexp.MustCompile("^#+ `([a-z]+\\.[A-Za-z]+)` \\(([0-9]+) bytes")
	constantsHeading = regexp.MustCompile("^#+ Constants of `([a-z]+)`$")
)

// parse reads the first table below each heading that announces one. What cannot be read there is an
// error.
func parse(text string) (document, error) {
	d := document{structs: make(map[string]table), constants: make(map[string]map[string]uint64)}
	var add func(cells []string) error // what the rows of the table belong to; nil: nothing
	head := true                       // the table has yet to begin
	for i, line := range strings.Split(text, "\n") {
		var err error
		switch cells := cellsOf(line); {
		case strings.HasPrefix(line, "#"):
			add, err = d.section(line)
			head = true
		case cells == nil && !head:
			add = nil // behind the table
		case cells == nil || add == nil:
		case head:
			head = false
		case !strings.HasPrefix(cells[0], "--"):
			err = add(cells)
		}
		if err != nil {
			return document{}, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return d, nil
}

// section begins what a heading announces, and returns what takes its rows.
func (d *document) section(heading string) (add func([]string) error, err error) {
	if m := structHeading.FindStringSubmatch(heading); m != nil {
		return func(cells []string) error { return d.addRow(m[1], cells) }, d.addStruct(m[1], m[2])
	}
	if m := constantsHeading.FindStringSubmatch(heading); m != nil {
		d.constants[m[1]] = make(map[string]uint64)
		return func(cells []string) error { return d.addConstant(m[1], cells) }, nil
	}
	return nil, nil
}

// cellsOf is the cells of a table's row, nil for what is none.
func cellsOf(line string) []string {
	line, ok := strings.CutPrefix(line, "|")
	if !ok {
		return nil
	}
	cells := strings.Split(strings.TrimSuffix(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

func (d *document) addStruct(name, size string) error {
	if _, ok := d.structs[name]; ok {
		return fmt.Errorf("%s stands twice", name)
	}
	n, err := strconv.ParseUint(size, 10, 64)
	d.structs[name] = table{size: n}
	return err
}

func (d *document) addRow(in string, cells []string) error {
	if len(cells) < 3 {
		return fmt.Errorf("%d cells in a row of %s", len(cells), in)
	}
	offset, err := strconv.ParseUint(cells[0], 10, 64)
	if err != nil {
		return err
	}
	size, err := strconv.ParseUint(cells[1], 10, 64)
	if err != nil {
		return err
	}
	field, err := name(cells[2])
	if err != nil {
		return err
	}
	t := d.structs[in]
	t.rows = append(t.rows, row{offset, size, field})
	d.structs[in] = t
	return nil
}

func (d *document) addConstant(in string, cells []string) error {
	if len(cells) < 2 {
		return fmt.Errorf("%d cells in a row of %s", len(cells), in)
	}
	key, err := name(cells[0])
	if err != nil {
		return err
	}
	value, err := strconv.ParseUint(cells[1], 0, 64)
	if err != nil {
		return err
	}
	d.constants[in][key] = value
	return nil
}

// name takes the backticks off.
func name(cell string) (string, error) {
	bare, ok := strings.CutPrefix(cell, "`")
	if bare, ok2 := strings.CutSuffix(bare, "`"); ok && ok2 && bare != "" {
		return bare, nil
	}
	return "", fmt.Errorf("%q is no name in backticks", cell)
}
