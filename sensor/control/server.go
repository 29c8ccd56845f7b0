package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// Handlers are what the sensor does when it is asked. A nil one is refused.
type Handlers struct {
	Figures func() Figures
	Top     func(rows int) Top
	Reload  func() (Reload, error)
	Rotate  func() (Rotate, error)
	Record  func(Record) (Recorded, error)
	// Profile works as long as it is asked to; the context ends when nobody
	// waits for the answer any more or the sensor ends.
	Profile func(context.Context, ProfileAsk) (Profile, error)
}

// Limits of the socket.
const (
	// maxPath is what fits into a socket address of Linux (unix(7)).
	maxPath        = 107
	requestTimeout = 10 * time.Second
	maxRequest     = 64 << 10
	topRows        = 10
	socketMode     = 0o660
	// MaxProfile is how long rules are measured at most.
	MaxProfile = time.Hour
)

// Errors of Listen.
var (
	// ErrPath means that the path is too long for a socket.
	ErrPath = errors.New("control: the path of the socket is longer than 107 bytes")
	// ErrInUse means that another sensor answers there.
	ErrInUse = errors.New("control: another sensor answers at the socket")
)

// Server answers at a socket until it is closed.
type Server struct {
	http *http.Server
	// end ends what takes long.
	end  context.CancelFunc
	done chan struct{}
}

// CheckPath says whether a socket may have the path.
func CheckPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("%w: %s", ErrPath, path)
	}
	return nil
}

// Listen makes the socket, which its owner and group may use, and answers.
func Listen(path string, h Handlers, log *slog.Logger) (*Server, error) {
	err := CheckPath(path)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	}
	// What a killed sensor left is in the way.
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&os.ModeSocket != 0 {
		err = os.Remove(path)
		if err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	err = os.Chmod(path, socketMode)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ctx, end := context.WithCancel(context.Background())
	s := &Server{
		http: &http.Server{
			Handler: routes(h), BaseContext: func(net.Listener) context.Context { return ctx },
			ReadHeaderTimeout: requestTimeout, ReadTimeout: requestTimeout, IdleTimeout: time.Minute,
			MaxHeaderBytes: maxRequest, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
		end: end, done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		err := s.http.Serve(l)
		if !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket", "error", err)
		}
	}()
	return s, nil
}

// Close ends the answering and takes the socket away.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	s.end()
	err := s.http.Shutdown(ctx)
	<-s.done
	return err
}

// answer is what every request gets: a result or an error.
type answer struct {
	Error  string `json:"error,omitempty"`
	Result any    `json:"result,omitempty"`
}

func routes(h Handlers) http.Handler {
	mux := http.NewServeMux()
	handle(mux, "GET /figures", h.Figures != nil, func(*http.Request) (any, error) { return h.Figures(), nil })
	handle(mux, "GET /top", h.Top != nil, func(*http.Request) (any, error) { return h.Top(topRows), nil })
	handle(mux, "POST /reload", h.Reload != nil, func(*http.Request) (any, error) { return h.Reload() })
	handle(mux, "POST /rotate", h.Rotate != nil, func(*http.Request) (any, error) { return h.Rotate() })
	handle(mux, "POST /record", h.Record != nil, func(r *http.Request) (any, error) {
		var ask Record
		err := read(r, &ask)
		if err != nil {
			return nil, err
		}
		return h.Record(ask)
	})
	mux.HandleFunc("POST /profile", patient(MaxProfile+requestTimeout, answering(h.Profile != nil, func(r *http.Request) (any, error) {
		var ask ProfileAsk
		err := read(r, &ask)
		if err != nil {
			return nil, err
		}
		return h.Profile(r.Context(), ask)
	})))
	return mux
}

// read takes a request's body, to its end.
func read(r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	return nil
}

func handle(mux *http.ServeMux, pattern string, has bool, do func(*http.Request) (any, error)) {
	mux.HandleFunc(pattern, answering(has, do))
}

// patient gives a request more time than the others have: past its time the
// server takes the client for gone.
func patient(longest time.Duration, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(longest))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		next(w, r)
	}
}

func answering(has bool, do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		w.Header().Set("Content-Type", "application/json")
		var a answer
		status := http.StatusOK
		err := errors.New("this sensor does not do that: it was started without what it needs")
		if has {
			a.Result, err = do(r)
		}
		if err != nil {
			status, a = http.StatusConflict, answer{Error: err.Error()}
		}
		w.WriteHeader(status)
		// A client that went away needs no answer.
		_ = json.NewEncoder(w).Encode(a)
	}
}
