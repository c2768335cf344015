# The commands of this repository; `make help` lists them.

CARGO ?= cargo
export CARGO
# Queries are checked against the committed .sqlx; only `make sqlx` and its check use a database.
export SQLX_OFFLINE := true

.PHONY: help demo test release static fuzz fuzz-proxy screenshots bench exhaustion sqlx

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

demo: ## Run the demo: gateway, database and sandbox provider (ARGS="--port 8080" for options)
	@scripts/setup.sh demo
	@$(CARGO) build --locked
	@exec "$${CARGO_TARGET_DIR:-target}/debug/switchboard" demo $(ARGS)

test: ## Run all checks: format, lints, documentation, queries, tests
	@scripts/setup.sh test
	$(CARGO) fmt --check
	scripts/lint.sh
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	@if $(CARGO) nextest --version >/dev/null 2>&1; then runner="nextest run --config-file .ci/nextest.toml"; else runner=test; fi; \
	    set -x; exec scripts/with_postgres.sh scripts/migrate_template.sh $(CARGO) $$runner --locked

release: ## Build an optimized release (PGO/BOLT)
	@scripts/setup.sh release
	@scripts/release.sh

static: ## Build and test a static binary (ARGS="--release")
	@scripts/setup.sh static
	@scripts/static.sh $(ARGS)

# Built with the tests, which CI runs next: separate builds would compile the libraries twice with other features.
fuzz: ## Fuzz every API operation with generated requests (needs PyPI once)
	@scripts/setup.sh test
	@$(CARGO) test --locked --no-run
	@scripts/fuzz_api.sh

fuzz-proxy: ## Fuzz the proxy's paths and headers for SECONDS=600 (needs the network once)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	@RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --dev -s none proxy -- -max_total_time=$(or $(SECONDS),600)

screenshots: ## Take screenshots of all hosted pages in target/screenshots (needs PyPI once)
	@scripts/setup.sh test
	@mkdir -p $(CURDIR)/target/screenshots
	@SWITCHBOARD_PICTURES=$(CURDIR)/target/screenshots $(CARGO) test --locked --test it -- \
	    --exact process::clients::link_browser::customers_connect_in_a_real_browser \
	    process::clients::console_browser::people_use_the_console_in_a_real_browser
	@ls target/screenshots/*.png

bench: ## Benchmark the optimized release on this machine; prints a table
	@scripts/setup.sh bench
	@program=$$(scripts/release.sh) && SWITCHBOARD_PROGRAM=$$program $(CARGO) bench --locked --bench bench
	@$(CARGO) bench --locked --bench micro

exhaustion: ## Test that a hostile tenant cannot exhaust the optimized release for another tenant
	@scripts/setup.sh bench
	@program=$$(scripts/release.sh) && SWITCHBOARD_PROGRAM=$$program scripts/with_postgres.sh $(CARGO) test --locked \
	    --test it -- --exact --nocapture \
	    process::fleet::exhaustion::a_tenant_that_tries_everything_takes_nothing_from_another

sqlx: ## Update .sqlx after a change of queries or tables
	@scripts/setup.sh demo
	scripts/with_postgres.sh scripts/prepare_sqlx.sh .sqlx
