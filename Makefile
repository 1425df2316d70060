# Two commands on a fresh machine: `make run` and `make test`. Both need Python 3.11 or newer, no more.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test test-long check audit bench-queue bench-integrity bench-lists bench-seat-map bench-storefront-map fuzz storm screenshots format messages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run ## Start everything with demo data; Ctrl-C stops it
	@$(BIN)/python manage.py up --stop-with-parent

# What starts a whole Encore, and what measures time, runs by itself.
ALONE := tests/faults tests/live tests/running
TWO := --numprocesses 2 -m "not slow"

test: $(VENV)/.dev ## Run the whole suite, with databases of its own
	@$(BIN)/python -m pytest $(TWO) --dist loadfile $(ALONE:%=--ignore=%) --ignore=tests/browser --cov --cov-report=
	@$(BIN)/python -m pytest $(ALONE) --cov --cov-append --cov-report=term --cov-report=json:coverage.json
	@$(BIN)/python tests/coverage_floor.py coverage.json
	@$(BIN)/python -m pytest $(TWO) --dist worksteal tests/browser

# Pages and faults first: random orders go on until Ctrl-C, or for ENCORE_TEST_LONG_SECONDS. A failure names its
# seed, and ENCORE_TEST_LONG_SEED repeats it.
test-long: $(VENV)/.dev ## Every page, faults, then random orders of everything until Ctrl-C
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/browser
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/faults
	@ENCORE_TEST_LONG=1 $(BIN)/python -m pytest tests/stateful

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

audit: $(VENV)/.dev ## Ask for known vulnerabilities of the pinned versions; needs the network
	@$(BIN)/python -m tests.audit

bench-queue: $(VENV)/.dev ## Measure the line at a thousand and at a million people; needs wrk, takes an hour
	@$(BIN)/python -m benchmarks.queue $(ARGS)

bench-integrity: $(VENV)/.dev ## Measure checking the invariants over a million reservations; takes some minutes
	@$(BIN)/python -m benchmarks.integrity $(ARGS)

bench-lists: $(VENV)/.dev ## Measure the back office's lists over a million rows; takes some minutes
	@$(BIN)/python -m benchmarks.lists $(ARGS)

bench-seat-map: $(VENV)/.dev ## Measure drawing and moving the seat map of 20,000 seats; needs Chromium
	@$(BIN)/python -m benchmarks.seat_map $(ARGS)

bench-storefront-map: $(VENV)/.dev ## Measure the same for the seat map that customers see; needs Chromium
	@$(BIN)/python -m benchmarks.storefront_map $(ARGS)

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
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage coverage.json staticfiles

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
