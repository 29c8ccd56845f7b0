package config

import "time"

// Status says how the authority tells the status of certificates and the time.
type Status struct {
	// CRLValidity, DeltaValidity and OCSPValidity are nextUpdate − thisUpdate; a
	// DeltaValidity below 0 makes no delta lists.
	CRLValidity   time.Duration `yaml:"crl_validity"`
	DeltaValidity time.Duration `yaml:"delta_validity"`
	OCSPValidity  time.Duration `yaml:"ocsp_validity"`
	// CRLPartitions spreads new certificates of a line over that many lists.
	CRLPartitions map[string]string `yaml:"crl_partitions"`
	// OCSPMaxAge is what a proxy may keep an answer for, OCSPMaxStale for how long
	// answers leave from memory while the database is silent.
	OCSPMaxAge   time.Duration `yaml:"ocsp_max_age"`
	OCSPMaxStale time.Duration `yaml:"ocsp_max_stale"`
	// TimeSources are what the clock is held against before a time-stamp.
	TimeSources []string `yaml:"time_sources"`
	NTPServers  []string `yaml:"ntp_servers"`
	// AuditEvery is how often everything is compared; below 0 never.
	AuditEvery time.Duration `yaml:"audit_every"`
	// CheckpointCopies are files, kept elsewhere, that get a copy of the ledger's
	// checkpoint; the system does not start on a ledger that is behind one.
	CheckpointCopies []string `yaml:"checkpoint_copies"`
}
