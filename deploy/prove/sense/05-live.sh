# Sourced by prove.sh. The sensor on a virtual cable between two network namespaces, on one core, with all rules: the highest
# rate at which no packet is dropped (searched by halving), held for ANTIN_PROVE_LIVE (default 60s) while the rules are
# reloaded every 10 seconds, for which the rate must leave room; what the sensor counted is what the sender sent.
# ANTIN_PROVE_CORE is the sensor's core (default the last), ANTIN_PROVE_RATE a rate in packets a second to begin with
# instead of the search.
part "5. Live: the highest rate without a drop on one core, rules reloaded meanwhile"
LIVE=${ANTIN_PROVE_LIVE:-60s} CORE=${ANTIN_PROVE_CORE:-$(($(nproc) - 1))}
case $LIVE in *m) LIVE=$((${LIVE%m} * 60));; *) LIVE=${LIVE%s};; esac
NA=antin-la-$$ NB=antin-lb-$$
L=$(mktemp -d /tmp/antin-live-XXXXXX); chmod 755 "$L"
SENSOR= RELOADS=
undo() {
  for x in $RELOADS $SENSOR; do ! jobs -p | grep -qx "$x" || { kill "$x"; wait "$x"; } 2>/dev/null; done
  # The sender, if it still sends: whoever is left in the namespaces.
  for x in "$NA" "$NB"; do ip netns pids "$x" 2>/dev/null | xargs -r kill 2>/dev/null; ip netns del "$x" 2>/dev/null; done
  rm -rf "$L"; undo() { :; }
}
if [ "$(id -u)" != 0 ] || ! command -v tcpreplay >/dev/null || ! ip netns add "$NA" 2>/dev/null; then
  echo "   needs root, tcpreplay and network namespaces: not shown here"
else
ip netns add "$NB"
ip -n "$NA" link add la type veth peer name lb netns "$NB"
for x in "$NA la" "$NB lb"; do
  set -- $x
  ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
  ip -n "$1" link set "$2" mtu 65535 up
done
PCAP=${DATA:+$DATA/pcap/load-mix.pcap}
[ -n "$PCAP" ] || { antin incident attack "$L/attack.pcap" >/dev/null; PCAP=$L/attack.pcap; }
RULES="$DATA/rules/etopen/*.rules"
[ -n "$DATA" ] || { RULES=$L/a.rules; echo 'alert http any any -> any any (msg:"h"; http.uri; content:"/"; sid:1;)' >"$RULES"; }
cat >"$L/sensor.yaml" <<END
name: live
rules: ["$RULES"]
checksums: none
capture: {ring_mb: 256}
privileges: {user: nobody}
control: $L/log/c.sock
output:
  dir: $L/log
  rotate: {size_mb: 256, keep: 2}
END
claim "config check: good" sensor config check "$L/sensor.yaml"
show "ip netns exec B taskset -c $CORE antin-sensor run -i lb -c sensor.yaml"
ip netns exec "$NB" nice -n -15 taskset -c "$CORE" "$BIN/antin-sensor" run -i lb -c "$L/sensor.yaml" -q >"$L/out" 2>&1 & SENSOR=$!
for _ in $(seq 600); do grep -q msg=capturing "$L/out" && break; kill -0 $SENSOR 2>/dev/null || break; sleep .2; done
grep -ao 'loaded=.*refused=[0-9]*\|uid=.*' "$L/out" | sed 's/^/        /'
figures() { sensor stats --control "$L/log/c.sock" --json; }
# replay RATE SECONDS (RATE 0: as fast as it goes) sends, waits until the sensor has all, and says what both counted:
# sent, rate, received, dropped, kernel.
replay() {
  local before after sent speed t rate=(--pps "$1")
  [ "$1" = 0 ] && rate=(--topspeed)
  sleep 1.2; before=$(figures)
  ip netns exec "$NA" nice -n -15 taskset -c 0 tcpreplay -q -K -i la "${rate[@]}" --loop 0 --duration "$2" "$PCAP" >"$L/replay" 2>&1
  sent=$(awk '/Successful packets/ { print $3 }' "$L/replay"); speed=$(awk '/^Rated/ { print int($(NF - 1)) }' "$L/replay")
  t=$(now)
  while after=$(figures); [ "$(jq -n --argjson b "$before" --argjson a "$after" '$a.packets.received - $b.packets.received')" -lt "$sent" ] && [ "$(since "$t")" -lt 15000 ]; do sleep .5; done
  jq -rn --argjson b "$before" --argjson a "$after" --arg s "$sent" --arg r "$speed" '"\($s) \($r) \($a.packets.received - $b.packets.received) \($a.packets.dropped - $b.packets.dropped) \($a.packets.kernel - $b.packets.kernel)"'
}
# reloads SECONDS runs until it is killed: one begins every so many seconds, or when the one before has ended.
reloads() {
  local t rest
  while :; do
    t=$(now); sensor reload --control "$L/log/c.sock" >>"$L/reloads" 2>&1
    rest=$(($1 * 1000 - $(since "$t"))); [ $rest -le 0 ] || sleep "$((rest / 1000)).$(printf %03d $((rest % 1000)))"
  done
}

read -r _ TOP _ LOST _ < <(replay 0 5)
echo "        the sender alone makes $TOP packets/s; the sensor lost $LOST at that rate"
RATE=${ANTIN_PROVE_RATE:-}
if [ -z "$RATE" ]; then
  LOW=0 HIGH=$TOP
  [ "$LOST" -gt 0 ] || LOW=$TOP
  while [ $((HIGH - LOW)) -gt $((HIGH / 12)) ]; do
    MID=$(((LOW + HIGH) / 2))
    (reloads 3) & RELOADS=$!
    read -r SENT SPEED GOT LOST KERNEL < <(replay $MID 6)
    kill $RELOADS; wait $RELOADS 2>/dev/null
    echo "        $SPEED packets/s: $SENT sent, $GOT counted, $LOST dropped"
    if [ "$LOST" = 0 ]; then LOW=$MID; else HIGH=$MID; fi
  done
  RATE=$((LOW * 9 / 10))
fi
# hold RATE SECONDS sends at a rate while the rules are reloaded every 10 seconds, and says what came of it.
hold() {
  : >"$L/reloads"; was=$(figures)
  (reloads 10) & RELOADS=$!
  local c0 c1
  c0=$(awk '{ print $14 + $15 }' /proc/$SENSOR/stat)
  read -r SENT SPEED GOT LOST KERNEL < <(replay "$1" "$2")
  c1=$(awk '{ print $14 + $15 }' /proc/$SENSOR/stat)
  is=$(figures); DONE=$(jq -n --argjson a "$was" --argjson b "$is" '$b.rules.reloads - $a.rules.reloads')
  # One that is under way is waited for.
  kill $RELOADS; wait $RELOADS 2>/dev/null; sensor reload --control "$L/log/c.sock" >>"$L/reloads" 2>&1
  echo "        $SPEED packets/s for $2 s: $SENT sent, $GOT counted, $LOST dropped; $DONE reloads, $(((c1 - c0) * 100 / ($2 * $(getconf CLK_TCK)))) % of the core"
  # The last one may still be under way, and one may begin late.
  NEED=$(($2 / 10 * 9 / 10))
  # What was lost tells what can be borne; in any case a tenth less. Where reloads come too seldom, a twentieth.
  if [ "$LOST" != 0 ]; then RATE=$((RATE * (SENT - LOST) / SENT * 9 / 10)); elif [ "$DONE" -lt $NEED ]; then RATE=$((RATE * 19 / 20)); fi
}
held() { [ "$LOST" = 0 ] && [ "$DONE" -ge $NEED ]; }
# A rate that holds for seconds may not hold for minutes: half a minute first, then the whole time.
for _ in $(seq 12); do
  if [ "$LIVE" -gt 60 ]; then hold "$RATE" 30; held || continue; fi
  hold "$RATE" "$LIVE"
  ! held || break
done
is=$(figures)
claim "$SPEED packets/s for $LIVE s with $(jq .rules.loaded <<<"$is") rules on one core: no packet dropped" same "$LOST" 0
claim "the sensor counted what the sender sent: $SENT" same "$GOT" "$SENT"
claim "   and so did the kernel at its socket" same "$KERNEL" "$SENT"
LOSTRECORDS=$(jq -cn --argjson a "$was" --argjson b "$is" '$b.drops | with_entries(select(.key | startswith("eve_json")) | .value -= $a.drops[.key])')
echo "        records that found no room while the disk was behind: $LOSTRECORDS"
claim "no alert is among them" same "$(jq .eve_json_alert <<<"$LOSTRECORDS")" 0
claim "$DONE reloads meanwhile, none refused" same "$(jq .rules.reloads_failed <<<"$is")" 0
claim "   one every 10 seconds: at least $NEED" atleast "$DONE" "$NEED"
grep -a 'panic contained' "$L/out" | head -3 | cut -c1-200 | sed 's/^/        /'
claim "parsers failed nowhere, no flow was forced out" same "$(jq -c '[.parser_panics, .flows.forced_out]' <<<"$is")" "[0,0]"
claim "the sensor is nobody, without capabilities, its system calls filtered" same "$(awk '/^Uid|^CapEff|^CapPrm|^NoNewPrivs|^Seccomp:/ { printf "%s ", $2 }' /proc/$SENSOR/status)" "65534 0000000000000000 0000000000000000 1 2 "
kill -TERM $SENSOR; wait $SENSOR; claim "it ends well" same $? 0
fi
undo
