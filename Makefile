# Every target has a line of help behind "##"; "make" alone prints them.
# What a target needs (Python environments, Chromium, compiled tools) it sets up itself.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Where the build, the environments and the logs go; "make clean" removes it.
BUILD := .build
VENV := $(BUILD)/venv
PYTHON52 := $(VENV)/bin/python
PYTHON42 := $(BUILD)/venv42/bin/python

# The tools that tools/pinned/go.mod pins: buf, staticcheck and the code generators.
TOOL := go tool -modfile=tools/pinned/go.mod

# Where "make demo" listens.
PORT ?= 8080

# How long "make fuzz" spends on each target, and which ("make fuzz FUZZ=Token FUZZTIME=5m").
FUZZTIME ?= 20s
FUZZ ?= .

# Packages with a browser or several processes in them run in sections of their own, one at a time: two
# browsers and their servers on two cores only get in each other's way.
E2E := /test/(e2e|system)(/|$$)
GO_PACKAGES = $$(go list ./... | grep -v -E '/client/browser$$|$(E2E)')
E2E_PACKAGES = $$(go list ./test/... | grep -E '$(E2E)')

# All Go sources, new ones too; a file that was deleted but not committed is still listed.
GO_FILES = $$(git ls-files -co --exclude-standard '*.go' | while read -r f; do if [ -e "$$f" ]; then echo "$$f"; fi; done)

# A Go test that hangs is a failure with a stack trace, not a run that never ends.
GO_TEST := go test -timeout 10m

# pytest's settings live in client/python/pyproject.toml.
PYTEST := -m pytest

.PHONY: help
help: ## list the targets
	@echo 'make TARGET, where TARGET is one of:'
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ see it work

.PHONY: demo
demo: setup-python build ## start the example shop behind Crossfade and print its address (PORT=8080)
	@go build -o $(BUILD)/demo ./examples/shop/demo
	@CROSSFADE_PYTHON=$(CURDIR)/$(PYTHON52) $(BUILD)/demo -port $(PORT)

.PHONY: story
story: setup-python build ## play a whole migration with 200 visitors, no hands; ends with a line of zeros
	@go build -o $(BUILD)/story ./examples/shop/story
	@CROSSFADE_PYTHON=$(CURDIR)/$(PYTHON52) $(BUILD)/story

.PHONY: bench
bench: ## measure the edge and the session plane, less than four minutes; docs/performance.md says how to read it
	go run ./bench/edge -dir $(BUILD)
	go run ./bench/session -dir $(BUILD)

.PHONY: bench-session
bench-session: ## measure sessions on SQLite, PostgreSQL and Redis beside what people use today; docs/performance-sessions.md
	@tools/setup.sh postgres redis bench
	go test -C bench/peers -count 1 -timeout 60m -run TestPeers . -args -full

##@ set up and build

.PHONY: setup
setup: ## make the Python environments (Django 5.2 and 4.2) and make sure of a Chromium and a PostgreSQL
	@tools/setup.sh

.PHONY: setup-python
setup-python:
	@tools/setup.sh venv

.PHONY: build
build: ## build .build/crossfade
	@mkdir -p $(BUILD)
	CGO_ENABLED=0 go build -trimpath -o $(BUILD)/crossfade ./cmd/crossfade

.PHONY: clean
clean: ## remove everything that was built or set up here
	rm -rf $(BUILD)

##@ test

.PHONY: test
test: ## all tests: Go, Python under both Django versions, browser client, end to end
	@tools/sections.sh setup build test-go test-python test-browser test-e2e

.PHONY: test-go
test-go: ## Go tests, except those with a browser or several processes
	@tools/setup.sh
	$(GO_TEST) $(GO_PACKAGES)
	cd bench/peers && $(GO_TEST) .

.PHONY: test-python
test-python: ## tests of the Django package under Django 5.2 and 4.2, Django's own session tests on it, and the examples in Python
	@tools/setup.sh django-tests
	cd client/python && $(CURDIR)/$(PYTHON52) $(PYTEST)
	cd client/python && $(CURDIR)/$(PYTHON42) $(PYTEST)
	cd examples/flask && $(CURDIR)/$(PYTHON52) -W error $(PYTEST) -q -p no:cacheprovider -p no:django
	cd examples/fastapi && $(CURDIR)/$(PYTHON52) -W error $(PYTEST) -q -p no:cacheprovider -p no:django
	cd examples/shop/monolith && SHOP_DB=:memory: $(CURDIR)/$(PYTHON52) -W error manage.py test

.PHONY: test-browser
test-browser: ## tests of the browser client, in a headless Chromium
	@tools/setup.sh chromium
	$(GO_TEST) ./client/browser/...

.PHONY: test-e2e
test-e2e: ## end to end: real processes, real Django, real browser
	@tools/setup.sh venv chromium
	$(GO_TEST) -p 1 $(E2E_PACKAGES)

.PHONY: race
race: ## the race detector over the packages with concurrency in them
	@tools/setup.sh gcc postgres
	CGO_ENABLED=1 $(GO_TEST) -race ./session/... ./edge/... ./legacy/... ./rollout/... ./control/... ./internal/... ./client

# The packages that share state between goroutines: their stores, caches, watches and outboxes.
.PHONY: race-core
race-core: ## the race detector over the packages that share the most, as .ci/run does; about two minutes
	@tools/setup.sh gcc postgres
	CGO_ENABLED=1 $(GO_TEST) -race ./session ./session/sqlstore ./edge ./control ./internal/app ./client

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s); FUZZ=pattern picks some
	@tools/fuzz.sh '$(FUZZTIME)' '$(FUZZ)'

##@ check

.PHONY: lint
lint: ## go vet, staticcheck, ruff, buf lint
	go vet ./...
	cd bench/peers && go vet ./...
	$(TOOL) staticcheck ./...
	@tools/setup.sh venv
	@echo 'ruff check'
	@$(PYTHON52) -m ruff check . || { echo 'mend what can be mended by itself: $(PYTHON52) -m ruff check --fix .' >&2; exit 1; }
	$(TOOL) buf lint proto

.PHONY: format
format: ## format Go and Python sources
	gofmt -w $(GO_FILES)
	@tools/setup.sh venv
	$(PYTHON52) -m ruff format .

.PHONY: format-check
format-check: ## fail if "make format" would change something
	@echo 'gofmt'
	@unformatted=$$(gofmt -l $(GO_FILES)); \
	if [ -n "$$unformatted" ]; then printf 'not formatted:\n%s\nmend it: make format\n' "$$unformatted" >&2; exit 1; fi
	@tools/setup.sh venv
	@$(PYTHON52) -m ruff format --check . || { echo 'mend it: make format' >&2; exit 1; }

.PHONY: generate
generate: ## make proto/gen and docs/reference anew
	@tools/generate.sh

.PHONY: generate-check
generate-check: ## fail if "make generate" would change something
	@tools/generate.sh --check

.PHONY: breaking
breaking: ## fail if the API changed in a way that breaks those who use it
	@echo 'buf breaking, against proto/v1.binpb'
	@$(TOOL) buf breaking proto --against proto/v1.binpb || \
	  { echo 'keep the old field or method beside the new one. If the break is meant and agreed: make breaking-baseline' >&2; exit 1; }

.PHONY: breaking-baseline
breaking-baseline: ## accept the API as it is as the new baseline
	$(TOOL) buf build proto -o proto/v1.binpb

.PHONY: check
check: lint format-check generate-check breaking ## lint, format, generate and drift checks

.PHONY: ci
ci: ## what runs before a change lands: .ci/run
	@.ci/run
