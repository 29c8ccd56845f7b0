package app

import (
	"context"
	"time"

	"github.com/antin-gov/antin/hsm/hsmpages"
	"github.com/antin-gov/antin/internal/web"
)

// keyPages adds the pages of the key room.
func (s *System) keyPages(site *web.Site) error {
	return hsmpages.Register(site, hsmpages.Deps{
		Tokens: s.Custody.List, SetState: s.Custody.SetState, Ceremonies: s.ListCeremonies, Devices: s.Devices, Keys: s.pageKeys,
	})
}

// pageKeys lists the keys as their page shows them.
func (s *System) pageKeys(ctx context.Context) ([]hsmpages.Key, error) {
	lines, err := s.ListKeys(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]hsmpages.Key, 0, len(lines))
	for _, l := range lines {
		key := hsmpages.Key{Label: l.Label, Algorithm: l.Algorithm, Holder: l.Holder}
		until, err := time.Parse(time.DateOnly, l.Until)
		if err == nil {
			key.Until = until.Format("02/01/2006")
		}
		keys = append(keys, key)
	}
	return keys, nil
}
