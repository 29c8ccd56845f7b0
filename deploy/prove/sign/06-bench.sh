# Sourced by prove.sh. Signing and verifying beside the token's own rate and digitorus/pdfsign, in one run each.
part "6. Speed and memory of signing and verifying"
show "antin bench sign"
antin bench sign --json >"$W/bench-sign.json" 2>"$W/bench-sign.err"; status=$?
claim "antin bench sign" same "$status" 0
jq -r '.rates[] | "        \(.level) \(.algorithm), token \(if .apart then "apart" else "sharing the processors" end): token alone \(.bare_per_second | round)/s, through the worker \(.worker_per_second | round)/s, documents \(.documents_per_second | round)/s with \(.signatures_per_document * 100 | round / 100) signatures each: \(.of_token * 100 | round / 100) of the token, \(.of_worker * 100 | round / 100) of the worker, \(.of_token_cpu * 100 | round / 100) by processor time; the digest allows \(.bound * 100 | round / 100)"' "$W/bench-sign.json"
# rate LEVEL ALGORITHM LEAST: with the token on a processor of its own, as a hardware token has it.
rate() { jq -e --arg l "$1" --arg a "$2" --argjson n "$3" '[.rates[] | select(.level == $l and .algorithm == $a)] | max_by(.apart) | .of_token >= $n' "$W/bench-sign.json"; }
claim "B-B of 1 MB, RSA-3072: at least 0.9 of the token's own rate" rate B-B RSA-3072 0.9
claim "B-B of 1 MB, EC-P256: at least 0.5 of the token's own rate" rate B-B EC-P256 0.5
claim "B-LT with our time-stamps, RSA-3072: at least 0.4 of the token's own rate" rate B-LT RSA-3072 0.4
claim "B-LT with our time-stamps, EC-P256: at least 0.4 of the token's own rate" rate B-LT EC-P256 0.4
jq -r '.peer[] | "        \(.document_bytes / 1e6) MB: \(.ours_seconds * 1000 | round) ms, pdfsign \(.peer_seconds * 1000 | round) ms: \(.faster * 10 | round / 10) times as fast"' "$W/bench-sign.json"
jq -r '.memory[] | "        \(.who), \(.document_bytes / 1e6 | round) MB: \((.peak_bytes - .idle_bytes) / 1e6 * 10 | round / 10) MB above the idle process"' "$W/bench-sign.json"
claim "at least as fast as pdfsign at 100 kB" jq -e '[.peer[] | select(.document_bytes < 1e6)][0].faster >= 1' "$W/bench-sign.json"
claim "at least twice as fast at 10 MB" jq -e '[.peer[] | select(.document_bytes > 1e6)][0].faster >= 2' "$W/bench-sign.json"
claim "at most a fifth of its memory at 100 MB" jq -e '(.memory[] | select(.who == "pdfsign") | .peak_bytes - .idle_bytes) as $p | [.memory[] | select(.who == "antin" and .document_bytes < 5e8)][0] | .peak_bytes - .idle_bytes <= $p / 5' "$W/bench-sign.json"
claim "signing 1 GB: at most 64 MB above the idle process" jq -e '[.memory[] | select(.who == "antin" and .document_bytes > 5e8)][0] | .peak_bytes - .idle_bytes <= 64 * 1048576' "$W/bench-sign.json"
show "antin bench verify --plot plots"
antin bench verify --json --plot "$W/plots" >"$W/bench-verify.json" 2>"$W/bench-verify.err"; status=$?
claim "antin bench verify: all signatures TOTAL-PASSED" same "$status" 0
jq -r '"        \(.many.signatures) signatures in \(.many.document_bytes / 1e6 * 10 | round / 10) MB (\(.many.revisions) revisions): \(.many.seconds * 100 | round / 100) s, \(.many.cpu_seconds * 100 | round / 100) s of processor time",
  (.growth[] | "        \(.document_bytes / 1e6) MB: sign \(.sign_seconds * 1000 | round) ms, verify \(.verify_seconds * 1000 | round) ms"),
  (.revisions[] | "        \(.signatures) signatures: verify \(.verify_seconds * 1000 | round) ms")' "$W/bench-verify.json"
claim "50 signatures in a file of 5 MB verified with difference analysis within 2 s" jq -e '.many.seconds <= 2' "$W/bench-verify.json"
claim "growth with size and with revisions is plotted" test -s "$W/plots/growth-size.svg" -a -s "$W/plots/growth-revisions.svg"
