# make install, make demo, make test: the three that matter. Everything lives in .venv and var/.
PYTHON ?= python3
BIN := .venv/bin
KILLS ?= 200
SEED ?= 1
SEEDS ?= 10000
DEMO_DIR ?= var/demo
JOBS ?= 2

# Containers tend to set it; then each program that a test or the demo starts would compile itself anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test bench lint format unit stories serial soak screenshots errors lock needs clean

install: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Stillopen needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "Python cannot make a virtual environment here; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	@$(BIN)/stillopen demo --dir $(DEMO_DIR)

test: install needs lint unit stories serial

# One more than there are processors: some wait for a database. Each brings databases and a browser of its own.
unit:
	$(BIN)/python -m pytest -q -n $$(($(JOBS) + 1)) --dist loadfile -m "not serial and not story and not soak"

# They wait more than they work: twice as many at once as there are processors.
stories:
	$(BIN)/python -m pytest -q -n $$((2 * $(JOBS))) --dist worksteal -m "story and not soak"

serial:
	$(BIN)/python -m pytest -q -m "serial and not soak"

# The secret key only keeps the type checker's Django from writing one into the work tree.
lint: install
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	STILLOPEN_SECRET_KEY=lint $(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# The fleet simulator on two processes; a failing seed is named and prints its transcript.
simulate: install
	$(BIN)/stillopen simulate --seed $(SEED) --runs $(SEEDS) --jobs $(JOBS)

soak: install needs
	$(BIN)/python -m pytest -q -s -m soak --kills $(KILLS)

# Each figure beside its limit in the same run: make bench, make bench BENCH=upload
bench: install needs
	$(BIN)/stillopen bench $(or $(BENCH),sync)

screenshots: install needs
	$(BIN)/python -m tests.e2e.screenshots docs/pictures

errors: install
	$(BIN)/python -m tests.support.errors

lock:
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
		--custom-compile-command "make lock" --quiet --output-file requirements.lock

needs:
	@.ci/needs

clean:
	rm -rf .venv build dist *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
