# Reads the PIN of a PKCS#11 token, and nothing else. It stands in the secret
# "antin/hsm" of the KV engine (version 2) at "secret".
path "secret/data/antin/hsm" {
  capabilities = ["read"]
}
