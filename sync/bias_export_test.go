package sync

import "github.com/kindred-ipc/kindred/internal/bias"

// In the tests of this package, and the processes that they start, readers have biases most of the time.
func init() { bias.FirstEarns, bias.MostEarns, bias.Worth = 4, 64, 256 }
