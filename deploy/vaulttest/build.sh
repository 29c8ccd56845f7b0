#!/bin/bash
# build.sh OUT builds the Vault server that tests run against. Its licence (BUSL-1.1) allows testing; it is a module of
# its own, never linked into the product and never shipped. The sources that stand for go-discover carry another ending
# here, so that the tools of the product's module do not take them for its own.
set -euo pipefail
cd "$(dirname "$0")"
out=$1
src=$(mktemp -d)
trap 'rm -rf "$src"' EXIT
cp -r go.mod go.sum nodiscover "$src"
find "$src" -name '*.in' | while read -r f; do mv "$f" "${f%.in}"; done
mkdir -p "$(dirname "$out")"
GOTOOLCHAIN=local go -C "$src" build -trimpath -ldflags='-s -w' -tags minimal -o "$out.new" github.com/hashicorp/vault
mv "$out.new" "$out"
