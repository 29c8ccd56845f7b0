//go:build !linux

package capture

// Live captures from a network interface; only Linux has it.
type Live struct{}

// LiveOptions set how an interface is read.
type LiveOptions struct {
	Interface     string
	Blocks        int
	NoPromiscuous bool
}

// OpenLive returns ErrUnsupported.
func OpenLive(LiveOptions) (*Live, error) { return nil, ErrUnsupported }

// Next returns ErrUnsupported.
func (*Live) Next(*Frame) error { return ErrUnsupported }

// Stats returns ErrUnsupported.
func (*Live) Stats() (Stats, error) { return Stats{}, ErrUnsupported }

// Close does nothing.
func (*Live) Close() error { return nil }
