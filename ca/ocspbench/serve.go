package ocspbench

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/antin-gov/antin/ca"
)

// Figures is what the serving process tells of itself.
type Figures struct {
	Certificates int `json:"certificates"`
	Answers      int `json:"answers"`
	// HeapBefore and Heap are the bytes in use before certificates were loaded and
	// now, after a collection.
	HeapBefore uint64 `json:"heap_before"`
	Heap       uint64 `json:"heap"`
}

// Serve is the serving process of the measurement: the public addresses of the
// authority in dir, and /figures.
func Serve(ctx context.Context, dir, listen string) error {
	w, err := openWorld(ctx, dir, listen)
	if err != nil {
		return err
	}
	s, err := ca.New(ctx, w.deps)
	if err != nil {
		return errors.Join(err, w.close())
	}
	before := heap()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /figures", func(rw http.ResponseWriter, r *http.Request) {
		c, err := s.Condition(r.Context())
		f := Figures{Certificates: c.OCSP.Certificates, Answers: c.OCSP.Answers, HeapBefore: before}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		if r.URL.Query().Has("heap") {
			f.Heap = heap()
		}
		_ = json.NewEncoder(rw).Encode(f) // the asker has gone
	})
	public := s.Handler()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return errors.Join(err, w.close())
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/figures" {
				mux.ServeHTTP(rw, r)
				return
			}
			public.ServeHTTP(rw, r)
		})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(listener) })
	err = s.Run(ctx)
	err = errors.Join(err, server.Close())
	wg.Wait()
	return errors.Join(err, w.close())
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
