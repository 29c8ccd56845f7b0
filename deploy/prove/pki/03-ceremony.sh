# Key ceremonies with 3 of 5 custodians: ten rehearsed, one held on the system,
# one killed and resumed; a backup restored into an empty token; the register of
# devices with its minutes.
part "Key ceremonies"
C=$W/ceremony; mkdir -p "$C/keys" && chmod 700 "$C/keys"
MEMBERS=
for n in an binh chi dung hoa; do
  (umask 077; printf 'the long passphrase of %s\n' $n >"$C/keys/$n.pass")
  account=; [ $n = an ] && account=minh.pq; [ $n = binh ] && account=thu.vt
  MEMBERS="$MEMBERS    $(antin hsm custodian create $n --keys "$C/keys" --person "Người giữ $n" --title "Chuyên viên" --account "$account")
"
done
# script FILE KIND ID NAME MORE writes the file of a ceremony.
script() {
  cat >"$1" <<YAML
ceremony: $2
id: $3
name: $4
title: {vi: "Lễ $3", en: "Ceremony $3"}
agency: "Trung tâm Chuyển đổi số"
place: "Trung Tâm"
master: {name: "Phạm Quang Minh", title: "Giám đốc"}
folder: $3
custodians:
  quorum: 3
  members:
$MEMBERS$5
YAML
}
cert="certificate: {organization: \"Ủy ban nhân dân tỉnh\", common_name: \"Ấn Tín"
antin ca crl g1 -o "$C/g1.crl"
g1="authority: {key: ca-root-g1, certificate: $ROOTCA, crl: $C/g1.crl}"
script "$C/r01.yaml" root r01 r01 "key: {label: r01, algorithm: EC-P384, backup: true}
$cert Root R01\"}"
script "$C/r02.yaml" root r02 r02 "key: {label: r02, algorithm: RSA-4096}
$cert Root R02\", days: 3650}"
script "$C/r03.yaml" csr r03 r03 "key: {label: r03, algorithm: EC-P256}
$cert Issuer R03\"}"
script "$C/r04.yaml" csr r04 r04 "key: {label: r04, algorithm: RSA-3072, backup: true}
$cert Issuer R04\"}"
script "$C/r05.yaml" subordinate r05 r05 "$g1
request: $C/rehearsed-r03/r03.csr
$cert Issuer R03\"}"
script "$C/r06.yaml" crl r06 r06 "$g1
revoke: [{serial: 0a1b2c, at: 2026-01-02T03:04:05Z, reason: 4}]"
script "$C/r07.yaml" key r07 r07 "key: {label: tsa-r07, algorithm: EC-P256}"
script "$C/r08.yaml" key r08 r08 "key: {label: service-r08, algorithm: RSA-2048}"
script "$C/r09.yaml" backup r09 r09 "keys: [one, two, three]"
script "$C/r10.yaml" restore r10 r10 "backup: none
shares: none"
for n in 01 02 03 04 05 06 07 08 09 10; do
  f=$C/rehearsed-r$n
  kind=$(awk '$1 == "ceremony:" { print $2 }' "$C/r$n.yaml")
  show "antin hsm ceremony r$n.yaml --rehearse --present an,binh[,chi]"
  claim "rehearsal $n ($kind): two custodians are refused" exits 1 antin hsm ceremony "$C/r$n.yaml" --rehearse --yes --keys "$C/keys" --folder "$f" --present an,binh
  claim "rehearsal $n ($kind): nothing was made" test ! -e "$f"
  claim "rehearsal $n ($kind): three hold it" antin hsm ceremony "$C/r$n.yaml" --rehearse --yes --keys "$C/keys" --folder "$f" --present an,binh,chi
  claim "rehearsal $n ($kind): antin verify passes every signature of the transcript" exits 0 antin verify "$f/transcript-r$n.pdf" --trust "$f"
  want=4; case $kind in backup | restore) want=3 ;; esac
  claim "rehearsal $n ($kind): pdfsig finds $want valid signatures" same "$(pdfsig "$f/transcript-r$n.pdf" 2>/dev/null | grep -c 'Signature is Valid')" $want
done

part "A ceremony on the system"
# secrets writes password and code of the accounts of an and binh.
secrets() {
  local pair
  for pair in an:minh.pq binh:thu.vt; do
    (umask 077
     awk -v a="${pair#*:}" '$1 == a { print $2 }' "$ANTIN_DATA_DIR/first-credentials.txt" >"$C/keys/${pair%:*}.password"
     antin account code "${pair#*:}" >"$C/keys/${pair%:*}.code")
  done
}
held() { secrets; as minh.pq hsm ceremony "$@" --yes --keys "$C/keys"; }
script "$C/root.yaml" root root-g2 g2 "key: {label: ca-root-g2, algorithm: EC-P384, backup: true}
$cert Root CA G2\"}"
show "antin hsm ceremony root.yaml --keys custodians --present an,binh,chi"
(umask 077; echo 000000 >"$C/keys/an.code"; echo wrong-password >"$C/keys/an.password")
claim "a custodian whose account fails is not counted" exits 1 as minh.pq hsm ceremony "$C/root.yaml" --yes --keys "$C/keys" --present an,chi,dung
claim "somebody who is no officer is refused" exits 3 as binh.nv hsm ceremony "$C/root.yaml" --yes --keys "$C/keys" --present chi,dung,hoa
claim "three custodians, two with account and second factor, make a root" held "$C/root.yaml" --present an,binh,chi
claim "its transcript verifies with the new root alone" exits 0 antin verify "$C/root-g2/transcript-root-g2.pdf" --trust "$C/root-g2"
claim "and without it not" exits 4 antin verify "$C/root-g2/transcript-root-g2.pdf" --trust "$C/rehearsed-r01"
claim "a second time is refused" exits 1 as minh.pq hsm ceremony "$C/root.yaml" --yes --keys "$C/keys" --present chi,dung,hoa
sed 's/^id: root-g2/id: root-g3/; s/^folder: root-g2/folder: root-g3/' "$C/root.yaml" >"$C/again.yaml"
claim "its key is not overwritten by another ceremony" exits 1 as minh.pq hsm ceremony "$C/again.yaml" --yes --keys "$C/keys" --present chi,dung,hoa
openssl crl -inform DER -in "$C/root-g2/g2.crl" -out "$C/g2.pem"
claim "openssl verifies the first list" openssl crl -in "$C/g2.pem" -CAfile "$C/root-g2/root-g2.pem" -noout
claim "the ledger verifies with the ceremony in it" antin ledger verify

script "$C/killed.yaml" root killed killed "key: {label: killed, algorithm: RSA-4096}
$cert Root Killed\"}"
show "antin hsm ceremony killed.yaml & kill -9; antin hsm ceremony killed.yaml --resume"
as minh.pq hsm ceremony "$C/killed.yaml" --yes --keys "$C/keys" --present chi,dung,hoa >"$W/killed.log" 2>&1 &
job=$!
for _ in $(seq 600); do grep -qs '"event":"step"' "$C/killed/journal.jsonl" && break; sleep .05; done
# The program itself, not the shell around it.
for p in $job $(ps -o pid= --ppid $job); do kill -9 "$p" 2>/dev/null; done; wait $job 2>/dev/null
claim "the journal shows where it was killed" exits 1 grep -q '"event":"end"' "$C/killed/journal.jsonl"
claim "it is not begun anew over what is there" exits 1 as minh.pq hsm ceremony "$C/killed.yaml" --yes --keys "$C/keys" --present chi,dung,hoa
claim "it is resumed to its end" as minh.pq hsm ceremony "$C/killed.yaml" --resume --yes --keys "$C/keys" --present chi,dung,hoa
claim "its transcript verifies" exits 0 antin verify "$C/killed/transcript-killed.pdf" --trust "$C/killed"

part "Backup and restore"
script "$C/backup.yaml" backup backup-1 b1 "keys: [ca-root-g2]"
claim "a backup is made in a ceremony" as minh.pq hsm ceremony "$C/backup.yaml" --yes --keys "$C/keys" --present chi,dung,hoa
claim "its transcript verifies" exits 0 antin verify "$C/backup-1/transcript-backup-1.pdf" --trust "$C/backup-1"
script "$C/restore.yaml" restore restore-1 rs1 "backup: backup-1/b1.backup
shares: backup-1"
show "antin hsm ceremony restore.yaml --standalone ELSEWHERE"
E=$C/elsewhere
claim "two shares do not restore it" exits 1 antin hsm ceremony "$C/restore.yaml" --standalone "$E" --yes --keys "$C/keys" --present chi,dung
claim "three restore it into an empty token" antin hsm ceremony "$C/restore.yaml" --standalone "$E" --yes --keys "$C/keys" --present an,dung,hoa
claim "that transcript verifies" exits 0 antin verify "$C/restore-1/transcript-restore-1.pdf" --trust "$C/restore-1"
echo "the same key" >"$C/message"
openssl dgst -sha384 -binary "$C/message" >"$C/digest"
elsewhere() { SOFTHSM2_CONF=$E/token/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label antin-offline --login --pin "$(cat "$E/token/pin")" "$@"; }
# pkcs11-tool takes the first private key unless its id is given.
id=$(elsewhere -O 2>/dev/null | awk '/label:/ { l = $2 } /ID:/ && l == "ca-root-g2" { print $2; exit }')
claim "pkcs11-tool signs with the restored key" elsewhere --sign --mechanism ECDSA --id "$id" --signature-format openssl -i "$C/digest" -o "$C/sig"
openssl x509 -in "$C/root-g2/root-g2.pem" -pubkey -noout >"$C/g2.pub"
claim "openssl verifies it with the certificate of the first token" openssl dgst -sha384 -verify "$C/g2.pub" -signature "$C/sig" "$C/message"
claim "a key that was not made for backup stays" exits 3 as minh.pq hsm backup --out "$C/no" --holders "$C/root.yaml" --key ca-official
claim "antin hsm backup writes a file and a share for each" as minh.pq hsm backup --out "$C/b2" --holders "$C/root.yaml"
B2=$(ls "$C"/b2/*.backup)
claim "restore test: each key signs, the report is signed" as minh.pq hsm restore-test "$B2" -o "$C/restore-test.pdf" --keys "$C/keys" --present binh,chi,dung
claim "the report verifies" exits 0 antin verify "$C/restore-test.pdf" --trust "$W/pki"
claim "shares of another backup are refused" exits 1 as minh.pq hsm restore-test "$B2" -o "$C/x.pdf" --shares "$C/backup-1" --keys "$C/keys" --present binh,chi,dung
cp -r "$C/b2" "$C/b3"; B3=$(ls "$C"/b3/*.backup); change "$B3" $(($(stat -c %s "$B3") - 20))
claim "a changed byte of the file is refused" exits 1 as minh.pq hsm restore-test "$B3" -o "$C/x.pdf" --keys "$C/keys" --present binh,chi,dung
change "$C/b2/chi.share" 300
claim "a damaged share is refused" exits 1 as minh.pq hsm restore-test "$B2" -o "$C/x.pdf" --keys "$C/keys" --present binh,chi,dung

part "Register of devices"
as minh.pq hsm device register ET-0001 --kind usb --maker SafeNet --model "eToken 5110" >/dev/null
serial=$(antin ca list --json | jq -r '[.[] | select(.key_label == "demo-official")][0].serial')
act=$(as minh.pq hsm device hand-out ET-0001 --person p-binh --certificate "$serial" --json | jq -r .id)
show "antin hsm device hand-out ET-0001 --person p-binh; antin hsm device confirm ACT -o minutes.pdf"
claim "a notice of the hand-over is signed (form 07)" as minh.pq hsm device notice "$act" -o "$C/07.pdf"
claim "who proposed it does not confirm it" exits 3 as minh.pq hsm device confirm "$act"
claim "who takes it over does, with minutes (form 08)" as binh.nv hsm device confirm "$act" -o "$C/08.pdf"
claim "notice and minutes verify" exits 0 antin verify "$C/07.pdf" "$C/08.pdf" --trust "$W/pki"
as minh.pq hsm device ask-recovery ET-0001 >/dev/null
as minh.pq hsm device certificate-revoked ET-0001 --at 2026-11-02T08:00:00+07:00 >/dev/null
claim "return and recovery are due" same "$(as minh.pq hsm device due --json | jq -r '[.[].what] | sort | join(" ")')" "recovery return"
claim "the return is overdue" same "$(as minh.pq hsm device due --late --json | jq -r '.[0].device.serial + " " + .[0].what')" "ET-0001 return"
act=$(as minh.pq hsm device lose ET-0001 --note "Mất trên đường đi công tác" --json | jq -r .id)
claim "a loss is confirmed by another person, with minutes (form 09)" as thu.vt hsm device confirm "$act" -o "$C/09.pdf"
claim "they verify" exits 0 antin verify "$C/09.pdf" --trust "$W/pki"
claim "and nothing is due any more" same "$(as minh.pq hsm device due --json | jq length)" 0
