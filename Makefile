# The few commands to know. `make help` lists them.

CARGO ?= cargo
export CARGO
# Queries are checked against the committed .sqlx; only `make sqlx` and its check ask a database.
export SQLX_OFFLINE := true

.PHONY: help demo test release static fuzz fuzz-proxy screenshots bench exhaustion sqlx

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

demo: ## Start a gateway with a sandbox provider to try things on (ARGS="--port 8080" for options)
	@scripts/setup.sh demo
	@$(CARGO) build --locked
	@exec "$${CARGO_TARGET_DIR:-target}/debug/switchboard" demo $(ARGS)

test: ## Check everything: format, lints, documentation, queries, tests
	@scripts/setup.sh test
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	scripts/check_sqlx.sh
	@if $(CARGO) nextest --version >/dev/null 2>&1; then runner="nextest run"; else runner=test; fi; \
	    set -x; exec scripts/with_postgres.sh $(CARGO) $$runner --locked

release: ## Build the program as it is meant to run: fast at what gateways do most
	@scripts/setup.sh release
	@scripts/release.sh

static: ## Build one file that needs nothing of the machine it runs on, and try it (ARGS="--release")
	@scripts/setup.sh static
	@scripts/static.sh $(ARGS)

# Built with the tests, which CI needs next: built alone, its libraries have other features and are built twice.
fuzz: ## Try every operation of the API with drawn requests (needs PyPI once)
	@scripts/setup.sh test
	@$(CARGO) test --locked --no-run
	@scripts/fuzz_api.sh

fuzz-proxy: ## Try the proxy's paths and headers with drawn bytes for SECONDS=600 (needs crates.io once)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	@RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --dev -s none proxy -- -max_total_time=$(or $(SECONDS),600)

screenshots: ## Make pictures of the link pages in target/screenshots (needs PyPI once)
	@scripts/setup.sh test
	@mkdir -p $(CURDIR)/target/screenshots
	@SWITCHBOARD_PICTURES=$(CURDIR)/target/screenshots $(CARGO) test --locked --test it -- \
	    --exact process::clients::link_browser::customers_connect_in_a_real_browser
	@ls target/screenshots/*.png

bench: ## Measure the program that `make release` builds on this machine, as a table
	@scripts/setup.sh bench
	@program=$$(scripts/release.sh) && SWITCHBOARD_PROGRAM=$$program $(CARGO) bench --locked --bench bench
	@$(CARGO) bench --locked --bench micro

exhaustion: ## Let a hostile tenant try to exhaust the program that `make release` builds, beside another tenant
	@scripts/setup.sh bench
	@program=$$(scripts/release.sh) && SWITCHBOARD_PROGRAM=$$program scripts/with_postgres.sh $(CARGO) test --locked \
	    --test it -- --exact --nocapture \
	    process::fleet::exhaustion::a_tenant_that_tries_everything_takes_nothing_from_another

sqlx: ## Renew .sqlx after a change of a query or of the tables
	@scripts/setup.sh demo
	scripts/with_postgres.sh scripts/prepare_sqlx.sh .sqlx
