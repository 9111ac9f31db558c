# Everything that is done with this project, by name. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
RUN := DEBUG=true $(BIN)/python
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help venv demo run stop test test-real lint format bench screenshots tools lock clean

help: ## list what can be done
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

venv: .venv/.synced ## create the environment from the lock file

.venv/.synced: requirements-dev.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	@touch $@

demo: venv ## set everything up and run the main job, from events to a verified package
	@$(RUN) -m demo; code=$$?; $(RUN) -m config.development stop run >/dev/null; exit $$code

run: venv ## serve the admin and the API on PORT (8000) with a worker, over the demo's data
	@trap '$(RUN) -m config.development stop run' EXIT; \
	  $(RUN) manage.py migrate --database owner --verbosity 0 && \
	  DEBUG=true PORT=$(PORT) PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/honcho start --no-prefix

stop: ## stop the embedded databases of this checkout
	@$(RUN) -m config.development stop run test bench

test: venv ## the whole ordinary suite
	@$(BIN)/pytest -m "not real" -n $(JOBS) --dist loadgroup $(ARGS); code=$$?; \
	  $(RUN) -m config.development stop test >/dev/null; exit $$code

test-real: venv ## the tests that need real servers beside the database
	@$(BIN)/pytest -m real $(ARGS); code=$$?; \
	  $(RUN) -m config.development stop test >/dev/null; exit $$code

lint: venv ## ruff, mypy, import-linter and the checks of the tree
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy sealing access audit ops evidence reports config
	@$(BIN)/lint-imports

format: venv ## put the code into shape
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: venv ## ratios beside limits measured in the same run; writes benchmarks/RESULTS.md
	@$(RUN) -m benchmarks; code=$$?; $(RUN) -m config.development stop bench >/dev/null; exit $$code

screenshots: venv ## pictures of the admin's pages, light and dark, in var/screenshots
	@$(RUN) -m scripts.screenshots; code=$$?; $(RUN) -m config.development stop run >/dev/null; exit $$code

tools: ## what only the operating system can give (Debian, as root)
	@scripts/install-tools

lock: venv ## resolve the lock files anew
	@for extra in "" "-dev --extra dev"; do set -- $$extra; \
	  suffix=$${1:-}; test $$# -gt 0 && shift; \
	  $(BIN)/uv pip compile pyproject.toml "$$@" --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-emit-index-url --quiet --upgrade \
	    -o requirements$$suffix.lock; done

clean: venv ## remove what was made here, the demo's data and databases too
	@$(RUN) -m config.development remove run test bench
	rm -rf var .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles
