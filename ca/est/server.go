package est

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// actorName is who acts in the ledger when the server does.
const actorName = "system:est"

// Authority is what the server needs of ca.Service.
type Authority interface {
	IssueService(ctx context.Context, f ca.ServiceForm) (*ca.Certificate, error)
	Request(ctx context.Context, f ra.Form) (*ra.Request, error)
	GetRequest(ctx context.Context, id string) (*ra.Request, error)
	Get(ctx context.Context, serial string) (*ca.Certificate, error)
	Anchors() []*x509.Certificate
	Issuers() []*x509.Certificate
	MachineProfiles() []*profile.Profile
}

// Config is what a server needs.
type Config struct {
	DB        *store.DB
	Authority Authority
	Desk      *enrol.Desk
	Ledger    ledger.Appender
	Clock     clock.Clock
	Directory *directory.Directory
	Logger    *slog.Logger
	// RetryAfter is when a client asks again whose request waits for an officer;
	// default 5 minutes.
	RetryAfter time.Duration
}

// ErrConfig says that the server must not start as configured.
var ErrConfig = errors.New("est: refused to start")

// Server answers EST. The listener must have asked for client certificates and
// verified those that were given. It is safe for concurrent use.
type Server struct {
	cfg      Config
	profiles map[string]*profile.Profile
	mux      *http.ServeMux
}

// New returns a server.
func New(cfg Config) (*Server, error) {
	if cfg.DB == nil || cfg.Authority == nil || cfg.Desk == nil || cfg.Ledger == nil || cfg.Clock == nil || cfg.Directory == nil || cfg.Logger == nil {
		return nil, fmt.Errorf("%w: a dependency is missing", ErrConfig)
	}
	if cfg.RetryAfter == 0 {
		cfg.RetryAfter = 5 * time.Minute
	}
	s := &Server{cfg: cfg, profiles: make(map[string]*profile.Profile), mux: http.NewServeMux()}
	for _, p := range cfg.Authority.MachineProfiles() {
		s.profiles[p.Name] = p
	}
	const base = "/.well-known/est/" // RFC 7030 §3.2.2, and with a label
	for _, at := range []string{base, base + "{label}/"} {
		s.handle("GET "+at+"cacerts", s.caCerts)
		s.handle("GET "+at+"csrattrs", s.attributes)
		s.handle("POST "+at+"simpleenroll", s.enrol)
		s.handle("POST "+at+"simplereenroll", s.reenrol)
		s.handle("POST "+at+"serverkeygen", s.keygen)
		s.handle("POST "+at+"fullcmc", s.fullCMC)
	}
	return s, nil
}

// Handler serves /.well-known/est/.
func (s *Server) Handler() http.Handler { return s.mux }

// refusal is an answer in words (RFC 7030 §4.2.3).
type refusal struct {
	status int
	text   string
	retry  time.Duration
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// operation answers a request; label names a profile, or is empty.
type operation func(w http.ResponseWriter, r *http.Request, label string) error

func (s *Server) handle(pattern string, act operation) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		label := r.PathValue("label")
		var err error
		if label != "" && s.profiles[label] == nil {
			err = refuse(http.StatusNotFound, "there is no profile %.64q; there are %s", label, strings.Join(s.names(), ", "))
		} else {
			err = act(w, r, label)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) names() []string {
	var names []string
	for name := range s.profiles {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var no *refusal
	if !errors.As(err, &no) {
		s.cfg.Logger.ErrorContext(r.Context(), "EST request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		no = refuse(http.StatusServiceUnavailable, "the server could not do it now; ask again")
		no.retry = 10 * time.Second
	}
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="est", charset="UTF-8"`)
	}
	if no.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(no.retry.Seconds())))
	}
	http.Error(w, no.text, no.status)
}

// keygen says no: keys are made where they are used, and leave no copy.
func (s *Server) keygen(http.ResponseWriter, *http.Request, string) error {
	return refuse(http.StatusNotImplemented, "keys are made by who will use them; send the PKCS#10 request of your own key to simpleenroll")
}

func (s *Server) fullCMC(http.ResponseWriter, *http.Request, string) error {
	return refuse(http.StatusNotImplemented, "full CMC is not offered; use simpleenroll and simplereenroll")
}

// caCerts answers RFC 7030 §4.1: roots and issuers of every generation.
func (s *Server) caCerts(w http.ResponseWriter, _ *http.Request, _ string) error {
	return writeCertificates(w, "application/pkcs7-mime", slices.Concat(s.cfg.Authority.Anchors(), s.cfg.Authority.Issuers()))
}

// writeCertificates writes a certs-only CMS message.
func writeCertificates(w http.ResponseWriter, kind string, certs []*x509.Certificate) error {
	var raw []byte
	for _, cert := range certs {
		raw = append(raw, cert.Raw...)
	}
	der, err := pkcs7.DegenerateCertificate(raw)
	if err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	writeBase64(w, kind, der)
	return nil
}

// line is the length of a line of base64 (RFC 2045 §6.8); they end with the
// line feed alone, which base64(1) takes.
const line = 76

// writeBase64 writes a payload as RFC 8951 §3.1 has it; the header is for
// clients of before.
func writeBase64(w http.ResponseWriter, kind string, der []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Transfer-Encoding", "base64")
	text := base64.StdEncoding.EncodeToString(der)
	var out strings.Builder
	for len(text) > line {
		out.WriteString(text[:line] + "\n")
		text = text[line:]
	}
	out.WriteString(text + "\n")
	_, _ = w.Write([]byte(out.String())) // the asker has gone
}
