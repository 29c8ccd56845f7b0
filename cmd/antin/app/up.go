package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/antin-gov/antin/incident/ingest"
	"github.com/antin-gov/antin/internal/bus"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/policy/gateway"
	"github.com/antin-gov/antin/policy/registry"
)

// Timeouts of our servers.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	closeTimeout  = 10 * time.Second
	// pkiReadTimeout bounds a whole request to the public endpoints: one is a few
	// kilobytes, and slow senders must not hold the places of the others.
	pkiReadTimeout = 30 * time.Second
)

// Demonstration register: a size that pages, and a seed that never changes.
const (
	demoEnterprises = 400
	demoSeed        = 2026
)

// Machines of the demonstration: a sensor, and the data clients of an agency
// with an agreement and of one without.
var (
	machineSensor   = Machine{Name: "sensor-demo", Profile: "sensor", AgencyID: "ttgsattt"}
	ClientPermitted = Machine{Name: "client-thue", Profile: "client", AgencyID: "thue"}
	ClientRefused   = Machine{Name: "client-xa-tan-lap", Profile: "client", AgencyID: "xa-tan-lap"}
)

// Addresses is where the parts answer.
type Addresses struct {
	Console string `json:"console"`
	PKI     string `json:"pki"`
	Bus     string `json:"bus"`
	Gateway string `json:"gateway"`
	EST     string `json:"est"`
	Metrics string `json:"metrics"`
}

// server is the running system.
type server struct {
	*System
	demo bool
	addr Addresses
	// consumed tells what the consumer of the bus has taken.
	consumed func() ingest.Stats
	wg       sync.WaitGroup
	errs     chan error
	ready    bool
	mu       sync.Mutex
}

// Up serves the open system until ctx ends; ready is called once everything
// answers. The first part that fails ends the others.
func (s *System) Up(ctx context.Context, demo bool, ready func(Addresses)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &server{System: s, demo: demo, errs: make(chan error, 16)}
	err := srv.start(ctx)
	if err == nil {
		srv.setReady()
		if ready != nil {
			ready(srv.addr)
		}
		select {
		case <-ctx.Done():
		case err = <-srv.errs:
		}
	}
	cancel()
	srv.wg.Wait()
	return err
}

// run starts a part that ends with ctx; its error ends the system.
func (s *server) run(ctx context.Context, part string, f func(context.Context) error) {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		err := f(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "part failed", slog.String("part", part), slog.Any("error", err))
			select {
			case s.errs <- fmt.Errorf("%s: %w", part, err):
			default:
			}
		}
	}()
}

func (s *server) start(ctx context.Context) error {
	err := s.writeAnchors()
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.startPKI, s.startBus, s.startGateway, s.startConsole, s.startEST, s.startMetrics} {
		err = step(ctx)
		if err != nil {
			return err
		}
	}
	s.run(ctx, "documents that were cut off", s.settleDocuments)
	s.run(ctx, "tokens", s.Custody.Watch)
	s.run(ctx, "certificate status", s.CA.Run)
	s.run(ctx, "copies of the checkpoint", s.copyCheckpoints)
	s.run(ctx, "incident clocks", s.Incidents.Run)
	return s.startDrills(ctx)
}

// settleDocuments completes or takes back what a system that was killed left of
// the documents on their way out.
func (s *server) settleDocuments(ctx context.Context) error {
	n, err := s.Office.Resume(ctx)
	if n > 0 {
		s.Logger.InfoContext(ctx, "moves of documents that were cut off are settled", slog.Int("documents", n))
	}
	if err != nil {
		// The others are settled, and whoever comes to these tries again.
		s.Logger.ErrorContext(ctx, "a move of a document that was cut off could not be settled", slog.Any("error", err))
	}
	return nil
}

// serve answers on the address until ctx ends.
// A readTimeout of 0 sets none: the console has long uploads and event streams.
func (s *server) serve(ctx context.Context, part, addr string, h http.Handler, config *tls.Config, readTimeout time.Duration) (string, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("%s at %s: %w (is another antin running? see antin.yaml)", part, addr, err)
	}
	at := listener.Addr().String()
	web := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
		// Streams of the console (server-sent events) end when the system does.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	s.run(ctx, part, func(ctx context.Context) error {
		done := make(chan error, 1)
		go func() { done <- web.Serve(listener) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
		}
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err := web.Shutdown(closing)
		<-done
		return err
	})
	return at, nil
}

func (s *server) startPKI(ctx context.Context) (err error) {
	s.addr.PKI, err = s.serve(ctx, "pki", s.Config.PKI.Listen, s.CA.Handler(), nil, pkiReadTimeout)
	return err
}

// names are the names and addresses by which a listener is reached.
func (s *server) names(listen string) (dns []string, ips []net.IP) {
	dns = []string{"localhost"}
	if s.Config.Console.Host != "localhost" {
		dns = append(dns, s.Config.Console.Host)
	}
	ips = []net.IP{net.IPv4(127, 0, 0, 1)}
	host, _, err := net.SplitHostPort(listen)
	if err == nil {
		ip := net.ParseIP(host)
		if ip != nil && !ip.IsUnspecified() && !ip.Equal(ips[0]) {
			ips = append(ips, ip)
		}
	}
	return dns, ips
}

func (s *server) machine(ctx context.Context, name, listen string) (*tls.Certificate, error) {
	dns, ips := s.names(listen)
	pair, err := s.Certify(ctx, Machine{Name: name, Profile: "service", DNSNames: dns, IPs: ips})
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

func (s *server) startBus(ctx context.Context) error {
	pair, err := s.machine(ctx, "bus", s.Config.Bus.Listen)
	if err != nil {
		return err
	}
	clients, err := s.machines()
	if err != nil {
		return err
	}
	clients.Revocation.Check = func(ctx context.Context, path *trust.Path) error { return s.checkMachine(ctx, path.Leaf()) }
	nats, err := bus.Start(ctx, bus.Options{StoreDir: s.Path(dirBus), Listen: s.Config.Bus.Listen, Logger: s.Logger, TLS: clients.Server(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair},
	})})
	if err != nil {
		return err
	}
	s.addr.Bus = nats.Addr()
	js, err := nats.JetStream()
	if err != nil {
		nats.Close()
		return err
	}
	consumer, err := ingest.New(ingest.Deps{JetStream: js, Taker: s.Incidents, Clock: s.Clock, Logger: s.Logger})
	if err != nil {
		nats.Close()
		return err
	}
	s.consumed = consumer.Stats
	s.run(ctx, "ingest", func(ctx context.Context) error {
		defer nats.Close()
		return consumer.Run(ctx)
	})
	return nil
}

func (s *server) startGateway(ctx context.Context) error {
	pair, err := s.machine(ctx, "gateway", s.Config.Gateway.Listen)
	if err != nil {
		return err
	}
	clients, err := s.machines()
	if err != nil {
		return err
	}
	upstreams := map[string]gateway.Upstream{}
	if s.demo {
		upstreams, err = s.startRegister(ctx)
		if err != nil {
			return err
		}
	}
	g, err := gateway.New(gateway.Config{
		Sharing: s.Policy, Clock: s.Clock, Logger: s.Logger, Upstreams: upstreams, Clients: clients,
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair, nil },
		CheckClient: s.checkMachine, Refused: s.refusedSessions,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Config.Gateway.Listen)
	if err != nil {
		return fmt.Errorf("gateway at %s: %w", s.Config.Gateway.Listen, err)
	}
	s.addr.Gateway = listener.Addr().String()
	s.run(ctx, "gateway", func(ctx context.Context) error { return g.Serve(ctx, listener) })
	return nil
}

// startRegister serves the demonstration's enterprise register on loopback.
func (s *server) startRegister(ctx context.Context) (map[string]gateway.Upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("enterprise register: %w", err)
	}
	u := &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/enterprises"}
	register := registry.New(registry.Generate(demoSeed, demoEnterprises))
	s.run(ctx, "enterprise register", func(ctx context.Context) error { return register.Serve(ctx, listener) })
	for _, m := range []Machine{machineSensor, ClientPermitted, ClientRefused} {
		_, err = s.Certify(ctx, m)
		if err != nil {
			return nil, err
		}
	}
	return map[string]gateway.Upstream{"enterprises": {URL: u, Items: "items", Counts: []string{"total", "limit", "offset"}}}, nil
}

// refusedSessions records connections to the gateway that got no TLS session.
func (s *server) refusedSessions(ctx context.Context, n uint64) error {
	_, err := s.Ledger.Append(ctx, ledger.Entry{
		Time: s.Clock.Now(), Kind: "policy.session.refuse", Actor: "system:gateway", Object: "gateway",
		Detail: map[string]string{"connections": strconv.FormatUint(n, 10), "reason": "certificate"},
	})
	return err
}

func (s *server) setReady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
}

func (s *server) isReady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// health answers /healthz and /readyz: alive, and every part fit for work.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	problems := map[string]string{}
	if r.URL.Path == "/readyz" {
		if !s.isReady() {
			problems["system"] = "starting"
		}
		ctx, cancel := context.WithTimeout(r.Context(), headerTimeout)
		defer cancel()
		err := s.DB.PingContext(ctx)
		if err != nil {
			problems["database"] = "unreachable"
		}
		_, err = s.Keys.Health(ctx)
		if err != nil {
			problems["token"] = "unreachable"
		}
		_, err = s.Ledger.Size(ctx)
		if err != nil {
			problems["ledger"] = "unreadable"
		}
		s.statusProblems(ctx, problems)
	}
	status, word := http.StatusOK, "ok"
	if len(problems) > 0 {
		status, word = http.StatusServiceUnavailable, "not ready"
	}
	b, err := json.Marshal(map[string]any{"status": word, "problems": problems})
	if err != nil {
		http.Error(w, word, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the asker has gone
}

// origins are the origins from which the console is reached, for passkeys.
func (s *server) origins() []string {
	return []string{origin(s.Config.Console.Host, s.Config.Console.Listen)}
}
