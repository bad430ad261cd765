# What a newcomer needs: `make test`. What a change needs before it is proposed:
# `make check`. Go is needed, and the servers of PostgreSQL and Redis, which the tests
# start themselves; what the checks use is built from tools/go.mod.

GO ?= go
TOOLS := $(CURDIR)/bin/tools
VERSION_FLAGS := -trimpath

.PHONY: build deps test check fmt lint demo bench microbench compare chaos compose-test simulate fuzz generate licenses sbom reproducible vulncheck clean

build: ## one static binary in bin/
	CGO_ENABLED=0 $(GO) build $(VERSION_FLAGS) -o bin/hookferry ./cmd/hookferry

deps: ## installs what the tests start, on Debian and Ubuntu; says what is missing elsewhere
	@./scripts/deps

# The race detector needs a C compiler. Where there is none, the tests run without it.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

test: deps ## all tests, with the race detector where there is a C compiler
	@[ -n "$(RACE)" ] || echo "no C compiler: running the tests without the race detector"
	$(GO) test $(RACE) -timeout 10m ./...
	@[ -z "$(RACE)" ] || echo "the simulation's seeds and the power losses, without the race detector"
	@[ -z "$(RACE)" ] || $(GO) test -timeout 10m ./internal/test/simulation/seeded ./internal/test/powerloss

check: lint test build demo ## what CI runs

demo:
	$(GO) run ./cmd/hookferry demo

fmt: $(TOOLS)/gofumpt
	$(TOOLS)/gofumpt -w $$(git ls-files -co --exclude-standard '*.go')

lint: $(TOOLS)/gofumpt $(TOOLS)/staticcheck
	@unformatted=$$($(TOOLS)/gofumpt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

generate: ## openapi.json and the README's table of settings, from the code
	$(GO) test ./internal/api ./internal/config -run 'Document|README' -update

FUZZTIME ?= 30s
fuzz: ## each fuzz target in turn, FUZZTIME each
	@set -e; for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
	  done; done

CHAOS_ROUNDS ?= 10
KILLS ?= 50
BACKLOG ?= 10000000
POWER_LOSSES ?= 1000000
UPGRADE ?= 1000000
chaos: deps ## all faults under load, CHAOS_ROUNDS times: on several nodes four to five minutes each, on one process half a minute; and POWER_LOSSES, which are some three hours of two cores
	HOOKFERRY_TEST_CHAOS=$(CHAOS_ROUNDS) $(GO) test $(RACE) -v -count=1 -timeout 0 ./internal/test/chaos
	$(GO) test -v -count=$(CHAOS_ROUNDS) -timeout 0 ./internal/test/faults
	HOOKFERRY_TEST_KILLS=$(KILLS) $(GO) test -v -count=1 -timeout 0 -run NothingAcknowledgedIsLostByKills ./internal/app
	HOOKFERRY_TEST_POWERLOSS=$(POWER_LOSSES) $(GO) test -v -count=1 -timeout 0 -run 'TestPowerLoss$$' ./internal/test/powerloss
	HOOKFERRY_TEST_BACKLOG=$(BACKLOG) $(GO) test -v -count=1 -timeout 0 -run Backlog ./internal/test/faults
	HOOKFERRY_TEST_UPGRADE=$(UPGRADE) $(GO) test -v -count=1 -timeout 0 -run UpgradeUnderLoad ./internal/store/postgres

compose-test: ## runs compose.yaml with Docker, and replaces and kills each service under load; RATE (200) is events a second
	@./scripts/compose-test

licenses: ## each module in the binary with its licence; fails on one that nobody has decided about
	@./scripts/licenses

sbom: build $(TOOLS)/cyclonedx-gomod ## bin/hookferry.cdx.json: what is in the binary, as CycloneDX
	$(TOOLS)/cyclonedx-gomod bin -json -noserial -output bin/hookferry.cdx.json bin/hookferry

reproducible: ## builds twice, in two directories and compiling anew, and compares the bytes
	@./scripts/reproducible fresh

vulncheck: $(TOOLS)/govulncheck ## known vulnerabilities that the code can reach; needs the network
	$(TOOLS)/govulncheck ./...

SIMULATE_SEEDS ?= 50000
SIMULATE_FIRST ?= 1
simulate: ## plays SIMULATE_SEEDS seeds from SIMULATE_FIRST on; of a single one it prints every step
	cd internal/test/simulation/seeded && SIMULATE_SEEDS=$(SIMULATE_SEEDS) SIMULATE_FIRST=$(SIMULATE_FIRST) $(GO) test -count=1 -timeout 0 -run 'TestSeeds$$'

ROWS ?=
BENCH ?=
bench: deps build ## every row of docs/performance.md, in three quarters of an hour, and writes it; ROWS chooses
	$(GO) run ./internal/bench/table -rows '$(ROWS)' $(BENCH)

microbench: ## the hot functions
	$(GO) test -run '^$$' -bench . -benchmem ./internal/... ./webhook

BASE ?= $(shell git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD~1)
compare: deps build ## CPU a delivery, rate and allocations of this tree beside those of BASE, the last release, for people to read
	@./scripts/compare $(BASE)

$(TOOLS)/%: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	cd tools && $(GO) build -o $(TOOLS)/ tool

clean:
	rm -rf bin
