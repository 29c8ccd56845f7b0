package xmpp

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

const (
	hello    = `<?xml version='1.0'?><stream:stream to='dv.gov.vn' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`
	features = `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`
	goOn     = `<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
	refused  = `<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>`
	letIn    = `<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`
)

func TestTLSIsHandedOver(t *testing.T) {
	for _, cut := range []int{0, 1, 8, len(goOn) - 1} {
		r := prototest.Talk(t, open, prototest.Turn{Dir: 0, Data: hello}, prototest.Turn{Dir: 1, Data: hello + features + goOn[:cut]}, prototest.Turn{Dir: 1, Data: goOn[cut:]})
		if r.Upgrades != 1 {
			t.Errorf("cut after %d: %d", cut, r.Upgrades)
		}
	}
}

func TestAnswersToLogInsAreTold(t *testing.T) {
	prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: hello + refused + refused + letIn + refused}).WantLogIns(t, " refused", " refused", " accepted")
	tls := strings.ReplaceAll(refused, "sasl", "tls")
	prototest.Talk(t, open, prototest.Turn{Dir: 0, Data: letIn}, prototest.Turn{Dir: 1, Data: tls}).WantLogIns(t)
}

func TestWhatIsReadIsBounded(t *testing.T) {
	c := New(&prototest.Recorder{})
	for range 100 {
		err := c.Feed(proto.ToClient, []byte("<a"+strings.Repeat(" ", 1000)))
		if err != nil {
			t.Fatal(err)
		}
		if len(c.buf) > maxElement+1002 {
			t.Fatal(len(c.buf))
		}
	}
}

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		b         string
		yes, more bool
	}{
		{hello, true, false}, {hello[:21], false, true}, {hello[:4], false, true}, {hello[21:], true, false}, {"<html>", false, false},
		{"<?xml version='1.0'?><a xmlns='jabber:client'>" + strings.Repeat(" ", maxAhead), false, false}, {"GET /", false, false},
	} {
		yes, more := Probe(proto.ToServer, []byte(tt.b), proto.Hint{})
		if yes != tt.yes || !yes && more != tt.more {
			t.Errorf("%q: %t %t", tt.b, yes, more)
		}
	}
}

func FuzzXMPP(f *testing.F) {
	prototest.Fuzz(f, open, prototest.Turn{Dir: 0, Data: hello}, prototest.Turn{Dir: 1, Data: hello + features + refused + goOn})
}
