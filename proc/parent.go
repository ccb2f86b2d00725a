package proc

import "sync/atomic"

// A ParentProcess is the process that started this one.
type ParentProcess struct {
	name string
	pid  int
	died chan struct{}
}

// parent is set once, by Main in a child.
var parent atomic.Pointer[ParentProcess]

// Parent returns the process that started this one by Start, or nil if none did.
func Parent() *ParentProcess { return parent.Load() }

// Name returns the parent's name, as in Process.Name, or "" if it is nobody's child itself.
func (p *ParentProcess) Name() string { return p.name }

// Pid returns its process id.
func (p *ParentProcess) Pid() int { return p.pid }

// Done returns a channel that is closed when the parent has died. That can be seen only by a child that the option Outlive
// lets live on for a while; any other one dies at the same time.
func (p *ParentProcess) Done() <-chan struct{} { return p.died }
