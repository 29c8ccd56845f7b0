// Package cos reads and extends PDF files at the level of their objects
// (ISO 32000-1 and 32000-2, clause 7): cross-reference tables and streams,
// object streams, hybrid and linearised files, the standard security handler,
// and the revisions that incremental updates leave one behind the other.
//
// Every revision can be looked at alone (File.View): its objects resolve only
// through the cross-reference chain of that revision and only from bytes that
// belong to it, so that what was signed can be compared with what came later.
// An Update appends one new section in the style of the last one and never
// touches a byte of the input.
//
// The package does not interpret content streams, fonts or images, does not
// rewrite files, and does not decrypt public-key handlers. A File and its views
// are not safe for concurrent use. Objects handed out are shared: a caller that
// wants to change one takes a Clone first.
package cos
