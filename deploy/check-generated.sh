#!/bin/bash
# Says whether what is generated or locked is current: go.mod and go.sum, and the npm lock file.
set -euo pipefail
cd "$(dirname "$0")/.."
go mod verify >/dev/null
go mod tidy -diff >/dev/null || { echo "go.mod or go.sum is not tidy: run go mod tidy"; exit 1; }
lock=internal/web/assets/package-lock.json
(cd internal/web/assets && npm ls --package-lock-only >/dev/null 2>&1) || { echo "$lock does not fit package.json: run npm install there"; exit 1; }
