# Sourced by prove.sh. Data requests through the gateway.
part "6. Governed data requests"
TLS=$ANTIN_DATA_DIR/tls URL="https://$GATEWAY/data/enterprises?purpose=tax-administration&limit=3"
get() { curl -s --cacert "$TLS/anchors.pem" --cert "$TLS/$1.crt" --key "$TLS/$1.key" -D "$W/$1.head" -o "$W/$1.json" -w '%{http_code}' "$URL"; }
# recorded NAME KIND finds the request's entry in the ledger by its decision.
recorded() {
  local id i n; id=$(tr -d '\r' <"$W/$1.head" | sed -n 's/^[Aa]ntin-[Dd]ecision-[Ii]d: //p')
  sleep 1; n=$(antin ledger verify --json | jq .entries)
  for i in $(seq $((n - 1)) -1 $((n > 40 ? n - 40 : 0))); do
    antin ledger show "$i" | jq -e --arg id "$id" --arg kind "$2" '.entry | select(.object == $id and .kind == $kind)' && return 0
  done
  echo "no entry of $id"; return 1
}
show "curl --cert client-thue.crt --key client-thue.key '$URL'"
claim "an agency with an agreement gets 200" same "$(get client-thue)" 200
echo "        $(jq -r '.items[0] | keys | join(" ")' "$W/client-thue.json")"
claim "only the agreed fields" same "$(jq -r '[.items[] | keys[]] | unique | join(" ")' "$W/client-thue.json")" "address charter_capital code commune employees industry industry_code kind name registered_on status tax_debt"
claim "it is in the ledger" recorded client-thue policy.release
show "curl --cert client-xa-tan-lap.crt --key client-xa-tan-lap.key '$URL'"
claim "an agency without one gets 403" same "$(get client-xa-tan-lap)" 403
echo "        $(jq -r '"\(.detail) \(.legal_basis)"' "$W/client-xa-tan-lap.json")"
claim "with reason and legal basis" jq -e '(.detail | length > 0) and (.legal_basis | length > 0)' "$W/client-xa-tan-lap.json"
claim "it is in the ledger" recorded client-xa-tan-lap policy.refuse
show "curl '$URL'   (no certificate)"
curl -s --cacert "$TLS/anchors.pem" "$URL" >"$W/nobody" 2>&1; status=$?
claim "without a certificate there is no session (curl: $status)" test $status -ne 0 -a ! -s "$W/nobody"
session_refused() { local i; for i in $(seq $(($(antin ledger verify --json | jq .entries) - 1)) -1 0); do antin ledger show "$i" | grep -q "policy.session.refuse" && return 0; done; return 1; }
sleep 1; claim "it is in the ledger" session_refused
