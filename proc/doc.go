// Package proc runs Go functions in processes of their own.
//
//	var hello = proc.Func("hello", func(ctx context.Context, name string) error {
//		fmt.Println("hello,", name)
//		return nil
//	})
//
//	func main() {
//		proc.Main() // in the child: runs hello, and exits
//		child, err := hello.Start(context.Background(), "world")
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := child.Wait(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// The child is the same program, started again: package variables are initialised and init
// functions run in it as in the parent, then Main takes over. Nothing is forked; the two share no
// memory but what is in shared segments.
//
// # More than one
//
// A [Group] is processes that belong together: the first that fails ends the others. A [Warm] set is children
// that are started ahead and wait for their arguments, so that a start takes well under a millisecond.
//
// # Guarantees
//
//   - Start returns when the child has found its function and decoded its
//     arguments, or with an error that says why it did not. Then no process is left.
//   - A child dies with its parent, however the parent dies, and so does the
//     whole tree below it. On Linux that holds too for a child that is
//     stopped or whose Go code makes no progress.
//   - A child has its standard streams (input is /dev/null), the files and segments
//     it was given, and no other descriptor of the parent.
//   - A child is reaped when it ends, whether or not anybody waits: no zombies.
//     Its status is kept for any number of Waits.
//   - Signals go to the child that is meant or to nobody: a process that got the
//     same number later is safe.
//   - Waiting for children holds one thread, for all of them (Linux).
//   - Neither argv nor the environment limits the arguments.
//   - Open files in arguments, and in messages (shm.File), are kept by the eldest process of the family, that which nobody started by
//     this package. A child asks its parent for a connection to it when it first needs one.
//
// # Non-guarantees
//
//   - A child may change its own parent-death signal, and lose it by executing a
//     program with set-user-ID or file capabilities; if it also closes the control
//     socket it may outlive its parent.
//   - A child that lives on after its parent (option Outlive) must exit by itself when its time is over: one that is stopped
//     by then, or whose Go code makes no progress, is not killed.
//   - Processes that a child starts by other means than this package are not
//     children in this sense: they are neither killed nor waited for, but for what they write to the
//     child's streams (see Stdout).
//   - On macOS a child learns of its parent's death from the control
//     socket alone, in a goroutine: a stopped child dies only when it is continued. Waiting there holds a
//     thread per child.
//   - A descriptor made without close-on-exec while another goroutine is in Start may
//     reach the child.
//
// # Lifetimes
//
// A Process needs no Close; Close kills. The context of Start ends with Start. The context of the
// function lasts as long as the child, which ends when the function returns: the program's other
// goroutines do not keep it, and deferred functions of others do not run.
//
// All functions and methods may be called by any number of goroutines, in the parent as in a child,
// which may start children of its own. What came from one process (a *Process, a context's files)
// has no meaning in another.
//
// On Linux one goroutine, locked to its thread, stays for as long as the process has children: the
// kernel ties the parent-death signal to the thread that started the child.
package proc
