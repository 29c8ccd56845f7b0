//go:build !linux

package bench

import (
	"fmt"
	"os"
	"os/exec"
)

// startConfined starts a process that uses n processors at a time.
func startConfined(cmd *exec.Cmd, n int) error {
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", n))
	return cmd.Start()
}
