# Two commands matter: `make demo` and `make test`. Both install what they need into .venv first, from locked requirements.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := requirements/dev.txt
READY  := $(VENV)/.installed
KAFKA  ?= auto
JOBS   ?= 2
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format compiled pure lock audit clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## a small shop, live: embedded broker, worker, customers  [ARGS="--seconds 60"]
	@$(BIN)/segmenter demo $(ARGS)

test: $(READY) ## all tests; those on Apache Kafka when java and mvn are there  [KAFKA=required|no] [JOBS=1] [ARGS="-k words"]
	@missing=; for program in java mvn; do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ "$(KAFKA)" = no ]; then \
		echo "Skipped: the tests on Apache Kafka (KAFKA=no)."; set -- -m "not kafka"; \
	elif [ -z "$$missing" ]; then \
		set --; \
	elif [ "$(KAFKA)" = required ]; then \
		echo "make test KAFKA=required: not found:$$missing. Install a JDK (17 or later) and Maven." >&2; exit 2; \
	else \
		echo "Skipped: the tests on Apache Kafka, which need java and mvn (not found:$$missing)."; set -- -m "not kafka"; \
	fi; \
	TEST_ON_KAFKA=$(KAFKA) $(BIN)/pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder "$$@" $(ARGS)

bench: $(READY) ## measure events/s, latency and restore on Apache Kafka (needs java and mvn)  [ARGS=...]
	@$(BIN)/python -m bench $(ARGS)

lint: $(READY) ## formatting, lint and types
	@$(BIN)/ruff format -q --check --output-format concise . || { echo "Not formatted: 'make format' does it." >&2; exit 1; }
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy

format: $(READY) ## format the code and sort its imports
	@$(BIN)/ruff check -q --select I --fix .
	@$(BIN)/ruff format -q .

compiled: $(READY) ## compile what is in an event's way, here; needs a C compiler. Then all the rest runs on it
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/compile.txt
	@SEGMENTER_COMPILED=1 $(BIN)/python setup.py -q build_ext --inplace --parallel 2
	@$(BIN)/segmenter version

pure: ## plain Python again
	@find stream -name '*.so' -delete

lock: $(READY) ## choose the newest versions that pyproject.toml allows and lock them in requirements/
	@$(BIN)/pip install -q --disable-pip-version-check uv
	@$(BIN)/python requirements/lock.py

audit: $(READY) ## ask whether known vulnerabilities concern the locked packages: Error 1 vulnerable, Error 3 could not ask
	@[ -x $(VENV)/audit/bin/pip-audit ] || { $(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/pip install -q --disable-pip-version-check pip-audit; }
	@$(BIN)/python requirements/audit.py $(VENV)/audit/bin/pip-audit

clean: pure ## remove .venv, caches, the test broker's jars and the benchmark's rivals
	@rm -rf $(VENV) .kafka .rivals .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	@find stream tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; found " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@[ -x $(BIN)/python ] || { echo "Creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing from $(LOCK)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(LOCK)
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
