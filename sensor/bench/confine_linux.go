package bench

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startConfined starts a process on the last n of the processors that this one
// may use (sched_setaffinity(2)): the first one has the most to do beside. Go
// takes the number for its own, GOMAXPROCS.
func startConfined(cmd *exec.Cmd, n int) error {
	// The process inherits what the thread has that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, some unix.CPUSet
	err := unix.SchedGetaffinity(0, &all)
	if err != nil {
		return fmt.Errorf("ask for the processors: %w", err)
	}
	for cpu := len(all)*64 - 1; cpu >= 0 && some.Count() < n; cpu-- {
		if all.IsSet(cpu) {
			some.Set(cpu)
		}
	}
	err = unix.SchedSetaffinity(0, &some)
	if err != nil {
		return fmt.Errorf("confine a process to %d processors: %w", n, err)
	}
	started := cmd.Start()
	err = unix.SchedSetaffinity(0, &all)
	if started != nil {
		return started
	}
	return err
}
