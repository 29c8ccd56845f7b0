package app_test

import (
	"testing"

	"github.com/antin-gov/antin/cmd/antin/app"
)

func (p *platform) testMachine(t *testing.T) {
	s := p.open(t)
	defer func() { _ = s.Close() }()
	m := app.Machine{Name: "test-machine", Profile: "service", DNSNames: []string{"localhost"}}
	first, err := s.Certify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	same, err := s.Certify(t.Context(), m)
	if err != nil || same.Leaf.SerialNumber.Cmp(first.Leaf.SerialNumber) != 0 {
		t.Fatalf("a good pair was not kept: %v", err)
	}
	_, key := s.Files(m)
	writeFile(t, key, nil)
	healed, err := s.Certify(t.Context(), m)
	if err != nil || healed.Leaf.SerialNumber.Cmp(first.Leaf.SerialNumber) == 0 {
		t.Fatalf("half a pair: %v", err)
	}
	m.DNSNames = append(m.DNSNames, "antin.example.gov.vn")
	renamed, err := s.Certify(t.Context(), m)
	if err != nil || renamed.Leaf.VerifyHostname("antin.example.gov.vn") != nil {
		t.Errorf("a name of today's configuration: %v", err)
	}
}
