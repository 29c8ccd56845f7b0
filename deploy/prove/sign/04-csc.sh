# Sourced by prove.sh. Remote signing by the API of the Cloud Signature
# Consortium: a program signs one and a hundred documents over v1 and v2, and
# what was not authorised is refused and leaves no trace of a key's use.
part "4. Remote signing (CSC API v1 and v2)"
CSC=https://localhost:${CONSOLE##*:}/csc
SUM=2.16.840.1.101.3.4.2.1 ECDSA=1.2.840.10045.4.3.2
(cd "$ROOT" && go build -o "$W/cscclient" ./deploy/prove/cscclient) || bad=$((bad + 1))
if [ -n "$DATA" ]; then SOURCE=$DATA/pdf/real/chi-thi-libreoffice.pdf; else
  antin demo -o "$W/demo" >/dev/null 2>&1; SOURCE=$W/demo/chi-thi.pdf
fi
# A second official with a key of their own, and credentials of both.
enrol prove-lan
for who in binh.nv lan.tt; do
  as $who account token create $who --name prove --scope sign.remote --days 1 -o "$W/csc.$who" 2>/dev/null
done
echo antin_none >"$W/csc.nobody"
code() { antin account code "$1" >"$W/code"; cat "$W/code"; } # waits for a code that was not used
# csc ACCOUNT VERSION METHOD JSON answers the body; the status is in $W/status.
csc() {
  curl -s --cacert "$ROOTCA" -H "Authorization: Bearer $(cat "$W/csc.$1" 2>/dev/null)" -H 'Content-Type: application/json' \
    --data "$4" -o "$W/csc.json" -w '%{http_code}' "$CSC/$2/$3" >"$W/status"
  cat "$W/csc.json"
}
# begun is how many uses of a key the database knows of.
begun() { sqlite3 -readonly "$ANTIN_DATA_DIR/antin.db" "SELECT count(*) FROM signing_act"; }
hash() { printf '%s' "$1" | openssl dgst -sha256 -binary | base64 -w0; }
# authorise ACCOUNT VERSION CREDENTIAL NUMBER HASH… answers a SAD.
authorise() {
  local who=$1 version=$2 key=$3 number=$4 list code; shift 4
  list=$(printf '%s\n' "$@" | jq -R . | jq -sc .); code=${CODE:-$(code "$who")}
  if [ $version = v1 ]; then
    csc "$who" v1 credentials/authorize "{\"credentialID\":\"$key\",\"numSignatures\":$number,\"hash\":$list,\"OTP\":\"$code\"}"
  else
    csc "$who" v2 credentials/authorize "{\"credentialID\":\"$key\",\"numSignatures\":$number,\"hashes\":$list,\"hashAlgorithmOID\":\"$SUM\",\"authData\":[{\"id\":\"OTP\",\"value\":\"$code\"}]}"
  fi | jq -r .SAD
}
# sign ACCOUNT VERSION CREDENTIAL SAD HASH… asks for signatures.
sign() {
  local who=$1 version=$2 key=$3 sad=$4 name=hashes; shift 4
  [ $version = v1 ] && name=hash
  csc "$who" $version signatures/signHash "$(jq -nc --arg key "$key" --arg sad "$sad" --arg algo $ECDSA --arg name $name --argjson list "$(printf '%s\n' "$@" | jq -R . | jq -sc .)" \
    '{credentialID: $key, SAD: $sad, signAlgo: $algo, ($name): $list}')"
}
# refuses WHAT STATUS ERROR DESCRIPTION looks at the last answer; no key was used since $ACTS.
refuses() {
  claim "$1: $(cat "$W/status") $(jq -c . "$W/csc.json")" \
    same "$(cat "$W/status") $(jq -r '.error + " " + .error_description' "$W/csc.json"), $(begun) acts" "$2 $3 $4, $ACTS acts"
}
# Each version is shown by another official: a code of the second factor is new
# every 30 seconds only.
of() { # of VERSION sets who signs with what, and who somebody else is
  if [ "$1" = v1 ]; then WHO=binh.nv KEY=demo-official OWN='["demo-official","demo-official-rsa"]' OTHER=lan.tt OTHERKEY=prove-lan
  else WHO=lan.tt KEY=prove-lan OWN='["prove-lan"]' OTHER=binh.nv OTHERKEY=demo-official; fi
}
for version in v1 v2; do
  of $version
  show "curl -X POST $CSC/$version/info"
  claim "$version: info tells version and methods" test -n "$(csc nobody $version info '{}' | jq -r 'select((.specs | startswith("'${version#v}'.")) and (.methods | index("signatures/signHash"))) | .specs')"
  claim "$version: credentials/list gives the own credentials alone" same "$(csc $WHO $version credentials/list '{}' | jq -c .credentialIDs)" "$OWN"
done
for copies in 1 100; do
  for version in v1 v2; do
    of $version; dir=$W/csc-$version-$copies; mkdir -p "$dir"; code $WHO >/dev/null
    show "cscclient -url $CSC/$version -credential $KEY -copies $copies …"
    claim "$version: a program signs $copies document(s) with one authorization" "$W/cscclient" -url "$CSC/$version" -root "$ROOTCA" -token "$W/csc.$WHO" \
      -credential $KEY -code "$W/code" -in "$SOURCE" -out "$dir" -copies $copies
    sed 's/^/        /' "$W/claim.log"
    valid=$(ls "$dir"/*.pdf | xargs -P 2 -I{} pdfsig -nocert {} 2>/dev/null | grep -c "Signature is Valid")
    claim "$version: pdfsig calls $valid of $copies valid" same $valid $copies
    claim "$version: antin verify passes all of them" antin verify "$dir"/*.pdf
  done
done

H1=$(hash 1) H2=$(hash 2) H3=$(hash 3)
MANY=$(for i in $(seq 101); do hash "many $i"; echo; done)
for version in v1 v2; do
  of $version
  sad=$(authorise $WHO $version $KEY 3 "$H1" "$H2")
  claim "$version: a hash is signed" test -n "$(sign $WHO $version $KEY "$sad" "$H1" | jq -r '.signatures[0]')"
  ACTS=$(begun)
  sign $WHO $version $KEY "$sad" "$H1" >/dev/null
  refuses "$version: the same hash again" 400 invalid_request "Hash is not authorized by the SAD"
  sign $WHO $version $KEY "$sad" "$H3" >/dev/null
  refuses "$version: a hash that was not authorised" 400 invalid_request "Hash is not authorized by the SAD"
  sign $WHO $version $KEY "$sad" "$H2" "$H2" >/dev/null
  refuses "$version: one occurrence asked for twice" 400 invalid_request "Hash is not authorized by the SAD"
  sign $WHO $version $KEY "$sad" "$H2" "$H3" "$H1" "$H1" >/dev/null
  refuses "$version: more than the SAD allows" 400 invalid_request "Hash is not authorized by the SAD"
  sign $WHO $version $OTHERKEY "$sad" "$H2" >/dev/null
  refuses "$version: another user's credential" 400 invalid_request "Invalid parameter credentialID"
  sign $WHO $version no-such-key "$sad" "$H2" >/dev/null
  refuses "$version: an unknown credential, the same answer" 400 invalid_request "Invalid parameter credentialID"
  sign $WHO $version demo-agency "$sad" "$H2" >/dev/null
  refuses "$version: the agency's seal, the same answer" 400 invalid_request "Invalid parameter credentialID"
  sign $OTHER $version $OTHERKEY "$sad" "$H2" >/dev/null
  refuses "$version: another user's SAD" 400 invalid_request "Invalid parameter SAD"
  sign $WHO $version $KEY "antinsad_$(printf A%.0s $(seq 52))" "$H2" >/dev/null
  refuses "$version: an unknown SAD, the same answer" 400 invalid_request "Invalid parameter SAD"
  sqlite3 "$ANTIN_DATA_DIR/antin.db" ".timeout 5000" "UPDATE csc_grant SET expires_at = created_at WHERE ended_at IS NULL AND used < total"
  sign $WHO $version $KEY "$sad" "$H2" >/dev/null
  refuses "$version: over its time" 400 invalid_request "SAD expired"
  CODE=000000 # refused before a code is looked at
  authorise $WHO $version $KEY 101 "$H1" >/dev/null
  refuses "$version: too many signatures" 400 invalid_request "Numbers of signatures is too high"
  authorise $WHO $version $KEY 100 $MANY >/dev/null
  refuses "$version: too many hashes" 400 invalid_request "Numbers of signatures is too high"
  authorise $WHO $version $OTHERKEY 1 "$H1" >/dev/null
  refuses "$version: authorising another user's credential" 400 invalid_request "Invalid parameter credentialID"
  CODE=
  sad=$(authorise $WHO $version $KEY 1 "$H1")
  sign $WHO $version $KEY "$sad" "$H1" >/dev/null; ACTS=$(begun)
  sign $WHO $version $KEY "$sad" "$H1" >/dev/null
  refuses "$version: a SAD replayed after its last signature" 400 invalid_request "Invalid parameter SAD"
  sign nobody $version $KEY "$sad" "$H1" >/dev/null
  claim "$version: nobody without an access token: 401" same "$(cat "$W/status")" 401
done
show "curl -X POST $CSC/v2/signatures/signDoc"
sad=$(authorise binh.nv v2 demo-official 1 "$(openssl dgst -sha256 -binary "$SOURCE" | base64 -w0)")
jq -nc --arg sad "$sad" --arg algo $ECDSA --rawfile pdf <(base64 -w0 "$SOURCE") \
  '{credentialID: "demo-official", SAD: $sad, documents: [{document: $pdf, signature_format: "P", conformance_level: "AdES-B-LT", signAlgo: $algo}]}' >"$W/signdoc.json"
csc binh.nv v2 signatures/signDoc "@$W/signdoc.json" | jq -r '.DocumentWithSignature[0]' | base64 -d >"$W/signdoc.pdf"
claim "the service signs a whole document at B-LT, and pdfsig calls it valid" bash -c "pdfsig -nocert '$W/signdoc.pdf' | grep -q 'Signature is Valid'"
claim "and antin verify passes it" antin verify "$W/signdoc.pdf"

# Other formats, documents that stay with the program, and answers that come
# later, all with one authorization of five signatures.
printf 'mã,tên\n01,Sở Thông tin\n' >"$W/bang.csv"; printf '<bang><dong>1</dong></bang>' >"$W/bang.xml"
D1=$(openssl dgst -sha256 -binary "$W/bang.csv" | base64 -w0) D2=$(openssl dgst -sha256 -binary "$W/bang.xml" | base64 -w0)
sad=$(authorise lan.tt v2 prove-lan 5 "$D1" "$D2" "$D1" "$H1" "$H2")
# doc FORMAT MORE is a member of documents or documentDigests.
doc() { jq -nc --arg format "$1" --arg algo $ECDSA "{signature_format: \$format, signAlgo: \$algo} + $2"; }
# signdoc WHO NAME MEMBERS MORE asks for signatures over documents or digests.
signdoc() { csc "$1" v2 signatures/signDoc "$(jq -nc --arg sad "$sad" --argjson members "$3" "{credentialID: \"prove-lan\", SAD: \$sad, $2: \$members} + $4")"; }
C=$(doc C "{conformance_level: \"AdES-B-LTA\", signed_envelope_property: \"Detached\", document: \"$D1\"}" | jq -c --rawfile f <(base64 -w0 "$W/bang.csv") '.document = $f')
X=$(doc X '{conformance_level: "AdES-B-LT"}' | jq -c --rawfile f <(base64 -w0 "$W/bang.xml") '.document = $f')
show "curl -X POST $CSC/v2/signatures/signDoc # a CAdES and a XAdES signature in one call"
signdoc lan.tt documents "[$C,$X]" '{returnValidationInfo: true}' >/dev/null
jq -r '.SignatureObject[0]' "$W/csc.json" | base64 -d >"$W/bang.p7s"; jq -r '.DocumentWithSignature[0]' "$W/csc.json" | base64 -d >"$W/bang.signed.xml"
claim "openssl verifies the detached CAdES signature (B-LTA)" openssl cms -verify -binary -inform DER -in "$W/bang.p7s" -content "$W/bang.csv" -noverify -out /dev/null
claim "antin verify passes it" antin verify "$W/bang.p7s" --content "$W/bang.csv"
claim "xmlsec1 verifies the enveloped XAdES signature (B-LT)" xmlsec1 --verify --trusted-pem "$ROOTCA" --id-attr:Id http://uri.etsi.org/01903/v1.3.2#:SignedProperties "$W/bang.signed.xml"
claim "antin verify passes it" antin verify "$W/bang.signed.xml"
claim "with certificates and revocation data beside" test "$(jq '.validationInfo | (.certificates | length) * ((.ocsp | length) + (.crl | length))' "$W/csc.json")" -gt 0
show "curl -X POST $CSC/v2/signatures/signDoc # documentDigests: the document stays with the program"
signdoc lan.tt documentDigests "[$(doc C "{conformance_level: \"AdES-B-LT\", hashes: [\"$D1\"]}")]" '{}' | jq -r '.SignatureObject[0]' | base64 -d >"$W/digest.p7s"
claim "openssl verifies the signature over a digest" openssl cms -verify -binary -inform DER -in "$W/digest.p7s" -content "$W/bang.csv" -noverify -out /dev/null
show "curl -X POST $CSC/v2/signatures/signHash # operationMode A, then signPolling"
response=$(csc lan.tt v2 signatures/signHash "{\"credentialID\":\"prove-lan\",\"SAD\":\"$sad\",\"hashes\":[\"$H1\"],\"signAlgo\":\"$ECDSA\",\"operationMode\":\"A\"}" | jq -r .responseID)
poll() { csc "$1" v2 signatures/signPolling "{\"responseID\":\"$2\"}"; }
for _ in $(seq 60); do poll lan.tt "$response" >/dev/null; [ "$(cat "$W/status")" = 202 ] || break; sleep .5; done
claim "the signature is there when it is asked for" test -n "$(jq -r '.signatures[0] // empty' "$W/csc.json")"
ACTS=$(begun)
signdoc lan.tt documents "[$X]" '{}' >/dev/null
refuses "a document that was signed already" 400 invalid_request "documentDigests or documents are not authorized by the SAD"
signdoc lan.tt documents "[$(doc J '{document: "eA=="}')]" '{}' >/dev/null
refuses "a format that info does not name" 400 invalid_request "Invalid parameter signature_format"
signdoc lan.tt documentDigests "[$(doc X "{conformance_level: \"AdES-B-LTA\", hashes: [\"$H2\"]}")]" '{}' >/dev/null
refuses "an archive time-stamp over a file that is not there" 400 invalid_request "Invalid parameter conformance_level"
signdoc binh.nv documentDigests "[$(doc C "{hashes: [\"$H2\"]}")]" '{}' >/dev/null
refuses "another user's credential and SAD" 400 invalid_request "Invalid parameter credentialID"
poll binh.nv "$response" >/dev/null
refuses "another user's outcome" 400 invalid_request "Invalid parameter responseID"
poll lan.tt antinjob_AAAAAAAAAAAAAAAAAAAAAAAAAA >/dev/null
refuses "an unknown outcome, the same answer" 400 invalid_request "Invalid parameter responseID"
csc lan.tt v2 signatures/signHash "{\"credentialID\":\"prove-lan\",\"SAD\":\"$sad\",\"hashes\":[\"$H2\"],\"signAlgo\":\"$ECDSA\",\"operationMode\":\"A\",\"response_uri\":\"http://169.254.169.254/\"}" >/dev/null
refuses "an address to call that nobody registered" 400 invalid_request "Invalid parameter response_uri"
login() { curl -s --cacert "$ROOTCA" -u "$1" -H 'Content-Type: application/json' -d '{}' -o "$W/csc.json" -w '%{http_code}' "$CSC/v1/auth/login" >"$W/status"; }
login "lan.tt:$(awk '$1 == "lan.tt" { print $2 }' "$ANTIN_DATA_DIR/first-credentials.txt")000000"
refuses "auth/login with a wrong code" 401 authentication_error "An error occurred during authentication process"
login "nobody:123456"
refuses "auth/login of nobody, the same answer" 401 authentication_error "An error occurred during authentication process"

# The authorization server, as a browser and a program use it.
show "$CSC/oauth2/authorize → oauth2/token, code with PKCE, scope credential"
VERIFIER=$(openssl rand -hex 32)
url() { tr '+/' '-_' | tr -d '=\n'; }
CHALLENGE=$(printf %s "$VERIFIER" | openssl dgst -sha256 -binary | base64 -w0 | url)
web() { curl -s --cacert "$ROOTCA" -b "$W/jar" -c "$W/jar" "$@"; }
BASE=https://localhost:${CONSOLE##*:}
web -o /dev/null --data-urlencode "account=binh.nv" --data-urlencode "password=$(awk '$1 == "binh.nv" { print $2 }' "$ANTIN_DATA_DIR/first-credentials.txt")" --data-urlencode "code=$(code binh.nv)" "$BASE/login"
page=$(web -G -o /dev/null -w '%{redirect_url}' --data-urlencode response_type=code --data-urlencode client_id=prove --data-urlencode redirect_uri=http://127.0.0.1:9/callback \
  --data-urlencode scope=credential --data-urlencode credentialID=demo-official --data-urlencode numSignatures=1 --data-urlencode "hashes=$(printf %s "$H1" | url)" \
  --data-urlencode "code_challenge=$CHALLENGE" --data-urlencode code_challenge_method=S256 --data-urlencode state=s1 "$CSC/oauth2/authorize")
claim "the person is shown what the program asks for" bash -c "curl -s --cacert '$ROOTCA' -b '$W/jar' '$page' | grep -q 'name=\"passkey_answer\"'"
back=$(web -o /dev/null -w '%{redirect_url}' --data-urlencode answer=allow --data-urlencode "code=$(code binh.nv)" "$page")
grant=$(printf %s "$back" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
token() { curl -s --cacert "$ROOTCA" -d grant_type=authorization_code -d client_id=prove -d redirect_uri=http://127.0.0.1:9/callback -d "code=$grant" -d "code_verifier=$1" "$CSC/oauth2/token"; }
token "$VERIFIER" | jq -r '.access_token // empty' >"$W/csc.credential"
claim "an access token of the scope credential" test -s "$W/csc.credential"
claim "its code works once" same "$(token "$VERIFIER" | jq -r .error)" invalid_grant
csc credential v2 signatures/signHash "{\"credentialID\":\"demo-official\",\"hashes\":[\"$H2\"],\"signAlgo\":\"$ECDSA\"}" >/dev/null
claim "it signs no other hash" same "$(cat "$W/status") $(jq -r .error_description "$W/csc.json")" "400 Hash is not authorized by the SAD"
csc credential v2 signatures/signHash "{\"credentialID\":\"demo-official\",\"hashes\":[\"$H1\"],\"signAlgo\":\"$ECDSA\"}" | jq -r '.signatures[0]' | base64 -d >"$W/raw.sig"
csc binh.nv v2 credentials/info '{"credentialID":"demo-official"}' | jq -r '.cert.certificates[0]' | base64 -d | openssl x509 -inform DER -noout -pubkey >"$W/signer.pub"
printf 1 >"$W/one"
claim "it signs its own, and openssl verifies the signature" openssl dgst -sha256 -verify "$W/signer.pub" -signature "$W/raw.sig" "$W/one"
# A session of the scope service: the refresh token changes, and a second use of
# an old one ends it all.
show "$CSC/oauth2/pushed_authorize → oauth2/authorize → oauth2/token, scope service, refresh tokens"
pushed=$(curl -s --cacert "$ROOTCA" -d response_type=code -d client_id=prove --data-urlencode redirect_uri=http://127.0.0.1:9/callback -d scope=service -d "code_challenge=$CHALLENGE" \
  -d code_challenge_method=S256 "$CSC/oauth2/pushed_authorize" | jq -r .request_uri)
page=$(web -G -o /dev/null -w '%{redirect_url}' --data-urlencode client_id=prove --data-urlencode "request_uri=$pushed" "$CSC/oauth2/authorize")
back=$(web -o /dev/null -w '%{redirect_url}' --data-urlencode answer=allow "$page")
grant=$(printf %s "$back" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
token "$VERIFIER" >"$W/session.json"; jq -r .access_token "$W/session.json" >"$W/csc.session"
claim "an access token by a pushed request" same "$(csc session v2 credentials/list '{}' | jq -c .credentialIDs)" '["demo-official","demo-official-rsa"]'
refresh() { curl -s --cacert "$ROOTCA" -d grant_type=refresh_token -d client_id=prove -d "refresh_token=$(jq -r .refresh_token "$W/$1")" "$CSC/oauth2/token"; }
refresh session.json >"$W/session2.json"; jq -r .access_token "$W/session2.json" >"$W/csc.session2"
claim "a refresh token gives the next pair" same "$(csc session2 v2 credentials/list '{}' | jq -c .credentialIDs)" '["demo-official","demo-official-rsa"]'
claim "used a second time it is refused" same "$(refresh session.json | jq -r .error)" invalid_grant
claim "and the whole session ends, its other refresh token too" same "$(refresh session2.json | jq -r .error) $(csc session2 v2 credentials/list '{}' | jq -r .error)" "invalid_grant invalid_token"
claim "the ledger holds together (antin ledger verify)" antin ledger verify
