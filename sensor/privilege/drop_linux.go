package privilege

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/elastic/go-seccomp-bpf"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Drop gives up what the options say, on every thread of the process, for
// good. After an error the process must end: it may hold a part.
func Drop(o Options) (Held, error) {
	if o.User != "" {
		err := become(o.User)
		if err != nil {
			return Held{}, err
		}
	}
	err := dropCapabilities()
	if err != nil {
		return Held{}, fmt.Errorf("drop capabilities: %w", err)
	}
	held := Held{UID: os.Getuid(), GID: os.Getgid()}
	if o.NoSeccomp {
		return held, noNewPrivileges()
	}
	held.Filtered, err = true, filterCalls()
	return held, err
}

func become(name string) error {
	a, err := Lookup(name)
	if err != nil {
		return err
	}
	if os.Geteuid() == a.UID && os.Getuid() == a.UID {
		return nil
	}
	err = syscall.Setgroups(a.Groups)
	if err != nil {
		return fmt.Errorf("take the groups of %s (needs root): %w", name, err)
	}
	err = syscall.Setgid(a.GID)
	if err != nil {
		return fmt.Errorf("become the group of %s: %w", name, err)
	}
	err = syscall.Setuid(a.UID)
	if err != nil {
		return fmt.Errorf("become %s: %w", name, err)
	}
	// Root cannot be had back.
	if syscall.Setuid(0) == nil {
		return fmt.Errorf("become %s: still root", name)
	}
	return nil
}

// dropCapabilities empties all sets, those that children inherit too, and the
// bounding set where that is allowed.
func dropCapabilities() error {
	may, err := cap.GetProc().GetFlag(cap.Effective, cap.SETPCAP)
	if err != nil {
		return err
	}
	if may {
		for c := cap.Value(0); c < cap.MaxBits(); c++ {
			err = cap.DropBound(c)
			if err != nil {
				return err
			}
		}
	}
	err = cap.ResetAmbient()
	if err != nil {
		return err
	}
	return cap.NewSet().SetProc()
}

// prSetNoNewPrivs is PR_SET_NO_NEW_PRIVS of linux/prctl.h.
const prSetNoNewPrivs = 38

func noNewPrivileges() error {
	_, err := cap.Prctlw(prSetNoNewPrivs, 1, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// filterCalls lets only the listed system calls through; others fail with
// EPERM. The kernel sets the filter, and no_new_privs, on all threads at once.
func filterCalls() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true, Flag: seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls:      allowed(),
		},
	})
	if err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	return nil
}
