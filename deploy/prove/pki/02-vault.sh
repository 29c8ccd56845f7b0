# Sourced by prove.sh. A second system whose keys are all in the Transit engine of a real Vault server, and the PIN of a
# PKCS#11 token in its KV engine.
part "2. Keys in HashiCorp Vault"
VAULT_BIN=${XDG_CACHE_HOME:-$HOME/.cache}/antin/vaulttest/vault-v1.21.0
VW=$W/vault VPORT=${ANTIN_PROVE_VAULT_PORT:-18300}
claim "the server for tests is built (make vault-server)" test -x "$VAULT_BIN"
if [ -x "$VAULT_BIN" ]; then
  mkdir -p "$VW/raft"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "$VW/server.key" -out "$VW/ca.pem" \
    -subj /CN=vault -addext subjectAltName=IP:127.0.0.1 2>/dev/null
  cat >"$VW/vault.hcl" <<EOF
storage "raft" {
  path = "$VW/raft"
  node_id = "one"
  performance_multiplier = 1
}
listener "tcp" {
  address = "127.0.0.1:$VPORT"
  cluster_address = "127.0.0.1:$((VPORT + 1))"
  tls_cert_file = "$VW/ca.pem"
  tls_key_file = "$VW/server.key"
}
disable_mlock = true
api_addr = "https://127.0.0.1:$VPORT"
cluster_addr = "https://127.0.0.1:$((VPORT + 1))"
log_level = "warn"
EOF
  vault() { VAULT_ADDR=https://127.0.0.1:$VPORT VAULT_CACERT=$VW/ca.pem VAULT_TOKEN=$(cat "$VW/root-token" 2>/dev/null) "$VAULT_BIN" "$@"; }
  vault_starts() {
    "$VAULT_BIN" server -config="$VW/vault.hcl" >>"$VW/server.log" 2>&1 & VAULT_PID=$!
    # Status 2 is "sealed": it answers.
    for _ in $(seq 200); do vault status >/dev/null 2>&1; [ $? = 2 ] && return; sleep .1; done
  }
  vault_opens() {
    vault operator unseal "$(jq -r .unseal_keys_b64[0] "$VW/init.json")" >/dev/null
    for _ in $(seq 200); do vault read sys/health -format=json 2>/dev/null | jq -e '.data.standby == false' >/dev/null && return; sleep .1; done
  }
  vault_starts
  vault operator init -key-shares=1 -key-threshold=1 -format=json >"$VW/init.json"
  (umask 077; jq -r .root_token "$VW/init.json" >"$VW/root-token")
  vault_opens
  show "the commands of docs/operations.md, with the policies of deploy/vault"
  { vault secrets enable transit && vault secrets enable -version=2 -path=secret kv && vault auth enable approle
    for p in sign keys pin; do vault policy write antin-$p "$ROOT/deploy/vault/antin-$p.hcl"; done
    vault write auth/approle/role/antin token_policies=antin-sign,antin-keys,antin-pin token_ttl=20m token_max_ttl=24h; } >"$VW/setup.log" 2>&1
  (umask 077; vault read -field=role_id auth/approle/role/antin/role-id >"$VW/role-id"; vault write -field=secret_id -f auth/approle/role/antin/secret-id >"$VW/secret-id")
  # vaulted COMMAND… runs it on the second system.
  vaulted() {
    ANTIN_DATA_DIR=$W/vaulted ANTIN_HSM_TOKENS=${VTOKENS:-vault:token=vault} ANTIN_HSM_VAULT_ADDRESS=https://127.0.0.1:$VPORT ANTIN_HSM_VAULT_CA_FILE=$VW/ca.pem \
      ANTIN_HSM_VAULT_ROLE_ID_FILE=$VW/role-id ANTIN_HSM_VAULT_SECRET_ID_FILE=$VW/secret-id ANTIN_PKI_LISTEN=127.0.0.1:$((VPORT + 2)) "$@"
  }
  show "antin init, with hsm.tokens: [\"vault:token=vault\"]"
  claim "root, issuing, OCSP and time-stamping authorities are made, all keys in Vault" vaulted "$BIN/antin" init
  mkdir "$VW/pki"; vaulted "$BIN/antin" ca export --all --out "$VW/pki" >/dev/null
  claim "openssl accepts what the root in Vault signed" openssl verify -CAfile "$(ls "$VW"/pki/root-*.pem)" "$(ls "$VW"/pki/issuer-*.pem | head -1)"
  vault list -format=json transit/keys | jq -r '.[]' | sort >"$VW/keys"
  vaulted "$BIN/antin" hsm key list --json | jq -r '.[].label' | sort >"$VW/labels"
  claim "each of the $(wc -l <"$VW/labels") keys is a key of Vault, and the other way round" cmp "$VW/keys" "$VW/labels"
  exportable() { for k in $(cat "$VW/keys"); do vault read -format=json transit/keys/$k | jq -r '.data | .exportable or .allow_plaintext_backup'; done | sort -u; }
  claim "none of them can leave it" same "$(exportable)" false

  show "antin bench hsm -n 3000 & vault operator seal, unseal; kill -9 VAULT, start it again"
  vaulted "$BIN/antin" bench hsm -n 3000 --key ledger --json >"$VW/bench.json" 2>"$VW/bench.err" & VBENCH=$!
  sleep 2.5; vault operator seal >/dev/null; sleep 1; vault_opens
  sleep 1.5; kill -9 $VAULT_PID; wait $VAULT_PID 2>/dev/null; vault_starts; vault_opens
  wait $VBENCH; status=$?
  jq -r '"        \(.signed) signatures in \(.seconds * 100 | round / 100) s, \(.wrong) wrong, \(.lost) lost, longest gap \(.longest_gap_ns / 1e6 | round) ms"' "$VW/bench.json"
  claim "sealed once and killed once while signing: 3000 signatures, none wrong, none lost" same "$status $(jq -r '"\(.signed) \(.wrong) \(.lost)"' "$VW/bench.json")" "0 3000 0 0"

  show "vault write -f transit/keys/ledger/rotate"
  vault write -f transit/keys/ledger/rotate >/dev/null
  claim "the new version of a key does not answer for the old one: the ledger refuses to open" exits 3 vaulted "$BIN/antin" bench hsm -n 1 --key ledger
  VTOKENS='vault:token=vault?key-versions=ledger:1'
  claim "with its first version pinned the ledger verifies" vaulted "$BIN/antin" ledger verify
  VTOKENS=

  part "2. The PIN of a PKCS#11 token in Vault"
  ANTIN_DATA_DIR=$W/pinned ANTIN_PKI_LISTEN=127.0.0.1:$((VPORT + 2)) "$BIN/antin" init >/dev/null
  PIN_FILE=$(jq -r .pin_file "$W/pinned/hsm/worker.json") PIN_TOKEN=$(jq -r .token_label "$W/pinned/hsm/worker.json")
  vault kv put secret/antin/hsm pin=- <"$PIN_FILE" >/dev/null
  pinned() { ANTIN_DATA_DIR=$W/pinned VTOKENS="pkcs11:token=$PIN_TOKEN?pin-source=$1" vaulted_pin "${@:2}"; }
  vaulted_pin() {
    ANTIN_HSM_TOKENS=$VTOKENS ANTIN_HSM_VAULT_ADDRESS=https://127.0.0.1:$VPORT ANTIN_HSM_VAULT_CA_FILE=$VW/ca.pem ANTIN_HSM_VAULT_ROLE_ID_FILE=$VW/role-id \
      ANTIN_HSM_VAULT_SECRET_ID_FILE=$VW/secret-id ANTIN_PKI_LISTEN=127.0.0.1:$((VPORT + 2)) "$@"
  }
  PIN=$(cat "$PIN_FILE"); rm "$PIN_FILE"
  show "pin-source=vault:secret/antin/hsm#pin"
  claim "the token opens and signs with a PIN that is in no file" pinned 'vault:secret/antin/hsm#pin' "$BIN/antin" bench hsm -n 100 --key ledger
  claim "the PIN is in no file of the system" exits 1 grep -rqF "$PIN" "$W/pinned"
  vault read -wrap-ttl=60s -field=wrapping_token secret/data/antin/hsm >"$VW/wrapped"; chmod 600 "$VW/wrapped"; cp -p "$VW/wrapped" "$VW/stolen"
  show "pin-source=vault-wrapped:FILE#pin"
  claim "a wrapping token opens the token once" pinned "vault-wrapped:$VW/wrapped#pin" "$BIN/antin" bench hsm -n 10 --key ledger
  claim "a copy of it opens nothing, and that is told" exits 3 pinned "vault-wrapped:$VW/stolen#pin" "$BIN/antin" bench hsm -n 10 --key ledger
  vault operator seal >/dev/null
  claim "a start while Vault is sealed is refused with that cause" has 'vault is sealed' <(pinned 'vault:secret/antin/hsm#pin' "$BIN/antin" bench hsm -n 1 --key ledger 2>&1)
  kill $VAULT_PID; wait $VAULT_PID 2>/dev/null
fi
