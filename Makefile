# The set-up is make itself: a stamp that is older than setup.cfg installs anew.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
BENCH := $(VENV)/bench/bin/python
# The folders are among them, since a file that is gone changes nothing else.
SOURCES := $(shell find django_dist -name __pycache__ -prune -o -print)
export DATABASE_URL

.PHONY: help demo run test storm check matrix bench clean
.DEFAULT_GOAL := help

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.tools: setup.cfg
	@echo "setting up $(VENV) with $$($(PYTHON) --version): one to two minutes, once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade pip "setuptools>=77"
	@$(BIN)/python -m pip install -q ".[dev]"
	@$(BIN)/python -m pip install -q "mysqlclient>=2.2.1" 2>/dev/null \
	  || echo "mysqlclient does not build here (it needs a C compiler and libmariadb-dev): PyMySQL takes its place"
	@touch $@

# The wheel is what is tested: built and installed whenever a file of the package has changed.
$(VENV)/.wheel: $(VENV)/.tools $(SOURCES) setup.cfg README.md LICENSE
	@rm -rf build dist *.egg-info
	@$(BIN)/python -m pip wheel -q --no-deps --no-build-isolation -w dist .
	@$(BIN)/python -m pip install -q --no-deps --force-reinstall dist/*.whl
	@rm -rf build *.egg-info
	@touch $@

demo: $(VENV)/.wheel  ## repeat, race and kill a real shop; DATABASE_URL=... for another database (a minute)
	@$(BIN)/python example_project/demo.py

run: $(VENV)/.wheel  ## serve the example shop
	@$(BIN)/python example_project/run.py

# More than there are cores: half of the tests wait for a lease, a lock or a server.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(6, (os.cpu_count() or 2) * 3 // 2))')
test: $(VENV)/.wheel  ## every behaviour, on the stores that are here (ten minutes)
	@echo "running the tests: about ten minutes on two cores"
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope $(ARGS)

storm: $(VENV)/.wheel  ## the storms at full length (an hour)
	@DIST_STORM=1 $(BIN)/pytest -s tests/processes tests/concurrency/test_storms.py tests/concurrency/test_http.py $(ARGS)

check: $(VENV)/.wheel  ## lint, format, types, migrations, docs (a minute)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@# mypy reads the tests' settings and leaves without a word: a server that they had started would stay.
	DIST_TEST_POSTGRES=none DIST_TEST_REDIS=none DIST_TEST_VALKEY=none $(BIN)/mypy
	cd tests && DJANGO_SETTINGS_MODULE=settings $(BIN)/python -W error -m django makemigrations --check --dry-run django_dist
	$(BIN)/sphinx-build -qWE docs $(VENV)/docs

matrix:  $(VENV)/.tools  ## all versions of Python and Django that are here, by tox
	@# A shim of pyenv tells tox of one version alone, so each version's own folder is put on the path.
	PATH="$$PATH$$(for v in $$(pyenv versions --bare 2>/dev/null | grep -E '^3\.1[0-3]\.'); do printf ':%s/bin' "$$(pyenv prefix $$v)"; done)" \
	  $(BIN)/tox run --skip-missing-interpreters $(ARGS)

# The peers ask for an older Django, so they live apart from what is tested.
$(VENV)/.bench: $(VENV)/.wheel benchmarks/requirements.txt
	@$(PYTHON) -m venv $(VENV)/bench
	@$(BENCH) -m pip install -q -r benchmarks/requirements.txt
	@$(BENCH) -m pip install -q --no-deps --force-reinstall dist/*.whl
	@touch $@

BENCHES ?= idempotency idempotency_redis dedupe concurrency sessions sessions_replicated cookies
bench: $(VENV)/.bench  ## what it costs, beside the floor and the peers (fifteen minutes; PostgreSQL, Redis)
	@for each in $(BENCHES); do $(BENCH) benchmarks/$$each.py $(ARGS) || exit 1; done

clean:  ## remove what was built
	rm -rf $(VENV) build dist *.egg-info
