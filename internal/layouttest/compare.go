package layouttest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// compareStructs says in what the document and the types of a package differ.
func compareStructs(d document, pkg string, types []reflect.Type) (differences []string) {
	known := make(map[string]bool)
	for _, t := range types {
		key := pkg + "." + nameOf(t)
		known[key] = true
		documented, ok := d.structs[key]
		if !ok {
			differences = append(differences, key+" is missing")
			continue
		}
		if documented.size != uint64(t.Size()) {
			differences = append(differences, fmt.Sprintf("%s has %d bytes and not %d", key, t.Size(), documented.size))
		}
		if rows := rowsOf(t); !slices.Equal(rows, documented.rows) {
			differences = append(differences, fmt.Sprintf("%s has {offset size field}\n%v and not\n%v", key, rows, documented.rows))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.structs)) {
		if strings.HasPrefix(key, pkg+".") && !known[key] {
			differences = append(differences, key+" is documented and does not exist")
		}
	}
	return differences
}

// nameOf is t's name, less the types that it was made for.
func nameOf(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

// rowsOf is the table that t's document should have. Fields without bytes are left out.
func rowsOf(t reflect.Type) (rows []row) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Type.Size() > 0 {
			rows = append(rows, row{uint64(f.Offset), uint64(f.Type.Size()), f.Name})
		}
	}
	return rows
}

// compareConstants says in what the document and the constants of a package differ.
func compareConstants(d document, pkg string, constants map[string]uint64) (differences []string) {
	documented := d.constants[pkg]
	for _, name := range slices.Sorted(maps.Keys(constants)) {
		if value, ok := documented[name]; !ok || value != constants[name] {
			differences = append(differences, fmt.Sprintf("%s.%s is %#x and not %#x", pkg, name, constants[name], value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if _, ok := constants[name]; !ok {
			differences = append(differences, fmt.Sprintf("%s.%s is documented and not asked for", pkg, name))
		}
	}
	return differences
}
