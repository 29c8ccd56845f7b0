# Authorities: a root on another machine, an outside root made by openssl,
# cross-certificates, and generations that serve side by side; judged by openssl.
part "11 Roots on other machines, outside roots, generations"
H=$W/hierarchy; mkdir -p "$H"
free() { # free prints a port of the loopback that nobody listens on
  perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1:0")->sockport'
}
# at DIR COMMAND… works on the system in another data folder, with addresses of its own.
at() {
  local dir=$1; shift
  ANTIN_CA_ROOT=$(cat "$dir.place") ANTIN_PKI_LISTEN=$(cat "$dir.pki") ANTIN_PKI_URL=http://$(cat "$dir.pki") "$BIN/antin" --data "$dir" "$@"
}
place() { mkdir -p "$1"; echo "$2" >"$1.place"; echo "127.0.0.1:$(free)" >"$1.pki"; }

# --- a root on a machine of its own
place "$H/c" away; place "$H/r" only
show "antin init                                        # ca.root: only, the root's machine"
claim "the root's machine makes its root and nothing else" at "$H/r" init
claim "it serves nothing" exits 3 at "$H/r" ca list
show "antin init                                        # ca.root: away, the centre"
claim "the centre makes its issuing keys and waits" at "$H/c" init
claim "it does not serve without its root's answer" exits 3 at "$H/c" ca list
show "antin ca issuer request -o request.json"
at "$H/c" ca issuer request -o "$H/request.json" --json >"$H/request.out"
digest=$(jq -r .digest "$H/request.out")
at "$H/r" ca root show "$H/request.json" | sed 's/^/        /'
claim "a request with another digest is refused" exits 3 at "$H/r" ca root sign "$H/request.json" --digest "$(printf '0%.0s' $(seq 64))" -o "$H/no.json"
sed 's/"payload": "\(.\)/"payload": "Z\1/' "$H/request.json" >"$H/changed.json"
claim "a changed request is refused" exits 3 at "$H/r" ca root show "$H/changed.json"
show "antin ca root sign request.json --digest $digest -o answer.json"
claim "the root's machine answers" at "$H/r" ca root sign "$H/request.json" --digest "$digest" -o "$H/answer.json"
rootsum=$(at "$H/r" ca issuer list --json | jq -r '.[] | select(.kind == "root") | .sha256')
claim "the centre refuses a root that nobody compared" exits 3 at "$H/c" ca issuer import "$H/answer.json"
show "antin ca issuer import answer.json --root-sha256 ${rootsum:0:16}…; antin init"
claim "with the compared root it takes the answer" at "$H/c" ca issuer import "$H/answer.json" --root-sha256 "$rootsum"
claim "init makes what is missing" at "$H/c" init
mkdir "$H/out"; at "$H/c" ca export --all --out "$H/out" >/dev/null
at "$H/c" ca crl g1 -o "$H/g1.crl"; at "$H/c" ca crl official -o "$H/official.crl"
for n in g1 official; do openssl crl -inform DER -in "$H/$n.crl" -out "$H/$n.crl.pem"; done
claim "the root's key is in no token of the centre" test "$(at "$H/c" hsm key list --json | jq '[.[] | select(.label | startswith("ca-root"))] | length')" = 0
claim "openssl verify -crl_check_all: issuing authority and its responder under the root elsewhere" \
  openssl verify -x509_strict -crl_check_all -CAfile "$H/out/root-g1.pem" -untrusted "$H/out/issuer-official.pem" -CRLfile "$H/g1.crl.pem" -CRLfile "$H/official.crl.pem" "$H/out/ocsp-official.pem"
serial=$(at "$H/c" ca issuer list --json | jq -r '.[] | select(.name == "service") | .serial')
show "antin ca revoke $serial; antin ca issuer request; antin ca root sign; antin ca issuer import"
at "$H/c" ca revoke "$serial" --cause software-stopped >/dev/null
at "$H/c" ca issuer request -o "$H/request2.json" --json >"$H/request2.out"
at "$H/r" ca root sign "$H/request2.json" --digest "$(jq -r .digest "$H/request2.out")" -o "$H/answer2.json"
at "$H/c" ca issuer import "$H/answer2.json" >/dev/null
at "$H/c" ca crl g1 -o "$H/g1.crl"; openssl crl -inform DER -in "$H/g1.crl" -out "$H/g1.crl.pem"
openssl verify -x509_strict -crl_check -CAfile "$H/out/root-g1.pem" -CRLfile "$H/g1.crl.pem" "$H/out/issuer-service.pem" >"$H/revoked.txt" 2>&1
claim "openssl sees the issuing authority revoked on the list that was brought" has "certificate revoked" "$H/revoked.txt"

# --- an outside root
place "$H/o" here
at "$H/o" init 2>/dev/null
show "openssl req -x509 … ; antin ca root export-csr service-g2 ; openssl x509 -req ; antin ca root import service-g2 chain.pem"
openssl req -x509 -newkey rsa:3072 -nodes -keyout "$H/outside.key" -out "$H/outside.pem" -days 3000 -subj "/C=VN/O=Somebody else/CN=Outside Root" \
  -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
echo authorityKeyIdentifier=keyid >"$H/ext"
outside() { # outside NAME certifies the authority by the outside root
  at "$H/o" ca root export-csr "$1" -o "$H/$1.csr" &&
    openssl x509 -req -in "$H/$1.csr" -CA "$H/outside.pem" -CAkey "$H/outside.key" -CAcreateserial -days 1000 -copy_extensions copyall -extfile "$H/ext" -out "$H/$1.crt" 2>/dev/null &&
    cat "$H/$1.crt" "$H/outside.pem" >"$H/$1.chain" && at "$H/o" ca root import "$1" "$H/$1.chain"
}
claim "a chain that stops below its root is refused" exits 3 at "$H/o" ca root import official "$H/outside.pem"
claim "the next generation is certified by the outside root" outside service-g2
claim "an authority that exists gets a second certificate" outside official
claim "antin ca issuer switch service" at "$H/o" ca issuer switch service
mkdir "$H/oo"; at "$H/o" ca export --all --out "$H/oo" >/dev/null
claim "openssl verify: the new generation under the outside root" openssl verify -x509_strict -CAfile "$H/outside.pem" -untrusted "$H/oo/issuer-service-g2.pem" "$H/oo/ocsp-service-g2.pem"
claim "openssl verify: the older generation under the own root" openssl verify -x509_strict -CAfile "$H/oo/root-g1.pem" -untrusted "$H/oo/issuer-service.pem" "$H/oo/ocsp-service.pem"
claim "openssl verify: the certificates of officials under the outside root, too" openssl verify -x509_strict -CAfile "$H/outside.pem" -untrusted "$(ls "$H"/oo/cross-official-*.pem)" "$H/oo/ocsp-official.pem"

# --- generations and cross-certificates
show "antin ca root rollover; antin ca root switch; antin ca issuer rollover official; antin ca issuer switch official"
claim "a new root: it and the one before certify each other" at "$H/o" ca root rollover
claim "it certifies from now on" at "$H/o" ca root switch
claim "the next generation of the officials' authority, under it" at "$H/o" ca issuer rollover official
claim "that issues from now on" at "$H/o" ca issuer switch official
mkdir "$H/on"; at "$H/o" ca export --all --out "$H/on" >/dev/null
cat "$H"/on/cross-g*.pem >"$H/crosses.pem"
claim "openssl verify: new generation, new root" openssl verify -x509_strict -CAfile "$H/on/root-g2.pem" -untrusted "$H/on/issuer-official-g2.pem" "$H/on/ocsp-official-g2.pem"
claim "openssl verify: new generation, old root, over the cross-certificate" \
  openssl verify -x509_strict -CAfile "$H/on/root-g1.pem" -untrusted "$H/crosses.pem" -untrusted "$H/on/issuer-official-g2.pem" "$H/on/ocsp-official-g2.pem"
claim "openssl verify: old generation, new root, over the cross-certificate" \
  openssl verify -x509_strict -CAfile "$H/on/root-g2.pem" -untrusted "$H/crosses.pem" -untrusted "$H/on/issuer-official.pem" "$H/on/ocsp-official.pem"
for n in official official-g2; do at "$H/o" ca crl $n -o "$H/$n.crl" && openssl crl -inform DER -in "$H/$n.crl" -out "$H/$n.crl.pem"; done
claim "both generations have their lists: openssl verify -crl_check, the older one" openssl verify -x509_strict -crl_check -CAfile "$H/on/root-g1.pem" -untrusted "$H/on/issuer-official.pem" -CRLfile "$H/official.crl.pem" "$H/on/ocsp-official.pem"
claim "… and the new one" openssl verify -x509_strict -crl_check -CAfile "$H/on/root-g2.pem" -untrusted "$H/on/issuer-official-g2.pem" -CRLfile "$H/official-g2.crl.pem" "$H/on/ocsp-official-g2.pem"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$H/their.key" -subj "/CN=somebody of theirs" -out "$H/their.csr" 2>/dev/null
printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' >"$H/their.ext"
openssl x509 -req -in "$H/their.csr" -CA "$H/outside.pem" -CAkey "$H/outside.key" -CAcreateserial -days 300 -extfile "$H/their.ext" -out "$H/their.crt" 2>/dev/null
claim "antin ca root cross --certificate outside.pem --by g2" at "$H/o" ca root cross --certificate "$H/outside.pem" --by g2 -o "$H/crossed.pem"
claim "openssl verify: a certificate of the outside authority by our root, over the cross-certificate" openssl verify -x509_strict -CAfile "$H/on/root-g2.pem" -untrusted "$H/crossed.pem" "$H/their.crt"
claim "antin ca audit finds nothing" at "$H/o" ca audit
claim "antin ledger verify" at "$H/o" ledger verify
