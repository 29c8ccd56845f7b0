package tls

// Extensions that carry the real name of the server where only the server reads
// it.
const (
	extECH  = 0xfe0d // RFC 9849 §5
	extESNI = 0xffce // its forerunner, draft-ietf-tls-esni-02 §8
)

// HiddenName is how the client hides the name of the server, or pretends to
// (RFC 9849 §6.2): "ech", "esni", or "" when it does not. SNI then is the name of
// who stands before the server.
func (h *ClientHello) HiddenName() string {
	for _, kind := range h.Extensions {
		switch kind {
		case extECH:
			return "ech"
		case extESNI:
			return "esni"
		}
	}
	return ""
}
