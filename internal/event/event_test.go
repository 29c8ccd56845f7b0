package event_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/antin-gov/antin/internal/event"
)

const alert = `{"timestamp":"2026-11-22T11:05:06.000123+0700","flow_id":123456789012345,"event_type":"alert","src_ip":"10.3.9.20","src_port":49152,"dest_ip":"10.1.0.5","dest_port":445,"proto":"TCP","community_id":"1:x","alert":{"action":"allowed","gid":1,"signature_id":9000001,"rev":2,"signature":"S","category":"C","severity":1,"metadata":{"mitre":["T1486"]}}}`

func TestParseReadsAnAlert(t *testing.T) {
	e, err := event.Parse([]byte(alert))
	if err != nil {
		t.Fatal(err)
	}
	if e.Type != "alert" || e.Alert.SID != 9000001 || e.Alert.Metadata["mitre"][0] != "T1486" {
		t.Errorf("got %+v", e.Alert)
	}
	if got := e.Time.Format("2006-01-02T15:04:05.000000Z"); got != "2026-11-22T04:05:06.000123Z" {
		t.Errorf("time %s", got)
	}
	if e.Src.String() != "10.3.9.20:49152" || e.Dst.Port() != 445 {
		t.Errorf("addresses %s %s", e.Src, e.Dst)
	}
	if !bytes.Equal(e.Raw, []byte(alert)) || len(e.SHA256()) != 64 {
		t.Error("the evidence is not the record as it came")
	}
}

func TestParseRefusesWhatIsNotEVE(t *testing.T) {
	for _, raw := range []string{"", "[]", "{}", `{"event_type":"dns"}`, `{"timestamp":"yesterday","event_type":"dns"}`, `{"timestamp":1}`} {
		_, err := event.Parse([]byte(raw))
		if !errors.Is(err, event.ErrRecord) {
			t.Errorf("%q: got %v", raw, err)
		}
	}
}

func TestBatchKnowsItsLimits(t *testing.T) {
	b := event.Batch{Body: bytes.Repeat([]byte("{}\n"), event.MaxBatch+1)}
	_, err := b.Lines()
	if !errors.Is(err, event.ErrBatchSize) {
		t.Errorf("got %v", err)
	}
	_, err = event.ParseBatch(func(string) string { return "" }, nil)
	if !errors.Is(err, event.ErrBatchHeader) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(alert))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := event.Parse(raw)
		if err == nil && e.Type == "" {
			t.Error("an event without a type")
		}
	})
}
