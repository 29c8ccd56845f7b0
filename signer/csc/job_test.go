package csc_test

import (
	"crypto"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// later asks for signatures that are made afterwards and returns the responseID.
func (w *world) later(t testing.TB, list [][]byte, more map[string]any) string {
	t.Helper()
	d := desk{w, "v2"}
	in := d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), list)
	in["operationMode"] = "A"
	for name, value := range more {
		in[name] = value
	}
	var out struct{ ResponseID string }
	status, err := w.as("binh.nv", "v2").Call(t.Context(), "signatures/signHash", in, &out)
	if err != nil || status != http.StatusOK || out.ResponseID == "" {
		t.Fatalf("HTTP %d, %q, %v", status, out.ResponseID, err)
	}
	return out.ResponseID
}

// outcome waits for what became of a request.
func (w *world) outcome(t testing.TB, id string, out any) {
	t.Helper()
	c := w.as("binh.nv", "v2")
	for {
		var raw json.RawMessage
		w.pki.Clock.Advance(time.Second) // for the limit of calls
		status, err := c.Call(t.Context(), "signatures/signPolling", map[string]any{"responseID": id}, &raw)
		if err != nil {
			t.Fatal(err)
		}
		if status == http.StatusAccepted {
			time.Sleep(5 * time.Millisecond) // as a program would
			continue
		}
		err = json.Unmarshal(raw, out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

func TestSignaturesMadeAfterwardsWaitThroughARestart(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		list := digests(3, "later")
		id := w.later(t, list, map[string]any{"validity_period": 600000})
		var out struct{ Signatures [][]byte }
		w.outcome(t, id, &out)
		if len(out.Signatures) != 3 {
			t.Fatalf("%d signatures, want 3", len(out.Signatures))
		}
		err := w.server.Close()
		if err != nil {
			t.Fatal(err)
		}
		w.start(t, nil)
		var again struct{ Signatures [][]byte }
		w.outcome(t, id, &again)
		if len(again.Signatures) != 3 || string(again.Signatures[0]) != string(out.Signatures[0]) {
			t.Error("another outcome after a restart")
		}
		for name, c := range map[string]string{"another account": "lan.tt", "a clerk": "hoa.lt"} {
			got := refused(t, w.as(c, "v2"), "signatures/signPolling", map[string]any{"responseID": id})
			if got.Status != 400 || got.Description != "Invalid parameter responseID" {
				t.Errorf("%s: got %v", name, got)
			}
		}
		w.pki.Clock.Advance(10 * time.Minute)
		for name, id := range map[string]string{"after its time": id, "an unknown one, the same answer": "antinjob_AAAA"} {
			got := refused(t, w.as("binh.nv", "v2"), "signatures/signPolling", map[string]any{"responseID": id})
			if got.Status != 400 || got.Description != "Invalid parameter responseID" {
				t.Errorf("%s: got %v", name, got)
			}
		}
	})
}

func TestAnOutcomeIsToldToTheProgramsRegisteredAddressAlone(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	told := make(chan string, 1)
	program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var v struct{ ResponseID string }
		_ = json.NewDecoder(r.Body).Decode(&v)
		told <- v.ResponseID
	}))
	t.Cleanup(program.Close)
	w.start(t, map[string][]string{"soan-thao": {redirect, program.URL + "/xong"}})
	text := []byte("một")
	d := desk{w, "v2"}
	in := map[string]any{
		"credentialID": "binh-ec", "SAD": d.sad(t, "binh.nv", "binh-ec", [][]byte{sumOf(crypto.SHA256, text)}), "operationMode": "A", "response_uri": program.URL + "/khac",
		"documents": []any{map[string]any{"document": text, "signature_format": "C", "conformance_level": "AdES-B-T", "signAlgo": algoECDSA}},
	}
	c := w.as("binh.nv", "v2")
	got := refused(t, c, "signatures/signDoc", in)
	if got.Description != "Invalid parameter response_uri" {
		t.Errorf("an address that nobody registered: got %v", got)
	}
	in["response_uri"] = program.URL + "/xong"
	var out struct{ ResponseID string }
	_, err := c.Call(t.Context(), "signatures/signDoc", in, &out)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-told:
		if id != out.ResponseID {
			t.Errorf("told %q, want %q", id, out.ResponseID)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told")
	}
	var docs signedDocs
	w.outcome(t, out.ResponseID, &docs)
	w.passes(t, docs.DocumentWithSignature[0], nil, "CAdES-B-T")
}

func TestWhatIsAskedForLaterIsBoundedAndRefusedAtOnce(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	d, c, list := desk{w, "v2"}, w.as("binh.nv", "v2"), digests(6, "bound")
	for name, in := range map[string]map[string]any{
		"a mode that is none":           {"operationMode": "B"},
		"kept too long":                 {"operationMode": "A", "validity_period": 3600001},
		"kept for no time":              {"operationMode": "A", "validity_period": 0},
		"told later, but signed now":    {"response_uri": redirect},
		"kept, but signed now":          {"validity_period": 1000},
		"told to an address of a file":  {"operationMode": "A", "response_uri": "file:///etc/passwd"},
		"told to a service beside here": {"operationMode": "A", "response_uri": "http://127.0.0.1:1/"},
	} {
		sad := "antinsad_none"
		whole := d.signing("binh-ec", sad, list[:1])
		for k, v := range in {
			whole[k] = v
		}
		got := refused(t, c, "signatures/signHash", whole)
		if got.Status != 400 || got.Description == "Invalid parameter SAD" {
			t.Errorf("%s: got %v", name, got)
		}
	}
	sad := d.sad(t, "binh.nv", "binh-ec", list)
	for i := range 5 {
		in := d.signing("binh-ec", sad, list[i:i+1])
		in["operationMode"] = "A"
		_, err := c.Call(t.Context(), "signatures/signHash", in, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	in := d.signing("binh-ec", sad, list[5:])
	in["operationMode"] = "A"
	got := refused(t, c, "signatures/signHash", in)
	if got.Status != http.StatusTooManyRequests {
		t.Errorf("a sixth outcome: got %v", got)
	}
	in["operationMode"] = "S"
	_, err := c.Call(t.Context(), "signatures/signHash", in, nil)
	if err != nil {
		t.Errorf("the sixth hash was spent: %v", err)
	}
}

func TestAFailureIsToldWhenItIsAskedFor(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	w.weak.failAt("sign.release")
	id := w.later(t, digests(1, "fail"), nil)
	c := w.as("binh.nv", "v2")
	for {
		w.pki.Clock.Advance(time.Second)
		var raw json.RawMessage
		status, err := c.Call(t.Context(), "signatures/signPolling", map[string]any{"responseID": id}, &raw)
		if status == http.StatusAccepted {
			time.Sleep(5 * time.Millisecond) // as a program would
			continue
		}
		if err == nil || status != http.StatusInternalServerError {
			t.Errorf("HTTP %d, %v, %s", status, err, raw)
		}
		break
	}
	_, released := w.signatures(t)
	if released != 0 {
		t.Error("a signature left")
	}
}
