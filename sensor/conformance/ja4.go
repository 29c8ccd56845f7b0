package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Hello is a TLS client's greeting as tshark reads it.
type Hello struct {
	QUIC bool
	// Version is that of the greeting, Versions those of its extension 43, Signatures those of 13.
	Version                                   uint16
	Versions, Ciphers, Extensions, Signatures []uint16
	ServerName                                string
	ALPN                                      []string
}

// Fingerprint computes JA4 of a greeting, independently of the sensor.
type Fingerprint func(*Hello) string

// CompareJA4 compares the JA4 fingerprints of TLS over TCP and of QUIC, of each
// connection the first, with those of another program, which gets what tshark
// reads of the greetings.
func CompareJA4(ctx context.Context, captures []string, theirs Fingerprint, progress func(done, all int)) ([]ReadCapture, error) {
	return compareReads(ctx, captures, progress, readFingerprints, func(ctx context.Context, bin, path string) (Read, error) {
		return readHellos(ctx, bin, path, theirs)
	})
}

// readFingerprints takes the fingerprints from the sensor's records.
func readFingerprints(records []map[string]any) Read {
	out, seen := Read{}, map[string]bool{}
	for _, r := range records {
		kind := text(r["event_type"])
		if kind != "tls" && kind != "quic" {
			continue
		}
		ja4, flow := said(r, kind, "ja4"), said(r, "flow_id")
		if ja4 != "" && !seen[flow] {
			seen[flow] = true
			out.add(comparedJA4, ja4)
		}
	}
	return out
}

func readHellos(ctx context.Context, bin, path string, theirs Fingerprint) (Read, error) {
	// "no-duplicate-keys": what stands twice is a list.
	args := []string{"-r", path, "-n", "-Y", "tls.handshake.type == 1 and (tcp or quic)", "-T", "json", "--no-duplicate-keys", "-J", "tcp udp quic tls"}
	out, seen := Read{}, map[string]bool{}
	err := runTshark(ctx, bin, args, func(r io.Reader) error {
		dec := json.NewDecoder(r)
		_, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		for err == nil && dec.More() {
			var packet struct {
				Source struct {
					Layers map[string]any `json:"layers"`
				} `json:"_source"`
			}
			err = dec.Decode(&packet)
			takeHellos(packet.Source.Layers, out, seen, theirs)
		}
		return err
	})
	return out, err
}

// takeHellos adds the greetings of a packet, of each connection the first.
func takeHellos(layers map[string]any, out Read, seen map[string]bool, theirs Fingerprint) {
	stream, quic := "tcp "+said(layers, "tcp", "tcp.stream"), false
	if layers["quic"] != nil {
		stream, quic = "quic "+said(layers, "udp", "udp.stream"), true
	}
	each(layers, func(m map[string]any) {
		if m["tls.handshake.type"] != "1" || m["tls.handshake.version"] == nil || seen[stream] {
			return
		}
		seen[stream] = true
		out.add(comparedJA4, theirs(readHello(m, quic)))
	})
}

func readHello(handshake map[string]any, quic bool) *Hello {
	h := &Hello{QUIC: quic}
	for _, v := range numbers(handshake["tls.handshake.version"]) {
		h.Version = v
	}
	each(handshake["tls.handshake.ciphersuites"], func(m map[string]any) {
		h.Ciphers = append(h.Ciphers, numbers(m["tls.handshake.ciphersuite"])...)
	})
	each(handshake, func(m map[string]any) {
		for _, kind := range numbers(m["tls.handshake.extension.type"]) {
			h.Extensions = append(h.Extensions, kind)
			switch kind {
			case 0:
				each(m, func(m map[string]any) { h.ServerName += text(m["tls.handshake.extensions_server_name"]) })
			case 13:
				each(m, func(m map[string]any) {
					h.Signatures = append(h.Signatures, numbers(m["tls.handshake.sig_hash_alg"])...)
				})
			case 16:
				each(m, func(m map[string]any) { h.ALPN = append(h.ALPN, texts(m["tls.handshake.extensions_alpn_str"])...) })
			case 43:
				h.Versions = append(h.Versions, numbers(m["tls.handshake.extensions.supported_version"])...)
			}
		}
	})
	return h
}

// each visits an object and those inside of it.
func each(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			each(x, visit)
		}
	case map[string]any:
		visit(v)
		for _, x := range v {
			each(x, visit)
		}
	}
}

// texts are the values of a field that may stand once or several times.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = fmt.Sprint(x)
	}
	return out
}

// numbers are those that fit 16 bits, decimal or after 0x.
func numbers(v any) []uint16 {
	var out []uint16
	for _, s := range texts(v) {
		n, err := strconv.ParseUint(strings.TrimSpace(s), 0, 16)
		if err == nil {
			out = append(out, uint16(n))
		}
	}
	return out
}
