# In addition to antin-sign, for as long as keys are made: antin init, key
# ceremonies, and the probe, which makes throw-away keys and deletes them.
# A key can be made only so that it never leaves Vault.
path "transit/keys/+" {
  capabilities = ["create", "update", "read"]
  denied_parameters = {
    "exportable"             = ["true", true]
    "allow_plaintext_backup" = ["true", true]
    "derived"                = ["true", true]
    "auto_rotate_period"     = []
  }
}
# Of the key's settings, whether it may be deleted; never what makes it exportable.
path "transit/keys/+/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "deletion_allowed" = []
  }
}
# Only the probe's own keys.
path "transit/keys/antin-probe-*" {
  capabilities = ["create", "update", "read", "delete"]
}
