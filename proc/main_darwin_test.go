package proc_test

// forgetParent has nothing to do: there is no parent-death signal.
func forgetParent() error { return nil }

// loseControl is for tests of the parent-death signal.
func loseControl() error { return nil }
