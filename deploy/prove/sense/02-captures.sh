# Sourced by prove.sh. The checks of suricata-verify's folders on the sensor's records, by category.
part "2. Captures with expected checks"
if [ -z "$DATA" ]; then echo "   real captures absent: nothing to verify"; else
  show "antin-sensor verify-captures pcap/suricata-verify/tests"
  sensor verify-captures --json "$DATA/pcap/suricata-verify/tests" >"$W/verify.json"
  jq -r '.categories[] | [.category, .passed, .failed, .not_applicable] | @tsv' "$W/verify.json" | awk -F'\t' \
    '{ printf "        %-10s passed %4d, failed %4d, not applicable %4d\n", $1, $2, $3, $4 }'
  claim "what is not applicable names its feature" same "$(jq '[.folders[].checks[] | select(.outcome == "not applicable" and (.detail // "") == "")] | length' "$W/verify.json")" 0
  claim "the store's folders hold what rules chose and nothing else, and ranges of one file become the file" same \
    "$(jq '[.folders[] | select(.folder | test("^(filestore-|bug-6617|engine-state/detect-engine-state-0[34]|http-range)")) | .checks[] | select(.outcome == "failed")] | length' "$W/verify.json")" 0
  claim "no parser panics" same "$(jq '[.folders[].checks[] | select((.detail // "") | contains("panic"))] | length' "$W/verify.json")" 0
  claim "at least 90 % of the applicable judgements passed" jq -e '.categories[-1] | .passed >= 9 * .failed' "$W/verify.json"
fi
