package spool

// Class is how much a record matters when there is no room for all.
type Class uint8

// The classes, most important first.
const (
	// Alerts are alerts, anomalies, findings and what the sensor says of its
	// own health.
	Alerts Class = iota
	// Metadata are the records of protocols: dns, http, tls, …
	Metadata
	// Flows are flow, netflow and stats records.
	Flows
	classes = 3
)

// String is the class's name in counters.
func (c Class) String() string {
	switch c {
	case Alerts:
		return "alert"
	case Metadata:
		return "metadata"
	}
	return "flow"
}

// All lists the classes, most important first.
func All() []Class { return []Class{Alerts, Metadata, Flows} }

// ClassOf is the class of an EVE record by its event_type.
func ClassOf(kind string) Class {
	switch kind {
	case "alert", "anomaly", "health", "detection", "ioc":
		return Alerts
	case "flow", "netflow", "stats":
		return Flows
	}
	return Metadata
}

// Cause says why records were given up.
type Cause uint8

// The causes.
const (
	// Full means that the spool had reached its limit.
	Full Cause = iota
	// Disk means that the disk took no more and memory was full as well.
	Disk
	// Damaged means that what was on the disk could not be read again.
	Damaged
	// Oversize means that a record was larger than a hub takes.
	Oversize
	causes = 4
)

// String is the cause's name in counters.
func (c Cause) String() string {
	switch c {
	case Full:
		return "full"
	case Disk:
		return "disk"
	case Damaged:
		return "damaged"
	}
	return "oversize"
}

// Causes lists the causes.
func Causes() []Cause { return []Cause{Full, Disk, Damaged, Oversize} }
