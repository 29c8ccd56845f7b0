package incident

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/antin-gov/antin/internal/auth"
)

// Rhythm of the live pages.
const (
	// liveGather lets the changes of one attack arrive as one message: a page
	// fetches itself anew for each.
	liveGather = 300 * time.Millisecond
	// liveTick moves the clocks' bars, and shows a dead connection.
	liveTick = time.Minute
)

// events is the stream that tells a page of cases to read itself anew. A
// message holds no content: what the reader may see, the page itself asks.
func (p *casePages) events(w http.ResponseWriter, r *http.Request) {
	flusher := http.NewResponseController(w)
	// The stream outlives the server's limit for an answer.
	err := flusher.SetWriteDeadline(time.Time{})
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		p.site.Fail(w, r, err)
		return
	}
	updates, end := p.service.Live().Subscribe()
	defer end()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(text string) bool {
		_, err := io.WriteString(w, text)
		return err == nil && flusher.Flush() == nil
	}
	if !send("retry: 3000\n: begin\n\n") {
		return
	}
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	var gathered <-chan time.Time
	for {
		select {
		case <-r.Context().Done():
			return
		case u, open := <-updates:
			if !open {
				// The page fell behind: it reads anew and connects again.
				send("data: changed\n\n")
				return
			}
			if gathered == nil && p.concerns(r, u) {
				gathered = time.After(liveGather)
			}
		case <-gathered:
			gathered = nil
			if !send("data: changed\n\n") {
				return
			}
		case <-tick.C:
			if !send("data: time\n\n") {
				return
			}
		}
	}
}

// concerns says whether the update belongs on the page: the case or the side
// (real or exercise) it shows, and an agency whose cases the reader may see.
func (p *casePages) concerns(r *http.Request, u Update) bool {
	q := r.URL.Query()
	if one := q.Get("case"); one != "" && one != u.Number && one != u.CaseID {
		return false
	}
	switch side := q.Get("exercise"); side {
	case "":
	case exerciseReal:
		if u.ExerciseID != "" {
			return false
		}
	case ExerciseAny:
		if u.ExerciseID == "" {
			return false
		}
	default:
		if u.ExerciseID != side {
			return false
		}
	}
	return p.service.may(r.Context(), "incident.read", auth.Resource{Kind: resourceCase, AgencyID: u.AgencyID})
}
