# Roony's commands. `make` alone lists them.
#
# Everything is installed into .venv, from the hash-locked files in requirements/. A stamp in .venv carries the checksum
# of what was installed, so a second call installs nothing and a changed lock is noticed.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo serve test soak chaos promises screenshots bench docs lint audit lock clean

VENV := .venv
BIN := $(VENV)/bin
# Where Python is told to keep no bytecode, each process of a run would compile hypothesis and others again.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
PIP_INSTALL := -m pip --disable-pip-version-check --no-input install --require-hashes --only-binary :all:

# The checksum of some files' content, and of where this tree lies: an environment cannot be moved.
checksum = $(shell { pwd; cat $(1); } | cksum | tr ' ' '-')

# With PYTHON given, an environment made by another Python is made again; without, any will do.
VENV_KEY := made-$(call checksum,/dev/null)
VENV_MADE := $(VENV)/.$(VENV_KEY)-$(subst /,_,$(PYTHON))
ifeq ($(PYTHON),)
VENV_MADE := $(firstword $(wildcard $(VENV)/.$(VENV_KEY)-*) $(VENV_MADE))
endif
ifneq ($(shell test -x $(BIN)/python && echo works),works)
.PHONY: $(VENV_MADE)
endif

RUN_READY := $(VENV)/.run-$(call checksum,pyproject.toml requirements/run.txt)
TEST_READY := $(VENV)/.test-$(call checksum,requirements/run.txt requirements/test.txt)
LINT_READY := $(VENV)/.lint-$(call checksum,requirements/run.txt requirements/test.txt requirements/lint.txt)
DOCS_READY := $(VENV)/.docs-$(call checksum,requirements/run.txt requirements/test.txt requirements/docs.txt)
AUDIT_READY := .venv-audit/.ready-$(call checksum,requirements/audit.txt)
LOCK_READY := .venv-lock/.ready-$(call checksum,requirements/lock.txt)

# ---------------------------------------------------------------- what people call

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(RUN_READY) ## connect, ask, get a card, pay, settle, refuse: the main job on the built-in Stripe simulator
	@$(BIN)/roony demo

serve: $(RUN_READY) ## run Roony with the simulator and a demo organization
	@$(BIN)/roony serve --simulate

test: $(RUN_READY) $(TEST_READY) $(DOCS_READY) ## the whole test suite
	@echo "==> Running the tests (a quarter of an hour on 2 cores; the first dots come after half a minute)"
	@$(PYTEST) -n $$($(BIN)/python -c 'import os; print(min(8, os.cpu_count() + 1))') || { echo "==> Tests failed"; exit 1; }
	@echo "==> Tests passed"

soak: $(RUN_READY) $(TEST_READY) ## long random runs (ROONY_SOAK_SECONDS, ROONY_TEST_SEED)
	@$(call run_marked,soak)

chaos: $(RUN_READY) $(TEST_READY) ## processes killed and connections broken at named points
	@$(call run_marked,chaos)

promises: $(RUN_READY) $(TEST_READY) ## what is promised, and the tests that prove it (WRITE=1 writes it into the docs)
	@$(BIN)/python -m tests.promises $(if $(WRITE),--write)

screenshots: $(RUN_READY) $(TEST_READY) ## a picture of every page in light, dark and phone width, in build/screenshots (WRITE=1 renews those of the docs)
	@ROONY_SCREENSHOTS=build/screenshots $(PYTEST) -q tests/browser/test_every_page.py tests/browser/test_outside.py tests/browser/test_changes.py tests/browser/test_watch.py
	@$(if $(WRITE),for one in docs/screenshots/*.png; do cp build/screenshots/$${one##*/} docs/screenshots/ || exit 1; done)
	@$(if $(WRITE),! command -v pngquant >/dev/null || pngquant --force --ext .png docs/screenshots/*.png)

bench: $(RUN_READY) $(TEST_READY) ## ratios against a no-op in the same run (BENCH="--only sqlite", "--scale", …)
	@$(BIN)/python -m benchmarks $(BENCH)

docs: $(RUN_READY) $(TEST_READY) $(DOCS_READY) ## the site of these pages, in build/site (WRITE=1 first writes what is made from the code)
	@$(if $(WRITE),$(BIN)/python -m tests.docs --write)
	@$(call build_site)
	@echo "==> Open build/site/index.html"

lint: $(RUN_READY) $(TEST_READY) $(DOCS_READY) $(LINT_READY) ## style, types, who may import whom, and the site of the pages
	@failed=; \
	echo "==> ruff check";          $(BIN)/ruff check . || failed="$$failed ruff-check"; \
	echo "==> ruff format --check"; $(BIN)/ruff format --check . || failed="$$failed ruff-format"; \
	echo "==> mypy";                $(BIN)/mypy || failed="$$failed mypy"; \
	echo "==> lint-imports";        $(BIN)/lint-imports --no-cache || failed="$$failed lint-imports"; \
	{ $(build_site); } || failed="$$failed docs"; \
	if [ -n "$$failed" ]; then echo "==> Lint failed:$$failed"; exit 1; fi; \
	echo "==> Lint passed"

audit: $(AUDIT_READY) ## known vulnerabilities in the locked requirements
	@$(run_audit)

lock: $(LOCK_READY) ## lock the requirements again (UPGRADE=--upgrade takes the newest that fit)
	@$(run_lock)

clean: ## remove environments, builds and caches
	@rm -rf .venv .venv-audit .venv-lock build dist *.egg-info
	@rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "==> Clean"

# ---------------------------------------------------------------- environments

$(VENV_MADE):
	@$(find_python); \
	echo "==> Making $(VENV) with $$python ($$version)"; \
	"$$python" -m venv --clear $(VENV) && touch $@

$(RUN_READY): $(VENV_MADE)
	@$(call install,$(BIN)/python,requirements/run.txt,what Roony needs to run (about half a minute))
	@echo "==> Installing Roony itself"
	@$(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --no-deps --no-build-isolation \
	  --editable .
	@rm -f $(VENV)/.run-* && touch $@

$(TEST_READY): $(VENV_MADE)
	@$(call install,$(BIN)/python,requirements/test.txt,what the tests need)
	@rm -f $(VENV)/.test-* && touch $@

$(DOCS_READY): $(VENV_MADE)
	@$(call install,$(BIN)/python,requirements/docs.txt,what the site needs)
	@rm -f $(VENV)/.docs-* && touch $@

$(LINT_READY): $(VENV_MADE)
	@$(call install,$(BIN)/python,requirements/lint.txt,what lint needs)
	@rm -f $(VENV)/.lint-* && touch $@

.venv-audit/.ready-%:
	@$(find_python); "$$python" -m venv --clear .venv-audit
	@$(call install,.venv-audit/bin/python,requirements/audit.txt,what the audit needs)
	@touch $@

.venv-lock/.ready-%:
	@$(find_python); "$$python" -m venv --clear .venv-lock
	@$(call install,.venv-lock/bin/python,requirements/lock.txt,what locking needs)
	@touch $@

# ---------------------------------------------------------------- the longer recipes

# $PYTHON, python3, python3.14 … python3.11: the first that is 3.11 to 3.14 and has venv. Sets $python and $version.
define find_python
	python=; without_venv=; \
	for candidate in $${PYTHON:+"$$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do \
	  version=$$("$$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue; \
	  case "$$version" in 3.11.*|3.12.*|3.13.*|3.14.*) ;; *) continue ;; esac; \
	  if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then python=$$candidate; break; fi; \
	  without_venv=$${without_venv:-$$candidate}; \
	done; \
	if [ -z "$$python" ]; then \
	  if [ -n "$$without_venv" ]; then echo "Roony needs Python's venv module, which $$without_venv lacks. On Debian:"; \
	  else echo "Roony needs Python 3.11, 3.12, 3.13 or 3.14, and found none. On Debian:"; fi; \
	  echo; echo "    apt-get install git make python3-venv"; echo; exit 1; \
	fi >&2
endef

# $(1) python, $(2) lock, $(3) what it is: a dot for each package, so that nobody wonders; pip's own words if it fails.
define install
	set -o pipefail; printf '==> Installing %s ' '$(3)'; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(1) $(PIP_INSTALL) --requirement $(2) 2>&1 \
	  | while read -r line; do \
	      printf '%s\n' "$$line" >>"$$log"; \
	      case "$$line" in Collecting*) printf . ;; Installing*) printf ' unpacking' ;; esac; \
	    done \
	&& echo ', done' || { echo; cat "$$log"; echo "==> Installing $(2) failed; pip's own words are above."; exit 1; }
endef

# Material says on every build when its own maintenance ends; pyproject.toml says it once.
define build_site
	echo "==> mkdocs build --strict"; NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
endef

define run_marked
	echo "==> Running the $(1) tests"; \
	$(PYTEST) -m $(1) -o session_timeout=86400 --timeout 3600; status=$$?; \
	if [ $$status = 5 ]; then echo "==> There are no $(1) tests, so nothing was tested."; fi; \
	exit $$status
endef

# pip-audit leaves with 1 both for a finding and for silence, so what it wrote says which it was.
define run_audit
	set -o pipefail; report=$$(mktemp); trap 'rm -f "$$report"' EXIT; failed=; silent=; skipped=; \
	for lock in requirements/*.txt; do \
	  echo "==> Auditing $$lock"; \
	  .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --timeout 15 \
	    --requirement "$$lock" 2>&1 | tee "$$report" || failed="$$failed $$lock"; \
	  if grep -q 'Skip Reason' "$$report"; then skipped="$$skipped $$lock"; fi; \
	  if ! grep -Eq 'No known vulnerabilities found|Found [0-9]+ known vulnerabilit' "$$report"; then silent="$$silent $$lock"; fi; \
	done; \
	if [ -n "$$silent" ]; then echo "==> Not audited, because the advisory service did not answer or does not know a package:$$silent"; fi; \
	if [ -n "$$skipped" ]; then echo "==> Packages were skipped, so this audit is not complete:$$skipped"; fi; \
	if [ -n "$$failed$$silent$$skipped" ]; then echo "==> Audit failed"; exit 1; fi; \
	echo "==> Audit passed"
endef

# One file per purpose; each one agrees with those it is installed on top of.
define run_lock
	set -e; \
	lock() { echo "==> Locking requirements/$$1.txt"; shift; \
	  .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header $(UPGRADE) "$$@"; }; \
	lock run pyproject.toml --group build --output-file requirements/run.txt; \
	lock test --group test --constraint requirements/run.txt --output-file requirements/test.txt; \
	lock lint --group lint --constraint requirements/run.txt --constraint requirements/test.txt --output-file requirements/lint.txt; \
	lock docs --group docs --constraint requirements/run.txt --constraint requirements/test.txt --constraint requirements/lint.txt \
	    --output-file requirements/docs.txt; \
	lock audit --group audit --output-file requirements/audit.txt; \
	lock lock --group lock --output-file requirements/lock.txt
endef
