# Two commands on a fresh machine: `make run` and `make test`. Both need Python 3.11 or newer, no more.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test test-long test-cluster test-upgrade check check-monitoring audit check-deploy bench bench-check bench-queue bench-integrity bench-lists bench-journey bench-seat-map bench-storefront-map bench-costs bench-backup docs fuzz storm screenshots format messages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run ## Start everything with demo data; Ctrl-C stops it
	@$(BIN)/python manage.py up --stop-with-parent

# What starts a whole Encore, and what measures time, runs by itself.
ALONE := tests/faults tests/live tests/running
TWO := --numprocesses 2 --no-loadscope-reorder -m "not slow"
# Pages mostly wait to be drawn.
THREE := --numprocesses 3 -m "not slow"
# What has a target of its own.
APART := tests/browser tests/cluster tests/upgrade

test: $(VENV)/.dev ## Run the whole suite, with databases of its own
	@$(BIN)/python -m pytest $(TWO) --dist loadfile $(ALONE:%=--ignore=%) $(APART:%=--ignore=%) --cov --cov-report=
	@$(BIN)/python -m pytest $(ALONE) --cov --cov-append --cov-report=term --cov-report=json:coverage.json
	@$(BIN)/python tests/coverage_floor.py coverage.json
	@$(BIN)/python -m pytest $(THREE) --dist worksteal tests/browser

# Pages and faults first: random orders go on until Ctrl-C, or for ENCORE_TEST_LONG_SECONDS. A failure names its
# seed, and ENCORE_TEST_LONG_SEED repeats it.
test-long: $(VENV)/.dev ## Every page, faults, then random orders of everything until Ctrl-C
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/browser
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/faults
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/stateful

test-cluster: $(VENV)/.dev ## Several machines under faults; needs root, Linux, Debian's packages and 15 minutes
	@$(BIN)/python -m pytest tests/cluster

# The old code is the newest whose schema differs; ENCORE_OLD names another commit.
test-upgrade: $(VENV)/.dev ## New code takes over from old during a sale; backups, going back to a moment; needs git
	@$(BIN)/python -m pytest tests/upgrade -s

check: $(VENV)/.dev ## Lint, types, import contracts, migrations, deployment settings, API schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml apps config manage.py
	$(BIN)/python -m pytest tests/architecture
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(BIN)/python -m tests.messages --check
	DEBUG=0 SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
	ALLOWED_HOSTS=tickets.example DATABASE_URL=postgresql://encore@db.example/encore \
	$(BIN)/python manage.py check --deploy --fail-level WARNING

check-monitoring: $(VENV)/.dev ## Check and try the rules and alerts; needs promtool (in Debian's package prometheus)
	promtool check config --syntax-only deploy/prometheus/prometheus.yml
	promtool check rules deploy/prometheus/rules.yml deploy/prometheus/alerts.yml
	promtool test rules tests/monitoring/alerts.test.yml
	$(BIN)/python -m pytest tests/monitoring tests/live/test_metrics.py

audit: $(VENV)/.dev ## Ask for known vulnerabilities of the pinned versions; needs the network
	@$(BIN)/python -m tests.audit

check-deploy: $(VENV)/deploy/.done ## Check what containers are made of; needs nginx and pgbouncer
	@PATH="$(abspath $(VENV)/deploy/bin):$$PATH" sh deploy/check.sh

bench: $(VENV)/.dev ## Measure everything side by side, against yardsticks and targets; needs wrk, takes 25 minutes
	@$(BIN)/python -m benchmarks.sale $(ARGS)

bench-check: $(VENV)/.dev ## Fail where a request has lost over 15 % of what was measured last; needs wrk, 5 minutes
	@$(BIN)/python -m benchmarks.sale.check $(ARGS)

bench-queue: $(VENV)/.dev ## Measure the line at a thousand and at a million people; needs wrk, takes an hour
	@$(BIN)/python -m benchmarks.queue $(ARGS)

bench-integrity: $(VENV)/.dev ## Measure checking the invariants over a million reservations; takes some minutes
	@$(BIN)/python -m benchmarks.integrity $(ARGS)

bench-lists: $(VENV)/.dev ## Measure the back office's lists over a million rows; takes some minutes
	@$(BIN)/python -m benchmarks.lists $(ARGS)

bench-journey: $(VENV)/.dev ## Measure buying from line to payment on one web node and on two; takes ten minutes
	@$(BIN)/python -m benchmarks.journey $(ARGS)

bench-seat-map: $(VENV)/.dev ## Measure drawing and moving the seat map of 20,000 seats; needs Chromium
	@$(BIN)/python -m benchmarks.seat_map $(ARGS)

bench-storefront-map: $(VENV)/.dev ## Measure the same for the seat map that customers see; needs Chromium
	@$(BIN)/python -m benchmarks.storefront_map $(ARGS)

bench-costs: $(VENV)/.dev ## Measure what one request of each kind costs: processor time, bytes
	@$(BIN)/python -m benchmarks.costs $(ARGS)

bench-backup: $(VENV)/.dev ## Measure a backup of a million reservations and its restoring; takes some minutes
	@$(BIN)/python -m benchmarks.backup $(ARGS)

docs: $(VENV)/.dev ## Make the documentation's site, in docs/_build/html
	@$(BIN)/python -m sphinx -b html -q -W --keep-going docs docs/_build/html

fuzz: $(VENV)/.dev ## Send 5,000 made-up requests to every endpoint of the schema; takes some minutes
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/contract/test_fuzz.py

storm: $(VENV)/.dev ## Let 1,000 customers fight for 50 seats through HTTP; takes some minutes
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/live/test_storm.py

screenshots: $(VENV)/.dev ## Take the pictures in the READMEs, of a whole Encore with a crowd
	@$(BIN)/python -m tests.browser.screenshots

format: $(VENV)/.dev ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(VENV)/.dev ## Compile the translations
	$(BIN)/python -m tests.messages

clean: ## Remove the environment and what tools left; the data stays
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .coverage coverage.json staticfiles

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Encore needs Python 3.11 or newer; this is " + sys.version)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	@echo "Installing what Encore runs on…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing what Encore and its tests run on…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.run

$(VENV)/deploy/.done: requirements-deploy.txt | $(VENV)/bin/python
	@$(PYTHON) -m venv $(VENV)/deploy
	@$(VENV)/deploy/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-deploy.txt
	@touch $@
