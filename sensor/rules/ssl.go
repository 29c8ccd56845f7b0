package rules

// What BufferSSLState holds: the messages that have been seen of a handshake.
const (
	SSLClientHello = 1
	SSLServerHello = 2
)

// sslStates are the names of ssl_state. The key exchanges have no message that
// is judged by itself, so that rules on them are refused.
var sslStates = map[string]int{"client_hello": SSLClientHello, "server_hello": SSLServerHello}

// sslVersions are the names of ssl_version.
var sslVersions = map[string]int{
	"sslv2": 0x0200, "sslv3": 0x0300, "tls1.0": 0x0301, "tls1.1": 0x0302, "tls1.2": 0x0303, "tls1.3": 0x0304,
}
