//go:build !linux && !darwin

package liveness

// Watch would wait for a process to die.
type Watch struct{}

// NewWatch fails with ErrUnsupported.
func NewWatch(int, func()) (*Watch, error) { return nil, ErrUnsupported }

// Stop does nothing.
func (w *Watch) Stop() {}

// Done is closed.
func (w *Watch) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}
