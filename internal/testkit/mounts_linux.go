package testkit

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// envOwnMounts says that the process has its own mounts already.
const envOwnMounts = "ANTIN_TEST_OWN_MOUNTS"

// OwnMounts begins the test program anew, as the same process, with file system
// mounts of its own: what tests mount is gone with it and with what it started,
// however they end. To be called first in TestMain. Without the right to, the
// program goes on as it is.
func OwnMounts() error {
	if os.Getenv(envOwnMounts) != "" || os.Geteuid() != 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own mounts: %w", err)
	}
	// Mounts are a thread's until the program begins anew on it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = unix.Unshare(unix.CLONE_NEWNS)
	if err != nil {
		return nil
	}
	err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err != nil {
		return fmt.Errorf("own mounts: %w", err)
	}
	err = unix.Exec(self, os.Args, append(os.Environ(), envOwnMounts+"=1"))
	return fmt.Errorf("own mounts: %w", err)
}
