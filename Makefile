# `make demo` and `make test` need git, make and a Python 3.11 to 3.13; they set up .venv by themselves.

NEWEST := 13
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(NEWEST)))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c '$(SUPPORTED)' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
DEMO ?= demo
# Each process holds a TensorFlow, and no file of tests is divided: past four, little is won. Long files come first.
TESTERS ?= --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint format sample test-oldest clean

demo: $(VENV)/.installed  ## the whole way on the sample survey, minutes on two cores
	$(BIN)/astrokeras demo --out $(DEMO) --overwrite

test: $(VENV)/.installed  ## every test, in a process a processor
	$(BIN)/python -m pytest $(TESTERS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sample: $(VENV)/.installed  ## make data/sample anew
	$(BIN)/astrokeras simulate --out data/sample.new --fields 4 --bands u,g,r,i,z --size 640 --objects 2000 --seed 7
	rm -rf data/sample && mv data/sample.new data/sample

test-oldest:  ## every test on the oldest versions that setup.cfg allows
	@# Several of them have no wheels for Python 3.13.
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt NEWEST=12

clean:
	rm -rf .venv .venv-oldest $(DEMO)

$(VENV)/.installed: setup.cfg pyproject.toml $(CONSTRAINTS)
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.$(NEWEST) is needed; name it with make PYTHON=…" >&2; exit 1; }
	@# Debian keeps ensurepip in a package of its own; where it is missing, the system's pip fills in.
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV) && $(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || { \
		echo "Python's venv module is incomplete; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[dev]'
	@touch $@
