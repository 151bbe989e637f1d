# The project's commands. `make demo` and `make test` do all of their own set-up.
SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
CARGO := cargo --locked
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: servers release ## start everything, replay market data, show the result, stay up until Ctrl-C
	@target/release/demo

.PHONY: demo-check
demo-check: servers release ## the same, but end: exit code 0 only if nothing was lost and all pictures are equal
	@target/release/demo --check

.PHONY: run
run: servers release ## start everything without the replay, stay up until Ctrl-C
	@target/release/demo --no-replay

.PHONY: stop
stop: ## stop what an interrupted command has left running
	@$(CARGO) run -q -p devstack -- --stop

.PHONY: test
test: servers lint build test-all docs ## everything that CI runs

.PHONY: test-fast
test-fast: setup-only ## the tests that need no server
	$(CARGO) test -p domain -p application -p adapters -p virtual-stock -p acl --lib --bins --tests

.PHONY: lint
lint: setup-only ## format and clippy, warnings denied
	cargo fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: build
build: setup-only
	$(CARGO) build --workspace

.PHONY: test-all
test-all: build
	target/debug/devstack cargo --locked test --workspace --no-fail-fast

.PHONY: docs
docs: setup-only ## the API documentation of all crates
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

.PHONY: release
release: setup-only
	$(CARGO) build --release -p virtual-stock -p acl -p demo

.PHONY: servers
servers: ## install what is missing, fetch PostgreSQL and Kafka
	@scripts/setup.sh

# What building needs; the servers too, which costs nothing when they are there.
.PHONY: setup-only
setup-only: servers
