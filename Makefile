# A newcomer needs `make deps test`. A change needs `make check` before it is proposed.
# Go is needed, the servers of PostgreSQL and Redis, which the tests start themselves, and
# Node.js, Python and Java for the programs in docs/receive.md. What the checks use is built
# from tools/go.mod.

GO ?= go
TOOLS := $(CURDIR)/bin/tools
BUILD_FLAGS := -trimpath
GOTEST := $(GO) run ./internal/test/gotest $(GO) test

.DEFAULT_GOAL := help

.PHONY: help build deps needed servers test test-all test-postgres check fmt lint demo bench microbench compare chaos compose-test simulate fuzz generate licenses sbom dist release reproducible vulncheck clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## one static binary in bin/
	CGO_ENABLED=0 $(GO) build $(BUILD_FLAGS) -o bin/hookferry ./cmd/hookferry

deps: ## installs what the tests start, on Debian and Ubuntu; elsewhere says what is missing
	@./scripts/deps

needed: # says what the tests need and is missing
	@./scripts/deps check

servers: # the same for PostgreSQL and Redis alone
	@./scripts/deps check servers

# -short plays fewer rounds of the tests that repeat themselves, and leaves out none. Most tests
# wait for most of their time, so that four packages at once suit two cores. PostgreSQL's files
# are in memory if there is a gigabyte for them: creating databases is most of its work here.
# The packages that take longest begin first, so that the others run beside them.
SHM := $(shell [ "$$(df -Pk /dev/shm 2>/dev/null | awk 'END {print ($$4 > 1048576)}')" = 1 ] && [ -w /dev/shm ] && echo /dev/shm)

test: needed ## a quick run of all tests, a few minutes: few rounds of each, no race detector
	@PGTEST_DIR=$(SHM) $(GOTEST) -short -p 4 ./internal/store/postgres ./internal/app ./internal/test/chaos ./...

# The race detector needs a C compiler. Without one, the tests run without it.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

test-all: needed ## all tests at full length, with the race detector if there is a C compiler
	@[ -n "$(RACE)" ] || echo "no C compiler: running the tests without the race detector"
	@$(GOTEST) $(RACE) -timeout 20m ./...
	@[ -z "$(RACE)" ] || echo "the simulation's seeds and the power losses, without the race detector"
	@[ -z "$(RACE)" ] || $(GOTEST) -timeout 20m ./internal/test/simulation/seeded ./internal/test/powerloss

VERSION ?= 17
test-postgres: servers ## tests of the store, of nodes and a short chaos on PostgreSQL VERSION (15 to 18), which it fetches if it must
	@bin=$$(./scripts/postgres $(VERSION)) && export PATH="$$bin:$$PATH" && \
	$(GOTEST) -count=1 -timeout 20m ./internal/store/postgres ./internal/app ./internal/test/chaos

check: lint test-all build demo ## what a change needs before it is proposed

demo: ## the demonstration, which needs nothing but Go
	$(GO) run ./cmd/hookferry demo

fmt: $(TOOLS)/gofumpt ## gofumpt
	$(TOOLS)/gofumpt -w $$(git ls-files -co --exclude-standard '*.go')

lint: $(TOOLS)/gofumpt $(TOOLS)/staticcheck ## format, vet, staticcheck and go.mod
	@unformatted=$$($(TOOLS)/gofumpt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

generate: ## openapi.json, the table in docs/settings.md and .env.example, from the code
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
chaos: servers ## all faults under load, CHAOS_ROUNDS times: on several nodes four to five minutes each, on one process half a minute; and POWER_LOSSES, which are some three hours of two cores
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

dist: $(TOOLS)/cyclonedx-gomod ## dist/: archives for six platforms with licences, checksums and SBOMs, as a release has them
	@./scripts/dist

release: $(TOOLS)/cyclonedx-gomod ## dist/, published on GitHub for the tag of the present commit; CI runs this
	@./scripts/dist publish

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
bench: servers build ## every row of docs/performance.md, in 55 minutes, and writes it; ROWS chooses
	$(GO) run ./internal/bench/table -rows '$(ROWS)' $(BENCH)

microbench: ## the hot functions
	$(GO) test -run '^$$' -bench . -benchmem ./internal/... ./webhook

BASE ?= $(shell git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD~1)
compare: servers build ## CPU a delivery, rate and allocations of this tree beside those of BASE, the last release, for people to read
	@./scripts/compare $(BASE)

$(TOOLS)/%: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	cd tools && $(GO) build -o $(TOOLS)/ tool

clean: ## removes what the targets built
	rm -rf bin dist
