package rules

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// fieldsOf makes the buffers of a transaction: texts by name, and numbers.
type fieldsOf struct {
	texts   map[Buffer][]string
	numbers map[Buffer][]uint64
}

func (f fieldsOf) buffers() *Buffers {
	b := &Buffers{}
	for name, values := range f.texts {
		for _, v := range values {
			b.Add(name, []byte(v))
		}
	}
	for name, values := range f.numbers {
		for _, v := range values {
			b.AddNumber(name, v)
		}
	}
	return b
}

func text(name Buffer, values ...string) fieldsOf {
	return fieldsOf{texts: map[Buffer][]string{name: values}}
}

func number(name Buffer, values ...uint64) fieldsOf {
	return fieldsOf{numbers: map[Buffer][]uint64{name: values}}
}

// lists opens the lists of the tests.
func lists(name string) (io.ReadCloser, error) {
	list, ok := map[string]string{
		"words":  base64.StdEncoding.EncodeToString([]byte("bad.example")) + "\n",
		"rep":    base64.StdEncoding.EncodeToString([]byte("bad.example")) + ",200\n",
		"md5":    "5d41402abc4b2a76b9719d911017c592  hello\n",
		"addrs":  "203.0.113.5\n",
		"broken": "***\n",
	}[name]
	if !ok {
		return nil, errors.New("no such list")
	}
	return io.NopCloser(strings.NewReader(list)), nil
}

// inspectFields judges a rule on a transaction.
func inspectFields(t *testing.T, data *Data, rule, app string, toServer bool, b *Buffers) bool {
	t.Helper()
	vars := DefaultVars("[192.168.0.0/16]")
	vars.Data = data
	rs, refused := Parse(strings.NewReader(rule), "t.rules", vars)
	if len(refused) > 0 {
		t.Fatalf("%s refused: %s", rule, refused[0].Reason)
	}
	e, err := NewEngine(rs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := base()
	in.View, in.AppProto, in.Buffers, in.ToServer = ViewTransaction, app, b, toServer
	if app == "dhcp" || app == "ntp" || app == "mdns" {
		in.Proto = ProtoUDP
	}
	if !toServer {
		in.Src, in.Dst = in.Dst, in.Src
	}
	return len(e.Inspect(e.NewContext(), in)) == 1
}

func base() *Input { return toServer("") }

func TestFieldsOfProtocols(t *testing.T) {
	const server, client = true, false
	none := map[Buffer][]string{BufferLDAPResponsesResultCode: {""}}
	for _, c := range []struct {
		name, app, options string
		side               bool
		fields             fieldsOf
		want               bool
	}{
		{"ssh.hassh", "ssh", `ssh.hassh; content:"ab";`, server, text(BufferSSHHassh, "abcd"), true},
		{"ssh.hassh of another", "ssh", `ssh.hassh; content:"ab";`, server, text(BufferSSHHassh, "cdef"), false},
		{"ssh.hassh.server", "ssh", `ssh.hassh.server; content:"ab";`, client, text(BufferSSHHasshServer, "abcd"), true},
		{"smtp.mail_from", "smtp", `smtp.mail_from; content:"evil";`, server, text(BufferSMTPMailFrom, "<evil@x>"), true},
		{"smtp.rcpt_to looks at all", "smtp", `smtp.rcpt_to; content:"b@";`, server, text(BufferSMTPRcptTo, "<a@x>", "<b@x>"), true},
		{"email.subject", "smtp", `email.subject; content:"invoice"; nocase;`, server, text(BufferEmailSubject, "Invoice 7"), true},
		{"email.subject without it", "smtp", `email.subject; content:"invoice";`, server, text(BufferEmailFrom, "invoice"), false},
		{"ftp.command", "ftp", `ftp.command; content:"PASS";`, server, text(BufferFTPCommand, "PASS"), true},
		{"ftp.mode by name", "ftp", `ftp.mode:active;`, server, number(BufferFTPMode, 1), true},
		{"ftp.mode of the other kind", "ftp", `ftp.mode:active;`, server, number(BufferFTPMode, 0), false},
		{"ftp.dynamic_port in a range", "ftp", `ftp.dynamic_port:59925-59927;`, server, number(BufferFTPDynamicPort, 59926), true},
		{"ftp.dynamic_port at a range's end", "ftp", `ftp.dynamic_port:59925-59927;`, server, number(BufferFTPDynamicPort, 59927), false},
		{"ftpdata_command", "ftp-data", `ftpdata_command:stor;`, server, number(BufferFTPDataCommand, FTPStor), true},
		{"ldap.request.operation by name", "ldap", `ldap.request.operation:search_request;`, server, number(BufferLDAPRequestOperation, 3), true},
		{"ldap.responses.operation at a place", "ldap", `ldap.responses.operation:search_result_done,1;`, client, number(BufferLDAPResponsesOperation, 4, 5), true},
		{"ldap.responses.operation at another", "ldap", `ldap.responses.operation:search_result_done,0;`, client, number(BufferLDAPResponsesOperation, 4, 5), false},
		{"ldap.responses.operation of all", "ldap", `ldap.responses.operation:search_result_done,all;`, client, number(BufferLDAPResponsesOperation, 4, 5), false},
		{"ldap.responses.result_code where there is none", "ldap", `ldap.responses.result_code:success,0;`, client, fieldsOf{texts: none, numbers: map[Buffer][]uint64{BufferLDAPResponsesResultCode: {0}}}, false},
		{"ldap.responses.result_code behind one without", "ldap", `ldap.responses.result_code:success,-1;`, client, fieldsOf{texts: none, numbers: map[Buffer][]uint64{BufferLDAPResponsesResultCode: {0}}}, true},
		{"mqtt.type by name", "mqtt", `mqtt.type:CONNECT;`, server, number(BufferMQTTType, 1), true},
		{"mqtt.type of another", "mqtt", `mqtt.type:CONNECT;`, server, number(BufferMQTTType, 2), false},
		{"mqtt.flags set and unset", "mqtt", `mqtt.flags:retain,!dup;`, server, number(BufferMQTTFlags, 1), true},
		{"mqtt.flags with one that must not be", "mqtt", `mqtt.flags:retain,!dup;`, server, number(BufferMQTTFlags, 9), false},
		{"mqtt.connect.flags", "mqtt", `mqtt.connect.flags:username,clean_session;`, server, number(BufferMQTTConnectFlags, 0x82), true},
		{"sip.method", "sip", `sip.method; content:"INVITE";`, server, text(BufferSIPMethod, "INVITE"), true},
		{"sip.stat_code", "sip", `sip.stat_code; content:"200";`, client, text(BufferSIPStatCode, "404"), false},
		{"dhcp.leasetime", "dhcp", `dhcp.leasetime:>=3600;`, client, number(BufferDHCPLeaseTime, 3600), true},
		{"dhcp.leasetime below", "dhcp", `dhcp.leasetime:>=3600;`, client, number(BufferDHCPLeaseTime, 3599), false},
		{"snmp.community", "snmp", `snmp.community; content:"private";`, server, text(BufferSNMPCommunity, "private"), true},
		{"mdns.queries.rrname", "mdns", `mdns.queries.rrname; content:"_ipp"; startswith;`, server, text(BufferMDNSQueries, "_ipp._tcp.local"), true},
		{"mdns.answers.rrname", "mdns", `mdns.answers.rrname; content:"printer";`, client, text(BufferMDNSAnswers, "vm.local", "printer.local"), true},
		{"mdns.response.rrname", "mdns", `mdns.response.rrname; content:"printer";`, server, text(BufferMDNSAnswers, "printer.local"), false},
		{"dnp3.func by name", "dnp3", `dnp3.func:direct_operate;`, server, number(BufferDNP3Function, 5), true},
		{"dnp3_func by number", "dnp3", `dnp3_func:129;`, client, number(BufferDNP3Function, 130), false},
		{"dnp3_ind with one of those named", "dnp3", `dnp3_ind:need_time,device_restart;`, client, number(BufferDNP3Indications, 0x8000), true},
		{"dnp3_ind with none of those named", "dnp3", `dnp3_ind:need_time,device_restart;`, client, number(BufferDNP3Indications, 0x0101), false},
		{"dnp3.ind with all of those named", "dnp3", `dnp3.ind:+need_time,object_unknown;`, client, number(BufferDNP3Indications, 0x1102), true},
		{"dnp3.ind with one missing", "dnp3", `dnp3.ind:+need_time,object_unknown;`, client, number(BufferDNP3Indications, 0x1000), false},
		{"dnp3.ind without those named", "dnp3", `dnp3.ind:-need_time;`, client, number(BufferDNP3Indications, 0x8000), true},
		{"dnp3.ind exactly", "dnp3", `dnp3.ind:=need_time;`, client, number(BufferDNP3Indications, 0x9000), false},
		{"dnp3.ind as a number", "dnp3", `dnp3.ind:&0x9000=0x8000;`, client, number(BufferDNP3Indications, 0x8001), true},
		{"dnp3_obj", "dnp3", `dnp3_obj:12,01;`, server, number(BufferDNP3Object, 12<<8|1), true},
		{"dnp3.obj of another variation", "dnp3", `dnp3.obj:12,2;`, server, number(BufferDNP3Object, 12<<8|1), false},
		{"dnp3_data", "dnp3", `dnp3_data; content:"|0c 01|"; offset:2; depth:2;`, server, text(BufferDNP3Data, "\xc1\x03\x0c\x01"), true},
		{"snmp.pdu_type by name", "snmp", `snmp.pdu_type:set_request;`, server, number(BufferSNMPPDUType, 3), true},
		{"ntp.mode negated", "ntp", `ntp.mode:!server;`, server, number(BufferNTPMode, 3), true},
		{"ntp.stratum", "ntp", `ntp.stratum:<2;`, server, number(BufferNTPStratum, 2), false},
		{"dns.rcode by name", "dns", `dns.rcode:nxdomain;`, client, number(BufferDNSRcode, 3), true},
		{"dns.rrtype", "dns", `dns.rrtype:!1;`, server, number(BufferDNSRRType, 1), false},
		{"dns.response.rrname", "dns", `dns.response.rrname; content:"io"; endswith;`, client, text(BufferDNSResponse, "nic.io"), true},
		{"tls.cert_chain_len", "tls", `tls.cert_chain_len:0<>4;`, client, number(BufferTLSCertChainLen, 3), true},
		{"tls.subjectaltname", "tls", `tls.subjectaltname; content:"x.vn";`, client, text(BufferTLSSubjectAltName, "a.vn", "x.vn"), true},
		{"tls.random", "tls", `tls.random; content:"|01 02|"; startswith;`, server, text(BufferTLSRandom, "\x01\x02\x03"), true},
		{"tls.alpn", "tls", `tls.alpn; content:"h2";`, server, text(BufferTLSALPN, "http/1.1"), false},
		{"http.request_header is one line", "http", `http.request_header; content:"Host: a"; bsize:7;`, server, text(BufferHTTPRequestHeader, "Host: a", "Accept: b"), true},
		{"fileext", "http", `fileext:"pdf";`, server, text(BufferFileExt, "pdf"), true},
		{"filename anywhere, any case", "http", `filename:"SECRET";`, server, text(BufferFileName, "/top-secret.doc"), true},
		{"filename negated", "http", `filename:!"secret";`, server, text(BufferFileName, "/top-secret.doc"), false},
		{"filesize with a unit", "http", `filesize:>1KiB;`, server, number(BufferFileSize, 1025), true},
		{"filemagic", "http", `filemagic:"pdf document";`, server, text(BufferFileMagic, "PDF document, version 1.7"), true},
		{"filemd5 in the list", "http", `filemd5:md5;`, server, text(BufferFileMD5, "5d41402abc4b2a76b9719d911017c592"), true},
		{"filemd5 not in the list", "http", `filemd5:!md5;`, server, text(BufferFileMD5, "5d41402abc4b2a76b9719d911017c592"), false},
		{"a mask", "mqtt", `mqtt.flags:&0x9=0x8;`, server, number(BufferMQTTFlags, 8), true},
		{"all numbers hold", "mqtt", `mqtt.reason_code:>0,all;`, client, number(BufferMQTTReasonCode, 1, 2), true},
		{"one number of all does not", "mqtt", `mqtt.reason_code:>0,all;`, client, number(BufferMQTTReasonCode, 1, 0), false},
		{"the last number", "mqtt", `mqtt.reason_code:2,-1;`, client, number(BufferMQTTReasonCode, 1, 2), true},
		{"a number or none", "mqtt", `mqtt.reason_code:9,or_absent;`, client, number(BufferMQTTType, 1), true},
		{"absent", "http", `http.referer; absent;`, server, text(BufferHTTPURI, "/"), true},
		{"absent, but there", "http", `http.referer; absent;`, server, text(BufferHTTPReferer, "x"), false},
		{"absent or else", "http", `http.referer; absent:or_else; content:!"x";`, server, text(BufferHTTPReferer, "y"), true},
		{"absent or else, not", "http", `http.referer; absent:or_else; content:!"x";`, server, text(BufferHTTPReferer, "x"), false},
		{"dataset isset", "dns", `dns.query; dataset:isset,w,type string,load words;`, server, text(BufferDNSQuery, "bad.example"), true},
		{"dataset isset, not in it", "dns", `dns.query; dataset:isset,w,type string,load words;`, server, text(BufferDNSQuery, "good.example"), false},
		{"dataset isnotset", "dns", `dns.query; dataset:isnotset,w,type string,load words;`, server, text(BufferDNSQuery, "good.example"), true},
		{"datarep", "dns", `dns.query; datarep:r,>,100,load rep,type string;`, server, text(BufferDNSQuery, "bad.example"), true},
		{"datarep below", "dns", `dns.query; datarep:r,>,200,load rep,type string;`, server, text(BufferDNSQuery, "bad.example"), false},
		{"entropy above", "dns", `dns.query; entropy:value > 2;`, server, text(BufferDNSQuery, "abcdefgh"), true},
		{"entropy below", "dns", `dns.query; entropy:value > 2;`, server, text(BufferDNSQuery, "aaaaaaaa"), false},
		{"entropy of some bytes", "dns", `dns.query; entropy:bytes 4, offset 4, value = 0;`, server, text(BufferDNSQuery, "abcdaaaa"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := "alert " + c.app + ` any any -> any any (msg:"m"; ` + c.options + " sid:1;)"
			got := inspectFields(t, &Data{Open: lists}, rule, c.app, c.side, c.fields.buffers())
			if got != c.want {
				t.Errorf("%s: %v, want %v", c.options, got, c.want)
			}
		})
	}
}

func TestTransforms(t *testing.T) {
	for _, c := range []struct{ name, transform, in, want string }{
		{"dotprefix", "dotprefix;", "a.vn", ".a.vn"},
		{"to_lowercase", "to_lowercase;", "AbC", "abc"},
		{"to_uppercase", "to_uppercase;", "AbC", "ABC"},
		{"strip_whitespace", "strip_whitespace;", "a b\tc", "abc"},
		{"compress_whitespace", "compress_whitespace;", "a  b", "a b"},
		{"to_md5", "to_md5;", "hello", "\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92"},
		{"url_decode", "url_decode;", "%2fetc+%zz%2", "/etc %zz%2"},
		{"header_lowercase", "header_lowercase;", "Host: A\r\nACCEPT: B\r\n", "host: A\r\naccept: B\r\n"},
		{"strip_pseudo_headers", "strip_pseudo_headers;", ":path: /\r\nhost: a\r\n", "host: a\r\n"},
		{"domain", "domain;", "www.a.co.uk", "a.co.uk"},
		{"tld", "tld;", "www.a.co.uk", "co.uk"},
		{"xor", `xor:"01ff";`, "\x01\xff\x00", "\x00\x00\x01"},
		{"xor with the key in the buffer", "xor:offset 1,extract 1 0;", "\x01\x61\x62", "\x01\x60\x63"},
		{"pcrexform", `pcrexform:"[A-Z]+ (\S+)";`, "GET /a HTTP", "/a"},
		{"pcrexform without a match", `pcrexform:"([0-9]+)";`, "none", "none"},
		{"from_base64", "from_base64;", "aGVsbG8=", "hello"},
		{"from_base64 with an offset", "from_base64:offset 2, bytes 4;", "..aGVsbG8=", "hel"},
		{"from_base64 strict", "from_base64:mode strict;", "aGV!", "aGV!"},
		{"gunzip of what is no gzip", "gunzip;", "plain", "plain"},
		{"zlib_deflate", "zlib_deflate;", "\x78\x9c\x4b\x4c\x4a\x06\x00\x02\x4d\x01\x27", "abc"},
		{"subslice", "subslice:-3,2;", "abcdef", "de"},
		{"subslice, truncated", "subslice:4,9,truncate;", "abcdef", "ef"},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts, err := splitOptions(c.transform)
			if err != nil {
				t.Fatal(err)
			}
			tr, known, err := parseTransform(opts[0])
			if !known || err != nil {
				t.Fatalf("known %v: %v", known, err)
			}
			got := string(tr.apply(nil, []byte(c.in)))
			if got != c.want {
				t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestRulesChangeADataset(t *testing.T) {
	data := &Data{Open: lists}
	rule := `alert dns any any -> any any (dns.query; content:"x"; dataset:set,seen,type string,state seen.lst; sid:1;)`
	for i, c := range []struct {
		query string
		want  bool
	}{{"x.vn", true}, {"x.vn", false}, {"y.vn", false}, {"x.com", true}} {
		if got := inspectFields(t, data, rule, "dns", true, text(BufferDNSQuery, c.query).buffers()); got != c.want {
			t.Errorf("%d: %s: %v, want %v", i, c.query, got, c.want)
		}
	}
	sets := data.Unsaved()
	if len(sets) != 1 || sets[0].Save != "seen.lst" {
		t.Fatalf("unsaved sets: %v", sets)
	}
	var out strings.Builder
	err := sets[0].Write(&out)
	if err != nil || out.String() != "eC52bg==\neC5jb20=\n" {
		t.Errorf("written %q, %v", out.String(), err)
	}
	if len(data.Unsaved()) != 0 {
		t.Error("the set is unsaved twice")
	}
}

func TestListsThatCannotBeReadRefuseTheRule(t *testing.T) {
	for _, options := range []string{
		`dns.query; dataset:isset,a,type string,load missing;`, `dns.query; dataset:isset,b,type string,load broken;`,
		`dns.query; dataset:isset,c;`, `dns.query; dataset:isset,d,type colour;`, `dataset:isset,e,type string;`,
		`filemd5:missing;`, `filemd5:words;`, `dns.rcode:many;`, `mqtt.flags:retain,glow;`, `dns.query; entropy:value > 9;`,
		`dns.query; xor:"zz";`, `dns.query; pcrexform:"a";`, `dns.query; absent:perhaps;`, `ftp.dynamic_port:9-3;`,
	} {
		vars := DefaultVars("[10.0.0.0/8]")
		vars.Data = &Data{Open: lists}
		rs, refused := Parse(strings.NewReader("alert tcp any any -> any any ("+options+" sid:1;)"), "t", vars)
		if len(rs) != 0 || len(refused) != 1 {
			t.Errorf("%s was taken", options)
		}
	}
}

func TestPacketHeaderBuffers(t *testing.T) {
	for _, c := range []struct {
		name, options string
		want          bool
	}{
		{"tcp.hdr", `tcp.hdr; content:"|00 50|"; offset:2; depth:2;`, true},
		{"tcp.hdr of another port", `tcp.hdr; content:"|00 51|"; offset:2; depth:2;`, false},
		{"ipv4.hdr", `ipv4.hdr; content:"|12 34|"; offset:4; depth:2;`, true},
		{"ip.src", `ip.src; content:"|c0 a8|"; startswith; bsize:4;`, true},
		{"ip.dst in a set", `ip.dst; dataset:isset,addrs,type ip,load addrs;`, true},
		{"ip.src not in the set", `ip.src; dataset:isset,addrs,type ip,load addrs;`, false},
		{"the payload as well", `content:"GET"; tcp.hdr; content:"|00 50|"; offset:2; depth:2;`, true},
		{"another payload", `content:"PUT"; tcp.hdr; content:"|00 50|"; offset:2; depth:2;`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			vars := DefaultVars("[192.168.0.0/16]")
			vars.Data = &Data{Open: lists}
			rs, refused := Parse(strings.NewReader(`alert tcp-pkt any any -> any any (`+c.options+` sid:1;)`), "t", vars)
			if len(refused) > 0 {
				t.Fatal(refused[0].Reason)
			}
			e, err := NewEngine(rs, Options{})
			if err != nil {
				t.Fatal(err)
			}
			in := toServer("GET /")
			in.IP, in.Transport = ipv4, tcpSYN
			if got := len(e.Inspect(e.NewContext(), in)) == 1; got != c.want {
				t.Errorf("%s: %v, want %v", c.options, got, c.want)
			}
		})
	}
}

func TestCountsOfFlows(t *testing.T) {
	for _, c := range []struct {
		options string
		want    bool
	}{
		{"flow.age:>9;", true},
		{"flow.age:>10;", false},
		{"flow.pkts_toserver:3;", true},
		{"flow.pkts_toclient:3;", false},
		{"flow.pkts:both,>4;", true},
		{"flow.bytes:either,>1000;", true},
		{"flow.bytes:toserver,>1000;", false},
		{"flow.bytes_toclient:>1KiB;", true},
	} {
		e := mustEngine(t, `alert tcp any any -> any any (msg:"m"; `+c.options+` sid:1;)`)
		in := toServer("x")
		in.FlowAge, in.FlowPackets, in.FlowBytes = 10*time.Second, [2]uint64{3, 2}, [2]uint64{300, 2000}
		in.Flow = &FlowState{}
		if got := len(e.Inspect(e.NewContext(), in)) == 1; got != c.want {
			t.Errorf("%s: %v, want %v", c.options, got, c.want)
		}
	}
}

func TestRequires(t *testing.T) {
	for _, c := range []struct {
		value string
		want  bool
	}{
		{"version >= 8", true}, {"version >= 8.0.0, keyword sid", true}, {"version >= 7 < 8", false},
		{"version >= 7.0.3 < 8 | >= 9.0.99", false}, {"version >= 7.0.3 < 8 | >= 8", true}, {"feature ja4", true},
		{"feature lua", false}, {"keyword foobar", false}, {"version 8", false}, {"colour red", false},
	} {
		if err := checkRequires(c.value); (err == nil) != c.want {
			t.Errorf("%s: %v, want met %v", c.value, err, c.want)
		}
	}
}
