// Package incident turns what the sensors report into cases that somebody
// answers for: every record is kept as evidence, alerts are raised and
// deduplicated, one attack becomes one case with a severity, an agency, a
// detection time T0 and the legal clocks (NĐ 331/2026 Đ31.2.d; profiles are
// data, see clocks), and what people do to a case is written to a hash-chained
// history and to the ledger before its result is told.
//
// How alerts become cases (the whole rule):
//
//   - An alert is one rule, one agency and one pair of hosts, with no more than
//     AlertWindow of silence between its events. Further events raise its count.
//   - An alert joins the open case of the same exercise (or of none) and the
//     same agency that shares one of its hosts and was last active no more than
//     CaseWindow ago. It opens a new case when there is none and its severity
//     is at least medium; lesser alerts wait in the list of alerts.
//   - Real alerts and those of a drill never stand in one case.
//
// The package does not read the bus (see incident/ingest), does not run drills
// (incident/drill) and sends nothing outside.
package incident
