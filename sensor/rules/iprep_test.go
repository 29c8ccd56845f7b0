package rules

import (
	"net/netip"
	"strings"
	"testing"
)

const categoriesText = "1,bad,Bad hosts\n2,scan,Scanners # who scans\n\nx,y,z\n60,far,Too far\n"

func reputations(t *testing.T) *Reputation {
	t.Helper()
	r, refused := ParseCategories(strings.NewReader(categoriesText), "categories.txt")
	if len(refused) != 2 || refused[0].Line != 4 {
		t.Errorf("%+v", refused)
	}
	refused = r.Add(strings.NewReader("10.0.0.1,1,100\n10.0.0.0/8,1,20\n2001:db8::/32,2,127\n10.0.0.1,2,128\n10.0.0.300,1,5\n10.0.0.1;1;5\n"), "iprep.list")
	if len(refused) != 3 || r.Len() != 3 {
		t.Errorf("%d scores, %+v", r.Len(), refused)
	}
	return r
}

func TestReputationsOfAddresses(t *testing.T) {
	vars := DefaultVars("any")
	vars.Data = &Data{Reputation: reputations(t)}
	for _, c := range []struct {
		option, src, dst string
		want             bool
	}{
		{"src,bad,>,50", "10.0.0.1", "192.0.2.1", true},
		{"src,bad,>,50", "10.0.0.2", "192.0.2.1", false},
		{"src,bad,=,20", "10.0.0.2", "192.0.2.1", true},
		{"dst,bad,>,1", "10.0.0.1", "192.0.2.1", false},
		{"any,bad,>=,100", "192.0.2.1", "10.0.0.1", true},
		{"both,bad,>,1", "10.0.0.1", "10.9.9.9", true},
		{"both,bad,>,1", "10.0.0.1", "192.0.2.1", false},
		{"any,scan,<,127", "2001:db8::1", "2001:db9::1", false},
		{"any,scan,<=,127", "2001:db8::1", "2001:db9::1", true},
		{"dst,bad,isset", "192.0.2.1", "10.0.0.1", true},
		{"dst,bad,isnotset", "192.0.2.1", "10.0.0.1", false},
		{"dst,scan,isnotset", "192.0.2.1", "10.0.0.1", true},
	} {
		rs, refused := Parse(strings.NewReader("alert ip any any -> any any (iprep:"+c.option+"; sid:1;)"), "t.rules", vars)
		if len(refused) > 0 {
			t.Fatal(refused[0].Reason)
		}
		e, err := NewEngine(rs, Options{})
		if err != nil {
			t.Fatal(err)
		}
		in := toServer("a")
		in.Src, in.Dst = netip.AddrPortFrom(netip.MustParseAddr(c.src), 1), netip.AddrPortFrom(netip.MustParseAddr(c.dst), 2)
		got := len(e.Inspect(e.NewContext(), in)) == 1
		if got != c.want {
			t.Errorf("%s of %s to %s: %v", c.option, c.src, c.dst, got)
		}
	}
	for _, option := range []string{"src,bad", "src,bad,>", "src,none,>,1", "up,bad,>,1", "src,bad,>,128", "src,bad,~,1", "src,bad,set"} {
		_, refused := Parse(strings.NewReader("alert ip any any -> any any (iprep:"+option+"; sid:1;)"), "t.rules", vars)
		if len(refused) != 1 {
			t.Errorf("%s was loaded", option)
		}
	}
}

func FuzzReputations(f *testing.F) {
	f.Add(categoriesText, "10.0.0.1,1,100\n10.0.0.0/8,1,20\n")
	f.Fuzz(func(_ *testing.T, categories, scores string) {
		r, _ := ParseCategories(strings.NewReader(categories), "c")
		r.Add(strings.NewReader(scores), "s")
		r.score(netip.MustParseAddr("::ffff:10.0.0.1"), 1)
	})
}
