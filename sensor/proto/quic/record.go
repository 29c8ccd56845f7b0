package quic

import (
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/tls"
)

// record is one hello. It implements encode.Body.
type record struct {
	version string
	number  uint32
	client  *tls.ClientHello
	server  *tls.ServerHello
}

// Numbers of the extensions whose values are told.
const (
	extServerName = 0
	extALPN       = 16
)

// Encode writes the quic object.
func (r *record) Encode(e *encode.Encoder) {
	e.Open("quic")
	e.String("version", r.version)
	if c := r.client; c != nil {
		e.Text("sni", c.SNI)
		text, hash := c.JA3()
		fingerprint(e, "ja3", text, hash)
		e.String("ja4", c.JA4QUIC())
		extensions(e, c.Extensions, c.SNI, c.ALPN)
	} else {
		text, hash := r.server.JA3S()
		fingerprint(e, "ja3s", text, hash)
		extensions(e, r.server.Extensions, nil, r.server.ALPN)
	}
	e.Close()
}

func fingerprint(e *encode.Encoder, name, text, hash string) {
	e.Open(name)
	e.String("hash", hash)
	e.String("string", text)
	e.Close()
}

func extensions(e *encode.Encoder, list []uint16, sni []byte, alpn [][]byte) {
	if len(list) == 0 {
		return
	}
	e.Array("extensions")
	for _, kind := range list {
		e.Open("")
		e.String("name", extensionName(kind))
		e.Uint("type", uint64(kind))
		switch {
		case kind == extServerName && len(sni) > 0:
			e.Array("values")
			e.Bytes("", sni)
			e.End()
		case kind == extALPN:
			e.Texts("values", alpn)
		}
		e.Close()
	}
	e.End()
}

// extensionName is the name that IANA's registry of TLS extensions has.
func extensionName(kind uint16) string {
	switch kind {
	case 0:
		return "server_name"
	case 1:
		return "max_fragment_length"
	case 5:
		return "status_request"
	case 10:
		return "supported_groups"
	case 11:
		return "ec_point_formats"
	case 13:
		return "signature_algorithms"
	case 14:
		return "use_srtp"
	case 15:
		return "heartbeat"
	case 16:
		return "alpn"
	case 18:
		return "signed_certificate_timestamp"
	case 21:
		return "padding"
	case 22:
		return "encrypt_then_mac"
	case 23:
		return "extended_master_secret"
	case 27:
		return "compress_certificate"
	case 28:
		return "record_size_limit"
	case 34:
		return "delegated_credentials"
	case 35:
		return "session_ticket"
	case 41:
		return "pre_shared_key"
	case 42:
		return "early_data"
	case 43:
		return "supported_versions"
	case 44:
		return "cookie"
	case 45:
		return "psk_key_exchange_modes"
	case 49:
		return "post_handshake_auth"
	case 50:
		return "signature_algorithms_cert"
	case 51:
		return "key_share"
	case 57, 0xffa5:
		return "quic_transport_parameters"
	case 17513, 17613:
		return "application_settings"
	case 0xfe0d:
		return "encrypted_client_hello"
	case 0xff01:
		return "renegotiation_info"
	}
	if kind&0x0f0f == 0x0a0a && kind>>8 == kind&0xff {
		return "grease"
	}
	return strconv.Itoa(int(kind))
}
