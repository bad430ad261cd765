# To begin, run `make deps test`. Before you propose a change, run `make check`. You need Go,
# the PostgreSQL and Redis servers, which the tests start themselves, and Node.js, Python and
# Java for the programs in docs/receive.md. The tools of the checks are built from
# tools/go.mod.

GO ?= go
TOOLS := $(CURDIR)/bin/tools
BUILD_FLAGS := -trimpath
GOTEST := $(GO) run ./internal/test/gotest $(GO) test

.DEFAULT_GOAL := help

.PHONY: help build deps needed servers test test-all test-postgres check fmt lint demo bench microbench compare chaos compose-test simulate fuzz generate licenses sbom dist release reproducible vulncheck clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build one static binary in bin/
	CGO_ENABLED=0 $(GO) build $(BUILD_FLAGS) -o bin/hookferry ./cmd/hookferry

deps: ## install what the tests need, on Debian and Ubuntu; elsewhere print what is missing
	@./scripts/deps

needed: # fail if something that the tests need is missing
	@./scripts/deps check

servers: # the same, only for PostgreSQL and Redis
	@./scripts/deps check servers

# -short runs fewer rounds of the tests that have rounds, and skips no test. Tests mostly wait,
# so four packages at a time suit two cores. PostgreSQL's files are in memory if a gigabyte is
# free there, because creating databases is most of its work. The longest packages start first.
SHM := $(shell [ "$$(df -Pk /dev/shm 2>/dev/null | awk 'END {print ($$4 > 1048576)}')" = 1 ] && [ -w /dev/shm ] && echo /dev/shm)

test: needed ## run all tests quickly, in a few minutes: fewer rounds, without the race detector
	@PGTEST_DIR=$(SHM) $(GOTEST) -short -p 4 ./internal/store/postgres ./internal/app ./internal/test/chaos ./...

# The race detector needs a C compiler. Without one, the tests run without it.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

test-all: needed ## run all tests at full length, with the race detector if there is a C compiler
	@[ -n "$(RACE)" ] || echo "no C compiler: running the tests without the race detector"
	@$(GOTEST) $(RACE) -timeout 20m ./...
	@[ -z "$(RACE)" ] || echo "running the simulation and the power losses again, without the race detector"
	@[ -z "$(RACE)" ] || $(GOTEST) -timeout 20m ./internal/test/simulation/seeded ./internal/test/powerloss

VERSION ?= 17
test-postgres: servers ## test the store, several nodes and a short chaos on PostgreSQL VERSION (15 to 18), which is downloaded if needed
	@bin=$$(./scripts/postgres $(VERSION)) && export PATH="$$bin:$$PATH" && \
	$(GOTEST) -count=1 -timeout 20m ./internal/store/postgres ./internal/app ./internal/test/chaos

check: lint test-all build demo ## run this before you propose a change

demo: ## run the demo, which needs only Go
	$(GO) run ./cmd/hookferry demo

fmt: $(TOOLS)/gofumpt ## format all files with gofumpt
	$(TOOLS)/gofumpt -w $$(git ls-files -co --exclude-standard '*.go')

lint: $(TOOLS)/gofumpt $(TOOLS)/staticcheck ## check the format, go vet, staticcheck and go.mod
	@unformatted=$$($(TOOLS)/gofumpt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

generate: ## write openapi.json, the table in docs/settings.md and .env.example from the code
	$(GO) test ./internal/api ./internal/config -run 'Document|README' -update

FUZZTIME ?= 30s
fuzz: ## run each fuzz target in turn, for FUZZTIME
	@set -e; for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
	  done; done

CHAOS_ROUNDS ?= 10
KILLS ?= 50
BACKLOG ?= 10000000
POWER_LOSSES ?= 1000000
UPGRADE ?= 1000000
chaos: servers ## cause all faults under load, CHAOS_ROUNDS times: four to five minutes a round on several nodes, half a minute on one process; then POWER_LOSSES, about three hours on two cores
	HOOKFERRY_TEST_CHAOS=$(CHAOS_ROUNDS) $(GO) test $(RACE) -v -count=1 -timeout 0 ./internal/test/chaos
	$(GO) test -v -count=$(CHAOS_ROUNDS) -timeout 0 ./internal/test/faults
	HOOKFERRY_TEST_KILLS=$(KILLS) $(GO) test -v -count=1 -timeout 0 -run NothingAcknowledgedIsLostByKills ./internal/app
	HOOKFERRY_TEST_POWERLOSS=$(POWER_LOSSES) $(GO) test -v -count=1 -timeout 0 -run 'TestPowerLoss$$' ./internal/test/powerloss
	HOOKFERRY_TEST_BACKLOG=$(BACKLOG) $(GO) test -v -count=1 -timeout 0 -run Backlog ./internal/test/faults
	HOOKFERRY_TEST_UPGRADE=$(UPGRADE) $(GO) test -v -count=1 -timeout 0 -run UpgradeUnderLoad ./internal/store/postgres

compose-test: ## run compose.yaml with Docker, and replace and kill each service under load of RATE (200) events per second
	@./scripts/compose-test

licenses: ## list each module in the binary with its licence; fail if a licence is not approved yet
	@./scripts/licenses

sbom: build $(TOOLS)/cyclonedx-gomod ## write bin/hookferry.cdx.json: the modules in the binary, as CycloneDX
	$(TOOLS)/cyclonedx-gomod bin -json -noserial -output bin/hookferry.cdx.json bin/hookferry

dist: $(TOOLS)/cyclonedx-gomod ## build the files of a release in dist/: archives for six platforms with licences, checksums and SBOMs
	@./scripts/dist

release: $(TOOLS)/cyclonedx-gomod ## publish dist/ on GitHub for the tag of the current commit; CI runs this
	@./scripts/dist publish

reproducible: ## build twice, in two directories, once without the build cache, and compare the bytes
	@./scripts/reproducible fresh

vulncheck: $(TOOLS)/govulncheck ## list known vulnerabilities that the code can reach; needs the network
	$(TOOLS)/govulncheck ./...

SIMULATE_SEEDS ?= 50000
SIMULATE_FIRST ?= 1
simulate: ## run the simulation with SIMULATE_SEEDS seeds, starting with SIMULATE_FIRST; print every step if there is only one
	cd internal/test/simulation/seeded && SIMULATE_SEEDS=$(SIMULATE_SEEDS) SIMULATE_FIRST=$(SIMULATE_FIRST) $(GO) test -count=1 -timeout 0 -run 'TestSeeds$$'

ROWS ?=
BENCH ?=
bench: servers build ## measure every row of docs/performance.md and write it, in 55 minutes; ROWS selects rows
	$(GO) run ./internal/bench/table -rows '$(ROWS)' $(BENCH)

microbench: ## benchmark the hot functions
	$(GO) test -run '^$$' -bench . -benchmem ./internal/... ./webhook

BASE ?= $(shell git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD~1)
compare: servers build ## compare CPU per delivery, rate and allocations of this tree with those of BASE, the last release
	@./scripts/compare $(BASE)

$(TOOLS)/%: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	cd tools && $(GO) build -o $(TOOLS)/ tool

clean: ## remove what the targets have built
	rm -rf bin dist
