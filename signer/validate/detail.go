package validate

import (
	"slices"
	"time"
)

// Detail is the detailed report of one signature: the building blocks of EN 319
// 102-1 clause 5 that were gone through, each with its constraints, what came of
// them and which one decided.
type Detail struct {
	// Conclusion is that of the whole; DecidedBy names block and constraint.
	Conclusion Conclusion `json:"conclusion"`
	Policy     string     `json:"policy"`
	// At is the time of validation.
	At     time.Time `json:"validation_time"`
	Blocks []Block   `json:"blocks"`
	// Proofs are the proofs of existence of the signature, oldest first; the
	// time of validation is the last.
	Proofs []POE `json:"proofs_of_existence"`
}

// BlockName names a building block.
type BlockName string

// The building blocks, with their clauses of EN 319 102-1.
const (
	BlockFormat      BlockName = "format_checking"                       // 5.2.2
	BlockIdentify    BlockName = "identification_of_signing_certificate" // 5.2.3
	BlockContext     BlockName = "validation_context_initialization"     // 5.2.4
	BlockFreshness   BlockName = "revocation_freshness_checker"          // 5.2.5
	BlockX509        BlockName = "x509_certificate_validation"           // 5.2.6
	BlockCertificate BlockName = "certificate"                           // a part of 5.2.6
	BlockCrypto      BlockName = "cryptographic_verification"            // 5.2.7
	BlockAcceptance  BlockName = "signature_acceptance_validation"       // 5.2.8
	BlockTimestamp   BlockName = "time_stamp_validation"                 // 5.4
	BlockPast        BlockName = "past_certificate_validation"           // 5.6.2.1
	BlockSliding     BlockName = "validation_time_sliding"               // 5.6.2.2
	BlockExistence   BlockName = "poe_extraction"                        // 5.6.2.3
	BlockChanges     BlockName = "changes_after_signing"                 // ISO 32000-2, 12.8.2
)

// Clause is where the block stands in EN 319 102-1; empty for those that are not
// its own.
func (b BlockName) Clause() string {
	return map[BlockName]string{
		BlockFormat: "5.2.2", BlockIdentify: "5.2.3", BlockContext: "5.2.4", BlockFreshness: "5.2.5", BlockX509: "5.2.6", BlockCrypto: "5.2.7",
		BlockAcceptance: "5.2.8", BlockTimestamp: "5.4", BlockPast: "5.6.2.1", BlockSliding: "5.6.2.2", BlockExistence: "5.6.2.3",
	}[b]
}

// Block is one building block as it was gone through.
type Block struct {
	Name BlockName `json:"block"`
	// Of is what it is about, where there are several: a certificate, a
	// time-stamp.
	Of          string       `json:"of,omitempty"`
	Conclusion  Conclusion   `json:"conclusion"`
	Constraints []Constraint `json:"constraints,omitempty"`
	Blocks      []Block      `json:"blocks,omitempty"`
}

// Indication is what a block came to (EN 319 102-1, 5.1.3).
type Indication string

// The indications. A block that was not come to is not done.
const (
	IndicationPassed  Indication = "PASSED"
	IndicationFailed  Indication = "FAILED"
	IndicationUnknown Indication = "INDETERMINATE"
	IndicationNotDone Indication = "NOT_DONE"
)

// Conclusion is what a block came to and the constraint that decided.
type Conclusion struct {
	Indication Indication    `json:"indication"`
	Sub        SubIndication `json:"sub_indication,omitempty"`
	DecidedBy  string        `json:"decided_by,omitempty"`
}

// Status is what came of one constraint.
type Status string

// The statuses. A broken constraint is not OK, a warning, an information or
// ignored by the level that the policy gives it.
const (
	StatusOK      Status = "OK"
	StatusBroken  Status = "NOT_OK"
	StatusWarn    Status = "WARNING"
	StatusInform  Status = "INFORMATION"
	StatusIgnored Status = "IGNORED"
	StatusNotDone Status = "NOT_DONE"
)

func (l Level) broken() Status {
	switch l {
	case LevelWarn:
		return StatusWarn
	case LevelInform:
		return StatusInform
	case LevelIgnore:
		return StatusIgnored
	}
	return StatusBroken
}

// Constraint is one constraint and what came of it.
type Constraint struct {
	Name   string `json:"constraint"`
	Status Status `json:"status"`
	Level  Level  `json:"level"`
	// Value is what was held against it, such as an algorithm or a time.
	Value string `json:"value,omitempty"`
	// Until is the last day on which an algorithm counts as strong; nil where no
	// end is set.
	Until    *time.Time `json:"until,omitempty"`
	Findings []Reason   `json:"findings,omitempty"`
}

// Source says what proves an existence.
type Source string

// The sources of proofs.
const (
	SourceSignature Source = "signature-time-stamp"
	SourceArchive   Source = "archive-time-stamp"
	SourceDocument  Source = "document-time-stamp"
	SourceNow       Source = "validation"
)

// POE is a proof that the signature existed at a time (EN 319 102-1, 5.6.2.3).
type POE struct {
	Time   time.Time `json:"time"`
	Source Source    `json:"source"`
	Of     string    `json:"of,omitempty"` // field of a document time-stamp
}

// rule is a constraint whose breaking is told by findings of some codes.
type rule struct {
	block BlockName
	name  string
	codes []Code
	fixed bool // its level cannot be set
	pdf   bool // PDF alone
}

// constraints are those that findings tell about, in the order in which a block
// comes to them.
func constraints() []rule {
	return []rule{
		{BlockFormat, "contents", []Code{CodeNoContents}, true, true},
		{BlockFormat, "byte_range", []Code{CodeByteRange}, true, true},
		{BlockFormat, "gap", []Code{CodeGap}, true, true},
		{BlockFormat, "placement", []Code{CodePlace}, true, true},
		{BlockFormat, "single_use", []Code{CodeRecycled}, true, true},
		{BlockFormat, "whole_revision", []Code{CodePartial}, true, true},
		{BlockFormat, "subfilter", []Code{CodeSubFilter}, true, true},
		{BlockFormat, "container", []Code{CodeContainer, CodeContent, CodeSigners}, true, false},
		{BlockFormat, "encoding", []Code{CodeEncoding}, false, false},
		{BlockFormat, "reachable", []Code{CodeUnreachable}, true, true},
		{BlockFormat, "structure", []Code{CodeRepaired}, false, true},
		{BlockIdentify, "certificate_found", []Code{CodeNoSigner}, true, false},
		{BlockIdentify, "attribute_present", []Code{CodeNoSigningCertAttr}, false, false},
		{BlockIdentify, "attribute_matches", []Code{CodeSignerMismatch}, true, false},
		{BlockCrypto, "data_found", []Code{CodeNoData, CodeReference}, true, false},
		{BlockCrypto, "algorithm_known", []Code{CodeAlgorithm}, true, false},
		{BlockCrypto, "data_intact", []Code{CodeDigest}, true, false},
		{BlockCrypto, "signature_intact", []Code{CodeSignatureValue}, true, false},
		{BlockAcceptance, "signed_attributes", []Code{CodeNoAttributes}, false, false},
		{BlockAcceptance, "algorithms_strong", []Code{CodeWeak}, false, false},
		{BlockAcceptance, "algorithms_current", []Code{CodeRetired}, false, false},
		{BlockAcceptance, "whole_covered", []Code{CodeCovers}, false, false},
		{BlockAcceptance, "timestamps_intact", []Code{CodeTimestampInvalid, CodeTimestampImprint}, true, false},
		{BlockAcceptance, "timestamps_trusted", []Code{CodeTimestampUntrusted}, false, false},
		{BlockAcceptance, "time_proven", []Code{CodeNoTrustedTime}, false, false},
		{BlockAcceptance, "claimed_time", []Code{CodeClaimAfterStamp}, false, false},
		{BlockCertificate, "trusted_path", []Code{CodeNoChain, CodeNoStore, CodeChainGeneral}, true, false},
		{BlockCertificate, "validity", []Code{CodeExpired, CodeNotYetValid}, true, false},
		{BlockCertificate, "use", []Code{CodeChainConstraints}, true, false},
		{BlockCertificate, "strength", []Code{CodeChainWeak}, true, false},
		{BlockCertificate, "revocation_known", []Code{CodeRevocationUnknown}, false, false},
		{BlockCertificate, "not_revoked", []Code{CodeRevoked, CodeRevokedCA}, true, false},
		{BlockCertificate, "not_revoked_later", []Code{CodeRevokedLater}, false, false},
		{BlockFreshness, "age", []Code{CodeRevocationOld}, false, false},
		{BlockChanges, "kept", []Code{CodeRemoved}, true, true},
		{BlockChanges, "changes_known", []Code{CodeChangesUnknown}, false, true},
		{BlockChanges, "changes_allowed", []Code{CodeChangesForbidden, CodeChangesMore}, true, true},
		{BlockChanges, "content_visible", []Code{CodeCovered}, true, true},
		{BlockChanges, "mark_visible", []Code{CodeSignatureOverlap}, false, true},
		{BlockChanges, "nothing_behind", []Code{CodeTrailing}, true, true},
	}
}

// ruleOf is the constraint that a finding breaks.
func ruleOf(code Code) (rule, bool) {
	for _, r := range constraints() {
		if slices.Contains(r.codes, code) {
			return r, true
		}
	}
	return rule{}, false
}

// conclude is the conclusion of a block from its constraints and parts: the
// first that does not hold decides, a failure before a doubt.
func (b *Block) conclude(counted map[Code]Conclusion) {
	b.Conclusion = Conclusion{Indication: IndicationNotDone}
	take := func(c Conclusion) {
		worse := b.Conclusion.Indication != IndicationFailed && (c.Indication == IndicationFailed || b.Conclusion.Indication != IndicationUnknown)
		if worse && (c.Indication != IndicationNotDone) {
			b.Conclusion = c
		}
	}
	for _, c := range b.Constraints {
		if c.Status == StatusNotDone {
			continue
		}
		if c.Status != StatusBroken {
			if b.Conclusion.Indication == IndicationNotDone {
				b.Conclusion.Indication = IndicationPassed
			}
			continue
		}
		came := Conclusion{Indication: IndicationUnknown, Sub: SubGeneric}
		for _, f := range c.Findings {
			known, ok := counted[f.Code]
			if ok {
				came = known
			}
		}
		came.DecidedBy = c.Name
		take(came)
	}
	for _, part := range b.Blocks {
		c := part.Conclusion
		if c.Indication == IndicationPassed || c.Indication == IndicationNotDone {
			if b.Conclusion.Indication == IndicationNotDone {
				b.Conclusion.Indication = c.Indication
			}
			continue
		}
		c.DecidedBy = string(part.Name) + "/" + c.DecidedBy
		take(c)
	}
}
