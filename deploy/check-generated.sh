#!/bin/bash
# Says whether what is locked is current: go.mod and go.sum fit the code and the module cache, the npm lock file fits
# package.json. It needs no network once the modules are there. (`go mod tidy` itself is not the check: it also wants the
# tests of every dependency's dependencies, which a mirror may not carry.)
set -euo pipefail
cd "$(dirname "$0")/.."
go list -mod=readonly -deps -test ./... >/dev/null || { echo "go.mod or go.sum lacks a module: run go mod tidy -e"; exit 1; }
direct=$(go list -mod=readonly -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all)
used=$(go list -mod=readonly -test -deps -f '{{with .Module}}{{.Path}}{{end}}' ./... | sort -u)
for module in $direct; do
  grep -qxF "$module" <<<"$used" || { echo "go.mod requires $module, which nothing imports: run go mod tidy -e"; exit 1; }
done
go mod verify >/dev/null
(cd internal/web/assets && npm ls --package-lock-only --omit=optional >/dev/null 2>&1) || { echo "the npm lock file does not fit package.json: run npm install in internal/web/assets"; exit 1; }
