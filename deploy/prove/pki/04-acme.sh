# Sourced by prove.sh. Machines get and renew certificates themselves: certbot by ACME, curl by EST.
part "4. ACME: certbot issues and renews"
# officers ARGS… makes a credential by one officer and has it approved by another: "ID SECRET".
officers() {
  local made; made=$(as minh.pq ca "$1" "$2" create "${@:3}" --json) || return
  as thu.vt ca "$1" "$2" approve "$(jq -r .id <<<"$made")" >/dev/null && jq -r '"\(.id) \(.key)"' <<<"$made"
}
serial() { openssl x509 -in "$1" -noout -serial | cut -d= -f2; }
DIRECTORY=https://localhost:${CONSOLE##*:}/acme/directory
show "curl --cacert root.pem $DIRECTORY"
curl -sf --cacert "$ROOTCA" "$DIRECTORY" >"$W/directory.json"
claim "the directory asks for external accounts and names the profiles" jq -e '.meta.externalAccountRequired and .meta.profiles.service and .renewalInfo' "$W/directory.json"
show "antin ca acme eab create --as minh.pq --agency thue --profile service --domain localhost; antin ca acme eab approve --as thu.vt ID"
read -r KID KEY <<<"$(officers acme eab --agency thue --profile service --domain localhost)"
B=$W/certbot; mkdir -m 700 "$B"
(umask 077; printf '%s\n' "server = $DIRECTORY" "eab-kid = $KID" "eab-hmac-key = $KEY" "email = quan-tri@thue.example" "agree-tos = true" \
  "non-interactive = true" "config-dir = $B/etc" "work-dir = $B/lib" "logs-dir = $B/log" "http-01-port = $ANTIN_ACME_HTTP_PORT" >"$B/cli.ini")
robot() { REQUESTS_CA_BUNDLE=$ROOTCA certbot "$@" --config "$B/cli.ini" --no-random-sleep-on-renew; }
LIVE=$B/etc/live/localhost
show "certbot certonly --server $DIRECTORY --eab-kid … --standalone -d localhost"
claim "certbot gets a certificate" robot certonly --standalone -d localhost
claim "openssl verifies it for the name" openssl verify -CAfile "$ROOTCA" -untrusted "$LIVE/chain.pem" -purpose sslserver -verify_hostname localhost "$LIVE/cert.pem"
claim "it names the agency" has "OU = thue" <(openssl x509 -in "$LIVE/cert.pem" -noout -subject)
FIRST=$(serial "$LIVE/cert.pem")
show "certbot renew --force-renewal"
claim "certbot renews it" robot renew --force-renewal
claim "the renewed certificate is another one" exits 1 same "$(serial "$LIVE/cert.pem")" "$FIRST"
claim "openssl verifies it too" openssl verify -CAfile "$ROOTCA" -untrusted "$LIVE/chain.pem" -purpose sslserver -verify_hostname localhost "$LIVE/cert.pem"
show "certbot certonly -d www.bank.example"
claim "a name that was not agreed is refused" exits 1 robot certonly --standalone -d www.bank.example
show "certbot revoke --reason superseded"
claim "certbot revokes it" robot revoke --cert-path "$LIVE/cert.pem" --reason superseded --no-delete-after-revoke
by_ocsp() { openssl ocsp -issuer "$LIVE/chain.pem" -cert "$1" -url "$(openssl x509 -in "$1" -noout -ocsp_uri)" -CAfile "$ROOTCA" >"$W/ocsp" 2>&1; has "$2" "$W/ocsp"; }
claim "OCSP says so" by_ocsp "$LIVE/cert.pem" ": revoked"
show "antin ca acme accounts"
as thu.vt ca acme accounts | sed 's/^/        /'

part "4. EST: curl enrols and re-enrols"
ESTURL=https://localhost:${EST##*:}/.well-known/est
mkdir -m 700 "$W/est"
est() { curl -sf --cacert "$ROOTCA" -H 'Content-Type: application/pkcs10' "$@"; }
request() { # request NAME makes NAME.key and NAME.b64
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/est/$1.key" -subj /CN=may-in-7 \
    -addext subjectAltName=DNS:may-in-7.thue.example -outform DER 2>/dev/null | base64 >"$W/est/$1.b64"
}
certificate() { base64 -d | openssl pkcs7 -inform DER -print_certs -out "$1"; }
show "antin ca est secret create --as minh.pq --agency thue --profile device --machine may-in-7 …; antin ca est secret approve --as thu.vt ID"
read -r SID SECRET <<<"$(officers est secret --agency thue --profile device --machine may-in-7 --domain may-in-7.thue.example)"
(umask 077; echo "machine localhost login $SID password $SECRET" >"$W/est/netrc")
show "curl $ESTURL/cacerts | base64 -d | openssl pkcs7 -inform DER -print_certs"
est "$ESTURL/cacerts" | certificate "$W/est/cas.pem"
claim "the authorities come as CMS" openssl verify -CAfile "$ROOTCA" "$W/est/cas.pem"
request first; request second; request third
show "curl --netrc-file netrc --data-binary @first.b64 $ESTURL/simpleenroll"
enrol_est() { est --netrc-file "$W/est/netrc" --data-binary @"$W/est/$1.b64" "$ESTURL/simpleenroll" | certificate "$W/est/$1.pem"; }
claim "curl enrols by the one-time secret" enrol_est first
claim "openssl verifies the certificate" openssl verify -CAfile "$ROOTCA" -untrusted "$W/est/cas.pem" -purpose sslclient "$W/est/first.pem"
claim "the secret opens nothing for another key" exits 22 est --netrc-file "$W/est/netrc" --data-binary @"$W/est/second.b64" "$ESTURL/simpleenroll"
show "curl --cert first.pem --key first.key --data-binary @second.b64 $ESTURL/simplereenroll"
again() { est --cert "$W/est/$1.pem" --key "$W/est/$1.key" --data-binary @"$W/est/$2.b64" "$ESTURL/simplereenroll" | certificate "$W/est/$2.pem"; }
claim "curl re-enrols by the certificate" again first second
claim "the new certificate is another one" exits 1 same "$(serial "$W/est/second.pem")" "$(serial "$W/est/first.pem")"
claim "openssl verifies it" openssl verify -CAfile "$ROOTCA" -untrusted "$W/est/cas.pem" -purpose sslclient "$W/est/second.pem"
as thu.vt ca revoke "$(serial "$W/est/second.pem")" --cause device-lost >/dev/null
claim "a revoked certificate renews nothing" exits 22 est --cert "$W/est/second.pem" --key "$W/est/second.key" --data-binary @"$W/est/third.b64" "$ESTURL/simplereenroll"
claim "the server makes no keys for others" same "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$ROOTCA" -X POST "$ESTURL/serverkeygen")" 501
