# make run    installs what is missing, builds, and starts the whole system on embedded defaults
# make test   installs what is missing and runs every check and test
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.PHONY: run build test bench deb lint assets tools packages clean vault-server

DATA ?= ./data
APT_RUN   := gcc libc6-dev libpcap-dev ca-certificates nodejs npm softhsm2
APT_TEST  := certbot libhyperscan-dev pkg-config \
  chromium \
  curl \
  faketime \
  fonts-liberation \
  ghostscript \
  gnutls-bin \
  iproute2 \
  jq \
  libtpm2-pkcs11-1 \
  mupdf-tools \
  nginx-light \
  opencryptoki \
  opensc \
  openssl \
  p11-kit \
  p11-kit-modules \
  poppler-utils \
  postgresql \
  qpdf \
  sqlite3 \
  swtpm \
  tcpreplay \
  tpm2-tools \
  tshark \
  xmlsec1
APT       := $(shell [ "$$(id -u)" = 0 ] || echo sudo) env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends
ASSETS    := internal/web/assets
# The parts of the tree that the bundle is made of.
ASSET_SRC := $(wildcard $(ASSETS)/src/*) $(ASSETS)/package.json $(ASSETS)/package-lock.json $(ASSETS)/build/main.go

export CGO_ENABLED := 1
export GOTOOLCHAIN := local

run: build
	exec bin/antin up --demo --data $(DATA)

# TAGS=hyperscan has the sensor's rules look for their contents by Hyperscan.
TAGS ?=
build: packages-run $(ASSETS)/dist/app.js
	@mkdir -p bin
	$(if $(filter hyperscan,$(TAGS)),$(call install,libhyperscan-dev pkg-config))
	go build -trimpath -tags '$(TAGS)' -o bin/ ./cmd/antin ./cmd/antin-sensor

assets: $(ASSETS)/dist/app.js

$(ASSETS)/dist/app.js: $(ASSET_SRC)
	cd $(ASSETS) && npm ci --omit=optional --no-audit --no-fund --loglevel=error
	go run ./$(ASSETS)/build $(ASSETS)

# Installs only what dpkg does not know as installed; npm and node may come from elsewhere than Debian.
define install
	@missing=; for p in $(1); do \
	  case $$p in npm|nodejs) command -v $${p/nodejs/node} >/dev/null && continue;; esac; \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; $(APT) update; $(APT) install $$missing; fi
endef

.PHONY: packages-run packages-test
packages-run:
	$(call install,$(APT_RUN))

packages-test: packages-run
	$(call install,$(APT_TEST))

lint: $(ASSETS)/dist/app.js
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	go vet ./...
	go tool -modfile=deploy/tools/go.mod staticcheck ./...
	go tool -modfile=deploy/tools/go.mod depguard ./...
	deploy/check-generated.sh

# The Vault server that tests run against, built once into the user's cache; the first build takes some minutes. Its
# licence (BUSL-1.1) allows testing; it is a module of its own, never linked into the product and never shipped.
VAULT_SERVER := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/antin/vaulttest/vault-v1.21.0
vault-server: $(VAULT_SERVER)
$(VAULT_SERVER):
	@echo "building the Vault server for tests (once, some minutes)"
	deploy/vaulttest/build.sh $@

# More packages at once than cores: most tests wait for tokens, databases and browsers.
test: packages-test build lint vault-server
	GORACE=atexit_sleep_ms=0 go test -race -p 4 -timeout 15m ./...
	go test -tags hyperscan ./sensor/rules

bench: build
	go test -run '^$$' -bench . -benchtime 1s ./...

# The version of the package: the tag, or the commit's day and name.
VERSION ?= $(shell git describe --tags --exact-match 2>/dev/null | sed 's/^v//' | grep . || git log -1 --format=0.1.0~%cd.%h --date=format:%Y%m%d)
deb: build
	VERSION=$(VERSION) go tool -modfile=deploy/tools/go.mod nfpm package --config deploy/nfpm.yaml --packager deb --target bin/antin_$(VERSION)_amd64.deb

clean:
	rm -rf bin $(ASSETS)/dist/*.js $(ASSETS)/dist/*.css $(ASSETS)/dist/fonts
