#!/bin/bash
# What this product claims, shown: starts a demonstration system in a temporary
# folder and lets outside tools judge it. Run it from the project's root after
# `make build`. It needs pdfsig, qpdf, mutool, openssl, curl, jq and tshark
# (make test installs them). ANTIN_TESTDATA names the folder of real inputs, default
# ../shared/data; without it the demonstration's own documents and packets are
# used. ANTIN_PROVE_ALL=1 takes every document and every capture, not a sample.
# `prove.sh pki` shows the certification centre (the parts in pki/) instead of
# the whole way, `prove.sh sign` the formats of signatures and remote signing;
# `prove.sh pki 05` one part alone. An interrupted run takes down what it began; prove/interrupted.sh shows it.
# Exit status: 0 every claim holds, 1 one does not, 3 the system did not start.
set -u
ROOT=$PWD
BIN=${ANTIN_BIN:-$ROOT/bin}
[ -x "$BIN/antin" ] && [ -x "$BIN/antin-sensor" ] || { echo "$BIN/antin is absent: run make build first" >&2; exit 3; }
for tool in pdfsig qpdf mutool openssl curl jq tshark perl; do
  command -v $tool >/dev/null || { echo "$tool is not installed (make test installs it)" >&2; exit 3; }
done
DATA=${ANTIN_TESTDATA:-$ROOT/../shared/data}
[ -d "$DATA" ] && DATA=$(cd "$DATA" && pwd) || DATA=
ALL=${ANTIN_PROVE_ALL:-}
export LC_ALL=C.UTF-8 LANG=C.UTF-8

# Where the system answers: the same variables that antin itself reads.
CONSOLE=${ANTIN_CONSOLE_LISTEN:-127.0.0.1:8443}
PKI=${ANTIN_PKI_LISTEN:-127.0.0.1:8080}
GATEWAY=${ANTIN_GATEWAY_LISTEN:-127.0.0.1:8444}
BUS=${ANTIN_BUS_LISTEN:-127.0.0.1:4222}

# Beside a system on the usual ports: one that is free for whoever chose the console's.
EST=${ANTIN_EST_LISTEN:-127.0.0.1:$((${CONSOLE##*:} == 8443 ? 8445 : ${CONSOLE##*:} + 50))}
export ANTIN_EST_LISTEN=$EST
# Where machines are asked to prove their names over HTTP.
export ANTIN_ACME_HTTP_PORT=${ANTIN_ACME_HTTP_PORT:-5002}

# The program that asks for signatures from outside; nothing listens there.
export ANTIN_CSC_CLIENTS=${ANTIN_CSC_CLIENTS:-prove=http://127.0.0.1:9/callback}

W=$(mktemp -d /tmp/antin-prove-XXXXXX)
export ANTIN_DATA_DIR=$W/data
UP=
good=0 bad=0
# A part that makes what outlives a process (namespaces, cables, file systems) says here how it is undone.
undo() { :; }
# below PID lists the processes under it, but for the demonstration system, which ends its own.
below() { local p; for p in $(ps -o pid= --ppid "$1"); do [ "$p" = "$UP" ] || { echo "$p"; below "$p"; }; done; }
# ended PID… waits until none of them runs, 10 seconds at most.
ended() { for _ in $(seq 100); do kill -0 "$@" 2>/dev/null || return 0; sleep .1; done; return 1; }
finish() {
  # Who is impatient does not leave half of it.
  trap '' INT TERM HUP
  local left; left=$(below $$)
  # Stopped ones do not hear what is asked of them.
  [ -z "$left" ] || { kill -TERM $left; kill -CONT $left; ended $left || kill -KILL $left; } 2>/dev/null
  undo
  [ -n "$UP" ] && kill "$UP" 2>/dev/null && wait "$UP" 2>/dev/null
  if [ -n "${ANTIN_PROVE_KEEP:-}" ]; then echo "kept: $W"; else rm -rf "$W"; fi
}
trap finish EXIT
trap 'exit 3' INT TERM HUP

antin() { "$BIN/antin" "$@"; }
sensor() { "$BIN/antin-sensor" "$@"; }
part() { printf '\n== %s\n' "$1"; }
show() { printf '   $ %s\n' "$*"; }
# claim WHAT COMMAND… runs the command; it holds when the status is 0.
claim() {
  local what=$1; shift
  if "$@" >"$W/claim.log" 2>&1; then good=$((good + 1)); printf '   yes  %s\n' "$what"
  else bad=$((bad + 1)); printf '   NO   %s\n' "$what"; tail -3 "$W/claim.log" | sed 's/^/        /'; fi
}
same() { [ "$1" = "$2" ] || { echo "is '$1', should be '$2'"; return 1; }; }
atleast() { [ "$1" -ge "$2" ] || { echo "is $1, should be at least $2"; return 1; }; }
has() { grep -q -- "$1" "$2" || { echo "no '$1' in:"; head -5 "$2"; return 1; }; }
exits() { # exits STATUS COMMAND… wants that exit status
  local want=$1 got=0; shift
  "$@" || got=$?
  [ "$got" = "$want" ] || { echo "exit status $got, should be $want: $*"; return 1; }
}
now() { date +%s%N; }
since() { echo $((($(now) - $1) / 1000000)); }
# as ACCOUNT COMMAND… lets the account act, by its first password.
as() {
  local account=$1; shift
  awk -v a="$account" '$1 == a { print $2 }' "$ANTIN_DATA_DIR/first-credentials.txt" >"$W/password"
  ANTIN_PASSWORD_FILE=$W/password antin "$@" --as "$account"
}
# fuzzers PACKAGE:TARGET… runs parsers of outside bytes under Go's fuzzer, two at a time, each for ANTIN_PROVE_FUZZ (default 30s).
fuzzers() {
  local t running=()
  show "go test ./PACKAGE -run '^\$' -fuzz '^TARGET\$' -fuzztime ${ANTIN_PROVE_FUZZ:-30s}"
  for t; do
    (cd "$ROOT" && go test "./${t%%:*}" -run '^$' -fuzz "^${t##*:}\$" -fuzztime "${ANTIN_PROVE_FUZZ:-30s}" -fuzzminimizetime 20x -parallel 1 >"$W/fuzz-${t//[\/:]/-}.log" 2>&1
      echo $? >"$W/fuzz-${t//[\/:]/-}.rc") & running+=($!)
    [ ${#running[@]} -lt 2 ] || { wait "${running[@]}"; running=(); }
  done
  [ ${#running[@]} = 0 ] || wait "${running[@]}"
  for t; do
    printf '        %-16s %-62s %s\n' "${t%%:*}" "${t##*:}" "$(grep -ao 'execs: [0-9]*' "$W/fuzz-${t//[\/:]/-}.log" | tail -1)"
    claim "${t%%:*} ${t##*:}: no crash" same "$(cat "$W/fuzz-${t//[\/:]/-}.rc")" 0
  done
}
# change FILE POSITION changes one byte in place.
change() {
  local was; was=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
  printf "$(printf '\\x%02x' $(((was + 1) % 256)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

echo "What this product claims, shown"
if curl -ksf "https://$CONSOLE/readyz" >/dev/null; then echo "something serves $CONSOLE already: end it, or set ANTIN_CONSOLE_LISTEN and the others" >&2; exit 3; fi
show "antin up --demo"
"$BIN/antin" up --demo >"$W/up.log" 2>&1 & UP=$!
for _ in $(seq 240); do curl -ksf "https://$CONSOLE/readyz" >/dev/null && break; kill -0 $UP 2>/dev/null || break; sleep .5; done
curl -ksf "https://$CONSOLE/readyz" >/dev/null || { echo "the system did not start:" >&2; tail -5 "$W/up.log" >&2; exit 3; }
mkdir "$W/pki"; antin ca export --all --out "$W/pki" >/dev/null
ROOTCA=$(ls "$W"/pki/root-*.pem)
cat "$W"/pki/*.pem >"$W/all.pem"
# enrol KEY makes a key for a person and takes it through both officers.
enrol() {
  local id
  antin hsm key generate "$1" >/dev/null
  id=$(as minh.pq ca request --profile official --person p-lan --key "$1" --json | jq -r .id)
  as thu.vt ca approve "$id" >/dev/null && as thu.vt ca issue "$id" >/dev/null
}
part "Ready"
show "curl --cacert root.pem https://localhost:${CONSOLE##*:}/readyz"
claim "readyz is 200 over TLS of our own authority" curl -sf --cacert "$ROOTCA" "https://localhost:${CONSOLE##*:}/readyz"

if [ -z "${1:-}" ]; then
  part "The whole way, as antin demo drives it"
  show "antin demo"
  antin demo -o "$W/demo" --json >"$W/demo.json" 2>"$W/demo.log"; status=$?
  jq -r '.[] | "        \(.step): \(.result) · \(.evidence[0:110])"' "$W/demo.json"
  claim "every step came out as it must" same $status 0
fi

for f in "$ROOT/deploy/prove/${1:-}"/${2:-[0-9]}*.sh; do cd "$ROOT" && . "$f"; done

echo
echo "$((good + bad)) claims looked at, $good hold, $bad do not"
[ $bad = 0 ]
