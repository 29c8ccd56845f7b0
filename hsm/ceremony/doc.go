// Package ceremony runs key ceremonies from one file: a root with its first
// list, the key and the request of an issuing authority, the certificate of a
// subordinate, a list of a root, the key of a service, a backup, a restore.
//
// The file (Script) names what is made and who the custodians are, by the
// fingerprints of their keys. At least a quorum of them must be present, each
// authenticated by their own key file and passphrase (package custodian), and by
// password and second factor too where the file names their account; with fewer
// nothing is made. A rehearsal runs the same file on a throw-away token with a
// throw-away ledger.
//
// Each step is announced, confirmed, recorded before it is done and recorded
// with its digests afterwards: in the ledger, and in the journal in the folder of
// the ceremony. Nothing is overwritten: a key label or a file that is there
// already refuses the ceremony. After an interruption the journal shows how far
// it came, and the ceremony is resumed with the same file and a quorum.
//
// # Who signs the transcript
//
// The transcript is a PDF signed by the key of the ceremony and by each
// custodian present, so that `antin verify TRANSCRIPT.pdf --trust FOLDER` passes
// every signature. A verifier asks of a signer's certificate a path to an anchor,
// a key usage for signing, and proof that it is not revoked. An authority's own
// certificate must not have that key usage (RFC 5280 §4.2.1.3: keyCertSign and
// cRLSign only), and custodians need no certificate before there is an authority.
// So the ceremony certifies its signers itself:
//
//   - Where an authority takes part with its key (a new root, or a root that
//     signs a subordinate or a list), that authority certifies each custodian's
//     key, and its own key a second time with the usage contentCommitment, until
//     the end of its current list. The list is put into the transcript. The
//     transcript then verifies with the root's certificate alone.
//   - Where there is none (a request for another root, a service key, a backup, a
//     restore), an authority of the ceremony does so: its key is made in memory,
//     certifies the signers and one list, and is dropped before the transcript is
//     signed, so nobody can certify with it again. Its certificate is written as
//     root-ceremony-ID.pem, and its fingerprint stands in the ledger. It vouches
//     for this transcript and nothing else.
//
// Official certificates of the custodians are not used: they expire, change with
// the post, and are not there when the first root is made.
//
// What it does not do: it does not register authorities with the running system
// (antin ca root import does), and has no time-stamp, so after the end of the
// list a transcript is judged as of its day (--at).
package ceremony
