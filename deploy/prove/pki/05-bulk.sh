# Sourced by prove.sh. Bulk registration: one XLSX, killed in the middle, started again.
# It needs sqlite3 and go. ANTIN_PROVE_ROWS and ANTIN_PROVE_BAD choose a smaller file.
part "5. Bulk registration: ${ANTIN_PROVE_ROWS:-4000} requests from one XLSX"
ROWS=${ANTIN_PROVE_ROWS:-4000} BAD=${ANTIN_PROVE_BAD:-40} GOOD=$((${ANTIN_PROVE_ROWS:-4000} - ${ANTIN_PROVE_BAD:-40}))
mkdir -p "$W/bulk"
show "go run ./deploy/prove/bulkgen -rows $ROWS -bad $BAD"
(cd "$ROOT" && go run ./deploy/prove/bulkgen -rows "$ROWS" -bad "$BAD" -out "$W/bulk") || bad=$((bad + 1))
show "antin directory import people.csv"
claim "the directory takes $ROWS people" antin directory import "$W/bulk/people.csv"
show "antin ca bulk check --as minh.pq requests.xlsx"
status=0; as minh.pq ca bulk check "$W/bulk/requests.xlsx" --json >"$W/bulk/check.json" || status=$?
claim "the dry check finds the bad rows and says no" same $status 1
claim "those that are bad, no others" same "$(jq -r '.problems[].row' "$W/bulk/check.json")" "$(cat "$W/bulk/bad.txt")"
claim "nothing was written by it" same "$(as minh.pq ca requests --json | jq '[.[] | select(.job_id)] | length')" 0
show "antin ca bulk submit --as minh.pq requests.xlsx"
t=$(now)
as minh.pq ca bulk submit "$W/bulk/requests.xlsx" --json >"$W/bulk/job.json"
JOB=$(jq -r .id "$W/bulk/job.json")
printf '        submitted in %s ms\n' "$(since "$t")"
claim "$GOOD rows wait, $BAD are refused" same "$(jq -r '"\(.counts.waiting) \(.counts.refused)"' "$W/bulk/job.json")" "$GOOD $BAD"
show "antin ca bulk confirm --as lan.tt $JOB; antin ca bulk approve --as thu.vt $JOB"
claim "who submitted cannot confirm" exits 3 as minh.pq ca bulk confirm "$JOB"
claim "nobody approves what is not confirmed" exits 3 as thu.vt ca bulk approve "$JOB"
claim "the managing agency confirms" as lan.tt ca bulk confirm "$JOB"
claim "who submitted cannot approve" exits 3 as minh.pq ca bulk approve "$JOB"
claim "a certification officer approves" as thu.vt ca bulk approve "$JOB"
waiting() { sqlite3 -readonly "$ANTIN_DATA_DIR/antin.db" ".timeout 5000" "SELECT COUNT(*) FROM ca_bulk_item WHERE job_id = '$JOB' AND state = 'waiting'"; }
# kills N: kill -9 of the run once about N thousandths of the rows are done.
kills() {
  local goal=$((GOOD - GOOD * $1 / 1000)) left
  awk -v a=thu.vt '$1 == a { print $2 }' "$ANTIN_DATA_DIR/first-credentials.txt" >"$W/password.run"
  ANTIN_PASSWORD_FILE=$W/password.run "$BIN/antin" ca bulk run "$JOB" --as thu.vt >"$W/bulk/run.log" 2>&1 &
  local run=$!
  while kill -0 $run 2>/dev/null; do
    left=$(waiting); [ "$left" -le "$goal" ] && break; sleep .05
  done
  kill -9 $run 2>/dev/null || return 1
  wait $run 2>/dev/null
  printf '        killed with %s rows waiting\n' "$(waiting)"
}
show "antin ca bulk run --as thu.vt $JOB; kill -9"
claim "the run is killed in the middle" kills 300
claim "and once more, in its second start" kills 650
left=$(waiting)
claim "rows are still waiting" atleast "$left" 1
show "antin ca bulk run --as thu.vt $JOB"
t=$(now)
claim "the third start finishes it" as thu.vt ca bulk run "$JOB"
took=$(since "$t")
printf '        %s rows in %s ms, the wait for the killed run with it\n' "$left" "$took"
as thu.vt ca bulk status "$JOB" --json >"$W/bulk/status.json"
claim "$GOOD are done, $BAD refused, none waits or failed" same "$(jq -r '"\(.state) \(.counts.done) \(.counts.refused) \(.counts.waiting // 0) \(.counts.failed // 0)"' "$W/bulk/status.json")" "done $GOOD $BAD 0 0"
show "antin ca bulk result $JOB -o result.csv"
antin ca bulk result "$JOB" -o "$W/bulk/result.csv" >/dev/null
antin ca bulk result "$JOB" -o "$W/bulk/result.xlsx" >/dev/null
antin ca bulk check "$W/bulk/result.xlsx" --json >"$W/bulk/again.json"
claim "the result file has every row, and can be read again" same "$(jq .total "$W/bulk/again.json")" "$ROWS"
# The register itself, with a program that is not ours.
register() { sqlite3 -readonly "$ANTIN_DATA_DIR/antin.db" "SELECT COUNT(*) FROM ca_bulk_item i WHERE i.job_id = '$JOB' AND i.state = 'done' AND
  (SELECT COUNT(*) FROM ca_certificate c WHERE c.request_id = i.request_id AND c.state IN ('signed', 'issued')) $1"; }
show "sqlite3 antin.db 'SELECT COUNT(*) … ca_certificate …'"
claim "none is missing: $GOOD rows have one certificate in the register" same "$(register '= 1')" "$GOOD"
claim "none is there twice" same "$(register '> 1')" 0
claim "no two have one serial number or one key" same "$(sqlite3 -readonly "$ANTIN_DATA_DIR/antin.db" "SELECT COUNT(DISTINCT c.serial) || ' ' || COUNT(DISTINCT c.spki_sha256) FROM ca_certificate c JOIN ca_bulk_item i ON i.request_id = c.request_id WHERE i.job_id = '$JOB' AND i.state = 'done' AND c.state = 'issued'")" "$GOOD $GOOD"
claim "the audit of the register finds no fault of the job" antin ca audit
