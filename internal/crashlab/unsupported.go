//go:build !(linux && amd64)

package crashlab

import "errors"

// Supported reports whether the lab runs on this platform.
const Supported = false

// Main returns at once: nobody starts children of the lab here.
func Main([]Case) {}

// Mark does nothing: there are no victims here.
func Mark() {}

// Thread is the number of no thread.
func Thread() int { return 0 }

// Lab cannot be made here.
type Lab struct{}

// New fails with errors.ErrUnsupported.
func New(Options) (*Lab, error) { return nil, errors.ErrUnsupported }

// Run fails with errors.ErrUnsupported.
func (*Lab) Run(Case) (Result, error) { return Result{}, errors.ErrUnsupported }

// Repeat fails with errors.ErrUnsupported.
func (*Lab) Repeat(Case, Trial) (Result, error) { return Result{}, errors.ErrUnsupported }

// Close does nothing.
func (*Lab) Close() {}

// TryScenario fails with errors.ErrUnsupported.
func TryScenario(Options, Scenario) (Outcome, error) { return Outcome{}, errors.ErrUnsupported }

// Execute fails with errors.ErrUnsupported.
func Execute() error { return errors.ErrUnsupported }

// Fork fails with errors.ErrUnsupported.
func Fork() error { return errors.ErrUnsupported }
