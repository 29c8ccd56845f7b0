package sensor

import (
	"slices"

	"github.com/antin-gov/antin/sensor/files"
)

// Event types of no protocol. The sensor's health is always written.
const (
	kindAlert    = "alert"
	kindAnomaly  = "anomaly"
	kindFileinfo = "fileinfo"
	kindFlow     = "flow"
	kindNetflow  = "netflow"
	kindPacket   = "packet"
	kindStats    = "stats"
)

// EventTypes lists the types of records, in order.
func EventTypes() []string {
	list := []string{kindAlert, kindAnomaly, kindFileinfo, kindFlow, kindNetflow, kindPacket, kindStats, nameDNS, nameHTTP, nameTLS, "ftp_data"}
	for i := range protocols {
		list = append(list, protocols[i].name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// wanted is who asks for what, so that the rest need not be made.
type wanted struct {
	// types are the event types that are written; nil writes all.
	types []string
	// content is true when somebody looks into what protocols say, files when
	// into whole files.
	content, files bool
}

// writes reports whether records of that type are written.
func (w *wanted) writes(kind string) bool { return w.types == nil || slices.Contains(w.types, kind) }

// ask finds out who asks for what, with the rules in force.
func (w *worker) ask() {
	cfg := &w.e.cfg
	a := wanted{types: cfg.Types}
	a.content = cfg.Types == nil || w.rules != nil || cfg.Detectors != nil || cfg.Indicators != nil || cfg.Files != nil
	for _, kind := range cfg.Types {
		switch kind {
		case kindAlert, kindFlow, kindNetflow, kindPacket, kindStats:
		default:
			a.content = true
		}
	}
	a.files = a.writes(kindFileinfo) || w.wants.Files || cfg.Indicators != nil || cfg.Files != nil
	w.wanted = a
	w.store = cfg.Files.With(files.Care{
		// Rules are all that looks into files.
		NoContent: w.rules == nil,
		Chosen:    cfg.FilesChosen,
		NoFiles:   cfg.FilesChosen && !w.wants.Store,
		Memory:    &w.memory,
		NoDigests: !a.writes(kindFileinfo) && !w.wants.FileSums && cfg.Indicators == nil,
	})
}
