package rules

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
	BufferSMBVersion
	BufferSMBUser
	BufferSMBDomain
	BufferDCEIface
	BufferDCEOpnum
	BufferDCEStub
	BufferDNSQueries
	BufferDNSAnswers
	BufferDNSAuthorities
	BufferDNSAdditionals
	BufferDNSResponse
	BufferDNSOpcode
	BufferDNSRcode
	BufferDNSRRType
	BufferHTTPRequestHeader
	BufferHTTPResponseHeader
	BufferFileName
	BufferFileExt
	BufferFileMagic
	BufferFileSize
	BufferFileMD5
	BufferFileSHA1
	BufferFileSHA256
	BufferTLSCertChainLen
	BufferTLSSubjectAltName
	BufferTLSRandom
	BufferTLSRandomTime
	BufferTLSRandomBytes
	BufferTLSALPN
	BufferSSHHassh
	BufferSSHHasshText
	BufferSSHHasshServer
	BufferSSHHasshServerText
	BufferSMTPHelo
	BufferSMTPMailFrom
	BufferSMTPRcptTo
	BufferEmailFrom
	BufferEmailTo
	BufferEmailCc
	BufferEmailSubject
	BufferEmailDate
	BufferEmailMessageID
	BufferEmailXMailer
	BufferEmailURL
	BufferEmailReceived
	BufferEmailBodyMD5
	BufferFTPCommand
	BufferFTPCommandData
	BufferFTPReply
	BufferFTPCompletionCode
	BufferFTPDynamicPort
	BufferFTPMode
	BufferFTPReplyReceived
	BufferFTPDataCommand
	BufferMQTTProtocolVersion
	BufferMQTTType
	BufferMQTTFlags
	BufferMQTTQoS
	BufferMQTTReasonCode
	BufferMQTTSessionPresent
	BufferMQTTConnectFlags
	BufferMQTTClientID
	BufferMQTTUsername
	BufferMQTTPassword
	BufferMQTTWillTopic
	BufferMQTTWillMessage
	BufferMQTTProtocolString
	BufferMQTTPublishTopic
	BufferMQTTPublishMessage
	BufferMQTTSubscribeTopic
	BufferMQTTUnsubscribeTopic
	BufferSIPMethod
	BufferSIPURI
	BufferSIPProtocol
	BufferSIPStatCode
	BufferSIPStatMsg
	BufferSIPRequestLine
	BufferSIPResponseLine
	BufferSIPFrom
	BufferSIPTo
	BufferSIPVia
	BufferSIPUserAgent
	BufferSIPContentType
	BufferSIPContentLength
	BufferDHCPLeaseTime
	BufferDHCPRenewalTime
	BufferDHCPRebindingTime
	BufferSNMPVersion
	BufferSNMPCommunity
	BufferSNMPUser
	BufferSNMPPDUType
	BufferNTPVersion
	BufferNTPMode
	BufferNTPStratum
	BufferNTPReference
	BufferKRB5MsgType
	BufferKRB5ErrCode
	BufferKRB5CName
	BufferKRB5SName
	BufferModbus
	BufferLDAPRequestOperation
	BufferLDAPRequestDN
	BufferLDAPRequestAttributeType
	BufferLDAPResponsesOperation
	BufferLDAPResponsesDN
	BufferLDAPResponsesAttributeType
	BufferLDAPResponsesResultCode
	BufferLDAPResponsesMessage
	BufferLDAPResponsesCount
	BufferQUICSNI
	BufferQUICVersion
	BufferDNP3Function
	BufferDNP3Indications
	BufferDNP3Object
	BufferDNP3Data
	BufferMDNSQueries
	BufferMDNSAnswers
	BufferMDNSAuthorities
	BufferMDNSAdditionals
	BufferMDNSResponse
	// The following are of packets: header bytes and addresses.
	BufferIPv4Header
	BufferIPv6Header
	BufferTCPHeader
	BufferUDPHeader
	BufferICMPv4Header
	BufferICMPv6Header
	BufferIGMPHeader
	BufferVLANID
	BufferVLANLayers
	BufferSSLState
	BufferSSLVersion
	BufferIPSource
	BufferIPDestination
	// BufferBase64Data is what base64_decode made; it exists only inside a
	// rule's judgement.
	BufferBase64Data
	bufferCount
)

var bufferTable = [bufferCount]bufferInfo{
	BufferPayload:              {name: "payload", side: sideBoth, app: ""},
	BufferHTTPMethod:           {name: "http.method", side: sideServer, app: "http"},
	BufferHTTPURI:              {name: "http.uri", side: sideServer, app: "http"},
	BufferHTTPURIRaw:           {name: "http.uri.raw", side: sideServer, app: "http"},
	BufferHTTPHost:             {name: "http.host", side: sideServer, app: "http"},
	BufferHTTPHostRaw:          {name: "http.host.raw", side: sideServer, app: "http"},
	BufferHTTPUserAgent:        {name: "http.user_agent", side: sideServer, app: "http"},
	BufferHTTPHeader:           {name: "http.header", side: sideBoth, app: "http"},
	BufferHTTPHeaderRaw:        {name: "http.header.raw", side: sideBoth, app: "http"},
	BufferHTTPHeaderNames:      {name: "http.header_names", side: sideBoth, app: "http"},
	BufferHTTPRequestBody:      {name: "http.request_body", side: sideServer, app: "http"},
	BufferHTTPResponseBody:     {name: "http.response_body", side: sideClient, app: "http"},
	BufferHTTPStatCode:         {name: "http.stat_code", side: sideClient, app: "http"},
	BufferHTTPStatMsg:          {name: "http.stat_msg", side: sideClient, app: "http"},
	BufferHTTPCookie:           {name: "http.cookie", side: sideBoth, app: "http"},
	BufferHTTPReferer:          {name: "http.referer", side: sideServer, app: "http"},
	BufferHTTPContentType:      {name: "http.content_type", side: sideBoth, app: "http"},
	BufferHTTPContentLen:       {name: "http.content_len", side: sideBoth, app: "http"},
	BufferHTTPAccept:           {name: "http.accept", side: sideServer, app: "http"},
	BufferHTTPAcceptEnc:        {name: "http.accept_enc", side: sideServer, app: "http"},
	BufferHTTPAcceptLang:       {name: "http.accept_lang", side: sideServer, app: "http"},
	BufferHTTPConnection:       {name: "http.connection", side: sideBoth, app: "http"},
	BufferHTTPLocation:         {name: "http.location", side: sideClient, app: "http"},
	BufferHTTPServer:           {name: "http.server", side: sideClient, app: "http"},
	BufferHTTPProtocol:         {name: "http.protocol", side: sideBoth, app: "http"},
	BufferHTTPRequestLine:      {name: "http.request_line", side: sideServer, app: "http"},
	BufferHTTPResponseLine:     {name: "http.response_line", side: sideClient, app: "http"},
	BufferHTTPStart:            {name: "http.start", side: sideBoth, app: "http"},
	BufferFileData:             {name: "file.data", side: sideBoth, app: ""},
	BufferDNSQuery:             {name: "dns.query", side: sideServer, app: "dns"},
	BufferTLSSNI:               {name: "tls.sni", side: sideServer, app: "tls"},
	BufferTLSVersion:           {name: "tls.version", side: sideBoth, app: "tls"},
	BufferTLSCerts:             {name: "tls.certs", side: sideBoth, app: "tls"},
	BufferTLSCertSubject:       {name: "tls.cert_subject", side: sideClient, app: "tls"},
	BufferTLSCertIssuer:        {name: "tls.cert_issuer", side: sideClient, app: "tls"},
	BufferTLSCertSerial:        {name: "tls.cert_serial", side: sideClient, app: "tls"},
	BufferTLSCertFingerprint:   {name: "tls.cert_fingerprint", side: sideClient, app: "tls"},
	BufferJA3Hash:              {name: "ja3.hash", side: sideServer, app: "tls"},
	BufferJA3String:            {name: "ja3.string", side: sideServer, app: "tls"},
	BufferJA3SHash:             {name: "ja3s.hash", side: sideClient, app: "tls"},
	BufferJA3SString:           {name: "ja3s.string", side: sideClient, app: "tls"},
	BufferJA4Hash:              {name: "ja4.hash", side: sideServer, app: "tls"},
	BufferSSHProto:             {name: "ssh.proto", side: sideBoth, app: "ssh"},
	BufferSSHSoftware:          {name: "ssh.software", side: sideBoth, app: "ssh"},
	BufferSMBNamedPipe:         {name: "smb.named_pipe", side: sideServer, app: "smb"},
	BufferSMBShare:             {name: "smb.share", side: sideServer, app: "smb"},
	BufferSMBVersion:           {name: "smb.version", side: sideBoth, app: "smb", number: &numberInfo{most: 255}},
	BufferSMBUser:              {name: "smb.ntlmssp_user", side: sideServer, app: "smb"},
	BufferSMBDomain:            {name: "smb.ntlmssp_domain", side: sideServer, app: "smb"},
	BufferDCEIface:             {name: "dcerpc.iface.value", side: sideBoth, app: "dcerpc"},
	BufferDCEOpnum:             {name: "dcerpc.opnum.value", side: sideBoth, app: "dcerpc"},
	BufferDCEStub:              {name: "dcerpc.stub_data", side: sideBoth, app: "dcerpc"},
	BufferDNSQueries:           {name: "dns.queries.rrname", side: sideBoth, app: "dns"},
	BufferDNSAnswers:           {name: "dns.answers.rrname", side: sideClient, app: "dns"},
	BufferDNSAuthorities:       {name: "dns.authorities.rrname", side: sideClient, app: "dns"},
	BufferDNSAdditionals:       {name: "dns.additionals.rrname", side: sideBoth, app: "dns"},
	BufferDNSResponse:          {name: "dns.response.rrname", side: sideClient, app: "dns"},
	BufferDNSOpcode:            {name: "dns.opcode", side: sideBoth, app: "dns", number: &numberInfo{most: 15}},
	BufferDNSRcode:             {name: "dns.rcode", side: sideBoth, app: "dns", number: &numberInfo{most: 65535, names: dnsRcodes}},
	BufferDNSRRType:            {name: "dns.rrtype", side: sideBoth, app: "dns", number: &numberInfo{most: 65535, names: dnsTypes}},
	BufferHTTPRequestHeader:    {name: "http.request_header", side: sideServer, app: "http"},
	BufferHTTPResponseHeader:   {name: "http.response_header", side: sideClient, app: "http"},
	BufferFileName:             {name: "file.name", side: sideBoth, app: ""},
	BufferFileExt:              {name: "fileext", side: sideBoth, app: ""},
	BufferFileMagic:            {name: "file.magic", side: sideBoth, app: ""},
	BufferFileSize:             {name: "filesize", side: sideBoth, app: "", number: &numberInfo{most: 1 << 62}},
	BufferFileMD5:              {name: "filemd5", side: sideBoth, app: ""},
	BufferFileSHA1:             {name: "filesha1", side: sideBoth, app: ""},
	BufferFileSHA256:           {name: "filesha256", side: sideBoth, app: ""},
	BufferTLSCertChainLen:      {name: "tls.cert_chain_len", side: sideClient, app: "tls", number: &numberInfo{most: 1<<32 - 1}},
	BufferTLSSubjectAltName:    {name: "tls.subjectaltname", side: sideClient, app: "tls"},
	BufferTLSRandom:            {name: "tls.random", side: sideBoth, app: "tls"},
	BufferTLSRandomTime:        {name: "tls.random_time", side: sideBoth, app: "tls"},
	BufferTLSRandomBytes:       {name: "tls.random_bytes", side: sideBoth, app: "tls"},
	BufferTLSALPN:              {name: "tls.alpn", side: sideBoth, app: "tls"},
	BufferSSHHassh:             {name: "ssh.hassh", side: sideServer, app: "ssh"},
	BufferSSHHasshText:         {name: "ssh.hassh.string", side: sideServer, app: "ssh"},
	BufferSSHHasshServer:       {name: "ssh.hassh.server", side: sideClient, app: "ssh"},
	BufferSSHHasshServerText:   {name: "ssh.hassh.server.string", side: sideClient, app: "ssh"},
	BufferSMTPHelo:             {name: "smtp.helo", side: sideServer, app: "smtp"},
	BufferSMTPMailFrom:         {name: "smtp.mail_from", side: sideServer, app: "smtp"},
	BufferSMTPRcptTo:           {name: "smtp.rcpt_to", side: sideServer, app: "smtp"},
	BufferEmailFrom:            {name: "email.from", side: sideBoth, app: "smtp"},
	BufferEmailTo:              {name: "email.to", side: sideBoth, app: "smtp"},
	BufferEmailCc:              {name: "email.cc", side: sideBoth, app: "smtp"},
	BufferEmailSubject:         {name: "email.subject", side: sideBoth, app: "smtp"},
	BufferEmailDate:            {name: "email.date", side: sideBoth, app: "smtp"},
	BufferEmailMessageID:       {name: "email.message_id", side: sideBoth, app: "smtp"},
	BufferEmailXMailer:         {name: "email.x_mailer", side: sideBoth, app: "smtp"},
	BufferEmailURL:             {name: "email.url", side: sideBoth, app: "smtp"},
	BufferEmailReceived:        {name: "email.received", side: sideBoth, app: "smtp"},
	BufferEmailBodyMD5:         {name: "email.body_md5", side: sideBoth, app: "smtp"},
	BufferFTPCommand:           {name: "ftp.command", side: sideBoth, app: "ftp"},
	BufferFTPCommandData:       {name: "ftp.command_data", side: sideBoth, app: "ftp"},
	BufferFTPReply:             {name: "ftp.reply", side: sideClient, app: "ftp"},
	BufferFTPCompletionCode:    {name: "ftp.completion_code", side: sideClient, app: "ftp"},
	BufferFTPDynamicPort:       {name: "ftp.dynamic_port", side: sideBoth, app: "ftp", number: &numberInfo{most: 65535}},
	BufferFTPMode:              {name: "ftp.mode", side: sideBoth, app: "ftp", number: &numberInfo{most: 1, names: ftpModes}},
	BufferFTPReplyReceived:     {name: "ftp.reply_received", side: sideBoth, app: "ftp", number: &numberInfo{most: 1, names: yesNo}},
	BufferFTPDataCommand:       {name: "ftpdata_command", side: sideBoth, app: "ftp-data", number: &numberInfo{most: 9, names: ftpDataCommands}},
	BufferMQTTProtocolVersion:  {name: "mqtt.protocol_version", side: sideBoth, app: "mqtt", number: &numberInfo{most: 255}},
	BufferMQTTType:             {name: "mqtt.type", side: sideBoth, app: "mqtt", number: &numberInfo{most: 15, names: mqttTypes}},
	BufferMQTTFlags:            {name: "mqtt.flags", side: sideBoth, app: "mqtt", number: &numberInfo{most: 255, flags: mqttFlags}},
	BufferMQTTQoS:              {name: "mqtt.qos", side: sideBoth, app: "mqtt", number: &numberInfo{most: 2}},
	BufferMQTTReasonCode:       {name: "mqtt.reason_code", side: sideBoth, app: "mqtt", number: &numberInfo{most: 255}},
	BufferMQTTSessionPresent:   {name: "mqtt.connack.session_present", side: sideBoth, app: "mqtt", number: &numberInfo{most: 1, names: yesNo}},
	BufferMQTTConnectFlags:     {name: "mqtt.connect.flags", side: sideBoth, app: "mqtt", number: &numberInfo{most: 255, flags: mqttConnectFlags}},
	BufferMQTTClientID:         {name: "mqtt.connect.clientid", side: sideBoth, app: "mqtt"},
	BufferMQTTUsername:         {name: "mqtt.connect.username", side: sideBoth, app: "mqtt"},
	BufferMQTTPassword:         {name: "mqtt.connect.password", side: sideBoth, app: "mqtt"},
	BufferMQTTWillTopic:        {name: "mqtt.connect.willtopic", side: sideBoth, app: "mqtt"},
	BufferMQTTWillMessage:      {name: "mqtt.connect.willmessage", side: sideBoth, app: "mqtt"},
	BufferMQTTProtocolString:   {name: "mqtt.connect.protocol_string", side: sideBoth, app: "mqtt"},
	BufferMQTTPublishTopic:     {name: "mqtt.publish.topic", side: sideBoth, app: "mqtt"},
	BufferMQTTPublishMessage:   {name: "mqtt.publish.message", side: sideBoth, app: "mqtt"},
	BufferMQTTSubscribeTopic:   {name: "mqtt.subscribe.topic", side: sideBoth, app: "mqtt"},
	BufferMQTTUnsubscribeTopic: {name: "mqtt.unsubscribe.topic", side: sideBoth, app: "mqtt"},
	BufferSIPMethod:            {name: "sip.method", side: sideServer, app: "sip"},
	BufferSIPURI:               {name: "sip.uri", side: sideServer, app: "sip"},
	BufferSIPProtocol:          {name: "sip.protocol", side: sideBoth, app: "sip"},
	BufferSIPStatCode:          {name: "sip.stat_code", side: sideClient, app: "sip"},
	BufferSIPStatMsg:           {name: "sip.stat_msg", side: sideClient, app: "sip"},
	BufferSIPRequestLine:       {name: "sip.request_line", side: sideServer, app: "sip"},
	BufferSIPResponseLine:      {name: "sip.response_line", side: sideClient, app: "sip"},
	BufferSIPFrom:              {name: "sip.from", side: sideBoth, app: "sip"},
	BufferSIPTo:                {name: "sip.to", side: sideBoth, app: "sip"},
	BufferSIPVia:               {name: "sip.via", side: sideBoth, app: "sip"},
	BufferSIPUserAgent:         {name: "sip.user_agent", side: sideBoth, app: "sip"},
	BufferSIPContentType:       {name: "sip.content_type", side: sideBoth, app: "sip"},
	BufferSIPContentLength:     {name: "sip.content_length", side: sideBoth, app: "sip"},
	BufferDHCPLeaseTime:        {name: "dhcp.leasetime", side: sideBoth, app: "dhcp", number: &numberInfo{most: 1 << 62}},
	BufferDHCPRenewalTime:      {name: "dhcp.renewal_time", side: sideBoth, app: "dhcp", number: &numberInfo{most: 1 << 62}},
	BufferDHCPRebindingTime:    {name: "dhcp.rebinding_time", side: sideBoth, app: "dhcp", number: &numberInfo{most: 1 << 62}},
	BufferSNMPVersion:          {name: "snmp.version", side: sideBoth, app: "snmp", number: &numberInfo{most: 1<<32 - 1}},
	BufferSNMPCommunity:        {name: "snmp.community", side: sideBoth, app: "snmp"},
	BufferSNMPUser:             {name: "snmp.usm", side: sideBoth, app: "snmp"},
	BufferSNMPPDUType:          {name: "snmp.pdu_type", side: sideBoth, app: "snmp", number: &numberInfo{most: 1<<32 - 1, names: snmpPDUs}},
	BufferNTPVersion:           {name: "ntp.version", side: sideBoth, app: "ntp", number: &numberInfo{most: 7}},
	BufferNTPMode:              {name: "ntp.mode", side: sideBoth, app: "ntp", number: &numberInfo{most: 7, names: ntpModes}},
	BufferNTPStratum:           {name: "ntp.stratum", side: sideBoth, app: "ntp", number: &numberInfo{most: 255}},
	BufferNTPReference:         {name: "ntp.reference_id", side: sideBoth, app: "ntp"},
	BufferKRB5MsgType:          {name: "krb5_msg_type", side: sideBoth, app: "krb5", number: &numberInfo{most: 1<<31 - 1, names: krb5Types}},
	BufferKRB5ErrCode:          {name: "krb5_err_code", side: sideBoth, app: "krb5", number: &numberInfo{most: 1<<31 - 1}},
	BufferKRB5CName:            {name: "krb5.cname", side: sideBoth, app: "krb5"},
	BufferKRB5SName:            {name: "krb5.sname", side: sideBoth, app: "krb5"},
	BufferModbus:               {name: "modbus.request", side: sideServer, app: "modbus"},
	BufferQUICSNI:              {name: "quic.sni", side: sideBoth, app: "quic"},
	BufferQUICVersion:          {name: "quic.version", side: sideBoth, app: "quic"},
	BufferDNP3Function:         {name: "dnp3.func", side: sideBoth, app: "dnp3", number: &numberInfo{most: 255, names: dnp3Functions}},
	BufferDNP3Indications:      {name: "dnp3.ind.value", side: sideBoth, app: "dnp3", number: &numberInfo{most: 65535}},
	BufferDNP3Object:           {name: "dnp3.obj.value", side: sideBoth, app: "dnp3", number: &numberInfo{most: 65535}},
	BufferDNP3Data:             {name: "dnp3.data", side: sideBoth, app: "dnp3"},
	BufferMDNSQueries:          {name: "mdns.queries.rrname", side: sideBoth, app: "mdns"},
	BufferMDNSAnswers:          {name: "mdns.answers.rrname", side: sideBoth, app: "mdns"},
	BufferMDNSAuthorities:      {name: "mdns.authorities.rrname", side: sideBoth, app: "mdns"},
	BufferMDNSAdditionals:      {name: "mdns.additionals.rrname", side: sideBoth, app: "mdns"},
	BufferMDNSResponse:         {name: "mdns.response.rrname", side: sideBoth, app: "mdns"},
	BufferIPv4Header:           {name: "ipv4.hdr", side: sideBoth, packet: true},
	BufferIPv6Header:           {name: "ipv6.hdr", side: sideBoth, packet: true},
	BufferTCPHeader:            {name: "tcp.hdr", side: sideBoth, packet: true},
	BufferUDPHeader:            {name: "udp.hdr", side: sideBoth, packet: true},
	BufferICMPv4Header:         {name: "icmpv4.hdr", side: sideBoth, packet: true},
	BufferICMPv6Header:         {name: "icmpv6.hdr", side: sideBoth, packet: true},
	BufferIGMPHeader:           {name: "igmp.hdr", side: sideBoth, packet: true},
	BufferSSLState:             {name: "ssl_state", side: sideBoth, app: "tls", number: &numberInfo{most: SSLServerHello, names: sslStates}},
	BufferSSLVersion:           {name: "ssl_version", side: sideBoth, app: "tls", number: &numberInfo{most: 65535, names: sslVersions}},
	BufferVLANID:               {name: "vlan.id", side: sideBoth, packet: true, number: &numberInfo{most: 4095}},
	BufferVLANLayers:           {name: "vlan.layers", side: sideBoth, packet: true, number: &numberInfo{most: 3}},
	BufferIPSource:             {name: "ip.src", side: sideBoth, packet: true},
	BufferIPDestination:        {name: "ip.dst", side: sideBoth, packet: true},
	BufferBase64Data:           {name: "base64_data", side: sideBoth, app: ""},

	BufferLDAPRequestOperation:       {name: "ldap.request.operation", side: sideServer, app: "ldap", number: &numberInfo{most: 255, names: numbersOf(ldapOperations[:])}},
	BufferLDAPRequestDN:              {name: "ldap.request.dn", side: sideServer, app: "ldap"},
	BufferLDAPRequestAttributeType:   {name: "ldap.request.attribute_type", side: sideServer, app: "ldap"},
	BufferLDAPResponsesOperation:     {name: "ldap.responses.operation", side: sideClient, app: "ldap", number: &numberInfo{most: 255, names: numbersOf(ldapOperations[:])}},
	BufferLDAPResponsesDN:            {name: "ldap.responses.dn", side: sideClient, app: "ldap"},
	BufferLDAPResponsesAttributeType: {name: "ldap.responses.attribute_type", side: sideClient, app: "ldap"},
	BufferLDAPResponsesResultCode:    {name: "ldap.responses.result_code", side: sideClient, app: "ldap", number: &numberInfo{most: 1<<32 - 1, names: numbersOf(ldapResults[:])}},
	BufferLDAPResponsesMessage:       {name: "ldap.responses.message", side: sideClient, app: "ldap"},
	BufferLDAPResponsesCount:         {name: "ldap.responses.count", side: sideClient, app: "ldap", number: &numberInfo{most: 1<<32 - 1}},
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
	"pkt_data":       BufferPayload,
	"smb_named_pipe": BufferSMBNamedPipe, "smb_share": BufferSMBShare, "dce_stub_data": BufferDCEStub,
	"dns.query.name": BufferDNSQueries, "dns.answer.name": BufferDNSAnswers, "dns.response.name": BufferDNSResponse,
	"tls.cert_san": BufferTLSSubjectAltName, "dnp3_data": BufferDNP3Data,
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
