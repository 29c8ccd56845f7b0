package app

import (
	"context"

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
		keys = append(keys, hsmpages.Key{Label: l.Label, Algorithm: l.Algorithm, Holder: l.Holder, Until: l.Until})
	}
	return keys, nil
}
