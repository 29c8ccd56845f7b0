package output_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/sensor/output"
)

// authority issues certificates for one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.issue("ca", true)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) issue(name string, isCA bool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: isCA, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.cert, a.key
	if isCA {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", keyDER)
	if isCA {
		a.key = key
		a.cert, err = x509.ParseCertificate(der)
		if err != nil {
			a.t.Fatal(err)
		}
	}
}

func TestHubIsReachedOverMutualTLSOnly(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("server", false)
	ca.issue("sensor", false)
	pair, err := tls.LoadX509KeyPair(ca.path("server.pem"), ca.path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, TLSVerify: true,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS server does not start")
	}
	admin, err := nats.Connect(s.ClientURL(), nats.RootCAs(ca.path("ca.pem")), nats.ClientCert(ca.path("sensor.pem"), ca.path("sensor.key")))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: event.Stream, Subjects: []string{event.SubjectPrefix + ">"}})
	if err != nil {
		t.Fatal(err)
	}
	with := output.HubConfig{
		URL: s.ClientURL(), Sensor: "s-1", CAFile: ca.path("ca.pem"), CertFile: ca.path("sensor.pem"), KeyFile: ca.path("sensor.key"),
	}
	without := with
	without.CertFile, without.KeyFile = "", ""
	for _, c := range []struct {
		name string
		cfg  output.HubConfig
		want error
	}{{"with a certificate", with, nil}, {"without a certificate", without, output.ErrUndelivered}} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Spool.Dir = t.TempDir()
			h, err := output.OpenHub(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = h.Write("dns", []byte("{}\n"))
			if err != nil {
				t.Fatal(err)
			}
			err = closeHub(h, 3*time.Second)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}
