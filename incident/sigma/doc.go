// Package sigma evaluates Sigma rules (SigmaHQ specification 2.1) over EVE
// events.
//
// Parse reads rules; NewEngine keeps those whose log source a Mapping feeds
// from EVE and indexes them by literals that an event must contain, so that an
// event evaluates few rules. A rule that the system cannot feed or evaluate is
// never silently kept: Engine.Unfed and CheckDir say which and why.
//
// Not here: correlation rules, filters, aggregations after "|" (deprecated by
// the specification), the "expand" placeholders, which need an inventory, and
// regular expressions that RE2 cannot hold.
package sigma
