# Sourced by prove.sh. An envelope of QCVN 102:2016 as a user makes, signs, sends
# back and takes back one; xmllint, xmlsec1 and openssl read it beside ours.
part "5. Exchange of documents: build, sign, verify, status, refusal, withdrawal"
X=$W/edxml; mkdir -p "$X"; cd "$X" || return
for tool in xmlsec1 xmllint; do command -v $tool >/dev/null || { echo "$tool is not installed (make test installs it)" >&2; exit 3; }; done
if [ -n "$DATA" ]; then IN=$DATA/pdf/real/chi-thi-chromium.pdf; else antin demo -o "$W/demo" >/dev/null 2>&1; IN=$W/demo/chi-thi.pdf; fi
cat >thu.json <<'JSON'
{"from": {"id": "000.01.20.H13", "name": "Ủy ban nhân dân tỉnh"}, "to": [{"id": "28.22.H17", "name": "Sở Nội vụ"}],
 "number": "05", "notation": "QĐ-UBND", "place": "Tân Lập", "date": "2026-02-05", "type": 2, "type_name": "Quyết định",
 "subject": "Về việc ban hành <quy chế>", "competence": "TM. ỦY BAN NHÂN DÂN", "position": "CHỦ TỊCH", "full_name": "Nguyễn Văn Bình"}
JSON
CORE=(xmlsec1 --verify --trusted-pem "$ROOTCA" --id-attr:Id http://uri.etsi.org/01903/v1.3.2#:SignedProperties --id-attr:Id http://www.w3.org/2000/09/xmldsig#:Object)
value() { xmllint --xpath "string(//*[local-name()='$1'])" "$2"; }
clear_of() { printf '%s' "$(value "$1" "$2")"; }

show "antin edxml build thu.json quyet-dinh.pdf -o thu.edxml"
claim "a person signs the document" antin sign "$IN" -o quyet-dinh.pdf --key demo-official
claim "the envelope is built" antin edxml build thu.json quyet-dinh.pdf -o thu.edxml
claim "xmllint finds it well-formed" xmllint --noout thu.edxml
claim "   with the subject as it was given" same "$(clear_of Subject thu.edxml)" "Về việc ban hành <quy chế>"
claim "an envelope without a receiver is refused: exit status 2" exits 2 antin edxml build <(jq 'del(.to)' thu.json) quyet-dinh.pdf -o x.edxml
claim "   and nothing is written" test ! -e x.edxml
claim "without a signature it does not verify: exit status 1" exits 1 antin edxml verify thu.edxml
show "antin edxml sign thu.edxml -o thu.signed.edxml --key demo-agency --level LEVEL; xmlsec1 --verify"
for level in B-B B-T B-LT B-LTA; do
  rm -f thu.signed.edxml
  claim "signed by the agency at $level" antin edxml sign thu.edxml -o thu.signed.edxml --key demo-agency --level $level
  claim "   antin edxml verify: TOTAL-PASSED" same "$(antin edxml verify --json thu.signed.edxml | jq -r '.[0].verdict')" TOTAL-PASSED
  claim "   xmlsec1 accepts it" "${CORE[@]}" thu.signed.edxml
done
xmllint --xpath "(//*[local-name()='X509Certificate'])[1]/text()" thu.signed.edxml | tr -d ' \n\r' | base64 -d >signer.der
openssl x509 -inform DER -in signer.der -out signer.pem
claim "openssl follows the signer's certificate to the root" openssl verify -CAfile "$ROOTCA" -untrusted "$W/all.pem" signer.pem
claim "a person's RSA key signs too" antin edxml sign thu.edxml -o thu.rsa.edxml --key demo-official-rsa --level B-B
claim "   with RSA-SHA256" has 'xmldsig-more#rsa-sha256' thu.rsa.edxml
claim "   xmlsec1 accepts it" "${CORE[@]}" thu.rsa.edxml
antin edxml build thu.json "$IN" -o unsigned.edxml >/dev/null
claim "the agency does not sign an envelope whose document no person signed: exit status 3" exits 3 antin edxml sign unsigned.edxml -o x.edxml --key demo-agency
claim "   and nothing is written" test ! -e x.edxml

show "antin edxml verify tampered.edxml"
sed 's/Tân Lập/Tân Bình/' thu.signed.edxml >tampered.edxml
claim "a changed place: TOTAL-FAILED, exit status 1" exits 1 antin edxml verify tampered.edxml
claim "   xmlsec1 refuses it too" exits 1 "${CORE[@]}" tampered.edxml
perl -0777 -pe 's/^(.*[A-Za-z0-9+\/]{40})([A-Za-z])(?=[A-Za-z0-9+\/]{4})/$1 . ($2 eq "A" ? "B" : "A")/se' thu.signed.edxml >file.edxml
claim "one letter of the attached file: it is not even read, exit status 3" exits 3 antin edxml verify file.edxml
claim "   xmlsec1 refuses it too" exits 1 "${CORE[@]}" file.edxml
printf '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>' >bomb.edxml
claim "a declaration of entities is not read: exit status 3" exits 3 antin edxml verify bomb.edxml

show "antin edxml extract thu.signed.edxml -o van-ban"
claim "the file comes out" antin edxml extract thu.signed.edxml -o van-ban
claim "   byte for byte" cmp quyet-dinh.pdf van-ban/quyet-dinh.pdf
claim "   and is not written over" exits 3 antin edxml extract thu.signed.edxml -o van-ban

show "antin edxml status|refuse|withdraw"
claim "a receipt is written and signed" antin edxml status thu.signed.edxml -o den.edxml --code 01 --organ 28.22.H17 --name 'Sở Nội vụ'
claim "   and verifies" bash -c "'$BIN/antin' edxml sign den.edxml -o den.signed.edxml --key seal-ttgsattt && '$BIN/antin' edxml verify den.signed.edxml"
claim "an unknown code is refused: exit status 2" exits 2 antin edxml status thu.signed.edxml -o x.edxml --code 99 --organ 28.22.H17 --name 'Sở Nội vụ'
claim "a refusal without a reason is refused: exit status 2" exits 2 antin edxml refuse thu.signed.edxml -o x.edxml --organ 28.22.H17 --name 'Sở Nội vụ'
claim "a refusal with its reason" antin edxml refuse thu.signed.edxml -o tu-choi.edxml --reason 'Sai nơi nhận' --organ 28.22.H17 --name 'Sở Nội vụ'
claim "   is signed" antin edxml sign tu-choi.edxml -o tu-choi.signed.edxml --key seal-ttgsattt
claim "   xmlsec1 accepts it" "${CORE[@]}" tu-choi.signed.edxml
claim "   and says 02, which document and why" same "$(antin edxml verify --json tu-choi.signed.edxml | jq -r '.[0] | "\(.verdict) \(.status.code) \(.status.reason) \(.status.answers.code)"')" "TOTAL-PASSED 02 Sai nơi nhận 05/QĐ-UBND"
sed 's/Sai nơi nhận/Sai/' tu-choi.signed.edxml >doi.edxml
claim "   a changed reason does not pass" exits 1 antin edxml verify doi.edxml
claim "a withdrawal without a reason is refused: exit status 2" exits 2 antin edxml withdraw thu.edxml -o x.edxml
claim "a withdrawal" antin edxml withdraw thu.signed.edxml -o thu-hoi.edxml --reason 'Ban hành nhầm'
claim "   is signed by the agency" antin edxml sign thu-hoi.edxml -o thu-hoi.signed.edxml --key demo-agency
claim "   xmlsec1 accepts it" "${CORE[@]}" thu-hoi.signed.edxml
claim "   and names the document that is taken back" same "$(antin edxml verify --json thu-hoi.signed.edxml | jq -r '.[0] | "\(.verdict) \(.envelope.business) \(.envelope.about)"')" "TOTAL-PASSED 1 $(antin edxml verify --json thu.signed.edxml | jq -r '.[0].envelope.document_id')"
claim "a withdrawal is not answered with a status of a status" exits 2 antin edxml status den.edxml -o x.edxml --organ 1 --name x
cd "$ROOT" || return
