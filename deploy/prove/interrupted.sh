#!/bin/bash
# What an interrupted run of prove.sh leaves behind: nothing. Starts a part (default sense 05, then sense 06), interrupts it by each signal
# after each of the given numbers of seconds (default 20 40) from its beginning, and looks for namespaces, cables, file systems, folders
# and processes of that run. Run it as root from the project's root after `make build`; it takes some minutes.
# Exit status: 0 nothing was left, 1 something was.
set -u
PARTS=${ANTIN_INTERRUPT_PARTS:-sense/05 sense/06} SIGNALS=${ANTIN_INTERRUPT_SIGNALS:-INT TERM}
[ $# -gt 0 ] || set -- 20 40
bad=0
# things lists what a run may leave.
things() {
  ip netns list | awk '/^antin-l[ab]-/ { print "namespace " $1 }'
  ip -o link | awk -F'[ :@]+' '$2 ~ /^l[nr][0-9]+$/ { print "cable " $2 }'
  awk '$2 ~ /^\/tmp\/antin-prove-/ { print "file system " $2 }' /proc/mounts
  ls -d /tmp/antin-prove-* /tmp/antin-live-* 2>/dev/null | sed 's/^/folder /'
}
for part in $PARTS; do for signal in $SIGNALS; do for after; do
  was=$(things) out=$(mktemp)
  # A session of its own, whose processes are those of the run, and signals as a terminal gives them.
  setsid perl -e '$SIG{INT} = $SIG{TERM} = "DEFAULT"; exec @ARGV' deploy/prove/prove.sh "${part%/*}" "${part#*/}" >"$out" 2>&1 & run=$!
  until grep -q "^== ${part##*/0}\." "$out" || ! kill -0 $run 2>/dev/null; do sleep .5; done
  sleep "$after"
  kill -0 $run 2>/dev/null || echo "   $part was over before $after s"
  # Ctrl-C goes to all in the foreground, the others to the script alone.
  if [ "$signal" = INT ]; then kill -INT -- -$run; else kill -"$signal" $run; fi
  t=$(date +%s); wait $run; rc=$?
  left=$(diff <(echo "$was") <(things) | sed -n 's/^> //p'; ps -o pid=,args= --sid $run)
  echo "   $part, SIG$signal after $after s: exit status $rc in $(($(date +%s) - t)) s; left: ${left:-nothing}"
  [ -z "$left" ] || bad=1
  rm -f "$out"
done; done; done
exit $bad
