// Package hsm keeps private keys. A child process, the key worker, alone
// loads the PKCS#11 modules (PKCS#11 v2.40) and knows the PINs; every other part
// of the program holds crypto.Signer handles that reach the worker over a Unix
// socket. A crashed module therefore cannot take the server with it, and a
// stolen server process cannot read a key.
//
// The parts, from the caller to the token: Client (client.go, signer.go) asks
// and waits a bounded time while things are healed; StartWorker (supervisor.go)
// keeps a worker running; RunWorker is the worker, with a connection for each
// client (workerconn.go), a queue and lanes for each token (lane.go), routes from keys
// to tokens (tokenset.go) and the state of each (member.go); a backend
// (backend.go) is one token, PKCS#11 (token.go, module.go, signshim.go) or
// another kind. Tokens are named by RFC 7512 URIs (uri.go). InitSoftToken makes
// a SoftHSM token; Register binds the name of a key to its certificate chain
// and its holder; CompareRates measures.
//
// Protocol (version 2): each frame is a four-byte big-endian length and that
// many bytes. Signatures are binary (wire.go), everything else is JSON, one
// request or one response; responses carry the id of their request and come in
// any order. Limits stand in frame.go.
//
// Guarantees: a signature is made once or more often, but never lost while the
// caller waits, whichever process dies meanwhile; one that does not verify
// under the policy of lane.go is not released; a token that was lost serves
// again only after it has signed as before.
//
// What it does not do: it does not decrypt, it gives no private key out in the
// clear, and knows no ML-DSA (SoftHSM 2.6.1 has none).
package hsm
