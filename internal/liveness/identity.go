package liveness

// Identity tells one process from another for people; the proofs of death do not rest on it.
type Identity struct {
	Pid       uint32
	Start     uint64 // when it started, in the system's own units; 0: unknown
	Namespace uint64 // of its number; 0: unknown
}

// SameNamespace reports whether other's number means the same process here as there.
func (id Identity) SameNamespace(other Identity) bool {
	return id.Namespace != 0 && id.Namespace == other.Namespace
}
