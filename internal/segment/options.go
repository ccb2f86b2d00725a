package segment

import "io/fs"

// Config is what the options of a segment set. Its zero value means the defaults.
type Config struct {
	Dir          string      // where named segments lie; "": the system's place
	Mode         fs.FileMode // of a new named segment's file; 0: 0600
	Owner        int         // uid of the file's owner that Open accepts beside this process's own; -1: none
	Participants int         // slots of a new segment; 0: defaultParticipants; NoParticipants: none, which is an error
	As           string      // this participant's name
	MaxBytes     int64       // the most that the heap may commit; 0: the segment's size
	Observe      bool        // open read-only and without a participant slot
	HugePages    bool        // put the segment into huge pages
	Prefault     bool        // touch every page before the first use
	Locked       bool        // keep every page in memory
}
