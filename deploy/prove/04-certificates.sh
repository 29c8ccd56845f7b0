# Sourced by prove.sh. Certificate status and time-stamps, as openssl sees them.
part "4. Certificates: OCSP, CRL, AIA and time-stamps"
antin hsm key generate prove-official >/dev/null
request=$(as minh.pq ca request --profile official --person p-lan --key prove-official --json | jq -r .id)
show "antin ca request --as minh.pq …; antin ca approve --as minh.pq REQUEST; antin ca approve --as thu.vt REQUEST; antin ca issue --as thu.vt REQUEST"
claim "who asked cannot approve" exits 3 as minh.pq ca approve "$request"
claim "a second person approves" as thu.vt ca approve "$request"
claim "the certificate is issued" as thu.vt ca issue "$request" -o "$W/leaf.pem"
ISSUER=$(ls "$W"/pki/issuer-*official*.pem)
OCSP=$(openssl x509 -in "$W/leaf.pem" -noout -ocsp_uri)
AIA=$(openssl x509 -in "$W/leaf.pem" -noout -text | sed -n 's/.*CA Issuers - URI:\(.*\)/\1/p')
LIST=$(openssl x509 -in "$W/leaf.pem" -noout -text | sed -n 's/.*URI:\(.*\.crl\)/\1/p' | head -1)
SERIAL=$(openssl x509 -in "$W/leaf.pem" -noout -serial | cut -d= -f2)
ask() { openssl ocsp -issuer "$ISSUER" -cert "$W/leaf.pem" -url "$OCSP" -CAfile "$ROOTCA" -verify_other "$ISSUER" >"$W/ocsp" 2>&1; has "$1" "$W/ocsp" && has "Response verify OK" "$W/ocsp"; }
by_list() { curl -sf "$LIST" | openssl crl -inform DER -out "$W/list.pem" && openssl verify -crl_check -CAfile "$ROOTCA" -untrusted "$ISSUER" -CRLfile "$W/list.pem" "$W/leaf.pem"; }
show "openssl ocsp -issuer issuer.pem -cert leaf.pem -url $OCSP -CAfile root.pem"
claim "OCSP says good" ask ": good"
show "openssl verify -crl_check -CAfile root.pem -untrusted issuer.pem -CRLfile $LIST leaf.pem"
claim "openssl verify -crl_check accepts it" by_list
show "curl $AIA"
claim "AIA gives the issuer" same "$(curl -sf "$AIA" | openssl x509 -inform DER -noout -fingerprint -sha256)" "$(openssl x509 -in "$ISSUER" -noout -fingerprint -sha256)"
show "antin ca revoke $SERIAL --cause key-exposed --as thu.vt"
as thu.vt ca revoke "$SERIAL" --cause key-exposed >/dev/null; t=$(now)
until ask ": revoked" >/dev/null || [ "$(since "$t")" -gt 1000 ]; do :; done
took=$(since "$t")
claim "OCSP says revoked $took ms later" ask ": revoked"
claim "within a second" atleast 1000 "$took"
claim "openssl verify -crl_check refuses it" exits 2 by_list
echo "văn bản" >"$W/data.txt"
show "openssl ts -query -data data.txt -sha256 -cert | curl … http://$PKI/tsa; openssl ts -verify …"
openssl ts -query -data "$W/data.txt" -sha256 -cert -out "$W/q.tsq" 2>/dev/null
curl -sf -H 'Content-Type: application/timestamp-query' --data-binary @"$W/q.tsq" "http://$PKI/tsa" -o "$W/a.tsr"
claim "openssl ts -verify accepts the time-stamp" openssl ts -verify -data "$W/data.txt" -in "$W/a.tsr" -CAfile "$ROOTCA" -untrusted "$W/all.pem"
