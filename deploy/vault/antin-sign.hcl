# What the running key worker needs: find its keys and sign with them.
# It can neither make, rotate, export, back up nor delete a key.
path "transit/keys" {
  capabilities = ["list"]
}
path "transit/keys/+" {
  capabilities = ["read"]
}
path "transit/sign/+" {
  capabilities = ["update"]
}
