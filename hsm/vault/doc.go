// Package vault speaks with a HashiCorp Vault server for the key worker: it
// logs in (AppRole or a TLS certificate), keeps the login alive, signs with the
// Transit engine and reads single secrets from the KV engine, version 2.
//
// A Session has one login. Its token is renewed before it ends, and a new login
// is made when renewal is over or the server has forgotten the token. Errors
// are typed by what a caller can do (ErrSealed, ErrUnreachable, ErrPermission,
// ErrCredential …). Nothing is read from the VAULT_ variables of the
// environment, and the server must prove itself with the given CA.
//
// The package knows nothing of tokens, sockets or clients; package hsm does.
// It does no encryption or HMAC and administers no server.
package vault
