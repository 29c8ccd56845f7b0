# Durable issued certificates a second, against the disk and the token.
part "8 Issuing: certificates a second, durable"
show "antin bench ca -n 3000"
antin bench ca -n 3000 --json >"$W/bench-ca.json"
jq -r '"        disk \(.fsync_per_second | floor) fsync/s, token \(.token_sign_per_second | floor) signatures/s, issued \(.issued_per_second | floor) certificates/s (\(.issued) in \(.seconds * 10 | floor / 10) s)",
  "        ratios: \(.ratio_to_fsync * 100 | floor / 100) of the disk, \(.ratio_to_token * 100 | floor / 100) of the token", (.steps[] | "        \(.name): \(.mean_ns / 1000000 * 10 | floor / 10) ms")' "$W/bench-ca.json"
claim "none failed" same "$(jq .failed "$W/bench-ca.json")" 0
claim "at least three times the disk's fsync rate" test "$(jq '.ratio_to_fsync >= 3' "$W/bench-ca.json")" = true
serial=$(antin ca list --json | jq -r '[.[] | select(.machine | startswith("bench-"))][0].serial')
show "curl -s http://$PKI/proof/$serial.json; antin ledger verify-proof"
curl -sf "http://$PKI/proof/$serial.json" >"$W/proof.json"
cp "$ANTIN_DATA_DIR/ledger/ledger.vkey" "$W/ledger.vkey"
claim "an outsider verifies that the certificate stands in the ledger" antin --data /nowhere ledger verify-proof "$W/proof.json" --vkey "$W/ledger.vkey"
jq '.sha256 = "'"$(printf '0%.0s' $(seq 64))"'"' "$W/proof.json" >"$W/lie.json"
claim "a changed proof does not verify" exits 1 antin --data /nowhere ledger verify-proof "$W/lie.json" --vkey "$W/ledger.vkey"
