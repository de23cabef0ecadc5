# Everything a newcomer needs: `make demo` and `make test` do all the set-up on a machine that has Python, Rust and a C compiler.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST := $(shell git ls-files 'crates/*.rs' 'crates/*.toml' Cargo.toml Cargo.lock 2>/dev/null)
export CARGO_TERM_PROGRESS_WHEN ?= never

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One release build serves every target; the stamps make repeated calls quick.
$(VENV)/.built: $(BIN)/python $(RUST) pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade 'maturin>=1.9,<2'
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --extras demo
	@touch $@

$(VENV)/.test: $(VENV)/.built
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --extras test,bench
	@touch $@

build: $(VENV)/.built  ## virtual environment, release build, install

demo: build  ## the blog behind the balancer at https://localhost:2000
	$(BIN)/headrace demo

test: $(VENV)/.test  ## all tests: Rust, then Python
	cargo test --workspace --quiet
	$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/.test  ## formats, lints and types, Rust and Python
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest headrace._core

bench: ARGS ?= --results bench/results
bench: $(VENV)/.test  ## ours beside nginx, HAProxy, h2o and Caddy: a table and plots in bench/results
	$(BIN)/headrace bench $(ARGS)

fuzz: SECONDS ?= 60
fuzz:  ## each fuzz target for SECONDS (60 by default), on the stable toolchain
	@for target in $$(cargo fuzz list); do \
	  mkdir -p fuzz/corpus/$$target && \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(SECONDS) -timeout=10 || exit 1; \
	done

clean:  ## forget the build
	rm -rf $(VENV) target

.PHONY: help build demo test lint bench fuzz clean
