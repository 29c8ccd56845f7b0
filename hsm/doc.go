// Package hsm keeps private keys. A child process, the key worker, alone
// loads the PKCS#11 module (PKCS#11 v2.40) and knows the PIN; every other part
// of the program holds crypto.Signer handles that reach the worker over a Unix
// socket. A crashed module therefore cannot take the server with it, and a
// stolen server process cannot read a key.
//
// The parts: RunWorker is the child; it reaches each token through a backend
// (backend.go) and routes keys over several (tokenset.go); tokens are named by
// RFC 7512 URIs. StartWorker starts the worker and starts it again
// when it dies; Client asks it to sign and to make keys, and waits a bounded
// time while it is healed; InitSoftToken makes a SoftHSM token; Register binds
// the name of a key to its certificate chain and its holder.
//
// Protocol (version 1): each frame is a four-byte big-endian length and that
// many bytes of JSON, one request or one response; responses carry the id of
// their request and come in any order. Limits stand in frame.go.
//
// What it does not do: it neither exports nor deletes private keys, does not
// decrypt, and has no Ed25519 and no ML-DSA (SoftHSM 2.6.1 leaks memory at
// each Ed25519 signature and knows no ML-DSA).
package hsm
