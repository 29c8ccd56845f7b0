package incident

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Update tells a live page that a case changed.
type Update struct {
	CaseID     string `json:"case"`
	Number     string `json:"number"`
	AgencyID   string `json:"agency"`
	ExerciseID string `json:"exercise_id,omitempty"`
	State      string `json:"state"`
	New        bool   `json:"new"`
}

// hubBuffer is how many updates wait for a slow page before it is told to read
// anew instead.
const hubBuffer = 64

// Hub hands updates to the live pages. Changes are found in the database, so
// those of another process (the command line) show as well.
type Hub struct {
	kicked chan struct{}

	mu   sync.Mutex
	subs map[chan Update]struct{}
	seen map[string]time.Time // case → updated_at as last told
	last time.Time
}

func newHub() *Hub {
	return &Hub{kicked: make(chan struct{}, 1), subs: map[chan Update]struct{}{}, seen: map[string]time.Time{}}
}

// kick makes Run look for changes at once.
func (h *Hub) kick() {
	select {
	case h.kicked <- struct{}{}:
	default:
	}
}

// Subscribe returns a channel of updates, closed when the page falls behind,
// and what ends the subscription.
func (h *Hub) Subscribe() (<-chan Update, func()) {
	ch := make(chan Update, hubBuffer)
	h.mu.Lock()
	h.subs[ch] = struct{}{}
	h.mu.Unlock()
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(ch)
	}
}

// drop ends a subscription; the caller holds mu.
func (h *Hub) drop(ch chan Update) {
	_, ok := h.subs[ch]
	if ok {
		delete(h.subs, ch)
		close(ch)
	}
}

func (h *Hub) publish(updates []Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		for _, u := range updates {
			select {
			case ch <- u:
				continue
			default:
			}
			h.drop(ch)
			break
		}
	}
}

// end closes all subscriptions: the pages' streams end with the service.
func (h *Hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		h.drop(ch)
	}
}

// Live returns the hub of the service.
func (s *Service) Live() *Hub { return s.hub }

// changesLimit bounds one look for changes.
const changesLimit = 500

// publishChanges tells the pages which cases changed since the last look.
func (s *Service) publishChanges(ctx context.Context) error {
	h := s.hub
	h.mu.Lock()
	idle := len(h.subs) == 0
	last := h.last
	h.mu.Unlock()
	if idle {
		h.mu.Lock()
		h.last = s.now()
		clear(h.seen)
		h.mu.Unlock()
		return nil
	}
	var changed []Case
	// Two writers may commit out of the order of their clocks: look back a little.
	err := s.db.NewSelect().Model(&changed).Where("updated_at >= ?", last.Add(-5*time.Second)).
		OrderExpr("updated_at").Limit(changesLimit).Scan(ctx)
	if err != nil {
		return fmt.Errorf("find changed cases: %w", err)
	}
	var updates []Update
	h.mu.Lock()
	for i := range changed {
		k := &changed[i]
		if h.seen[k.ID].Equal(k.UpdatedAt) {
			continue
		}
		_, known := h.seen[k.ID]
		h.seen[k.ID] = k.UpdatedAt
		h.last = later(h.last, k.UpdatedAt)
		updates = append(updates, Update{
			CaseID: k.ID, Number: k.Number, AgencyID: k.AgencyID, ExerciseID: k.ExerciseID, State: k.State,
			New: !known && k.State == StateNew,
		})
	}
	h.mu.Unlock()
	h.publish(updates)
	return nil
}
