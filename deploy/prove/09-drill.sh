# Sourced by prove.sh. The drill that antin demo ran, scored by hand.
part "9. The drill"
DRILL=$(antin drill list --json | jq -r '.[0].id')
show "antin drill score $DRILL"
antin drill score "$DRILL" | sed 's/^/        /'
antin drill score "$DRILL" --json >"$W/score.json"
antin drill show "$DRILL" >"$W/board.json"
CASE=$(jq -r '[.[].case | select(. != null and . != "")][0]' "$W/score.json")
antin incident show "$CASE" >"$W/drillcase.json"
# The sums by hand: from the case's history and the drill's injects, less the pauses within.
jq -n --slurpfile b "$W/board.json" --slurpfile c "$W/drillcase.json" '
  def us: capture("(?<s>[^.Z]*)(?<f>\\.[0-9]+)?Z") | ((.s + "Z") | fromdateiso8601) * 1000000 + (((.f // ".0") | tonumber) * 1000000 | round);
  def at($a): [$c[0].history[] | select(.action == $a)][0].at | us;
  def inject($k): [$b[0].injects[] | select(.kind == $k)][0];
  def paused($from; $to): [($b[0].pauses // [])[] | ([(.to | us), $to] | min) - ([(.from | us), $from] | max) | select(. > 0)] | add // 0;
  def taken($from; $to): $to - $from - paused($from; $to);
  { detect: taken(inject("packets").fired_at | us; at("open")),
    acknowledge: taken(at("open"); at("acknowledge")),
    close: taken(at("open"); at("close")),
    answer: taken(inject("question").fired_at | us; inject("question").answered_at | us) }' >"$W/hand.json" 2>"$W/hand.err"
echo "        by hand, µs: $(jq -c . "$W/hand.json")"
claim "the scores are what the records say by hand" same "$(jq -cS 'map({(.measure): .taken_us}) | add' "$W/score.json")" "$(jq -cS . "$W/hand.json")"
show "antin incident list; antin incident list --exercise $DRILL"
claim "the drill's case carries its mark" same "$(antin incident list --exercise "$DRILL" --json | jq -r '[.cases[].exercise_id] | unique | join(" ")')" "$DRILL"
claim "the real attack of the meantime stands in the real queue, unmarked" jq -e --slurpfile d "$W/board.json" '[.cases[] | select((.exercise_id // "") == "" and .t0 > $d[0].drill.started_at and .t0 < $d[0].drill.ended_at)] | length == 1' <(antin incident list --json)
show "antin verify dien-tap.pdf"
claim "the drill's report is one page or more and its seal passes" antin verify "$W/demo/dien-tap.pdf"
