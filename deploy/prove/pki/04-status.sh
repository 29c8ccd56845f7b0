# Sourced by prove.sh. Lists, status answers and time-stamps, as outside clients
# see them: openssl ocsp, verify and ts, and ocsptool of GnuTLS.
part "4. Status of certificates: openssl and GnuTLS as clients"
ISSUER=$W/pki/issuer-official.pem
SERVICE=$W/pki/issuer-service.pem
URL=http://$PKI
enrol status-1; enrol status-2
serialof() { antin ca list --json | jq -r --arg k "$1" '[.[] | select(.key_label == $k)][0].serial'; }
ONE=$(serialof status-1) TWO=$(serialof status-2)
ocsp() { openssl ocsp -issuer "$ISSUER" -url "$URL/ocsp" -CAfile "$ROOTCA" -verify_other "$ISSUER" "$@" >"$W/ocsp" 2>&1; }
says() { ocsp "${@:2}" && has "Response verify OK" "$W/ocsp" && has "$1" "$W/ocsp"; }
show "openssl ocsp -serial … -url $URL/ocsp"
claim "good" says ": good" -serial "0x$ONE" -no_nonce
claim "good by SHA-256" says ": good" -sha256 -serial "0x$ONE" -no_nonce
claim "unknown for a serial number that was never issued" says ": unknown" -serial 0x1234567890abcdef -no_nonce
as thu.vt ca revoke "$TWO" --cause resigned >/dev/null
claim "revoked, with its reason" says "Reason: affiliationChanged" -serial "0x$TWO" -no_nonce
nonce() { ocsp -serial "0x$ONE" -nonce && has "Response verify OK" "$W/ocsp" && ! grep -q "no nonce" "$W/ocsp"; }
claim "a nonce comes back" nonce
fifty() {
  local args=() n
  for n in $(seq 25); do args+=(-serial "0x$ONE" -serial "0x$TWO"); done
  ocsp "${args[@]}" && has "Response verify OK" "$W/ocsp" && same "$(grep -c ': good' "$W/ocsp") $(grep -c ': revoked' "$W/ocsp")" "25 25"
}
show "openssl ocsp with 50 certificates in one request"
claim "25 good, 25 revoked" fifty
signed() { ocsp -serial "0x$ONE" -signer "$W/asker.pem" -signkey "$W/asker.key" && has ": good" "$W/ocsp"; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/asker.key" -out "$W/asker.pem" -subj /CN=asker -days 2 2>/dev/null
claim "a signed request is answered" signed
openssl ocsp -issuer "$ISSUER" -serial "0x$ONE" -no_nonce -reqout "$W/q.ocsp" >/dev/null 2>&1
GET=$URL/ocsp/$(base64 -w0 "$W/q.ocsp" | sed 's/+/%2B/g; s/\//%2F/g; s/=/%3D/g')
curl -sf -D "$W/head" -o "$W/a.ocsp" "$GET"
show "curl $URL/ocsp/BASE64          # RFC 5019"
for header in "Cache-Control: max-age=.*public, no-transform, must-revalidate" "ETag: " "Last-Modified: " "Expires: " "Content-Type: application/ocsp-response"; do
  claim "${header%%:*}" grep -iq "^$header" "$W/head"
done
tag=$(sed -n 's/^ETag: \(.*\)\r$/\1/Ip' "$W/head")
claim "the same again is 304" same "$(curl -s -o /dev/null -w '%{http_code}' -H "If-None-Match: $tag" "$GET")" 304
claim "openssl reads it" openssl ocsp -respin "$W/a.ocsp" -issuer "$ISSUER" -serial "0x$ONE" -CAfile "$ROOTCA" -verify_other "$ISSUER"
if command -v ocsptool >/dev/null; then
  antin ca export --all --out "$W/pki" >/dev/null
  show "ocsptool --ask=$URL/ocsp --load-cert leaf.pem --load-issuer issuer.pem"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/d.key" -subj /CN=d -out "$W/d.csr" 2>/dev/null
  id=$(as minh.pq ca request --profile device --agency ttcds --machine thiet-bi-04 --csr "$W/d.csr" --json | jq -r .id)
  as thu.vt ca approve "$id" >/dev/null; as thu.vt ca issue "$id" -o "$W/d.pem" >/dev/null
  DEVICE=$(openssl x509 -in "$W/d.pem" -noout -serial | cut -d= -f2)
  tool() { ocsptool --ask="$URL/ocsp" --load-cert "$W/d.pem" --load-issuer "$SERVICE" --load-trust "$SERVICE" "$@" </dev/null >"$W/tool" 2>&1; }
  tells() { tool; has "$1" "$W/tool"; }
  claim "ocsptool: good" tells "Certificate Status: good"
  listed() { # listed NAME gives the list as PEM
    curl -sf "$URL/crl/$1.crl" | openssl crl -inform DER -out "$W/$2.crl" 2>/dev/null
  }
  listed g1 root; listed service cached
  show "antin ca hold $DEVICE --as thu.vt; openssl verify -crl_check_all -use_deltas …"
  claim "a device's certificate is put on hold" as thu.vt ca hold "$DEVICE"
  claim "an official's is not (NĐ 68/2024)" exits 3 as thu.vt ca hold "$ONE"
  listed service-delta delta; listed g1-delta rootdelta
  verdict() { openssl verify "$@" -extended_crl -CAfile "$ROOTCA" -untrusted "$SERVICE" -CRLfile "$W/root.crl" "$W/d.pem"; }
  claim "by the list in a verifier's cache it is valid" verdict -crl_check_all -CRLfile "$W/cached.crl"
  claim "by that list and the delta list it is revoked" exits 2 verdict -crl_check_all -use_deltas -CRLfile "$W/cached.crl" -CRLfile "$W/delta.crl" -CRLfile "$W/rootdelta.crl"
  claim "ocsptool: revoked" tells "Certificate Status: revoked"
  listed service held
  claim "it is released" as thu.vt ca release "$DEVICE"
  listed service-delta delta
  openssl crl -in "$W/delta.crl" -noout -text >"$W/delta.txt"
  claim "removeFromCRL stands on the delta list" has "Remove From CRL" "$W/delta.txt"
  claim "by the list with the hold and the delta list it is valid again" verdict -crl_check_all -use_deltas -CRLfile "$W/held.crl" -CRLfile "$W/delta.crl" -CRLfile "$W/rootdelta.crl"
  # Another process released it: the server's answers follow within a second.
  for _ in 1 2 3 4 5 6 7 8 9 10; do tells "Certificate Status: good" >/dev/null 2>&1 && break; sleep .1; done
  claim "ocsptool: good again" tells "Certificate Status: good"
fi
show "openssl ts -query -sha256|-sha384|-sha512|-sha3-256 …; openssl ts -verify"
echo "văn bản" >"$W/data.txt"
stamp() { # stamp PATH FLAGS… asks for a time-stamp, into $W/a.tsr
  openssl ts -query -data "$W/data.txt" "${@:2}" -out "$W/q.tsq" 2>/dev/null &&
    curl -sf -H 'Content-Type: application/timestamp-query' --data-binary @"$W/q.tsq" "$URL$1" -o "$W/a.tsr"
}
stamped() { stamp "$@" && openssl ts -verify -queryfile "$W/q.tsq" -in "$W/a.tsr" -CAfile "$ROOTCA" -untrusted "$W/all.pem"; }
ARC=1.3.6.1.4.1.32473.704.2
for hash in sha256 sha384 sha512; do claim "$hash under the general policy" stamped /tsa -$hash -cert; done
claim "sha3-256 under the policy for archives" stamped /tsa -sha3-256 -cert -tspolicy $ARC.2
claim "a policy by its address" stamped /tsa/ordered -sha256 -cert
openssl ts -reply -in "$W/a.tsr" -text >"$W/ts.txt" 2>/dev/null
claim "its tokens are ordered, with milliseconds" has "Ordering: yes" "$W/ts.txt"
refused() { # refused REASON PATH FLAGS…
  stamp "${@:2}" && openssl ts -reply -in "$W/a.tsr" -text >"$W/ts.txt" 2>/dev/null; has "$1" "$W/ts.txt"
}
claim "SHA-1: unrecognized algorithm (badAlg)" refused "unrecognized or unsupported algorithm" /tsa -sha1
claim "another policy: unacceptedPolicy" refused "requested TSA policy is not supported" /tsa -sha256 -tspolicy 1.2.3.4
claim "certificates of a policy without: addInfoNotAvailable" refused "additional information requested could not be understood" /tsa -sha256 -cert -tspolicy $ARC.4
printf 'text' | curl -sf -H 'Content-Type: application/timestamp-query' --data-binary @- "$URL/tsa" -o "$W/a.tsr"
openssl ts -reply -in "$W/a.tsr" -text >"$W/ts.txt" 2>/dev/null
claim "text: badDataFormat" has "data submitted has the wrong format" "$W/ts.txt"
show "antin ca audit      # register = lists = OCSP = ledger, all asked anew"
antin ca audit >"$W/audit.txt" 2>&1; status=$?
sed 's/^/        /' "$W/audit.txt" | head -5
claim "no findings" same $status 0
claim "the state of all lists" antin ca crl
