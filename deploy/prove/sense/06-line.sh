# Sourced by prove.sh. What was seen is in the store, by id, when the line to the centre is cut, the hub and the sensor are
# killed, the disk of the spool or of eve.json fills up, and the clock is set. ANTIN_PROVE_CUT is how long the line is away (default 20s), ANTIN_PROVE_PPS the packets per second.
part "6. The line cut, the hub killed, the sensor killed, the disk full, the clock set"
CUT=${ANTIN_PROVE_CUT:-20s} PPS=${ANTIN_PROVE_PPS:-500} L=$W/line
case $CUT in *m) CUT=$((${CUT%m} * 60));; *) CUT=${CUT%s};; esac
LINE= SENSOR= TRAFFIC=
undo() {
  # Stopped ones do not hear what is asked of them.
  [ -z "$LINE" ] || { kill -KILL -- -"$LINE"; wait "$LINE"; } 2>/dev/null
  for x in $SENSOR $TRAFFIC; do ! jobs -p | grep -qx "$x" || kill -KILL "$x"; done
  ip link del "ln$$" 2>/dev/null
  for x in "$L/disk" "$L/small"; do while umount -l "$x" 2>/dev/null; do :; done; done
  undo() { :; }
}
if [ "$(id -u)" != 0 ] || ! command -v tcpreplay sqlite3 >/dev/null || ! ip link add "ln$$" type veth peer name "lr$$" 2>/dev/null; then
  echo "   needs root, tcpreplay, sqlite3 and virtual cables: not shown here"
else
mkdir -p "$L/log" "$L/disk"
ip link set "ln$$" up; ip link set "lr$$" up
RELAY=127.0.0.1:${ANTIN_PROVE_RELAY:-$((${BUS##*:} + 7))}
# The line: a relay before the bus. Stopped, it takes what is sent and answers nothing; killed, its connections are gone.
relay() {
  setsid perl -MIO::Socket::INET -MIO::Select -e '
    my $l = IO::Socket::INET->new(LocalAddr => $ARGV[0], Listen => 8, ReuseAddr => 1) or die "$!";
    $SIG{CHLD} = "IGNORE";
    while (my $n = $l->accept) {
      next if fork;
      my $f = IO::Socket::INET->new(PeerAddr => $ARGV[1]) or exit;
      my $s = IO::Select->new($n, $f);
      while (my @r = $s->can_read) { for my $r (@r) { sysread($r, my $b, 65536) or exit; my $o = $r == $n ? $f : $n; while (length $b) { my $w = syswrite($o, $b) or exit; substr($b, 0, $w) = "" } } }
      exit;
    }' "$RELAY" "$BUS" & LINE=$!
}
watch() {
  : >"$L/sensor.log"
  "$BIN/antin-sensor" run -i "lr$$" -k none -l "$L/log" --spool "$L/disk/spool" --name sensor-demo --site metronet --nats "tls://$RELAY" --deadline 300s \
    --tls-cert "$ANTIN_DATA_DIR/tls/sensor-demo.crt" --tls-key "$ANTIN_DATA_DIR/tls/sensor-demo.key" --tls-ca "$ANTIN_DATA_DIR/tls/anchors.pem" >>"$L/sensor.log" 2>&1 & SENSOR=$!
  for _ in $(seq 100); do grep -q msg=capturing "$L/sensor.log" && break; sleep .1; done
}
PCAP=${DATA:+$DATA/pcap/load-mix.pcap}
[ -n "$PCAP" ] || { antin incident attack "$L/attack.pcap" >/dev/null; PCAP=$L/attack.pcap; }
# An interruption is heard by who waits.
traffic() { tcpreplay -q -i "ln$$" --pps "$PPS" --loop 0 --duration "$1" "$PCAP" >>"$L/replay.log" 2>&1 & wait $!; }
store() { sqlite3 -readonly -cmd '.timeout 20000' "$ANTIN_DATA_DIR/antin.db" "select id from incident_event where sensor = 'sensor-demo' order by id"; }
# ids FILE: for each run and class the numbers that are there: first, last, how many, and how many twice.
ids() { awk -F. '{ k = $2; n = $3 + 0; c[k]++; if (!(k in lo) || n < lo[k]) lo[k] = n; if (n > hi[k]) hi[k] = n; if (seen[$0]++) d[k]++ } END { for (k in c) print k, lo[k], hi[k], c[k], d[k] + 0 }' "$1" | sort; }
# arrived N waits until N records of this part are in the store.
arrived() { local t; [ -n "${1:-}" ] || return 1; t=$(now); until store | grep -vxFf "$L/before" >"$L/ids"; [ "$(wc -l <"$L/ids")" -ge "$1" ] || [ "$(since "$t")" -gt 240000 ]; do sleep 2; done; }
seen() { wc -l <"$L/log/eve.json"; }
store >"$L/before"; [ -s "$L/before" ] || echo none >"$L/before"

relay; watch
show "antin-sensor run -i lr0 … --nats tls://RELAY; the line is cut for $CUT s, and the hub killed meanwhile"
traffic 5
kill -STOP -- -"$LINE"
(traffic "$CUT") & TRAFFIC=$!
sleep $((CUT / 2)) & wait $! # an interruption is heard
kill -9 "$UP"; wait "$UP" 2>/dev/null
"$BIN/antin" up --demo >>"$W/up.log" 2>&1 & UP=$!
wait "$TRAFFIC"
for _ in $(seq 240); do curl -ksf "https://$CONSOLE/readyz" >/dev/null && break; sleep .5; done
kill -KILL -- -"$LINE"; wait "$LINE" 2>/dev/null; relay
traffic 3
kill -TERM "$SENSOR"; wait "$SENSOR"; rc=$?
claim "the sensor delivered all before it ended" same $rc 0
arrived "$(seen)"
ids "$L/ids" | sed 's/^/        /'
claim "store = seen: $(seen) records, by id" same "$(sort -u "$L/ids" | wc -l)" "$(seen)"
claim "   the numbers of each class run from 1 without a gap, none twice" same "$(ids "$L/ids" | awk '$2 != 1 || $3 != $4 || $5 != 0' | wc -l)" 0
claim "   nothing was dropped in the spool" same "$(jq -s '[.[] | select(.event_type == "health").health.drops | .spool_alert + .spool_metadata + .spool_flow] | max' "$L/log/eve.json")" 0

show "kill -9 of the sensor while the line is away; it starts again"
cat "$L/ids" >>"$L/before"; : >"$L/log/eve.json"
watch
kill -STOP -- -"$LINE"
traffic 5; sleep 2
kill -9 "$SENSOR"; wait "$SENSOR" 2>/dev/null
killed=$(grep -c '}$' "$L/log/eve.json"); : >"$L/log/eve.json"
kill -KILL -- -"$LINE"; wait "$LINE" 2>/dev/null; relay
watch; kill -TERM "$SENSOR"; wait "$SENSOR"
arrived $((killed + $(seen)))
claim "all $killed records in the killed sensor's file are in the store, and no number is missing" same "$(ids "$L/ids" | awk -v k="$killed" '$2 != 1 || $3 != $4 { bad++ } { n += $4 } END { print (bad ? "gaps" : n >= k ? "all" : n " of " k) }')" all

show "the spool on a disk of 12 MB, the line away: it fills up, is counted, and recovers"
cat "$L/ids" >>"$L/before"; : >"$L/log/eve.json"
mount -t tmpfs -o size=12m tmpfs "$L/disk"
watch
kill -STOP -- -"$LINE"
dd if=/dev/zero of="$L/disk/others" bs=1M status=none 2>/dev/null
tcpreplay -q -i "ln$$" --pps 20000 --loop 2 "$PCAP" >>"$L/replay.log" 2>&1 & wait $!; sleep 1
rm "$L/disk/others"
kill -KILL -- -"$LINE"; wait "$LINE" 2>/dev/null; relay
traffic 3
kill -TERM "$SENSOR"; wait "$SENSOR"; claim "the sensor delivered what it had kept before it ended" same $? 0
# The last word is said when the spool is closed, after the last health record.
DROPS=$(sed -n 's/^hub: .* dropped (alert \([0-9]*\), metadata \([0-9]*\), flow \([0-9]*\))/{"alert":\1,"metadata":\2,"flow":\3}/p' "$L/sensor.log")
DROPS=${DROPS:-'{"alert":0,"metadata":0,"flow":0}'}
lost=$(jq -n --argjson d "$DROPS" '[$d[]] | add')
arrived $(($(seen) - lost))
echo "        dropped: $DROPS of $(seen)"
claim "store + dropped = seen: $(sort -u "$L/ids" | wc -l) + $lost" same $(($(sort -u "$L/ids" | wc -l) + lost)) "$(seen)"
claim "no alert was dropped" same "$(jq -n --argjson d "$DROPS" '$d.alert')" 0
umount -l "$L/disk"

show "eve.json on a disk of 3 MB that others fill: alerts go last, and the hub has everything"
cat "$L/ids" >>"$L/before"; mkdir "$L/small"; mount -t tmpfs -o size=3m tmpfs "$L/small"
: >"$L/sensor.log"
echo 'alert udp any any -> any any (msg:"any"; threshold: type limit, track by_src, count 1, seconds 60; sid:1;)' >"$L/any.rules"
"$BIN/antin-sensor" run -i "lr$$" -k none -l "$L/small" --control "$L/c.sock" --spool "$L/spool2" -S "$L/any.rules" --name sensor-demo --site metronet --nats "tls://$RELAY" --deadline 120s \
  --tls-cert "$ANTIN_DATA_DIR/tls/sensor-demo.crt" --tls-key "$ANTIN_DATA_DIR/tls/sensor-demo.key" --tls-ca "$ANTIN_DATA_DIR/tls/anchors.pem" >>"$L/sensor.log" 2>&1 & SENSOR=$!
for _ in $(seq 100); do grep -q msg=capturing "$L/sensor.log" && break; sleep .1; done
dd if=/dev/zero of="$L/small/others" bs=1M count=2 status=none
# More than memory holds for a disk that takes nothing (64 MiB, half of it for flows).
tcpreplay -q -i "ln$$" --pps 40000 --loop 8 "$PCAP" >>"$L/replay.log" 2>&1 & wait $!; sleep 2
sensor stats --control "$L/c.sock" --json >"$L/full.json"
rm "$L/small/others"; sleep 2
umount -l "$L/small" 2>/dev/null; mount -t tmpfs -o size=64m tmpfs "$L/small" 2>/dev/null
kill -TERM "$SENSOR"; wait "$SENSOR"
read -r seen kept lost < <(sed -n 's/^eve.json: \([0-9]*\) records, \([0-9]*\) delivered, \([0-9]*\) dropped.*/\1 \2 \3/p' "$L/sensor.log")
echo "        while full: $(jq -c '.drops | with_entries(select(.key | startswith("eve")))' "$L/full.json")"
claim "seen = in eve.json + dropped: $seen = $kept + $lost" same "$((kept + lost))" "$seen"
claim "something was dropped, and no alert" same "$(jq '.drops | (.eve_json_flow + .eve_json_metadata > 0) and .eve_json_alert == 0' "$L/full.json")" true
arrived "$seen"
claim "the hub has all $seen" same "$(sort -u "$L/ids" | wc -l)" "$seen"
umount -l "$L/small" 2>/dev/null

show "the clock is set an hour forward, then two hours back, while packets pass (deploy/prove/clockstep: an injected clock)"
cat "$L/ids" >>"$L/before"; mkdir "$L/step"
(cd "$ROOT" && go build -o "$L/clockstep" ./deploy/prove/clockstep)
"$L/clockstep" -i "lr$$" -l "$L/step" -nats "tls://$RELAY" -tls-cert "$ANTIN_DATA_DIR/tls/sensor-demo.crt" -tls-key "$ANTIN_DATA_DIR/tls/sensor-demo.key" -tls-ca "$ANTIN_DATA_DIR/tls/anchors.pem" 2>"$L/step.log" & SENSOR=$!
for _ in $(seq 100); do grep -q msg=capturing "$L/step.log" && break; sleep .1; done
traffic 6 & TRAFFIC=$!
sleep 2; kill -USR1 "$SENSOR"; sleep 2; kill -USR2 "$SENSOR"
wait "$TRAFFIC"; sleep 1
kill -TERM "$SENSOR"; wait "$SENSOR"; claim "the sensor delivered all before it ended" same $? 0
grep -o 'msg="the clock was set.*' "$L/step.log" | sed 's/^/        /'
seen=$(wc -l <"$L/step/eve.json"); arrived "$seen"
claim "store = seen: $seen records, by id" same "$(sort -u "$L/ids" | wc -l)" "$seen"
claim "   no number is missing, none twice" same "$(ids "$L/ids" | awk '$2 != 1 || $3 != $4 || $5 != 0' | wc -l)" 0
claim "   both steps were noticed, no flow ended or stayed for them" same "$(jq -sc 'map(select(.event_type == "health").health.clock.set) + map(select(.event_type == "stats").stats.flow | .mgr.flows_timeout, .get_used) | .[-3:]' "$L/step/eve.json")" "[2,0,0]"
claim "   no flow lasted as long as a step" same "$(jq -s 'map(select(.event_type == "flow" and .flow.age >= 3000)) | length' "$L/step/eve.json")" 0
fi
undo
