package sensor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// linkCounters are the kernel's figures of an interface.
type linkCounters struct {
	rxBytes, txBytes, rxDropped uint64
	// speed is in Mbit/s, zero when the interface does not know it.
	speed uint64
}

// readLink reads the figures from /sys/class/net.
func readLink(name string) (c linkCounters, err error) {
	for _, f := range []struct {
		file string
		into *uint64
	}{{"statistics/rx_bytes", &c.rxBytes}, {"statistics/tx_bytes", &c.txBytes}, {"statistics/rx_dropped", &c.rxDropped}} {
		text, err := os.ReadFile(filepath.Join("/sys/class/net", name, f.file))
		if err != nil {
			return c, fmt.Errorf("read the figures of %s: %w", name, err)
		}
		*f.into, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return c, fmt.Errorf("read the figures of %s: %w", name, err)
		}
	}
	// An interface without a cable gives an error or -1.
	text, err := os.ReadFile(filepath.Join("/sys/class/net", name, "speed"))
	if err != nil {
		return c, nil
	}
	speed, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err == nil && speed > 0 {
		c.speed = uint64(speed)
	}
	return c, nil
}

// clockState is what the kernel knows of the machine's clock (adjtimex(2)).
type clockState struct {
	// synchronised says whether something disciplines the clock.
	synchronised bool
	// offset and most are in microseconds: the correction under way, and the
	// bound of the error.
	offset, most int64
}

func readClock() (clockState, error) {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	if err != nil {
		return clockState{}, fmt.Errorf("read the clock's state: %w", err)
	}
	offset := int64(t.Offset)
	if t.Status&unix.STA_NANO != 0 {
		offset /= 1000
	}
	return clockState{synchronised: t.Status&unix.STA_UNSYNC == 0, offset: offset, most: int64(t.Maxerror)}, nil
}
