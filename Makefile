# Koyomi. `make help` lists what can be done here.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT  := chromium fonts-noto-cjk python3-exchangelib libxml2-utils libreoffice-writer-nogui gcc libc6-dev \
        curl openssl davmail default-jre-headless haproxy nginx squid dnsmasq-base \
        apache2 libapache2-mod-auth-gssapi gss-ntlmssp \
        samba samba-ad-provision samba-dsdb-modules samba-vfs-modules python3-samba
UI   := internal/web/ui
NPM  := $(UI) internal/systemtest/foreign/testdata/ewsjs
LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

TESTFLAGS ?=
FUZZTIME  ?= 20s

.PHONY: help build demo deps test lint web generate fuzz bench cover clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## the release binary in dist/: static, stripped
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o dist/koyomi ./cmd/koyomi

demo: ## everything on loopback, with a simulated Exchange
	go run ./cmd/koyomi demo

deps: ## install by name what the tests need and is missing; no package starts its daemon
	@missing=$$(for p in $(APT); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done | xargs); \
	if [ -n "$$missing" ]; then \
	  rc=/usr/sbin/policy-rc.d; if [ ! -e $$rc ]; then \
	    trap "$(SUDO) rm -f $$rc" EXIT; printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee $$rc >/dev/null; $(SUDO) chmod 755 $$rc; \
	  fi; \
	  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	@for d in $(NPM); do cmp -s $$d/package-lock.json $$d/node_modules/.lock || \
	  { (cd $$d && npm ci --no-audit --no-fund --loglevel=error) && cp $$d/package-lock.json $$d/node_modules/.lock || exit 1; }; done
	@go mod download

test: ## everything: unit tests with the race detector, a third-party client, the browser; installs nothing
	@missing=$$(for p in $(APT); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done | xargs); \
	for d in $(NPM); do cmp -s $$d/package-lock.json $$d/node_modules/.lock || missing="$$missing $$d/node_modules"; done; \
	if [ -n "$$missing" ]; then echo "missing for the tests: $$missing; install it with: make deps" >&2; exit 1; fi
	KOYOMI_REQUIRE=1 KOYOMI_SOFFICE=/usr/bin/soffice go test -race -timeout 20m $(TESTFLAGS) ./...
	go test -timeout 5m $(TESTFLAGS) -run Memory ./internal/detect # which the race detector would spoil
	cd $(UI) && npm run --silent check && npm run --silent test && npm run --silent e2e

lint: ## gofmt, go mod tidy, go vet and the linters of .golangci.yml
	@bad=$$(git ls-files '*.go' | xargs -r gofmt -l); if [ -n "$$bad" ]; then echo "gofmt -w $$bad" >&2; exit 1; fi
	go mod tidy -diff
	go vet ./...
	$(LINT) run --allow-parallel-runners ./...

web: ## rebuild the web apps that are embedded in the binary
	cd $(UI) && npm ci --no-audit --no-fund --loglevel=error && npm run build
	@cp $(UI)/package-lock.json $(UI)/node_modules/.lock

generate: ## rebuild generated sources and documents
	go generate ./...
	go run ./cmd/koyomi config --markdown > docs/config.md.new && mv docs/config.md.new docs/config.md

fuzz: ## each fuzz target for FUZZTIME
	@git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | while IFS=: read -r file fn; do \
	  echo "$$(dirname $$file) $${fn#func }"; \
	  go test -run '^$$' -fuzz "^$${fn#func }$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
	done

bench: ## all benchmarks, once
	go test -run '^$$' -bench . -benchmem ./...

cover: ## coverage of each package by its own tests
	go test -cover ./... | awk '{ for (i = 1; i <= NF; i++) if ($$i == "coverage:") printf "%-8s %s\n", $$(i+1), $$2 }' | sort -n

clean: ## remove what was built
	rm -rf dist test-output
