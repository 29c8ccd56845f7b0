# Sourced by prove.sh. A person's own token: keys and certificate of an official
# on a token of their own, signing without the data folder and the server.
part "3. A token of one's own (PKCS#11)"
O=$W/own-token; mkdir -p "$O/tokens"; cd "$O" || return
command -v softhsm2-util >/dev/null || { echo "softhsm2-util is not installed (make test installs it)" >&2; exit 3; }
MODULE=${ANTIN_PKCS11_MODULE:-/usr/lib/softhsm/libsofthsm2.so}
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$O" >softhsm2.conf
if [ -n "$DATA" ]; then IN=$DATA/pdf/real/chi-thi-chromium.pdf; else antin demo -o "$W/demo" >/dev/null 2>&1; IN=$W/demo/chi-thi.pdf; fi
soft() { SOFTHSM2_CONF=$O/softhsm2.conf softhsm2-util "$@"; }
(umask 077; printf 246810 >pin; printf 111111 >wrong)
claim "a token is made" soft --init-token --free --label usb --pin 246810 --so-pin 13579111
bring() { # bring NAME GENPKEY-OPTIONS… certifies a key and puts it into the token
  local id name=$1; shift
  openssl genpkey "$@" -out "$name.key" 2>/dev/null; openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
  id=$(as minh.pq ca request --profile official --person p-lan --csr "$name.csr" --json | jq -r .id)
  as thu.vt ca approve "$id" >/dev/null && as thu.vt ca issue "$id" -o "$name.pem" >/dev/null && cat "$W/pki/issuer-official.pem" >>"$name.pem"
  soft --import "$name.key" --token usb --label "$name" --id "$(printf '%s' "$name" | od -An -tx1 | tr -d ' ')" --pin 246810
}
own() { SOFTHSM2_CONF=$O/softhsm2.conf ANTIN_DATA_DIR=$O/none antin sign "$@"; } # no data folder
say() { own "$@" 2>&1 >/dev/null | tee said.txt; } # what is told of a refusal
claim "an elliptic key is certified and on the token" bring ec -algorithm EC -pkeyopt ec_paramgen_curve:P-256
TOKEN=(--pkcs11 "$MODULE" --pin-file pin --cert ec.pem --trust "$W/pki")
show "antin sign IN.pdf -o OUT.pdf --pkcs11 MODULE --pin-file pin --cert ec.pem --trust pki --tsa http://$PKI/tsa --level LEVEL"
for level in B-B B-T B-LT B-LTA; do
  rm -f out.pdf
  claim "PAdES-$level by the token" own "$IN" -o out.pdf "${TOKEN[@]}" --tsa "http://$PKI/tsa" --level $level
  claim "   antin verify: TOTAL-PASSED" same "$(antin verify --json out.pdf | jq -r '.[0] | "\(.verdict) \(.signatures[0].level)"' | sed 's/PAdES-//')" "TOTAL-PASSED $level"
  claim "   pdfsig: the signature is valid" sh -c 'pdfsig -nocert out.pdf 2>/dev/null | grep -q "Signature is Valid"'
done
printf 'mã,tên\r\n' >bang.csv; printf '<a><b/></a>' >a.xml
for hash in sha256 sha3-256 sha3-384 sha3-512; do
  rm -f bang.csv.p7s
  claim "CAdES by the token with $hash" own bang.csv -o bang.csv.p7s "${TOKEN[@]}" --format cades --level B-B --hash $hash
  claim "   openssl cms -verify -cades accepts it" openssl cms -verify -cades -binary -inform DER -in bang.csv.p7s -content bang.csv -CAfile "$ROOTCA" -purpose any -out out.bin
done
claim "XAdES by the token" own a.xml -o a.signed.xml "${TOKEN[@]}" --format xades --level B-B; claim "   antin verify exits 0" antin verify a.signed.xml
claim "ASiC-E by the token" own bang.csv -o bang.asice "${TOKEN[@]}" --format asic --level B-B; claim "   antin verify exits 0" antin verify bang.asice
claim "SHA-1 is refused: exit status 2" exits 2 own bang.csv -o none.p7s "${TOKEN[@]}" --format cades --hash sha1
claim "a wrong PIN is refused" exits 3 own "$IN" -o none.pdf --pkcs11 "$MODULE" --pin-file wrong --cert ec.pem
claim "   and not tried again" has "PIN refused before" <(say "$IN" -o none.pdf --pkcs11 "$MODULE" --pin-file wrong --cert ec.pem)
claim "a token that is not there is told, with those that are" has '"usb"' <(say "$IN" -o none.pdf "${TOKEN[@]}" --token another)
claim "RSA key beside it" bring rsa -algorithm RSA -pkeyopt rsa_keygen_bits:3072
claim "which key is asked when there are two" has '"rsa"' <(say "$IN" -o none.pdf "${TOKEN[@]}")
claim "a certificate of another key is refused" has "of that key" <(say "$IN" -o none.pdf --pkcs11 "$MODULE" --pin-file pin --key rsa --cert ec.pem)
claim "what the token cannot do is told" has "the token does not sign as" <(say bang.csv -o none.p7s --pkcs11 "$MODULE" --pin-file pin --key rsa --cert rsa.pem --format cades --hash sha3-256)
claim "no refusal left a file" sh -c '! ls none.* 2>/dev/null'
cd "$ROOT" || exit 3
