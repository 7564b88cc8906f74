# Two commands matter: `make run` starts the platform with demo data, `make test` proves it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
UV := $(BIN)/uv
COMPILED := $(CURDIR)/build/compiled/src
LITELLM := $(CURDIR)/build/litellm-client

WHOLE := tests/contract tests/e2e $(addprefix tests/integration/gateway/test_, answer_cache.py streams.py budgets.py faults.py limits.py counting.py \
	conversion.py hostile_accounting.py untouched.py recovery.py workers_leaving.py shared_budgets.py shared_limits.py routing.py guardrails.py)
# These say nothing of the hot path that WHOLE does not say: they are about the portal, and about `up` as such.
NOT_OF_THE_GATEWAY := $(addprefix --ignore tests/e2e/test_, portal.py portal_workshops.py portal_size.py first_day_of_a_person.py \
	up_life.py up_models.py up_playground.py up_refusals.py) \
	--ignore tests/contract/test_rehearsal.py --ignore tests/contract/test_people_and_reports.py
# In the order that tests/conftest.py says, not by the number of a file's tests: the longest files have the fewest.
IN_TWO := -n 2 --dist loadfile --no-loadscope-reorder
CHECKED := src tests benchmarks docs migrations tools deploy ansible

.DEFAULT_GOAL := help
.PHONY: help run portal portal-client screenshots test-portal test test-compiled test-unit test-nightly test-api test-litellm test-deploy test-ansible test-sanity lint format types contracts check bench bench-reads bench-keys lock compiled clean

help:  ## show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMPS)/venv: requirements/uv.txt
	@echo "· making the virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say PYTHON=/path/to/python3.11 make …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: $(STAMPS)/venv requirements/runtime.txt pyproject.toml
	@echo "· installing hash-locked dependencies"
	@$(UV) --system-certs pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@printf '%s\n' "$(COMPILED)" "$(CURDIR)/src" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/litemaas.pth"
	@touch $@

$(STAMPS)/dev: $(STAMPS)/runtime requirements/dev.txt
	@echo "· installing hash-locked test dependencies"
	@$(UV) --system-certs pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

$(STAMPS)/compiler: $(STAMPS)/runtime requirements/compile.txt
	@$(UV) --system-certs pip install --quiet --python $(BIN)/python --require-hashes -r requirements/compile.txt
	@touch $@

$(STAMPS)/api: $(STAMPS)/dev requirements/api.txt
	@echo "· installing schemathesis"
	@$(UV) --system-certs pip install --quiet --python $(BIN)/python --require-hashes -r requirements/api.txt
	@touch $@

$(STAMPS)/litellm: $(STAMPS)/venv requirements/litellm.txt
	@echo "· installing LiteLLM's client in an environment of its own"
	@$(PYTHON) -m venv --without-pip $(LITELLM)
	@$(UV) --system-certs pip install --quiet --compile-bytecode --python $(LITELLM)/bin/python --require-hashes -r requirements/litellm.txt
	@touch $@

$(STAMPS)/deploy: $(STAMPS)/dev requirements/deploy.txt
	@echo "· installing Helm's SDK and the schemas of Kubernetes"
	@$(UV) --system-certs pip install --quiet --python $(BIN)/python --require-hashes -r requirements/deploy.txt
	@touch $@

$(STAMPS)/ansible: $(STAMPS)/deploy requirements/ansible.txt
	@echo "· installing ansible-core and its linter"
	@$(UV) --system-certs pip install --quiet --python $(BIN)/python --require-hashes -r requirements/ansible.txt
	@touch $@

compiled: $(STAMPS)/compiler  ## compile the gateway's hot path where there is a C compiler
	@$(BIN)/python tools/compile.py

portal: $(STAMPS)/runtime  ## build the web portal where its sources changed (needs node 20.19 or newer)
	@$(BIN)/python tools/portal.py build

portal-client: $(STAMPS)/runtime  ## write the portal's typed client anew after a change of the API
	@PYTHONPATH=src $(BIN)/python tools/portal.py client

run: $(STAMPS)/runtime  ## start the whole platform on this machine with demo data
	@$(MAKE) --no-print-directory compiled || true
	@$(BIN)/python tools/portal.py build --draft || echo "· portal: not built; everything else starts without it"
	@exec $(BIN)/python -m litemaas up --demo

test: $(STAMPS)/dev  ## lint, types, import contracts and all tests with real PostgreSQL and Valkey
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory test-portal
	@$(BIN)/python -m pytest $(IN_TWO) --every-route-succeeds --ignore tests/api --ignore tests/deploy --ignore tests/ansible
	@$(MAKE) --no-print-directory test-compiled

test-portal: $(STAMPS)/runtime  ## types, lint, texts and behaviour of the portal, its bundle, and a browser for its journeys (needs node)
	@$(BIN)/python tools/portal.py run check
	@$(BIN)/python tools/portal.py run test
	@$(BIN)/python tools/portal.py build
	@$(BIN)/python tools/portal.py browser

screenshots: $(STAMPS)/runtime  ## pictures of every page in light, dark and on a phone, in build/screenshots (needs node and Chromium)
	@$(BIN)/python tools/portal.py build
	@$(BIN)/python tools/portal.py browser
	@$(BIN)/python tools/portal.py screenshots

test-compiled: $(STAMPS)/dev compiled  ## the tests that use a whole gateway, with its hot path compiled
	@if [ -d $(COMPILED) ]; then PYTHONPATH=$(COMPILED) $(BIN)/python -m pytest $(IN_TWO) -o pythonpath="$(COMPILED) ." $(NOT_OF_THE_GATEWAY) $(WHOLE); fi

test-unit: $(STAMPS)/dev  ## only the tests without I/O
	@$(BIN)/python -m pytest tests/unit tests/architecture -q

test-nightly: $(STAMPS)/dev  ## the chaos tests in full length and many more examples of every property; takes an hour or more
	@LITEMAAS_NIGHTLY=1 LITEMAAS_TEST_PROFILE=nightly HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/chaos tests/unit/gateway --timeout 3600

test-api: $(STAMPS)/api  ## send made-up requests of all kinds to a real control plane and hold it to its OpenAPI
	@LITEMAAS_API_TESTS=1 $(BIN)/python -m pytest tests/api

test-litellm: $(STAMPS)/dev $(STAMPS)/litellm  ## let LiteLLM's own Python client and command use a real platform
	@LITEMAAS_TEST_LITELLM_PYTHON=$(LITELLM)/bin/python $(BIN)/python -m pytest tests/contract/test_litellm_client.py

test-deploy: $(STAMPS)/deploy  ## render, validate and try out what is under deploy/ (needs nginx, promtool and kubectl)
	@LITEMAAS_DEPLOY_TESTS=1 $(BIN)/python -m pytest $(IN_TWO) tests/deploy

test-ansible: $(STAMPS)/ansible  ## run the Ansible collections with real ansible-core against a real platform
	@LITEMAAS_ANSIBLE_TESTS=1 $(BIN)/python -m pytest $(IN_TWO) tests/ansible

test-sanity: $(STAMPS)/ansible  ## ansible-test's sanity tests of the collections, with those that install packages of their own
	@LITEMAAS_ANSIBLE_TESTS=1 LITEMAAS_SANITY=1 $(BIN)/python -m pytest tests/ansible/test_sanity.py

check: lint types contracts  ## everything static

lint: $(STAMPS)/dev
	@$(BIN)/ruff check $(CHECKED) && $(BIN)/ruff format --check $(CHECKED)

format: $(STAMPS)/dev  ## format the code
	@$(BIN)/ruff check --fix-only $(CHECKED); $(BIN)/ruff format $(CHECKED)

types: $(STAMPS)/dev
	@$(BIN)/mypy

contracts: $(STAMPS)/dev
	@PYTHONPATH=src $(BIN)/lint-imports --no-cache

bench: $(STAMPS)/dev compiled  ## measure direct, nginx and our gateway side by side (needs nginx)
	@$(BIN)/python -m benchmarks

bench-reads: $(STAMPS)/dev  ## measure the portal's queries on ten million usage records (15 GB of disk, half an hour)
	@$(BIN)/python -m benchmarks.usage_reads

bench-keys: $(STAMPS)/dev  ## how long a workshop waits for a thousand keys
	@$(BIN)/python -m benchmarks.bulk_keys

lock: $(STAMPS)/venv  ## rewrite the hash-locked requirements
	@$(UV) --system-certs pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header -q -o requirements/runtime.txt
	@$(UV) --system-certs pip compile pyproject.toml --extra dev --extra discovery --extra mcp --extra otel --universal --generate-hashes --python-version 3.11 --no-header -q -c requirements/runtime.txt -o requirements/dev.txt
	@$(UV) --system-certs pip compile pyproject.toml --extra discovery --extra mcp --extra otel --universal --generate-hashes --python-version 3.11 --no-header -q -c requirements/dev.txt -o requirements/cluster.txt
	@$(UV) --system-certs pip compile requirements/uv.in --universal --generate-hashes --python-version 3.11 --no-header -q -o requirements/uv.txt
	@$(UV) --system-certs pip compile requirements/compile.in --universal --generate-hashes --python-version 3.11 --no-header -q -c requirements/dev.txt -o requirements/compile.txt
	@$(UV) --system-certs pip compile requirements/deploy.in --universal --generate-hashes --python-version 3.11 --no-header -q -c requirements/dev.txt -o requirements/deploy.txt
	@$(UV) --system-certs pip compile requirements/api.in --universal --generate-hashes --python-version 3.11 --no-header -q -c requirements/dev.txt -o requirements/api.txt
	@$(UV) --system-certs pip compile requirements/litellm.in --universal --generate-hashes --python-version 3.11 --no-header -q -o requirements/litellm.txt
	@$(UV) --system-certs pip compile requirements/ansible.in --universal --generate-hashes --python-version 3.11 --no-header -q -c requirements/dev.txt -c requirements/deploy.txt -o requirements/ansible.txt

clean:  ## forget the environment and the state
	@rm -rf $(VENV) build .litemaas .pytest_cache .mypy_cache .ruff_cache
