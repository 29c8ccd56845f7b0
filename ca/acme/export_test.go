package acme

import "context"

// Sweep is what Run does now and then.
func (s *Server) Sweep(ctx context.Context) error { return s.sweep(ctx) }

// Clean is what Run does now and then.
func (s *Server) Clean(ctx context.Context) error { return s.clean(ctx) }
