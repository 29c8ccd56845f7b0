package incident

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"

	"github.com/antin-gov/antin/internal/pcapfile"
)

// record gives the exact bytes that the sensor wrote: their SHA-256 is the one
// on the page.
func (p *casePages) record(w http.ResponseWriter, r *http.Request) {
	e, err := p.service.EvidenceRecord(r.Context(), r.PathValue("id"), r.URL.Query().Get("event"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	download(w, "application/json", r.PathValue("id")+"-"+moment(e.Event.At)+".json", e.Event.Raw)
}

// packet gives the kept frame as a capture file that every analyser opens.
func (p *casePages) packet(w http.ResponseWriter, r *http.Request) {
	e, err := p.service.EvidenceRecord(r.Context(), r.PathValue("id"), r.URL.Query().Get("event"))
	if err == nil && len(e.Packet) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	file, err := capture(e)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	download(w, "application/vnd.tcpdump.pcap", r.PathValue("id")+"-"+moment(e.Event.At)+".pcap", file)
}

func download(w http.ResponseWriter, kind, name string, content []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the reader went away: nothing to tell it
}

func capture(e *Evidence) ([]byte, error) {
	var out bytes.Buffer
	f, err := pcapfile.NewWriter(&out, linkType(e.Event.Raw))
	if err != nil {
		return nil, err
	}
	err = f.Write(e.Event.At, e.Packet)
	return out.Bytes(), err
}

// linkType is what the record says of its frame (EVE packet_info.linktype), or
// else Ethernet.
func linkType(raw []byte) uint32 {
	var w struct {
		Info struct {
			LinkType *uint16 `json:"linktype"`
		} `json:"packet_info"`
	}
	err := json.Unmarshal(raw, &w)
	if err != nil || w.Info.LinkType == nil {
		return pcapfile.LinkEthernet
	}
	return uint32(*w.Info.LinkType)
}
