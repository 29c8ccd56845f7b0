# Sourced by prove.sh. The sensor's speed beside a bare loop of gopacket over the same packets, memory, and the cost by rules and by flows.
# ANTIN_PROVE_PACKETS is how many packets of each mix (default 1,000,000), ANTIN_PROVE_ROUNDS how often each is measured (default 3).
part "4. Speed and memory beside a bare loop of gopacket (D)"
BENCH=(--plot "$W/plots" --rounds "${ANTIN_PROVE_ROUNDS:-3}" -n "${ANTIN_PROVE_PACKETS:-1000000}")
[ -z "$DATA" ] || BENCH+=(-r "$DATA/pcap/load-mix.pcap" --all -S "$DATA/rules/etopen/*.rules")
show "antin-sensor bench ${BENCH[*]}"
sensor bench --json "${BENCH[@]}" >"$W/bench.json" 2>"$W/bench.err"; status=$?
claim "every measure came to its end" [ "$status" -le 1 ]
jq -r '.mixes[] | "        \(.name): \(.what)"' "$W/bench.json"
jq -r '.rows[] | [.mix, .setup, .cores, (.figures.bare_per_second | round), (.figures.per_second | round), (.figures.of_bare * 1000 | round / 1000), (.figures.of_bare_cpu * 1000 | round / 1000),
  (.figures.allocations_per_packet * 100 | round / 100), (.figures.allocated_bytes_per_packet | round), .figures.records, .figures.alerts, ([.figures.resident_bytes, .figures.loading_bytes] | max / 1e6 | round)] | @tsv' "$W/bench.json" |
  awk -F'\t' '{ printf "        %-14s %-20s %d core%s: D %8d/s, %8d/s, %.3f D (%.3f by processor time); %.2f allocations, %4d bytes a packet; %d records, %d alerts; %d MB\n", $1, $2, $3, ($3 > 1 ? "s" : " "), $4, $5, $6, $7, $8, $9, $10, $11, $12 }'
while IFS=$'\t' read -r mix setup cores of target; do
  claim "$mix, $setup, $cores core(s): at least $target D (is $of)" jq -en "$of >= $target"
done < <(jq -r '.rows[] | select(.target != null) | [.mix, .setup, .cores, (.figures.of_bare * 1000 | round / 1000), .target] | @tsv' "$W/bench.json")
while IFS=$'\t' read -r what value target; do
  claim "$what: at most $target (is $value)" jq -en "$value <= $target"
done < <(jq -r '.checks[]? | [.what, (.value * 100 | round / 100), .target] | @tsv' "$W/bench.json")
claim "no parser failed, no flow was forced out in any of them" jq -e 'all(.rows[].figures; .parser_panics == 0 and .flows_forced == 0)' "$W/bench.json"
jq -r '(.by_rules // [])[] | "        \(.count) rules: \(.cpu_ns_per_packet | round) ns of processor time a packet (bare loop \(.bare_ns_per_packet | round)), \(.resident_bytes / 1e6 | round) MB, loaded in \(.rules_load_seconds * 100 | round / 100) s"' "$W/bench.json"
jq -r '.by_flows[] | "        \(.count) flows at a time: \(.cpu_ns_per_packet | round) ns of processor time a packet (bare loop \(.bare_ns_per_packet | round)), \(.resident_bytes / 1e6 | round) MB"' "$W/bench.json"
jq -r '"        a flow takes \(.bytes_per_flow | round) bytes"' "$W/bench.json"
claim "a million flows at a time were measured" jq -e '.by_flows[-1].count == 1000000' "$W/bench.json"
claim "the cost by flows is plotted" test -s "$W/plots/sensor-flows.svg"
[ -z "$DATA" ] || claim "the cost by rules is plotted" test -s "$W/plots/sensor-rules.svg"
