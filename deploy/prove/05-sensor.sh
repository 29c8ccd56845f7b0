# Sourced by prove.sh. Captures through the sensor, and an attack to its case.
part "5. From packets to a case"
if [ -z "$DATA" ]; then echo "   real captures absent: only the composed attack"; else
  CAPTURES=$DATA/pcap/other; [ -n "$ALL" ] && CAPTURES=$DATA/pcap
  mkdir "$W/eve"
  show "antin-sensor run -r $(basename "$CAPTURES") -l LOGDIR"
  claim "the sensor reads every capture and does not crash" sensor run -r "$CAPTURES" -l "$W/eve" -q
  lines=$(wc -l <"$W/eve/eve.json") objects=$(jq -c 'type' "$W/eve/eve.json" 2>/dev/null | grep -c object)
  jq -r .event_type "$W/eve/eve.json" | sort | uniq -c | sort -rn | awk '{ printf "%s%s %s", (NR > 1 ? ", " : "        "), $2, $1 } END { print "" }'
  claim "each of the $lines lines of eve.json is a JSON object" same "$objects" "$lines"
fi
cases() { antin incident list --json | jq '.cases | length'; }
mkdir "$W/attack"
show "antin incident attack attack.pcap --rules antin.rules; antin-sensor run -r attack.pcap -S antin.rules --nats tls://$BUS …"
antin incident attack "$W/attack/attack.pcap" --rules "$W/attack/antin.rules"
before=$(cases)
claim "the sensor sends the attack to the bus" sensor run -r "$W/attack/attack.pcap" -S "$W/attack/antin.rules" -l "$W/attack" --nats "tls://$BUS" -q --name sensor-demo --site metronet \
  --tls-cert "$ANTIN_DATA_DIR/tls/sensor-demo.crt" --tls-key "$ANTIN_DATA_DIR/tls/sensor-demo.key" --tls-ca "$ANTIN_DATA_DIR/tls/anchors.pem"
t=$(now)
until [ "$(cases)" -gt "$before" ] || [ "$(since "$t")" -gt 5000 ]; do :; done
took=$(since "$t"); sleep 2
claim "it is exactly one case" same "$(cases)" $((before + 1))
claim "$took ms after the last packet, within 5 s" atleast 5000 "$took"
ID=$(antin incident list --json | jq -r '.cases | sort_by(.t0) | last | .id')
antin incident show "$ID" >"$W/case.json"
jq -r '"        case \(.case.number) of \(.case.agency_id), \(.case.severity), \(.case.alerts) alerts, \(.evidence | length) records, clocks \([.clocks[] | .clock] | join(" "))"' "$W/case.json"
claim "its evidence holds packets, and their digests hold" jq -e '.history_intact and ([.evidence[] | select(.intact and .packet != null)] | length > 0)' "$W/case.json"
show "tshark -r attack.pcap -Y http.request -T fields -e http.host"
claim "tshark and the sensor name the same servers" same "$(jq -r 'select(.event_type == "http") | .http.hostname' "$W/attack/eve.json" | sort -u)" "$(tshark -r "$W/attack/attack.pcap" -Y http.request -T fields -e http.host 2>/dev/null | sort -u)"
