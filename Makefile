# `make` lists what there is. Every target sets the checkout up first, which costs nothing the second time.
ENV ?= dev
FORMAT ?= text
AGAINST ?= HEAD
# off: nothing is fetched or built for the rehearsal, and its tests are skipped by name.
REHEARSAL ?= on
RUN := .venv/bin/python
# Which Python to build the environment from, where it should not be the first fitting one: make PYTHON=python3.12
export PYTHON
# Quotes, spaces and dollars in a path reach the command as they are.
quoted = '$(subst ','\'',$(1))'

.PHONY: help setup prepared plan review preview up verify deploy nightly acceptance comment issue rehearse down test test-all lint format docs site bench-self bench-rehearsal clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -nE 's/^([a-z -]+):.*## (.*)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-26s %s\n", $$1, $$2}'
	@echo "  ENV=dev                    name of an environment, or the path of its file"

prepared:
	@sh tools/setup.sh

setup: prepared ## set up everything below this folder
	@echo "ready: .venv, $$($(RUN) -V)"

plan: prepared ## what an environment creates, serves and costs (FORMAT=text, json, yaml, mermaid, svg)
	@$(RUN) -m serving plan $(call quoted,$(ENV)) --format $(call quoted,$(FORMAT))

review: prepared ## what a change means for every environment (AGAINST=REF, FORMAT=text, markdown, json, OUTPUT=FILE)
	@$(RUN) -m serving review --against $(call quoted,$(AGAINST)) --format $(call quoted,$(FORMAT)) $(if $(OUTPUT),--output $(call quoted,$(OUTPUT)))

preview up verify deploy: prepared ## in the cloud, on the stack ENV: preview, up, verify, or up and verify
	@$(RUN) -m tools.ci.cloud $@ $(call quoted,$(ENV))

nightly: prepared ## in the cloud: refresh without writing, drift, preflight (OUTPUT=FILE for the findings)
	@$(RUN) -m tools.ci.cloud nightly $(call quoted,$(ENV)) $(if $(OUTPUT),--output $(call quoted,$(OUTPUT)))

acceptance: prepared ## in the cloud: create an environment, prove it, destroy it, write a record (costs money; OPTIONS="--yes")
	@$(RUN) -m serving acceptance $(call quoted,$(ENV)) $(OPTIONS)

comment: prepared ## in a workflow: put FILE on the pull request
	@$(RUN) -m tools.ci.github comment $(call quoted,$(FILE))

issue: prepared ## in a workflow: open or update the issue with nightly findings (FILE)
	@$(RUN) -m tools.ci.github issue $(call quoted,$(FILE)) --title $(call quoted,nightly: $(ENV))

rehearse: prepared ## run an environment on this machine in an emulated cloud, and verify it
	@$(RUN) -m serving rehearse $(call quoted,$(ENV))

down: prepared ## destroy a rehearsal and check for leftovers
	@$(RUN) -m serving down $(call quoted,$(ENV))

lint: prepared ## formatting, lint, types, layers
	@$(RUN) -m tools.checks

test: prepared ## all checks and all tests this machine can run
	@$(RUN) -m tools.checks --tests $(if $(filter off,$(REHEARSAL)),--without-rehearsal)

test-all: prepared ## what `make test` runs, with every fault injection, every example and many more generated cases
	@TPU_SERVING_TEST_ALL=1 $(RUN) -m tools.checks --tests

format: prepared ## format the code
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

docs: prepared ## regenerate the generated documentation
	@$(RUN) -m tools.generate_docs

site: prepared ## the documentation as pages, in .state/site; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict
	@echo "written: .state/site/index.html"

bench-self: prepared ## times of our own commands against floors of the same run
	@$(RUN) -m benchmarks.bench_self

bench-rehearsal: prepared ## seconds and memory of a rehearsal of dev by part; some minutes, on a quiet machine
	@$(RUN) -m benchmarks.bench_rehearsal

clean: ## remove what the targets made, but not the download cache
	@rm -rf .venv .state .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
