//go:build !linux

package capture

// Live captures from a network interface; only Linux has it.
type Live struct{}

// OpenLive returns ErrUnsupported.
func OpenLive(LiveOptions) ([]*Live, error) { return nil, ErrUnsupported }

// Start returns ErrUnsupported.
func Start([]*Live) error { return ErrUnsupported }

// CloseAll does nothing.
func CloseAll([]*Live) {}

// Stop returns ErrUnsupported.
func (*Live) Stop() error { return ErrUnsupported }

// Name is empty.
func (*Live) Name() string { return "" }

// Next returns ErrUnsupported.
func (*Live) Next(*Frame) error { return ErrUnsupported }

// Stats returns ErrUnsupported.
func (*Live) Stats() (Stats, error) { return Stats{}, ErrUnsupported }

// Close does nothing.
func (*Live) Close() error { return nil }
