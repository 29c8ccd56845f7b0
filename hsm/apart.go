package hsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// setApart lets the key worker and a process run on the first processor that
// this process may use, and this process on the others. What it returns undoes
// that.
func setApart(ctx context.Context, c *Client, pid int) (together func() error, err error) {
	var all, first, others unix.CPUSet
	err = unix.SchedGetaffinity(0, &all)
	if err != nil {
		return nil, fmt.Errorf("processors: %w", err)
	}
	if all.Count() < 2 {
		return nil, fmt.Errorf("%w: one processor cannot be shared out", ErrUnsupported)
	}
	others = all
	n := 0
	for !all.IsSet(n) {
		n++
	}
	first.Set(n)
	others.Clear(n)
	health, err := c.Health(ctx)
	if err != nil {
		return nil, err
	}
	together = func() error { return errors.Join(pin(os.Getpid(), &all), pin(health.PID, &all)) }
	err = errors.Join(pin(os.Getpid(), &others), pin(health.PID, &first), pin(pid, &first))
	if err != nil {
		return nil, errors.Join(err, together())
	}
	return together, nil
}

// pin lets all threads of a process run on these processors only.
func pin(pid int, on *unix.CPUSet) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return fmt.Errorf("threads: %w", err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err == nil {
			err = unix.SchedSetaffinity(id, on)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // one that ended meanwhile
			return fmt.Errorf("processors of a thread: %w", err)
		}
	}
	return nil
}
