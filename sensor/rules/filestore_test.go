package rules

import (
	"strings"
	"testing"
)

func TestFilestoreSaysWhichFiles(t *testing.T) {
	both := StoreFiles{ToServer: true, ToClient: true}
	for _, c := range []struct {
		rule string
		want StoreFiles
		// reason is a part of why the rule is refused.
		reason string
	}{
		{`alert http any any -> any any (file.name; content:"a"; filestore; sid:1;)`, both, ""},
		{`alert http any any -> any any (filestore:request; sid:1;)`, StoreFiles{Scope: StoreTx, ToServer: true}, ""},
		{`alert http any any -> any any (filestore:to_client; sid:1;)`, StoreFiles{Scope: StoreTx, ToClient: true}, ""},
		{`alert smb any any -> any any (filestore:both,file; sid:1;)`, both, ""},
		{`alert http any any -> any any (http.uri; content:"a"; filestore:Response , Flow; sid:1;)`, StoreFiles{Scope: StoreFlow, ToClient: true}, ""},
		{`alert tcp any any -> any any (content:"a"; filestore:both,ssn; sid:1;)`, StoreFiles{Scope: StoreFlow, ToServer: true, ToClient: true}, ""},
		{`alert ftp-data any any -> any any (content:"MZ"; filestore; noalert; sid:1;)`, both, ""},
		{`alert http any any -> any any (filestore:all; sid:1;)`, both, "none of request"},
		{`alert http any any -> any any (filestore:both,session; sid:1;)`, both, "none of file"},
		{`alert http any any -> any any (filestore:both,tx,now; sid:1;)`, both, "neither a direction nor a scope"},
		{`alert http any any -> any any (filestore; filestore; sid:1;)`, both, "twice"},
		{`alert dns any any -> any any (filestore; sid:1;)`, both, "not followed in dns"},
		{`alert udp any any -> any any (filestore; sid:1;)`, both, "TCP alone"},
		{`alert tcp any any -> any any (content:"a"; filestore:both,tx; sid:1;)`, both, "no transaction"},
		{`alert tcp any any -> any any (dsize:>5; filestore; sid:1;)`, both, "packet keyword"},
		{`alert http any any -> any any (flow:to_server; filestore:response,file; sid:1;)`, both, "direction in which"},
		{`alert http any any => any any (http.uri; content:"a"; http.stat_code; content:"200"; filestore; sid:1;)`, both, "both directions"},
	} {
		rs, refused := Parse(strings.NewReader(c.rule+"\n"), "t", DefaultVars("any"))
		switch {
		case c.reason != "":
			if len(refused) != 1 || !strings.Contains(refused[0].Reason, c.reason) {
				t.Errorf("%s: refused %v", c.rule, refused)
			}
		case len(rs) != 1:
			t.Errorf("%s: refused %v", c.rule, refused)
		case *rs[0].store != c.want:
			t.Errorf("%s: %+v", c.rule, *rs[0].store)
		}
	}
}

func TestAChoiceIsToldWithoutAnAlertAndAgainForTheNextFile(t *testing.T) {
	rs, refused := Parse(strings.NewReader(`alert http any any -> any any (file.name; content:"a"; filestore; noalert; sid:1;)`+"\n"), "t", DefaultVars("any"))
	if len(refused) > 0 {
		t.Fatal(refused[0].Reason)
	}
	e, err := NewEngine(rs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w := e.Wants(); !w.Store || !w.Files {
		t.Errorf("%+v", w)
	}
	ctx, flow := e.NewContext(), &FlowState{}
	for _, c := range []struct {
		name string
		file bool
		want int
	}{{"a", true, 1}, {"b", true, 0}, {"a", true, 1}, {"a", false, 0}} {
		var b Buffers
		b.AddText(BufferFileName, []byte(c.name))
		in := &Input{Proto: ProtoTCP, View: ViewTransaction, AppProto: "http", Flow: flow, Unit: 1, Buffers: &b, File: c.file, Established: true}
		if m := e.Inspect(ctx, in); len(m) != 0 || len(ctx.Stores()) != c.want {
			t.Errorf("%q: %d alerts, %d choices", c.name, len(m), len(ctx.Stores()))
		}
	}
}
