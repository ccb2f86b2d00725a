package queue

// Addr is where a Listener listens. It is a net.Addr.
type Addr struct {
	Segment string // the name of the segment, or what stands for it
	Name    string // of the listener
}

// Network is "kindred".
func (Addr) Network() string { return "kindred" }

// String is segment and name.
func (a Addr) String() string { return a.Segment + "/" + a.Name }
