package proc_test

// allowedCPUs is for systems with affinities.
func allowedCPUs() int { return 0 }
