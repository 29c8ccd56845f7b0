# zlint's own program over 1,000 certificates of all profiles, issued by the
# engine as it issues to everybody.
part "4 zlint on 1,000 certificates of all profiles"
mkdir -p "$W/lint"
show "go build github.com/zmap/zlint/v3/cmd/zlint"
claim "zlint is built from its module" go build -o "$W/zlint" github.com/zmap/zlint/v3/cmd/zlint
show "ANTIN_LINT_DIR=lint go test ./ca -run TestAThousandCertificatesOfAllProfilesPassZlint"
claim "1,000 certificates of all profiles are issued and linted inside" env ANTIN_LINT_DIR="$W/lint" go test -count=1 ./ca -run TestAThousandCertificatesOfAllProfilesPassZlint
count=$(ls "$W/lint" | wc -l)
show "zlint -includeSources RFC3279,RFC5280,RFC5480,RFC5891,RFC8813,Community,ETSI_ESI lint/*.pem      # $count files"
: >"$W/zlint.out"
ls "$W"/lint/*.pem | xargs -n 200 "$W/zlint" -includeSources RFC3279,RFC5280,RFC5480,RFC5891,RFC8813,Community,ETSI_ESI >>"$W/zlint.out" 2>"$W/zlint.err"
claim "at least 1,000 results" atleast "$(wc -l <"$W/zlint.out")" 1000
bad_results=$(jq -s '[.[] | to_entries[] | select(.value.result == "error" or .value.result == "fatal")] | length' "$W/zlint.out")
claim "0 errors" same "$bad_results" 0
