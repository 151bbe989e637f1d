# The project's commands. `make demo` and `make test` do all of their own set-up.
SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
CARGO := cargo --locked
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: release ## start everything, replay market data, show the result, stay up until Ctrl-C
	@target/release/demo

.PHONY: demo-check
demo-check: release ## the same, but end: exit code 0 only if nothing was lost and all pictures are equal
	@target/release/demo --check

.PHONY: run
run: release ## start everything without the replay, stay up until Ctrl-C
	@target/release/demo --no-replay

.PHONY: observe
observe: release ## the demo with Prometheus and Alertmanager around it; alerts are printed
	@target/release/demo --observe

.PHONY: dashboards
dashboards: ## write Grafana's dashboards anew from scripts/dashboards.py
	@python3 scripts/dashboards.py

.PHONY: bench
bench: release ## measure both services beside baselines of the same run; QUICK=1: a first answer in two minutes
	@target/release/bench $(if $(QUICK),--quick,--write docs/BENCHMARKS.md)

.PHONY: stop
stop: ## stop what an interrupted command has left running
	@if [ -x target/release/demo ]; then target/release/demo --stop; else echo "nothing was started"; fi

# All times in the rules are divided by it: a window of five minutes is one of ten seconds.
FACTOR ?= 30

.PHONY: drill
drill: build ## break one thing after the other, and see that the right alert is sent and ends; FACTOR: 10 to 60
	@target/debug/demo --drill $(FACTOR)

.PHONY: deploy
deploy: build ## check images, compose.yaml and what is mounted into its containers, without a container engine
	@scripts/deploy.sh

.PHONY: chart
chart: build ## check the Helm chart, without a cluster
	@scripts/chart.sh

.PHONY: kube
kube: ## install, upgrade, test and roll back the chart on the cluster that the kubeconfig names (VALUES, SECRETS)
	@scripts/kube.sh

.PHONY: test
test: lint docs test-all chart deploy drill ## everything that CI runs

.PHONY: test-fast
test-fast: servers ## the tests that need no server
	$(CARGO) test --workspace --lib --bins --test architecture --test contract --test documents --test metrics --test delivery --test executor --test feed --test relay --test stock

.PHONY: fuzz-api
fuzz-api: build ## schemathesis on the whole REST API
	target/debug/devstack cargo --locked test -p e2e --test e2e -- --nocapture schemathesis

.PHONY: contracts
contracts: servers ## write docs/contracts and docs/METRICS.md anew from the code
	UPDATE_SAMPLES=1 $(CARGO) test -p adapters --test contract every_operation_is_written
	UPDATE_DOCUMENTS=1 $(CARGO) test -p adapters --test documents --test metrics

.PHONY: lint
lint: servers ## format and clippy, warnings denied
	cargo fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: build
build: servers
	$(CARGO) build --workspace

.PHONY: test-all
test-all: build
	target/debug/devstack cargo --locked test --workspace --all-targets --no-fail-fast

.PHONY: docs
docs: servers ## the API documentation of all crates
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

.PHONY: release
release: servers
	$(CARGO) build --release -p virtual-stock -p acl -p demo -p partner-sim -p bench

.PHONY: servers
servers: ## install what is missing, fetch PostgreSQL and Kafka
	@scripts/setup.sh
