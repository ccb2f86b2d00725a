// Package layouttest holds docs/LAYOUT.md, the specification of the bytes of a segment, against the
// structs and constants that the program uses.
//
// The document has a table for each struct, under a heading that names it and says its size, and one
// for the constants of each package. The tests of a package hand over its types; the package's source
// says which they are: every struct that begins with a structs.HostLayout.
package layouttest
