// Package inspect is the part of the command line tool that looks at named segments, and tidies up:
// ls, show, check, rm and gc.
//
// What only looks opens a segment read-only and takes no participant's slot: it changes nothing, and
// works when the table is full. What it finds may be damaged, or in the hands of somebody who damages
// it meanwhile: every number is checked before it is used, names are quoted where a terminal would take
// them for commands, and a file that is truncated during the look is an error and no crash.
package inspect
