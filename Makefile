# make figures [FIGURE=name] [RECOMPUTE=1]   draw the figures into figures/output/
# make test                                  lint, types, tests (make test-slow: the long statistical ones)
PYTHON ?= python3
FIGURE ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
# A cached numba kernel does not notice that a kernel it calls, in another file, has changed:
# whenever a file with kernels changes, the whole cache goes.
KERNELS := $(shell grep -rl --include='*.py' njit fokkerplanck)
KERNEL_CACHE := .cache/numba/.current

export NUMBA_CACHE_DIR := $(CURDIR)/.cache/numba
export FOKKERPLANCK_CACHE := $(CURDIR)/.cache
export MPLBACKEND := Agg

.PHONY: figures derivations test test-slow lint types format clean

figures: $(INSTALLED) $(KERNEL_CACHE)
	@$(BIN)/python -m figures $(FIGURE)

derivations: $(INSTALLED) $(KERNEL_CACHE)
	@$(BIN)/python -m derivations

test: lint types $(KERNEL_CACHE)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-slow: $(INSTALLED) $(KERNEL_CACHE)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .

types: $(INSTALLED)
	$(BIN)/mypy --strict --no-error-summary fokkerplanck

format: $(INSTALLED)
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

clean:
	rm -rf .cache figures/output

$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("fokkerplanck needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": name another with make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing fokkerplanck and its tools into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(KERNEL_CACHE): $(KERNELS)
	@rm -rf .cache/numba
	@mkdir -p .cache/numba
	@touch $@
