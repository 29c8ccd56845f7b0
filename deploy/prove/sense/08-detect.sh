# Sourced by prove.sh. Indicators of compromise and the detectors of behaviour: each on a generated
# attack and on two benign days of an agency, then on the real captures.
part "8. Indicators and detectors: found with evidence, false alarms counted"
D=$W/detect; mkdir -p "$D"
cat >"$D/list.csv" <<'CSV'
type,value,confidence,description,expires
ip,203.0.113.66,90,controller,2099-01-01
domain,khoa-du-lieu.example,80,controller's names,
sha256,xyz,,no digest,
ip,10.0.0.0/8,,everybody,
CSV
show "antin-sensor ioc import list.csv"
sensor ioc --table "$D/t.ioc" import "$D/list.csv" | sed 's/^/        /'
claim "two entries are taken, two refused by line and reason" jq -e '.added == 2 and .refused == 2 and all(.reasons[]; .line > 0 and .reason != "")' <(sensor ioc --table "$D/t.ioc" import "$D/list.csv" --json)
claim "ioc check finds a name under a listed domain" jq -e '.found and .items[0].source == "list.csv"' <(sensor ioc --table "$D/t.ioc" check cap-nhat.khoa-du-lieu.example --json)
claim "ioc check says no to another (exit status 1)" exits 1 sensor ioc --table "$D/t.ioc" check www.example.org
show "go test ./sensor/ioc -bench Table"
(cd "$ROOT" && go test ./sensor/ioc -run '^$' -bench Table) | grep -a Benchmark | sed 's/^/        /'
fuzzers sensor/ioc:FuzzSTIX sensor/ioc:FuzzMISP sensor/ioc:FuzzCSV
show "go test ./sensor -run 'Detectors|ALink' -v"
(cd "$ROOT" && go test ./sensor -count=1 -run 'TestDetectorsFind|TestALink|TestIndicators' -v) >"$D/table.txt" 2>&1; status=$?
grep -ao '[|].*\|first day.*\|second day.*' "$D/table.txt" | sed 's/^/        /'
claim "every detector finds its attack with evidence; the working days raise no more than two alarms" same $status 0
if [ -n "$DATA" ]; then
  show "antin-sensor run --detect -r pcap/load-mix.pcap"
  sensor run --detect -q -r "$DATA/pcap/load-mix.pcap" -l "$D" 2>/dev/null
  printf '   findings in the real mix of %s packets:\n' "$(jq -r 'select(.event_type == "stats") | .stats.decoder.pkts // empty' "$D/eve.json" | tail -1)"
  jq -r 'select(.alert.gid == 9002) | .detection.detector' "$D/eve.json" | sort | uniq -c | sed 's/^/        /'
  claim "each finding has its counts, window, threshold and technique" jq -se 'all(.[] | select(.alert.gid == 9002) | .detection; .threshold != null and .window != null and .technique != "")' "$D/eve.json"
fi
