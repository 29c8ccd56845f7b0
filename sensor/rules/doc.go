// Package rules reads and runs detection rules in the language of Suricata
// (docs.suricata.io, "Suricata Rules").
//
// Parse turns a rule file into rules; a rule with a keyword that is not
// implemented here is refused by name and line and the rest loads. NewEngine
// compiles rules into a multi-pattern prefilter and verification programs, and
// Engine.Inspect judges one packet, one piece of a reassembled stream or one
// application transaction. The caller decodes, reassembles and parses; this
// package only reads what it is given.
//
// It is passive: "drop" and "reject" alert, "pass" silences its flow. Not
// here: frames, datasets, lua, xbits, flowint, byte_extract, base64, and
// regular expressions that RE2 cannot hold (look-around, back-references).
package rules
