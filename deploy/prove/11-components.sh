# Sourced by prove.sh. The components that the programs are made of.
part "11. Components in real use"
show "go list -deps ./cmd/antin ./cmd/antin-sensor"
go list -deps ./cmd/antin ./cmd/antin-sensor >"$W/deps" 2>"$W/deps.err"
for module in github.com/smallstep/certificates github.com/digitorus/pdfsign github.com/google/gopacket github.com/miekg/pkcs11 github.com/open-policy-agent/opa; do
  claim "$module: $(grep -c "^$module" "$W/deps") packages" has "^$module" "$W/deps"
done
claim "the key worker is the only process that has the PKCS#11 library open" test "$(grep -l softhsm /proc/$UP/maps 2>/dev/null | wc -l)" = 0
