# Sourced by prove.sh. Registration over REST, documents, reports.
part "5. Registration over REST, terms and reports"
openssl ecparam -name prime256v1 -genkey -noout -out "$W/rest.key" 2>/dev/null
openssl req -new -key "$W/rest.key" -subj /CN=x -out "$W/rest.csr" 2>/dev/null
API=https://localhost:${CONSOLE##*:}/api/v1/ca
for who in minh.pq thu.vt; do
  as $who account token create $who --name prove --scope ca.read,ca.request,ca.decide,ca.issue,ca.revoke --days 1 -o "$W/token.$who" 2>/dev/null
done
rest() { # rest ACCOUNT METHOD PATH [JSON] answers the body; the status is in $W/status
  local who=$1 method=$2 path=$3; shift 3
  curl -s --cacert "$ROOTCA" -X "$method" -H "Authorization: Bearer $(cat "$W/token.$who")" -H 'Accept-Language: en' \
    ${1:+-H "Content-Type: application/json" --data "$1"} -o "$W/rest.json" -w '%{http_code}' "$API$path" >"$W/status"
  cat "$W/rest.json"
}
status() { same "$(cat "$W/status")" "$1"; }
show "curl $API/openapi.json"
claim "the interface describes itself (OpenAPI 3.1)" same "$(curl -s --cacert "$ROOTCA" "$API/openapi.json" | jq -r '.openapi[0:3]')" 3.1
curl -s --cacert "$ROOTCA" -o "$W/rest.json" -w '%{http_code}' "$API/requests" >"$W/status"
claim "nobody without a credential: 401" status 401
show "curl -X POST -H 'Authorization: Bearer …' $API/requests"
id=$(rest minh.pq POST /requests "$(jq -n --rawfile csr "$W/rest.csr" '{profile: "agency-seal", agency: "stc", csr: $csr}')" | jq -r .id)
claim "a request is filed" status 201
claim "its term is the third working day" test -n "$(jq -r '.due_at // empty' "$W/rest.json")"
rest minh.pq POST "/requests/$id/approve" '{}' >/dev/null
claim "who asked cannot approve: 403" status 403
claim "a problem in both languages" test -n "$(jq -r 'select(.code == "same-person" or .code == "denied") | .title_vi' "$W/rest.json")"
printf '%%PDF-1.7 quyet dinh' >"$W/quyet-dinh.pdf"
claim "a document is attached" as minh.pq ca attach "$id" "$W/quyet-dinh.pdf"
rest thu.vt POST "/requests/$id/approve" '{}' >/dev/null
claim "another officer approves" status 200
rest thu.vt POST "/requests/$id/issue" | jq -r .pem >"$W/rest.pem"
claim "openssl verify accepts what was issued" openssl verify -CAfile "$ROOTCA" -untrusted "$W/all.pem" "$W/rest.pem"
SERIAL=$(openssl x509 -in "$W/rest.pem" -noout -serial | cut -d= -f2)
renewal=$(as minh.pq ca request --kind renew --serial "$SERIAL" --json | jq -r .id)
as thu.vt ca approve "$renewal" >/dev/null; as thu.vt ca issue "$renewal" -o "$W/renewed.pem" >/dev/null
claim "a renewal keeps the key" same "$(openssl x509 -in "$W/renewed.pem" -noout -pubkey | sha256sum)" "$(openssl x509 -in "$W/rest.pem" -noout -pubkey | sha256sum)"
claim "and has at most three years" test "$(date -d "$(openssl x509 -in "$W/renewed.pem" -noout -enddate | cut -d= -f2)" +%s)" -le $(($(date +%s) + 1097 * 86400))
show "antin ca report coverage --pdf coverage.pdf --as thu.vt"
claim "the report of coverage is written" as thu.vt ca report coverage --pdf "$W/coverage.pdf"
claim "antin verify accepts it" antin verify "$W/coverage.pdf"
claim "the yearly report counts the certificates" atleast "$(as thu.vt ca report yearly --json | jq '.issued_by_profile["agency-seal"]')" 2
claim "the list of acts has their places in the ledger" atleast "$(as thu.vt ca report acts --json | jq 'length')" 5
