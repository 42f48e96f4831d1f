# The everyday commands. `make` alone lists them.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
# Every process of a system and of a test run would compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
ONCE ?=
TESTS ?=
# Four processes, each with servers of its own: many tests wait. One on servers that the environment names, and for a part of the tests.
WORKERS ?= $(if $(TESTS)$(OOC_DATABASE_URL)$(OOC_KAFKA),0,4)
# What the servers of a run write lies in memory where there is room: 120 GB, of which 3 at a time.
IN_MEMORY = $(if $(TMPDIR),,$(shell [ "$$(df -Pm /dev/shm 2>/dev/null | awk 'END {print $$4}')" -ge 8000 ] 2>/dev/null && echo TMPDIR=/dev/shm))
# The quick tests run as two processes, each with half of them: handing them out one by one takes a third more processor time.
QUICK := $(BIN)/pytest -q -p no:schemathesis -m "not slow" --hypothesis-profile=quick
HALF := tests/unit/console tests/unit/disposal tests/unit/ooc
SERVICES ?=
BENCH ?=
SECONDS ?= 3
HOSTILE ?= 3600
CHAOS ?= 600
FAILOVER ?= 3600
FAULT ?=
UNTIL ?=
SIMULATE ?= 1000000
SEED ?=
ROUNDS ?= 5
JSON ?= var/bench/latest.json
EVENTS ?= 1000000

# The first Python that is new enough, by its plain name before any other; PYTHON=/path/to/python3 overrides.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
endif

# Whatever makes a virtual environment asks for it first.
define REQUIRE_PYTHON
if [ -z "$(PYTHON)" ] || ! "$(PYTHON)" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then \
	echo "No Python 3.11 or newer was found$(if $(PYTHON), at '$(PYTHON)'): the newest python3 on PATH is $$(python3 --version 2>/dev/null || echo missing)."; \
	echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python3)"; \
	echo "or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; \
	exit 1; \
fi >&2
endef

.PHONY: help
help: ## List what can be done
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: install ## Start the system, play a child's case, show the results, stay up (ONCE=1: stop afterwards)
	@exec $(BIN)/ooc demo $(if $(filter-out 0,$(ONCE)),--once)

.PHONY: test
test: install-test ## Lint, types, layers, and the tests of a working day, on real servers: twelve minutes on two idle cores (TESTS=path: just those tests)
	@$(MAKE) -j2 $(if $(TESTS),,$(LINT) collect) aot-cache
	$(IN_MEMORY) $(BIN)/pytest -n $(WORKERS) --no-loadscope-reorder $(or $(TESTS),-m "not nightly" --hypothesis-profile=day)

.PHONY: nightly
nightly: install-test .venv-bench/.installed ## Every other test: more systems, restore, upgrade, failover, both browsers, benches: hours (UNTIL=Unix time after which none begins)
	@$(BIN)/python -m tests.browsers firefox
	@failed=0; \
	$(MAKE) -k -j2 doors deploy-tools aot-cache || failed=1; \
	$(IN_MEMORY) OOC_TESTS_UNTIL=$(or $(UNTIL),inf) OOC_HOSTILE_SECONDS=300 \
		$(BIN)/pytest -n 2 --no-loadscope-reorder -m "nightly or hypothesis" || failed=1; \
	exit $$failed
ifndef UNTIL
	@if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then $(MAKE) containers; else \
		echo "No Docker engine with Compose answers here, so docker-compose.yml was not run: see 'make containers'."; fi
else
	@echo "make containers was left out: it takes longer than CI has."
endif

.PHONY: containers
containers: install-test ## Run docker-compose.yml for real: stories, kills, restart (a Docker engine)
	@$(BIN)/python -m tests.containers

.PHONY: deploy-tools
deploy-tools: install-test
	@if command -v go >/dev/null; then $(BIN)/python -m tests.deployment; else echo "Without Go deploy/kubernetes is not rendered."; fi

.PHONY: deploy-check
deploy-check: deploy-tools ## Render deploy/kubernetes, and validate every field with the schemas of its operators (Go)
	$(BIN)/pytest tests/deployment tests/architecture/test_kubernetes.py

.PHONY: chaos
chaos: install-test ## Kill each process of a system again and again while it is used (CHAOS=600 seconds)
	OOC_CHAOS_SECONDS=$(CHAOS) $(BIN)/pytest -s tests/chaos

.PHONY: failover
failover: install-test ## Promote standbys, lose brokers, break networks and clocks under load (FAILOVER=3600 seconds, FAULT=broker: some)
	OOC_FAILOVER_SECONDS=$(FAILOVER) $(BIN)/pytest -s tests/failover $(if $(FAULT),-k '$(FAULT)')

.PHONY: simulate
simulate: install-test ## Find planted faults, then play failovers in memory until a law is broken (SIMULATE=1000000 steps, SEED=7: one seed)
	@$(if $(SEED),,$(BIN)/pytest tests/simulation)
	@$(BIN)/python -m tests.simulation --steps $(SIMULATE) $(if $(SEED),--seed $(SEED))

.PHONY: browser
browser: install-test ## Play stories 1 to 14 by clicking and by keyboard, wide and narrow in turn, in Chromium and Firefox: about an hour
	$(BIN)/pytest tests/integration/console/test_stories_by_clicking.py

.PHONY: hostile
hostile: install-test ## Attack it: every test of tests/hostile, and made-up requests to the five APIs and the console (HOSTILE=3600 seconds)
	OOC_HOSTILE_SECONDS=$(HOSTILE) $(BIN)/pytest tests/hostile

.PHONY: alerts
alerts: install-test ## Let Prometheus and Alertmanager watch a system whose processes and servers hang (Debian: apt-get install prometheus prometheus-alertmanager faketime)
	$(BIN)/pytest tests/alerts

.PHONY: check
check: install-test lint ## The quick loop: lint, types, layers, unit tests, sources and the reference pages; no servers, no documents
	@log=$$(mktemp); $(QUICK) $(HALF) >"$$log" 2>&1 & half=$$!; trap 'kill $$half 2>/dev/null || :; rm -f "$$log"' EXIT; \
	ended=0; $(QUICK) $(addprefix --ignore=,$(HALF)) tests/unit tests/architecture/test_{sources,reference}.py || ended=$$?; \
	wait $$half || ended=$$?; cat "$$log"; exit $$ended

.PHONY: lint
lint: install-test
	@$(MAKE) -j2 $(LINT)

# Two at a time: mypy takes as long as the others together.
LINT := mypy ruff imports spelling

.PHONY: $(LINT) collect aot-cache
mypy:
	$(BIN)/mypy
ruff:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
imports:
	$(BIN)/lint-imports
spelling:
	$(BIN)/codespell
# Compiles every test, once for the processes that run them.
collect:
	@collected=$$($(BIN)/pytest --collect-only -qq $(TESTS)) || { echo "$$collected"; exit 1; }
# Fifty nodes of Kafka start in half the time with it.
aot-cache:
	@$(BIN)/python -m tools.local.fetch --aot-cache

.PHONY: install
install: $(VENV)/.editable-run ## Make .venv and install what `make run` needs, checked by hash
	@:

.PHONY: install-test
install-test: $(VENV)/.editable-test ## The same, and what tests and lint need besides
	@:

$(VENV)/.installed-run: LOCK := local
$(VENV)/.installed-test: LOCK := test
$(VENV)/.installed-%: requirements/local.txt requirements/test.txt
	@$(REQUIRE_PYTHON)
	@if ! { [ -x $(BIN)/python ] && $(BIN)/python -c '$(NEW_ENOUGH)' && $(BIN)/python -m pip --version; } >/dev/null 2>&1; then \
		echo "Making $(VENV) with $$($(PYTHON) --version)"; \
		"$(PYTHON)" -m venv --clear $(VENV) || { \
			echo "$(PYTHON) could not make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	fi
	@echo "Installing what requirements/$(LOCK).txt pins (about half a minute the first time)"
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements/$(LOCK).txt || { \
		echo; \
		echo "The installation did not finish; nothing half-installed is used. The error above says why, and"; \
		echo "  - a network error or a time-out: check the connection (or pip's proxy settings), then run the same command again;"; \
		echo "  - 'THESE PACKAGES DO NOT MATCH THE HASHES': what came is not what was pinned. Run 'pip cache purge' and try"; \
		echo "    again; if it stays, do not install it: report it;"; \
		echo "  - 'No space left on device': this needs about 2 GB in $(CURDIR) and pip's temporary folder (TMPDIR)."; \
		exit 1; \
	} >&2
	@$(BIN)/python -m tools.local.fetch
	@$(if $(filter test,$(LOCK)),$(BIN)/python -m tests.browsers)
	@touch $@

# A changed pyproject.toml installs the project alone again, and what it needs only once `make lock` has pinned it.
$(VENV)/.editable-run $(VENV)/.editable-test: $(VENV)/.editable-%: pyproject.toml $(VENV)/.installed-%
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: mutate
mutate: .venv-mutate/.installed ## Break the rules on purpose, in a copy, and see whether unit tests notice (SERVICES=education: one of them)
	@.venv-mutate/bin/python tests/mutation/mutate.py $(SERVICES)

.PHONY: bench
bench: .venv-bench/.installed ## How fast it is, beside a peer and what the machine can do (BENCH=relay SECONDS=10 ROUNDS=5 JSON=path)
	@.venv-bench/bin/python -m tests.bench $(BENCH) --seconds $(SECONDS) --rounds $(ROUNDS) --json $(JSON) --page

.PHONY: bench-growth
bench-growth: .venv-bench/.installed ## What reporting's answers cost as its history grows (SIZES="10000 100000"): minutes for each 100,000 events
	@.venv-bench/bin/python -m tests.bench.growth $(SIZES)

.PHONY: bench-verify
bench-verify: .venv-bench/.installed ## How long `ooc verify` takes for a large system (EVENTS=1000000, which take some ten minutes to fill)
	@.venv-bench/bin/python -m tests.bench.large_verification $(EVENTS) --rounds $(ROUNDS)

.venv-bench/.installed: requirements/bench.txt
	@$(REQUIRE_PYTHON)
	@"$(PYTHON)" -m venv --clear .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@.venv-bench/bin/python -m tools.local.fetch
	@touch $@

.PHONY: audit
audit: .venv-audit/.installed ## Ask PyPI and npm about every pinned package (an error: one is vulnerable, or was not answered about)
	@failed=0; \
	for lock in requirements/*.txt; do \
		echo "$$lock" && .venv-audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r "$$lock" || failed=1; \
	done; \
	for lock in tools/styles clients/typescript; do echo "$$lock" && (cd $$lock && npm audit --package-lock-only) || failed=1; done; \
	exit $$failed

.PHONY: sbom
sbom: .venv-audit/.installed ## Write dist/sbom.json: a bill of materials (CycloneDX) of what the image installs
	@mkdir -p dist
	@.venv-audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o dist/sbom.json requirements/run.txt

.PHONY: clients
clients: .venv-clients/.installed ## Generate the client libraries of clients/ from the contract, and build them into var/clients (npm)
	@.venv-clients/bin/python -m tools.clients python typescript

.PHONY: doors
doors: .venv-clients/.installed ## Lint the contract as other agencies do, and compile what calls every operation in four languages (npm, Go, Maven)
	@.venv-clients/bin/python -m tools.clients python
	@.venv-clients/bin/python -m tests.doors

$(addsuffix /.installed,.venv-audit .venv-clients .venv-lock .venv-mutate .venv-site): .venv-%/.installed: requirements/%.txt
	@$(REQUIRE_PYTHON)
	@"$(PYTHON)" -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$*.txt
	@touch $@

.PHONY: docs
docs: install-test ## Write docs/reference, the contract and deploy/kubernetes from the code (a test fails where they are stale)
	@$(BIN)/python -m tools.reference

.PHONY: site
site: .venv-site/.installed ## Write these pages as a site with a search: var/site/html/index.html
	@rm -rf var/site; mkdir -p var/site/pages
	@git archive HEAD | tar -x -C var/site/pages
	@cp docs/site.toml var/site && .venv-site/bin/zensical build --config-file var/site/site.toml

.PHONY: weight
weight: ## Say what the house weighs: lines by room, words by hand, the largest functions and files
	@$(PYTHON) tools/weight.py

.PHONY: lock
lock: .venv-lock/.installed ## Renew requirements/*.txt from pyproject.toml (a release rests a week first)
	@lock() { \
		env -u UV_FIND_LINKS .venv-lock/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
			--no-emit-index-url --no-emit-find-links --no-emit-package ooc --custom-compile-command 'make lock' \
			--exclude-newer "$$(.venv-lock/bin/python -c 'import datetime as d; print(d.date.today() - d.timedelta(7))')" \
			--output-file "requirements/$$1.txt" "$${@:2}"; \
	}; \
	lock run pyproject.toml; \
	lock local pyproject.toml --extra local --group editable --constraint requirements/run.txt; \
	lock test pyproject.toml --extra local --group test --constraint requirements/local.txt; \
	lock mutate pyproject.toml --extra local --group mutate --constraint requirements/test.txt; \
	lock bench pyproject.toml --extra local --group bench --constraint requirements/local.txt; \
	lock audit --group pyproject.toml:audit; \
	lock clients --group pyproject.toml:clients; \
	lock build --group pyproject.toml:build; \
	lock site --group pyproject.toml:site; \
	lock lock --group pyproject.toml:lock

.PHONY: reset
reset: ## Remove var/, or what OOC_VAR names: the local system's data, keys and logs
	@var="$${OOC_VAR:-var}"; \
	if [ -e "$$var/lock" ] && [ -x $(BIN)/python ]; then \
		$(BIN)/python -c 'import sys; from tools.local.data_dir import main; main(sys.argv[1])' "$$var"; \
	elif [ "$$var" != var ] && [ -e "$$var" ] && [ ! -e "$$var/lock" ]; then \
		echo "$$var holds no local system (no file named lock), so nothing is removed." >&2; exit 1; \
	fi; \
	rm -rf -- "$$var"; \
	echo "$$var is gone; the next 'make run' there starts from nothing."
