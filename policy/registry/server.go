package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// DefaultSeed and DefaultCount make the demonstration's register.
const (
	DefaultSeed  = 2026
	DefaultCount = 240
)

// Limits of the service.
const (
	defaultPage   = 50
	maxPage       = 500
	headerTimeout = 5 * time.Second
	writeTimeout  = 15 * time.Second
	closeWait     = 5 * time.Second
)

// ErrNotLoopback means that the register was asked to listen where others
// than this machine reach it.
var ErrNotLoopback = errors.New("registry: the register listens on loopback only")

// Register is a register held in memory. It is never changed.
type Register struct {
	list   []Enterprise
	byCode map[string]int
}

// New holds the enterprises.
func New(list []Enterprise) *Register {
	r := &Register{list: list, byCode: make(map[string]int, len(list))}
	for i, e := range list {
		r.byCode[e.Code] = i
	}
	return r
}

// Page is an answer of the list.
type Page struct {
	Items  []Enterprise `json:"items"`
	Total  int          `json:"total"`
	Limit  int          `json:"limit"`
	Offset int          `json:"offset"`
}

// Handler serves GET /enterprises (filters by fields' names, limit, offset)
// and GET /enterprises/{code}.
func (r *Register) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /enterprises", r.serveList)
	mux.HandleFunc("GET /enterprises/{code}", r.serveOne)
	return mux
}

func (r *Register) serveOne(w http.ResponseWriter, req *http.Request) {
	i, known := r.byCode[req.PathValue("code")]
	if !known {
		http.Error(w, `{"error":"not found"}`, http.StatusNotFound)
		return
	}
	write(w, r.list[i])
}

func (r *Register) serveList(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	limit, err := number(query.Get("limit"), defaultPage, maxPage)
	if err != nil {
		http.Error(w, `{"error":"limit"}`, http.StatusBadRequest)
		return
	}
	offset, err := number(query.Get("offset"), 0, len(r.list))
	if err != nil {
		http.Error(w, `{"error":"offset"}`, http.StatusBadRequest)
		return
	}
	page := Page{Items: []Enterprise{}, Limit: limit, Offset: offset}
	for _, e := range r.list {
		if !matches(e, query) {
			continue
		}
		if page.Total >= offset && len(page.Items) < limit {
			page.Items = append(page.Items, e)
		}
		page.Total++
	}
	write(w, page)
}

func matches(e Enterprise, query map[string][]string) bool {
	for field, values := range query {
		value := values[0]
		ok := true
		switch field {
		case "name":
			ok = strings.Contains(strings.ToLower(e.Name), strings.ToLower(value))
		case "kind":
			ok = e.Kind == value
		case "status":
			ok = e.Status == value
		case "industry_code":
			ok = e.IndustryCode == value
		case "commune":
			ok = e.Commune == value
		case "owner_id":
			ok = e.OwnerID == value
		case "owner_name":
			ok = strings.EqualFold(e.OwnerName, value)
		}
		if !ok {
			return false
		}
	}
	return true
}

func number(text string, fallback, limit int) (int, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("not a count: %.20q", text)
	}
	return min(n, limit), nil
}

func write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	err := json.NewEncoder(w).Encode(value)
	if err != nil {
		// the asker has gone; there is nobody to tell
		return
	}
}

// Serve serves the register on the listener, which must be on loopback, until
// ctx ends.
func (r *Register) Serve(ctx context.Context, listener net.Listener) error {
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("%w: %s", ErrNotLoopback, listener.Addr()), listener.Close())
	}
	server := &http.Server{
		Handler: r.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the register: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	err := server.Shutdown(last)
	<-done
	return err
}
