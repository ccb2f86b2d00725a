package segment

import "os"

// backing is how many bytes of f have memory behind them.
func backing(f *os.File) (uint64, error) {
	st, err := status(f)
	return uint64(st.Blocks) * 512, err
}
