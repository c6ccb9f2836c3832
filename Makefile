# Which commands does one type? `make help` lists them. The environment is made once, from hash-locked requirements.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HELI := $(BIN)/heli
# Without Maven, Kafka runs in Docker, which is driven through a test tool.
RUN_STAMP := $(if $(shell command -v mvn),$(VENV)/.stamp-run,$(VENV)/.stamp-dev)

LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-header -q

.PHONY: help demo up down status reset doctor test test-tools check bench soak faults lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN_STAMP) ## start everything, carry 200 reports, print a verdict (JSON=FILE writes it)
	@$(HELI) demo $(if $(JSON),--json $(JSON))

up: $(RUN_STAMP) ## start everything and leave it running
	@$(HELI) up --detach

down: $(RUN_STAMP) ## stop it; data stays
	@$(HELI) down

status: $(RUN_STAMP) ## which part is up
	@$(HELI) status

reset: $(RUN_STAMP) ## delete all local data (asks first)
	@$(HELI) reset

doctor: $(RUN_STAMP) ## what is missing here, and what repairs it
	@$(HELI) doctor

test: check ## every check and every test (DOCKER=1: Kafka and PostgreSQL in containers)
	@$(if $(DOCKER),HELI_TEST_DOCKER=1 )$(BIN)/pytest tests

test-tools: $(VENV)/.stamp-dev ## install what tests need

check: $(VENV)/.stamp-dev ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.stamp-dev ## every figure next to a raw floor, in a quarter of an hour (JSON=FILE writes it, ONLY=NAME,... chooses, QUICK=1)
	@$(BIN)/python -m tests.bench $(if $(JSON),--json $(JSON)) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

faults: $(VENV)/.stamp-dev ## break things on purpose, prove that nothing is lost or twice (ROUNDS=n SEED=n; PLANTED=1: catch planted bugs)
	@$(BIN)/python -m tests.stories.faults $(if $(PLANTED),--planted $(if $(filter 1,$(PLANTED)),all,$(PLANTED)),--rounds $(or $(ROUNDS),3)$(if $(SEED), --seed $(SEED)))

soak: $(VENV)/.stamp-dev ## steady work for MINUTES=60 (RATE=10 reports/s); fails when memory or tables grow
	@$(BIN)/python -m tests.bench.soak --minutes $(or $(MINUTES),60) --rate $(or $(RATE),10)

lock: | $(BIN)/python ## write the hash-locked requirements anew from pyproject.toml
	@test -x $(VENV)/lock/bin/uv || { $(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install -q uv; }
	@$(VENV)/lock/bin/uv pip compile $(LOCK_FLAGS) -o requirements.txt pyproject.toml
	@$(VENV)/lock/bin/uv pip compile $(LOCK_FLAGS) --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "Heli needs Python 3.11, 3.12 or 3.13. Repair: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The module venv does not work. Repair: apt-get install python3-venv"; exit 1; }

$(VENV)/.stamp-run: requirements.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.stamp-dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements and test tools (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.stamp-run
