# taskfactory's commands. `make help` lists them; each line below a `##` is what help shows.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# uv from PATH, or installed once beside the checkout.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
RUN := $(UV) run --frozen --no-sync

.PHONY: help setup demo dev down test test-chaos unit e2e lint types fmt schemas bench-match clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.uv/bin/uv:
	@echo "uv is not on PATH: installing it into .uv (once)"
	@python3 -m venv .uv && .uv/bin/pip install --quiet uv

.venv/.synced: $(UV) uv.lock pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml deploy/dev/pyproject.toml)
	@$(UV) sync --frozen --quiet --compile-bytecode
	@touch $@

setup: .venv/.synced ## Install the workspace into .venv

demo: setup ## Send a shop's events through the whole path and show what came out
	@$(RUN) python -m examples.shop.demo

dev: setup ## Start the local stack (Kafka, Temporal, PostgreSQL) and print how to use it
	@$(RUN) taskfactory dev up

down: setup ## Stop the local stack
	@$(RUN) taskfactory dev down

test: lint types unit e2e ## Everything that has to pass: style, types, borders, unit and end-to-end tests

unit: setup ## Only the tests that need no server (seconds)
	@$(RUN) pytest -m "not stack" --quiet --numprocesses 2

e2e: setup ## Only the tests on the real stack
	@$(RUN) pytest -m "stack and not chaos" --numprocesses 2 --dist loadgroup --durations 10

test-chaos: setup ## Faults of minutes on a stack of their own, about 20 minutes (CHAOS_SEED=N repeats a run)
	@$(RUN) pytest tests/chaos -m chaos --durations 20

lint: setup ## Style and borders (ruff, import-linter)
	@$(RUN) ruff check
	@$(RUN) ruff format --check --quiet
	@$(RUN) lint-imports --no-logo

types: setup ## mypy, strict
	@$(RUN) mypy

fmt: setup ## Format the code and mend what ruff can mend
	@$(RUN) ruff check --fix --quiet || true
	@$(RUN) ruff format

schemas: setup ## Write the generated schemas anew
	@$(RUN) python -m taskfactory.definitions.schema schemas/json

bench-match: setup ## Matching with 1 to 100,000 definitions; fails when a target is missed (2 minutes)
	@$(RUN) python -m bench.match

clean: ## Remove what was built in the checkout
	@rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
