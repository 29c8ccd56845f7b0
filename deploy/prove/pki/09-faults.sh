# Sourced by prove.sh. Systems of their own are broken in each way, by a test that writes down what clients see.
part "9. What happens when something fails"
show "ANTIN_FAULTS_OUT=FILE go test ./cmd/antin/app -run TestFaultTable -count=1"
claim "in every fault nothing binding is given without a record, and all serves again without a restart" \
  env ANTIN_FAULTS_OUT="$W/faults.md" go test ./cmd/antin/app -run TestFaultTable -count=1 -timeout 20m
[ -f "$W/faults.md" ] && grep '^|' "$W/faults.md" | cut -c1-180 | sed 's/^/        /'
claim "the table tells of each fault (root is needed to mount small file systems)" atleast "$(grep -c '^| [a-z]' "$W/faults.md" 2>/dev/null || echo 0)" 10
