// Package diff says what incremental updates changed after a revision was
// signed, and of what kind the changes are (ISO 32000-2, 12.8.2.2; the attack
// classes of pdf-insecurity.org).
//
// Everything is rejected by default. Revision by revision the document is
// walked from its trailer in the old and in the new picture at once; every
// difference must be explained by one small rule that belongs to the place
// where it was met: a new signature field with its widget, a signature in an
// empty field, a form field filled in, a comment, changes of the document
// security store, dates in the metadata.
// An object that is reached on several ways is compared on each, so a change
// that is harmless at one place and harmful at another is found at the other.
// Rewrites with the same content and objects nobody reaches are no change.
//
// What is added visibly is held against what stands on the page: the content
// is followed as far as to know where text and pictures are. Comments that
// cover content are rejected; where the mark of a later signature lies over
// something, the result says so (Cover), because only who knows whether that
// signature can be believed can judge it.
//
// The package does not check signatures and does not render pages.
package diff
