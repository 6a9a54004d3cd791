# `make` lists what there is. Every target sets the checkout up first (once).
ENV ?= dev
FORMAT ?= text
PYTHON ?= python3
RUN := .venv/bin/python
MYPY_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tpu-serving/mypy

.PHONY: help setup plan rehearse down test lint format docs bench-self clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo "  ENV=dev      name of an environment, or the path of its file"

setup: ## set up everything below this folder
	@"$(PYTHON)" tools/setup.py

plan: setup ## what an environment would create, serve and cost (FORMAT=text, json, yaml, mermaid, svg)
	@"$(RUN)" -m serving plan "$(ENV)" --format "$(FORMAT)"

rehearse: setup ## plan the environment, and say what the local rehearsal can't do yet
	@"$(RUN)" -m serving rehearse "$(ENV)"

down: setup ## end a rehearsal
	@"$(RUN)" -m serving down "$(ENV)"

lint: setup ## formatting, lint, types, layers
	@"$(RUN)" -m ruff check .
	@"$(RUN)" -m ruff format --check .
	@"$(RUN)" -m mypy --cache-dir "$(MYPY_CACHE)"
	@.venv/bin/lint-imports --no-cache

test: lint ## all checks and all tests this machine can run
	@"$(RUN)" -m pytest -n 2 -q -rs

format: setup ## format the code
	@"$(RUN)" -m ruff check --fix .
	@"$(RUN)" -m ruff format .

docs: setup ## write the generated documentation anew
	@"$(RUN)" -m tools.generate_docs

bench-self: setup ## what a person feels: times of our own commands against floors of the same run
	@"$(RUN)" -m benchmarks.bench_self

clean: ## remove what the targets made, but not the download cache
	@rm -rf .venv .state .mypy_cache .ruff_cache .pytest_cache .hypothesis
