package incident

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/event"
)

// Limits of the agency cache: the directory changes a few times a year, so a
// minute is soon enough; the size holds a province's busy hosts.
const (
	agencyCacheFor  = time.Minute
	agencyCacheSize = 65536
)

// agencyCache answers whose an address is without a query for every event.
type agencyCache struct {
	finder AgencyFinder
	clock  clock.Clock

	mu    sync.Mutex
	since time.Time
	known map[agencyKey]string
}

type agencyKey struct {
	site string
	addr netip.Addr
}

func newAgencyCache(f AgencyFinder, c clock.Clock) *agencyCache {
	return &agencyCache{finder: f, clock: c, known: map[agencyKey]string{}}
}

// at returns the agency's id, "" when the address is nobody's.
func (c *agencyCache) at(ctx context.Context, site string, addr netip.Addr) (string, error) {
	if !addr.IsValid() {
		return "", nil
	}
	key := agencyKey{site, addr}
	c.mu.Lock()
	if age := c.clock.Now().Sub(c.since); age > agencyCacheFor || age < 0 || len(c.known) >= agencyCacheSize {
		clear(c.known)
		c.since = c.clock.Now()
	}
	id, ok := c.known[key]
	c.mu.Unlock()
	if ok {
		return id, nil
	}
	a, err := c.finder.AgencyAt(ctx, site, addr)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		id = ""
	case err != nil:
		return "", err
	default:
		id = a.ID
	}
	c.mu.Lock()
	c.known[key] = id
	c.mu.Unlock()
	return id, nil
}

// endpoints returns who opened the conversation and who was called. EVE's
// src and dest are those of the packet, so an answer names the server first;
// the record's flow or direction tells, else the well-known port does.
func endpoints(ev *event.Event) (client, server netip.Addr) {
	client, server = ev.Src.Addr(), ev.Dst.Addr()
	flow, ok := ev.Fields["flow"].(map[string]any)
	if ok {
		src, err := netip.ParseAddr(text(flow["src_ip"]))
		if err == nil {
			dst, err := netip.ParseAddr(text(flow["dest_ip"]))
			if err == nil {
				return src.Unmap(), dst.Unmap()
			}
		}
	}
	const wellKnown = 1024
	switch {
	case text(ev.Fields["direction"]) == "to_client":
		return server, client
	case text(ev.Fields["direction"]) == "to_server":
		return client, server
	case ev.Src.Port() != 0 && ev.Src.Port() < wellKnown && ev.Dst.Port() >= wellKnown:
		return server, client
	}
	return client, server
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
