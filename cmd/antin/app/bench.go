package app

import (
	"context"
	"errors"
)

// OpenThrowaway makes a demonstration system in an empty folder, with a token
// of its own, and opens it. It listens on no address but a free one of the
// loopback, so that it lives beside others; who measures in it throws it away.
func OpenThrowaway(ctx context.Context, o Options, progress func(string)) (*System, error) {
	// Nobody can serve port 0, so certificate status and time-stamps are served by this process.
	o.Environ = append([]string{"ANTIN_PKI_LISTEN=127.0.0.1:0"}, o.Environ...)
	err := Init(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	err = s.LoadDemo(ctx, progress)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
