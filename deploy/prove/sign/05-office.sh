# Sourced by prove.sh. The office: 20 users of five agencies bring, sign, number,
# seal and issue 200 documents at once; in the middle the server and every
# command are killed. ANTIN_PROVE_OFFICE is how many documents each agency has.
part "5. The office: person, number, seal, issue"
O=$W/office; mkdir -p "$O"; cd "$O" || return
EACH=${ANTIN_PROVE_OFFICE:-40} ALL_DOCS=$((5 * ${ANTIN_PROVE_OFFICE:-40}))
AGENCIES="snv stp stc sct syt"
DB=$ANTIN_DATA_DIR/antin.db
LEVEL=${ANTIN_PROVE_OFFICE_LEVEL:-B-LT}
(cd "$ROOT" && go build -o "$O/officeload" ./deploy/prove/officeload && go build -o "$O/millimetres" ./deploy/prove/millimetres) || { echo "the tools of the proof do not build" >&2; exit 3; }
./officeload files -each "$EACH" -out . || exit 3
sql() { sqlite3 -readonly -cmd '.timeout 10000' "$DB" "$1"; }
# user ACCOUNT COMMAND… acts as one of the people of the proof.
user() {
  local who=$1; shift
  ANTIN_PASSWORD_FILE=$O/password "$BIN/antin" "$@" --as "$who"
}
show "five agencies: a head, a clerk and two drafters each; keys of the heads and seals through both officers"
claim "people, accounts, keys and seals are there" ./officeload setup -data "$ANTIN_DATA_DIR" -files . -antin "$BIN/antin"

show "antin office delegate add --agency snv --form head --person p-head-snv --decision ..."
first=$(user one.snv office submit snv-01.pdf --kind CT --signer p-head-snv --json | jq -r '.[0].id')
early() { move clerk.snv number "$first" && exits 1 move clerk.snv issue "$first"; }
onward() { move head.snv sign "$first" && move clerk.snv number "$first" && move clerk.snv seal "$first" && move clerk.snv issue "$first"; }
move() { local who=$1 what=$2; shift 2; user "$who" office "$what" "$@"; }
claim "without an entry in the register the head does not sign: it says what is missing" exits 1 move head.snv sign "$first"
move head.snv sign "$first" 2>&1 | sed -n '1s/^/        /p' | cut -c1-200
claim "nobody enters their own authority" exits 3 user head.snv office delegate add --agency snv --form head --person p-head-snv --decision "01/QD-UBND"
claim "the administrator enters it" antin office delegate add --agency snv --form head --person p-head-snv --decision "01/QĐ-UBND"
claim "a deputy by authorisation without an end is refused" exits 2 antin office delegate add --agency snv --form TUQ --person p-one-snv --for p-head-snv --kinds TB --decision "02/QĐ-SNV"

show "antin office number|seal|issue before their turn"
claim "a draft gets no number" exits 1 move clerk.snv number "$first"
claim "a draft is not sealed" exits 1 move clerk.snv seal "$first"
claim "another agency's clerk gives it no number" exits 1 move clerk.stp number "$first"
claim "somebody else does not sign it" exits 1 move one.snv sign "$first"
claim "the head signs" move head.snv sign "$first"
claim "not twice" exits 1 move head.snv sign "$first"
claim "who signed does not seal" exits 1 move head.snv seal "$first"
claim "signed without a number it is not sealed" exits 1 move clerk.snv seal "$first"
claim "numbered without a seal it is not issued" early
claim "the clerk returns it with a reason" move clerk.snv return "$first" --reason "sai thể thức"
claim "a returned document is not sealed" exits 1 move clerk.snv seal "$first"
claim "its drafter brings it again" user one.snv office resubmit "$first" snv-01.pdf --kind CT --signer p-head-snv --attach phu-luc.pdf
claim "it goes its way with the number it had" onward

show "20 users at once: two drafters, a head and a clerk in each of 5 agencies, $ALL_DOCS documents"
# Each user is a process of their own, until the agency's documents are issued.
begin() {
  USERS=
  for a in $AGENCIES; do
    for role in one two head clerk; do
      ./officeload work -data "$ANTIN_DATA_DIR" -files . -antin "$BIN/antin" -user $role.$a -each "$EACH" -level "$LEVEL" >>"log.$role.$a" 2>&1 & USERS="$USERS $!"
    done
  done
}
states() { sql "SELECT group_concat(state || ' ' || n, ', ') FROM (SELECT state, count(*) n FROM office_document GROUP BY state)"; }
began=$(now); begin
for _ in $(seq 3600); do
  [ "$(sql "SELECT count(*) FROM office_number")" -ge $((ALL_DOCS / 3)) ] && [ "$(sql "SELECT count(*) FROM office_document WHERE claim <> ''")" -gt 1 ] && break
  sleep .2
done
alive=0; for p in $USERS; do kill -0 "$p" 2>/dev/null && alive=$((alive + 1)); done
kill -9 $USERS "$UP" 2>/dev/null; wait $USERS "$UP" 2>/dev/null
claims=$(sql "SELECT count(*) FROM office_document WHERE claim <> ''")
echo "        killed with kill -9 after $(since $began) ms: the server and $alive users who were at work"
echo "        then: $(states); cut off in the middle of a move: $claims"
claim "moves were cut off" atleast "$claims" 1
show "antin up"
"$BIN/antin" up --demo >>"$W/up.log" 2>&1 & UP=$!
for _ in $(seq 240); do curl -ksf "https://$CONSOLE/readyz" >/dev/null && break; kill -0 $UP 2>/dev/null || break; sleep .5; done
for _ in $(seq 60); do [ "$(sql "SELECT count(*) FROM office_document WHERE claim <> ''")" = 0 ] && break; sleep .5; done
claim "the server that starts again settles every one" same "$(sql "SELECT count(*) FROM office_document WHERE claim <> ''")" 0
echo "        settled: $(states)"
began=$(now); begin; wait $USERS
echo "        continued and done in $(since $began) ms: $(states)"
cat log.* | grep officeload | sort | uniq -c | sed 's/^/        /' | cut -c1-200 | head -5

for a in $AGENCIES; do
  antin office list --agency $a --state issued --json >list.$a.json
done
show "antin office list --agency A --state issued --json | jq"
claim "$ALL_DOCS documents are issued" same "$(jq -s 'map(length) | add' list.*.json)" $ALL_DOCS
for a in $AGENCIES; do
  claim "the numbers of $a are 1 to $EACH, each once" same "$(jq -c '[.[].number] | sort' list.$a.json)" "$(jq -nc "[range(1; $EACH + 1)]")"
done
show "SELECT agency_id, count(*), count(DISTINCT number), max(number) FROM office_number GROUP BY agency_id"
sql "SELECT agency_id, count(*), count(DISTINCT number), max(number) FROM office_number GROUP BY agency_id" | sed 's/^/        /'
claim "so says the database" same "$(sql "SELECT count(*) FROM office_number n WHERE NOT EXISTS (SELECT 1 FROM office_document d WHERE d.id = n.document_id AND d.number = n.number AND d.state = 'issued')")" 0
claim "the first document kept number 1 over its return" same "$(jq -r --arg id "$first" '.[] | select(.id == $id) | .symbol' list.snv.json)" "01/CT-SNV"
claim "the ledger is whole" antin ledger verify

show "antin verify, pdfsig: the person's, the number's and the seal's signature of each"
mkdir files; for f in list.*.json; do jq -r '.[] | "\(.id) \(.revision) \(.sha256)"' "$f"; done >issued.txt
while read -r id revision sum; do
  printf '%s  %s\n' "$sum" "files/$id.pdf" >>sums
  cp "$(printf '%s/office/%s/%04d.pdf' "$ANTIN_DATA_DIR" "$id" "$revision")" "files/$id.pdf"
done <issued.txt
claim "the files are those that the database names" sha256sum --quiet -c sums
antin verify files/*.pdf --json >verified.json 2>verify.log
claim "all $ALL_DOCS are TOTAL-PASSED" same "$(jq '[.[] | select(.verdict == "TOTAL-PASSED")] | length' verified.json)" $ALL_DOCS
claim "each with three signatures that passed" same "$(jq -c '[.[].signatures | map(select(.kind != "timestamp")) | [length, (map(select(.verdict == "TOTAL-PASSED")) | length)]] | unique' verified.json)" "[[3,3]]"
for f in files/*.pdf; do pdfsig -nocert "$f" 2>/dev/null; done >pdfsig.txt
claim "pdfsig: \"Signature is Valid\" for all $((3 * ALL_DOCS))" same "$(grep -c 'Signature is Valid' pdfsig.txt) $(grep -c 'Signature Validation' pdfsig.txt)" "$((3 * ALL_DOCS)) $((3 * ALL_DOCS))"
attached() { antin office export "$first" -o export && antin verify export/phu-luc.pdf --json >attached.json && jq -e '.[0].verdict == "TOTAL-PASSED"' attached.json; }
claim "the agency's signature on the attachment passes" attached

show "mutool draw -r 300; the seal and the signature measured"
page=$ANTIN_DATA_DIR/office/$first
last=$(sql "SELECT revision FROM office_document WHERE id = '$first'")
mutool draw -r 300 -o sealed.png "$(printf '%s/%04d.pdf' "$page" "$last")" 1 2>/dev/null
mutool draw -r 300 -o numbered.png "$(printf '%s/%04d.pdf' "$page" $((last - 1)))" 1 2>/dev/null
./millimetres numbered.png sealed.png 300 >mm.json
jq -r '"        seal \(.red.width*100|round/100) × \(.red.height*100|round/100) mm; covers \(.overlap*1000|round/10) % of the signature of \(.blue.width*10|round/10) × \(.blue.height*10|round/10) mm"' mm.json
claim "the seal is 36 mm wide within 0.3 mm" jq -e '.red.width | . > 35.7 and . < 36.3' mm.json
claim "it covers about a third of the signature" jq -e '.overlap | . > 0.28 and . < 0.4' mm.json
pdftotext -l 1 -layout "$(printf '%s/%04d.pdf' "$page" "$last")" head.txt
sed -n '/Số:/s/^/        /p' head.txt
if [ -n "${ANTIN_PROVE_KEEP:-}" ]; then echo "        the page: $O/sealed.png"; fi
cd "$ROOT" || return
