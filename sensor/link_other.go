//go:build !linux

package sensor

import "github.com/antin-gov/antin/sensor/capture"

type linkCounters struct{ rxBytes, txBytes, rxDropped, speed uint64 }

func readLink(string) (linkCounters, error) { return linkCounters{}, capture.ErrUnsupported }

type clockState struct {
	synchronised bool
	offset, most int64
}

func readClock() (clockState, error) { return clockState{}, capture.ErrUnsupported }
