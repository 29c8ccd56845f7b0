package rules

import "strings"

// Buffer names a field of a transaction: what the language calls a sticky
// buffer.
type Buffer uint8

// The sticky buffers. BufferPayload is the default buffer of plain content;
// callers fill it through Input.Payload.
const (
	BufferPayload Buffer = iota
	BufferHTTPMethod
	BufferHTTPURI
	BufferHTTPURIRaw
	BufferHTTPHost
	BufferHTTPHostRaw
	BufferHTTPUserAgent
	BufferHTTPHeader
	BufferHTTPHeaderRaw
	BufferHTTPHeaderNames
	BufferHTTPRequestBody
	BufferHTTPResponseBody
	BufferHTTPStatCode
	BufferHTTPStatMsg
	BufferHTTPCookie
	BufferHTTPReferer
	BufferHTTPContentType
	BufferHTTPContentLen
	BufferHTTPAccept
	BufferHTTPAcceptEnc
	BufferHTTPAcceptLang
	BufferHTTPConnection
	BufferHTTPLocation
	BufferHTTPServer
	BufferHTTPProtocol
	BufferHTTPRequestLine
	BufferHTTPResponseLine
	BufferHTTPStart
	BufferFileData
	BufferDNSQuery
	BufferTLSSNI
	BufferTLSVersion
	BufferTLSCerts
	BufferTLSCertSubject
	BufferTLSCertIssuer
	BufferTLSCertSerial
	BufferTLSCertFingerprint
	BufferJA3Hash
	BufferJA3String
	BufferJA3SHash
	BufferJA3SString
	BufferJA4Hash
	BufferSSHProto
	BufferSSHSoftware
	BufferSMBNamedPipe
	BufferSMBShare
	// BufferBase64Data is what base64_decode made; it exists only inside a
	// rule's judgement.
	BufferBase64Data
	bufferCount
)

// side says in which direction a buffer exists.
type side uint8

const (
	sideServer side = 1 << iota
	sideClient
	sideBoth = sideServer | sideClient
)

type bufferInfo struct {
	name string
	side side
	// app is the application protocol that the buffer implies, empty for any.
	app string
}

var bufferTable = [bufferCount]bufferInfo{
	BufferPayload:            {"payload", sideBoth, ""},
	BufferHTTPMethod:         {"http.method", sideServer, "http"},
	BufferHTTPURI:            {"http.uri", sideServer, "http"},
	BufferHTTPURIRaw:         {"http.uri.raw", sideServer, "http"},
	BufferHTTPHost:           {"http.host", sideServer, "http"},
	BufferHTTPHostRaw:        {"http.host.raw", sideServer, "http"},
	BufferHTTPUserAgent:      {"http.user_agent", sideServer, "http"},
	BufferHTTPHeader:         {"http.header", sideBoth, "http"},
	BufferHTTPHeaderRaw:      {"http.header.raw", sideBoth, "http"},
	BufferHTTPHeaderNames:    {"http.header_names", sideBoth, "http"},
	BufferHTTPRequestBody:    {"http.request_body", sideServer, "http"},
	BufferHTTPResponseBody:   {"http.response_body", sideClient, "http"},
	BufferHTTPStatCode:       {"http.stat_code", sideClient, "http"},
	BufferHTTPStatMsg:        {"http.stat_msg", sideClient, "http"},
	BufferHTTPCookie:         {"http.cookie", sideBoth, "http"},
	BufferHTTPReferer:        {"http.referer", sideServer, "http"},
	BufferHTTPContentType:    {"http.content_type", sideBoth, "http"},
	BufferHTTPContentLen:     {"http.content_len", sideBoth, "http"},
	BufferHTTPAccept:         {"http.accept", sideServer, "http"},
	BufferHTTPAcceptEnc:      {"http.accept_enc", sideServer, "http"},
	BufferHTTPAcceptLang:     {"http.accept_lang", sideServer, "http"},
	BufferHTTPConnection:     {"http.connection", sideBoth, "http"},
	BufferHTTPLocation:       {"http.location", sideClient, "http"},
	BufferHTTPServer:         {"http.server", sideClient, "http"},
	BufferHTTPProtocol:       {"http.protocol", sideBoth, "http"},
	BufferHTTPRequestLine:    {"http.request_line", sideServer, "http"},
	BufferHTTPResponseLine:   {"http.response_line", sideClient, "http"},
	BufferHTTPStart:          {"http.start", sideBoth, "http"},
	BufferFileData:           {"file.data", sideBoth, ""},
	BufferDNSQuery:           {"dns.query", sideServer, "dns"},
	BufferTLSSNI:             {"tls.sni", sideServer, "tls"},
	BufferTLSVersion:         {"tls.version", sideBoth, "tls"},
	BufferTLSCerts:           {"tls.certs", sideBoth, "tls"},
	BufferTLSCertSubject:     {"tls.cert_subject", sideClient, "tls"},
	BufferTLSCertIssuer:      {"tls.cert_issuer", sideClient, "tls"},
	BufferTLSCertSerial:      {"tls.cert_serial", sideClient, "tls"},
	BufferTLSCertFingerprint: {"tls.cert_fingerprint", sideClient, "tls"},
	BufferJA3Hash:            {"ja3.hash", sideServer, "tls"},
	BufferJA3String:          {"ja3.string", sideServer, "tls"},
	BufferJA3SHash:           {"ja3s.hash", sideClient, "tls"},
	BufferJA3SString:         {"ja3s.string", sideClient, "tls"},
	BufferJA4Hash:            {"ja4.hash", sideServer, "tls"},
	BufferSSHProto:           {"ssh.proto", sideBoth, "ssh"},
	BufferSSHSoftware:        {"ssh.software", sideBoth, "ssh"},
	BufferSMBNamedPipe:       {"smb.named_pipe", sideServer, "smb"},
	BufferSMBShare:           {"smb.share", sideServer, "smb"},
	BufferBase64Data:         {"base64_data", sideBoth, ""},
}

// stickyAliases are the older names of sticky buffers.
var stickyAliases = map[string]Buffer{
	"file_data": BufferFileData, "dns_query": BufferDNSQuery, "tls_sni": BufferTLSSNI,
	"tls_cert_subject": BufferTLSCertSubject, "tls_cert_issuer": BufferTLSCertIssuer,
	"tls_cert_serial": BufferTLSCertSerial, "tls_cert_fingerprint": BufferTLSCertFingerprint,
	"ja3_hash": BufferJA3Hash, "ja3_string": BufferJA3String, "ja3s_hash": BufferJA3SHash,
	"ssh_proto": BufferSSHProto, "ssh_software": BufferSSHSoftware,
	"http_header_names": BufferHTTPHeaderNames, "http_accept": BufferHTTPAccept,
	"http_accept_enc": BufferHTTPAcceptEnc, "http_accept_lang": BufferHTTPAcceptLang,
	"http_connection": BufferHTTPConnection, "http_content_len": BufferHTTPContentLen,
	"http_content_type": BufferHTTPContentType, "http_protocol": BufferHTTPProtocol,
	"http_referer": BufferHTTPReferer, "http_request_line": BufferHTTPRequestLine,
	"http_response_line": BufferHTTPResponseLine, "http_start": BufferHTTPStart,
	"pkt_data": BufferPayload,
}

// contentModifiers are the keywords that move the content before them into a
// buffer: the form that sticky buffers replaced.
var contentModifiers = map[string]Buffer{
	"http_uri": BufferHTTPURI, "http_raw_uri": BufferHTTPURIRaw, "http_method": BufferHTTPMethod,
	"http_host": BufferHTTPHost, "http_raw_host": BufferHTTPHostRaw, "http_header": BufferHTTPHeader,
	"http_raw_header": BufferHTTPHeaderRaw, "http_cookie": BufferHTTPCookie,
	"http_user_agent": BufferHTTPUserAgent, "http_client_body": BufferHTTPRequestBody,
	"http_server_body": BufferFileData, "http_stat_code": BufferHTTPStatCode,
	"http_stat_msg": BufferHTTPStatMsg,
}

// String returns the name that rules use.
func (b Buffer) String() string {
	if b >= bufferCount {
		return "unknown"
	}
	return bufferTable[b].name
}

// BufferByName finds a buffer by the name that rules use, old or new.
func BufferByName(name string) (Buffer, bool) {
	name = strings.ToLower(name)
	for i := range bufferTable {
		if bufferTable[i].name == name {
			return Buffer(i), true
		}
	}
	b, ok := stickyAliases[name]
	return b, ok
}

// Buffers holds the fields of one transaction. The zero value is empty; Reset
// makes it empty again and keeps its memory.
type Buffers struct {
	values [bufferCount][][]byte
}

// Add adds an instance of a buffer: DNS queries and certificates come in
// several. The bytes are not copied. A present but empty value may be added.
func (b *Buffers) Add(name Buffer, value []byte) {
	if name == BufferPayload || name >= bufferCount {
		return
	}
	b.values[name] = append(b.values[name], value)
}

// Get returns the instances of a buffer.
func (b *Buffers) Get(name Buffer) [][]byte {
	if b == nil || name >= bufferCount {
		return nil
	}
	return b.values[name]
}

// Reset empties all buffers.
func (b *Buffers) Reset() {
	for i := range b.values {
		b.values[i] = b.values[i][:0]
	}
}
