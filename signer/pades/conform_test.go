package pades_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
)

// qdoc is a document as qpdf tells it, in JSON.
type qdoc struct {
	objects map[string]qobject // "1 0 R" and "trailer"
}

type qobject struct {
	Value  any `json:"value"`
	Stream *struct {
		Dict map[string]any `json:"dict"`
		Data string         `json:"data"`
	} `json:"stream"`
}

func readByQPDF(t *testing.T, path string) (*qdoc, error) {
	t.Helper()
	cmd := exec.Command("qpdf", "--json=2", "--json-key=qpdf", "--json-stream-data=inline", "--decode-level=generalized", "--password=usersecret", path)
	said, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 3 { // 3: with warnings
		return nil, err
	}
	var whole struct {
		QPDF []json.RawMessage `json:"qpdf"`
	}
	err = json.Unmarshal(said, &whole)
	if err != nil || len(whole.QPDF) != 2 {
		return nil, fmt.Errorf("qpdf's JSON: %w", err)
	}
	raw := map[string]qobject{}
	err = json.Unmarshal(whole.QPDF[1], &raw)
	if err != nil {
		return nil, err
	}
	d := &qdoc{objects: map[string]qobject{}}
	for key, o := range raw {
		d.objects[strings.TrimPrefix(key, "obj:")] = o
	}
	return d, nil
}

// at follows keys and references.
func (d *qdoc) at(o any, keys ...string) any {
	for i := 0; ; i++ {
		ref, ok := o.(string)
		if target, there := d.objects[ref]; ok && there {
			o = target.Value
			if target.Stream != nil {
				o = target.Stream.Dict
			}
		}
		if i == len(keys) {
			return o
		}
		m, _ := o.(map[string]any)
		o = m[keys[i]]
	}
}

func (d *qdoc) trailer() map[string]any { return d.objects["trailer"].Value.(map[string]any) }

// claims tells what the XMP packet says the document is, such as "PDF/A-2".
func (d *qdoc) claims(t *testing.T) (part string, universal bool) {
	t.Helper()
	ref, _ := d.at(d.trailer(), "/Root", "/Type").(string)
	if ref != "/Catalog" {
		return "", false
	}
	meta, _ := d.at(d.trailer(), "/Root").(map[string]any)["/Metadata"].(string)
	o := d.objects[meta]
	if o.Stream == nil {
		return "", false
	}
	packet, err := base64.StdEncoding.DecodeString(o.Stream.Data)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`pdfaid:part(?:>|\s*=\s*["'])\s*(\d)`).FindSubmatch(packet)
	if m != nil {
		part = string(m[1])
	}
	return part, bytes.Contains(packet, []byte("pdfuaid:part"))
}

// sealPNG has soft edges, as a scanned seal has.
func sealPNG(t *testing.T) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			d := (x-32)*(x-32) + (y-32)*(y-32)
			img.Set(x, y, color.NRGBA{R: 200, A: uint8(max(0, 255-d/4))})
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every document that says it is PDF/A or PDF/UA says so after signing, keeps
// every object that makes it one, and what the signature adds is what its part
// allows. The rules are read with qpdf's eyes, not with ours.
func TestASignedArchiveDocumentStaysOne(t *testing.T) {
	need(t, "qpdf", "pdfsig", "mutool", "openssl")
	p := trusttest.New(t, time.Time{})
	key := trusttest.ECKey(t)
	chain := p.Issue(t, "Nguyễn Văn A", key.Public())
	anchors := filepath.Join(t.TempDir(), "trust.pem")
	bundle := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Raw}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Issuer.Raw}))
	err := os.WriteFile(anchors, bundle, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	marks := map[string]*appearance.Spec{
		"unseen": nil,
		"image":  {Preset: appearance.Seal, Image: sealPNG(t), Name: "Sở Nội vụ", Box: appearance.Box{X: 5, Y: 5, Width: 20, Height: 20}},
		"text":   {Preset: appearance.Text, Lines: []string{"Số: 12/SNV"}, Box: appearance.Box{X: 5, Y: 5, Width: 60, Height: 12}},
		"every":  {Preset: appearance.Person, Name: "Nguyễn Văn A", Pages: appearance.Pages{{From: 1, To: -1}}, Box: appearance.Box{X: 5, Y: 5, Width: 30, Height: 12}},
		"person": {Preset: appearance.Person, Name: "Nguyễn Văn A", Box: appearance.Box{X: 5, Y: 5, Width: 30, Height: 12}},
	}
	step := sampling
	if os.Getenv("ANTIN_PROVE_ALL") != "" {
		step = 1
	}
	n, kinds, refused, seen := 0, map[string]int{}, map[string]int{}, map[string]int{}
	err = filepath.WalkDir(testkit.Data(t, "pdf"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".pdf") {
			return err
		}
		head, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(head, []byte("pdfaid")) && !bytes.Contains(head, []byte("pdfuaid")) {
			return err
		}
		n++
		if n%step != 0 {
			return nil
		}
		before, err := readByQPDF(t, path)
		if err != nil {
			t.Logf("qpdf cannot read %s", filepath.Base(path))
			return nil
		}
		part, universal := before.claims(t)
		if part == "" && !universal {
			return nil
		}
		for name, mark := range marks {
			out, _, err := signFile(t, path, pades.Options{
				Signer: key, Chain: chain, Hash: crypto.SHA256, Level: pades.LevelLTA, Password: "usersecret", Now: p.Clock.Now(), Visible: mark,
				Timestamp: (&tsp.Client{URL: p.TSAURL()}).Timestamp, Collect: p.Collector().Collect,
			})
			var why *cos.RefusedError
			if errors.As(err, &why) {
				refused[why.Code]++
				continue
			}
			if errors.Is(err, appearance.ErrOutside) {
				refused["page too small"]++
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %v", path, name, err)
				continue
			}
			kind := "PDF/A-" + part
			if part == "" {
				kind = "PDF/UA"
			} else if universal {
				kind += " and PDF/UA"
			}
			kinds[kind+" "+name]++
			after, err := readByQPDF(t, out)
			if err != nil {
				t.Errorf("%s: %s: qpdf: %v", path, name, err)
				continue
			}
			c := conformance{t: t, name: filepath.Base(path) + ": " + name, part: part, before: before, after: after, every: name == "every"}
			c.check(mark != nil)
			for _, reader := range readers(t, path, out, anchors) {
				seen[reader]++
			}
			_ = os.Remove(out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("signed at B-LTA by kind and mark %v, refused %v; accepted by %v", kinds, refused, seen)
	if len(kinds) == 0 {
		t.Error("none was signed")
	}
}

// conformance compares a document before and after.
type conformance struct {
	t             *testing.T
	name, part    string
	before, after *qdoc
	tagged        bool
	every         bool // the mark is on every page
	signed        bool // before: the structure stays as it was signed
}

func (c *conformance) errorf(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf(c.name+": "+format, args...)
}

func (c *conformance) check(visible bool) {
	old, now := c.before.trailer(), c.after.trailer()
	if !reflect.DeepEqual(old["/Info"], now["/Info"]) || old["/Root"] != now["/Root"] || now["/Encrypt"] != nil && old["/Encrypt"] == nil {
		c.errorf("the trailer lost something")
	}
	id, _ := old["/ID"].([]any)
	newID, _ := now["/ID"].([]any)
	if len(newID) != 2 || len(id) > 0 && newID[0] != id[0] {
		c.errorf("the identifier %v became %v", id, newID)
	}
	marked, _ := c.before.at(old, "/Root", "/MarkInfo", "/Marked").(bool)
	c.tagged = marked && c.before.at(old, "/Root", "/StructTreeRoot") != nil
	for ref := range c.before.objects {
		c.signed = c.signed || c.before.at(ref, "/ByteRange") != nil
	}
	c.nothingLost()
	widgets := 0
	for ref, o := range c.after.objects {
		_, there := c.before.objects[ref]
		if there {
			continue
		}
		c.added(ref, o)
		if c.after.at(ref, "/Subtype") == "/Widget" {
			widgets++
			c.widget(ref, visible && c.after.at(ref, "/V", "/Type") == "/Sig")
		}
	}
	want := 2 // of the signature and of the document time-stamp
	if c.every {
		want = len(c.before.pages(c.before.at(old, "/Root", "/Pages"))) + 1
	}
	if widgets != want {
		c.errorf("%d new widgets, not %d", widgets, want)
	}
}

// pages lists the pages below a node of the page tree.
func (d *qdoc) pages(node any) []any {
	kids, _ := d.at(node, "/Kids").([]any)
	if kids == nil {
		return []any{node}
	}
	var out []any
	for _, kid := range kids {
		out = append(out, d.pages(kid)...)
	}
	return out
}

// nothingLost wants every object as it was, but for those that a signature
// enters itself into: catalog, page, form, structure.
func (c *conformance) nothingLost() {
	catalog, _ := c.before.trailer()["/Root"].(string)
	stores := map[string]bool{} // of validation data, which grow
	grows := map[string][]string{
		catalog: {"/AcroForm", "/DSS", "/Perms"},
	}
	for ref := range c.before.objects {
		switch c.before.at(ref, "/Type") {
		case "/Page":
			grows[ref] = []string{"/Annots", "/Tabs"}
		case "/StructTreeRoot":
			grows[ref] = []string{"/K", "/ParentTree", "/ParentTreeNextKey"}
		}
		if c.before.at(ref, "/S") == "/Document" {
			grows[ref] = []string{"/K"}
		}
	}
	_, direct := c.before.at(catalog).(map[string]any)["/StructTreeRoot"].(map[string]any)
	if direct { // becomes an object, so that an element can name it
		grows[catalog] = append(grows[catalog], "/StructTreeRoot")
	}
	tree, _ := c.before.at(catalog, "/StructTreeRoot").(map[string]any)
	parents, _ := tree["/ParentTree"].(string)
	for _, above := range []any{catalog, c.before.at(catalog, "/DSS")} {
		for _, key := range []string{"/DSS", "/VRI"} {
			store, _ := c.before.at(above).(map[string]any)
			ref, _ := store[key].(string)
			stores[ref] = true
		}
	}
	form, _ := c.before.at(catalog).(map[string]any)["/AcroForm"].(string)
	grows[parents], grows[form] = []string{"/Nums", "/Kids"}, []string{"/Fields", "/SigFlags", "/NeedAppearances"}
	for ref, old := range c.before.objects {
		if ref == "trailer" || c.before.at(ref, "/Type") == "/XRef" {
			continue
		}
		now, there := c.after.objects[ref]
		if !there {
			c.errorf("object %s is gone", ref)
			continue
		}
		if reflect.DeepEqual(old, now) {
			continue
		}
		a, ok1 := old.Value.(map[string]any)
		b, ok2 := now.Value.(map[string]any)
		if !ok1 || !ok2 {
			list, ok1 := old.Value.([]any)
			longer, ok2 := now.Value.([]any)
			if !ok1 || !ok2 || len(longer) < len(list) || !reflect.DeepEqual(list, longer[:len(list)]) {
				c.errorf("object %s changed", ref)
			}
			continue
		}
		for key := range a {
			if !slices.Contains(grows[ref], key) && !reflect.DeepEqual(a[key], b[key]) {
				c.errorf("object %s: %s changed from %v to %v", ref, key, a[key], b[key])
			}
		}
		for key := range b {
			if !slices.Contains(grows[ref], key) && a[key] == nil && !stores[ref] {
				c.errorf("object %s gained %s", ref, key)
			}
		}
	}
}

// added judges one object that signing added.
func (c *conformance) added(ref string, o qobject) {
	const longest = 32767 // ISO 19005-2, 6.1.13; 65535 in part 1
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case string:
			if strings.HasPrefix(x, "b:") && (len(x)-2)/2 > longest {
				c.errorf("object %s: a string of %d bytes", ref, (len(x)-2)/2)
			}
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			for k, e := range x {
				if len(k) > 127 || k == "/AA" || k == "/A" && x["/Subtype"] == "/Widget" {
					c.errorf("object %s: key %s", ref, k)
				}
				walk(e)
			}
		}
	}
	walk(o.Value)
	if c.after.at(ref, "/Type") == "/FontDescriptor" && c.after.at(ref, "/FontFile2", "/Length1") == nil {
		c.errorf("object %s: a font that is not embedded", ref)
	}
	if o.Stream == nil {
		return
	}
	d := o.Stream.Dict
	walk(d)
	if d["/F"] != nil || d["/Filter"] != nil && d["/Filter"] != "/FlateDecode" {
		c.errorf("object %s: filter %v", ref, d["/Filter"])
	}
	_, older := c.before.at(c.before.trailer(), "/Root").(map[string]any)["/OutputIntents"]
	switch {
	case c.part == "1" && (d["/SMask"] != nil || d["/Group"] != nil || d["/Type"] == "/ObjStm" || d["/Type"] == "/XRef"):
		c.errorf("object %s: not known to PDF/A-1: %v", ref, d)
	case c.part != "" && !older && d["/SMask"] != nil:
		c.errorf("object %s: transparency without a blending colour space", ref)
	}
}

// widget judges a new annotation (ISO 19005-1, 6.5.3 and 6.9; ISO 14289-1, 7.18).
func (c *conformance) widget(ref string, visible bool) {
	w, _ := c.after.at(ref).(map[string]any)
	flags, _ := w["/F"].(float64)
	const shown, never = 1 << 2, 1<<0 | 1<<1 | 1<<5 | 1<<8 // Print; Invisible, Hidden, NoView, ToggleNoView
	if int(flags)&shown == 0 || int(flags)&never != 0 {
		c.errorf("flags %v", w["/F"])
	}
	tu, _ := w["/TU"].(string)
	if tu == "" {
		c.errorf("no alternative text")
	}
	looks, _ := c.after.at(w, "/AP").(map[string]any)
	if (visible || c.part == "1") && (len(looks) != 1 || looks["/N"] == nil) {
		c.errorf("appearance %v", looks)
	}
	page, _ := c.after.at(w, "/P").(map[string]any)
	if c.tagged && !c.signed && page["/Tabs"] == nil {
		c.errorf("the page's annotations have no order")
	}
	if !c.tagged {
		return
	}
	if !visible {
		rect, _ := w["/Rect"].([]any)
		if len(rect) != 4 || rect[0] != rect[2] || rect[1] != rect[3] || rect[0].(float64) >= 0 && page["/CropBox"] == nil && page["/MediaBox"] != nil {
			c.errorf("an unseen mark at %v", rect)
		}
		return
	}
	if c.signed {
		return
	}
	root := c.after.at(c.after.trailer(), "/Root", "/StructTreeRoot")
	element := c.parentOf(c.after.at(root, "/ParentTree"), w["/StructParent"])
	entry, _ := c.after.at(element, "/K").(map[string]any)
	if c.after.at(element, "/S") != "/Form" || entry["/Obj"] != any(ref) || c.after.at(element, "/P") == nil {
		c.errorf("widget %s is not in the structure: %v", ref, c.after.at(element))
	}
	up, _ := c.after.at(element).(map[string]any)
	kids, _ := c.after.at(up["/P"], "/K").([]any)
	if !slices.Contains(kids, element) {
		c.errorf("the structure does not lead to the widget")
	}
}

// parentOf looks a key up in the parent tree.
func (c *conformance) parentOf(node, key any) any {
	nums, _ := c.after.at(node, "/Nums").([]any)
	for i := 0; i+1 < len(nums); i += 2 {
		if nums[i] == key {
			return nums[i+1]
		}
	}
	kids, _ := c.after.at(node, "/Kids").([]any)
	for _, kid := range kids {
		found := c.parentOf(kid, key)
		if found != nil {
			return found
		}
	}
	return nil
}
