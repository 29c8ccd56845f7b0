# Sourced by prove.sh. What a proof of existence is worth, now and in nine years.
part "7. A signature outlives its certificate, its algorithms and its time-stamps"
enrol prove-time
time_in=$(ls "${DATA:-/nowhere}"/pdf/real/*.pdf 2>/dev/null | head -1)
if [ -z "$time_in" ]; then echo "   real inputs absent: passed over"; else
  verdict() { antin verify --json "$@" | jq -r '.[0].signatures[0] | "\(.level) \(.verdict) \(.sub_indication)"'; }
  show "antin sign IN.pdf -o bare.pdf --level B-B; antin sign IN.pdf -o stamped.pdf --level B-T"
  antin sign "$time_in" -o "$W/bare.pdf" --key prove-time --level B-B >/dev/null
  antin sign "$time_in" -o "$W/stamped.pdf" --key prove-time --level B-T >/dev/null
  show "antin extend stamped.pdf -o archived.pdf --level B-LTA; antin extend archived.pdf -o renewed.pdf"
  antin extend "$W/stamped.pdf" -o "$W/archived.pdf" --level B-LTA | sed "s|$W/|   |"
  entry=$(antin extend "$W/archived.pdf" -o "$W/renewed.pdf" --json | jq -r .act.release_index)
  claim "the extended file begins with the bytes of the signed one" cmp -n "$(stat -c %s "$W/stamped.pdf")" "$W/stamped.pdf" "$W/renewed.pdf"
  claim "renewed: B-LTA TOTAL-PASSED" same "$(verdict "$W/renewed.pdf")" "B-LTA TOTAL-PASSED "
  antin ledger show "$entry" --json >"$W/entry.json"
  claim "ledger entry $entry is the extension's release" has extend.release "$W/entry.json"
  sleep 2
  serial=$(antin sign "$time_in" -o "$W/serial.pdf" --key prove-time --level B-B --json | jq -r .certificate_serial)
  show "antin ca revoke $serial --cause key-exposed --as thu.vt"
  as thu.vt ca revoke "$serial" --cause key-exposed >/dev/null
  for _ in $(seq 50); do [ "$(verdict "$W/bare.pdf")" = "B-B INDETERMINATE REVOKED_NO_POE" ] && break; sleep .2; done
  for f in bare stamped renewed; do echo "   $f.pdf: $(verdict "$W/$f.pdf")"; done
  claim "revoked, no proof from before: REVOKED_NO_POE" same "$(verdict "$W/bare.pdf")" "B-B INDETERMINATE REVOKED_NO_POE"
  claim "revoked, with a proof from before: TOTAL-PASSED" same "$(verdict "$W/renewed.pdf")" "B-LTA TOTAL-PASSED "
  printf 'hash: {SHA-256: 2020-01-01, SHA-384: , SHA-512: }\nkey: [{kind: RSA, bits: 2048}, {kind: EC, bits: 256}]\n' >"$W/retired.yaml"
  antin sign "$time_in" -o "$W/fresh.pdf" --key demo-official --level B-B >/dev/null
  claim "an algorithm retired before any proof: CRYPTO_CONSTRAINTS_FAILURE_NO_POE" same "$(verdict --algorithms "$W/retired.yaml" "$W/fresh.pdf")" "B-B INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
fi
show "go test -run 'OutlivesItsCertificates|NeedsAProofFromBefore|RaisedToEveryLevel' ./signer/validate    # nine years by an injected clock"
go test -count=1 -v -run 'OutlivesItsCertificates|NeedsAProofFromBefore|RaisedToEveryLevel' ./signer/validate >"$W/years.log" 2>&1; status=$?
grep -E '^(---|ok)' "$W/years.log" | sed 's/^/   /'
claim "signer revoked and expired, two time-stamp certificates ended, one revoked, RSA-2048 and SHA-384 retired, renewed twice: TOTAL-PASSED; its twin B-T: OUT_OF_BOUNDS_NO_POE" same "$status" 0
