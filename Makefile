# Everything starts here; each target makes what it needs first. Needed beforehand: git, make, Python 3.
SHELL = /bin/sh
MAKEFLAGS += --no-print-directory
PYTHON = .venv/bin/python
MANAGE = $(PYTHON) manage.py
SECONDS = 60
NETWORK = demo
SEED ?=
PACE ?=
# Where Python may not keep what it compiled (images for containers say so), each process compiles Django and us anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo test test-networks gate chaos chaos-networks bench bench-full screenshots lock upgrade clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1 @\2/p' Makefile | awk -F@ '{ printf "%-22s%s\n", $$1, $$2 }'

run: ## starts the application (PORT, HOST, DATA_DIR, DATABASE_URL, REDIS_URL, PUBLIC_URL change where)
	@.ci/environment run && exec $(MANAGE) up

demo: ## starts it with invented customers who go on writing (PACE=6 a minute, SEED=…)
	@.ci/environment run && exec $(MANAGE) demo $(if $(PACE),--pace $(PACE)) $(if $(SEED),--seed $(SEED))

test: ## everything that must be green
	@exec .ci/test

gate: ## the checks that need no running application
	@.ci/environment dev && exec $(MANAGE) gate

test-networks: ## tries networks against real servers and specifications (brings them into .tools; needs npm)
	@.ci/environment dev && $(PYTHON) -m tests.networks && exec $(PYTHON) -m pytest -q -n 0 -m networks

chaos: ## kills its processes at random and looks for what got lost (SECONDS=60 SEED=… NETWORK=demo)
	@.ci/environment dev && exec $(PYTHON) -m tests.chaos --network $(NETWORK) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

chaos-networks: ## the same with every network at once, and a table of what became of each
	@.ci/environment dev && exec $(PYTHON) -m tests.chaos --network all --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

bench: ## the figures of speed, in some minutes
	@.ci/environment dev && exec $(PYTHON) -m benchmarks

bench-full: ## the same with the full amounts of data
	@.ci/environment dev && exec $(PYTHON) -m benchmarks --full

screenshots: ## pictures of the pages, for the documents
	@.ci/environment dev && $(PYTHON) -m tests.chromium --bring && exec $(PYTHON) -m tests.screenshots

lock: ## writes requirements/*.lock after a change of pyproject.toml
	@exec .ci/lock

upgrade: ## the same with the newest versions
	@exec .ci/lock --upgrade

clean: ## removes what was made, but not the data of var/
	@rm -rf .venv .tools build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
