# The commands that a person must know. `make` lists them.

.DEFAULT_GOAL := help
.PHONY: help run test lint bench schema schemathesis studio studio-test

# Arguments of the program behind a target: make run ARGS="--listen 127.0.0.1:9000"
ARGS ?=

help: ## List these commands
	@echo "Datasource Studio"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-19s%s\n", $$1, $$2 }'
	@echo
	@echo 'ARGS="…" passes arguments on: make run ARGS="--listen 127.0.0.1:9000"; make test ARGS=mapping'

run: ## Build and start on ./data (embedded database, example datasources)
	@scripts/run.sh $(ARGS)

studio: ## Build the web console (with Node.js), for the next start of the server
	@scripts/studio.sh --install

studio-test: ## Test the web console in Chromium against the server
	@scripts/ensure-toolchain.sh
	@scripts/studio-test.sh $(ARGS)

test: ## Install what the tests need, lint, and run every test on SQLite and PostgreSQL
	@scripts/test.sh $(ARGS)

lint: ## Check format, lints and dependency rules
	@scripts/ensure-toolchain.sh --install
	@scripts/lint.sh

bench: ## Measure mapping, ingest, reload and a large fleet (ARGS=mapping for one of them)
	@scripts/ensure-toolchain.sh
	@scripts/bench.sh $(ARGS)

schema: ## Write schema.graphql, docs/openapi.json and docs/configuration.md anew from the code
	@scripts/ensure-toolchain.sh
	@scripts/schema.sh

schemathesis: ## Test the REST API by requests made from its OpenAPI document
	@scripts/ensure-toolchain.sh
	@scripts/schemathesis.sh $(ARGS)
