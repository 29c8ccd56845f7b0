# Sourced by prove.sh. The sensor beside Suricata 5.0.10 and tshark on the same captures.
# readers FILE tells what a comparison found, and each reason once.
readers() {
  jq -r '.sum[] | "        \(.kind): the same in \(.same_in) of \(.captures) captures, \(.equal) equal, only here \(.only_ours), only there \(.only_theirs), explained \(.explained)"' "$1"
  jq -r '[.captures[].different[]? | .why // "not explained"] | group_by(.) | map("        \(length) × \(.[0])") | .[]' "$1"
}
part "3. Beside other readers of the same captures"
if [ -z "$DATA" ]; then echo "   real inputs absent: passed over"; else
  show "antin-sensor compare suricata ../shared/data/pcap/oracle-suricata5 -S '../shared/data/rules/etopen/*.rules'"
  sensor compare suricata --json "$DATA/pcap/oracle-suricata5" -S "$DATA/rules/etopen/*.rules" >"$W/peer.json" 2>"$W/peer.err"; status=$?
  jq -r '.sum.events[] | "        \(.type): equal in \(.same) captures, more here in \(.more_ours), more there in \(.more_theirs); \(.ours) records, there \(.theirs)"' "$W/peer.json"
  jq -r '.captures[] | .capture as $c | .different[]? | "        \($c | sub(".*/(?<a>[^/]*/[^/]*)$"; "\(.a)")): rule \(.sid) \(.ours) times, there \(.theirs): \(.why)"' "$W/peer.json"
  jq -r '.sum | "        \(.captures) captures, \(.alerting) with alerts: the same rules in \(.same_rules), equally often in \(.same_counts)"' "$W/peer.json"
  claim "the same rules alert in at least 95 % of the captures with alerts, and every difference is explained" same "$status" 0
  # Every capture takes a quarter of an hour; without ANTIN_PROVE_ALL one of sixteen.
  find "$DATA/pcap/other" "$DATA/pcap/suricata-verify" -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.cap' \) | sort >"$W/captures"
  [ -n "$ALL" ] || sed -i -n '1~16p' "$W/captures"
  show "antin-sensor compare tshark CAPTURE…    # $(wc -l <"$W/captures") captures; ANTIN_PROVE_ALL=1: all"
  xargs -a "$W/captures" -d "\n" "$BIN/antin-sensor" compare tshark --json >"$W/tshark.json" 2>"$W/tshark.err"; status=$?
  readers "$W/tshark.json"
  claim "DNS messages, TLS hellos with JA3 and HTTP requests are those that tshark reads, or the difference is explained" same "$status" 0
  (cd "$ROOT" && go build -o "$W/ja4" ./deploy/prove/ja4)
  show "ja4 CAPTURE…    # deploy/prove/ja4: tshark takes the greetings apart, github.com/exaring/ja4plus makes the fingerprint"
  xargs -a "$W/captures" -d "\n" "$W/ja4" >"$W/ja4.json" 2>"$W/ja4.err"; status=$?
  readers "$W/ja4.json"
  claim "JA4 of TLS and QUIC is what an independent program makes of it, or the difference is explained" same "$status" 0
fi
