# From a fresh machine to a running ledger. Everything that is built lies outside the checkout, in ENTENTE_CACHE, so
# that it is kept between checkouts; `target` is a link to it.
ENTENTE_CACHE ?= $(HOME)/.cache/entente
export ENTENTE_CACHE
export CARGO_TARGET_DIR := $(ENTENTE_CACHE)/target

# RocksDB's C++ takes twenty minutes or more on two cores. It is built once, by itself, and linked from then on.
ROCKSDB_VERSION := 0.19.0
export ROCKSDB_LIB_DIR := $(ENTENTE_CACHE)/rocksdb-$(ROCKSDB_VERSION)
export ROCKSDB_STATIC := 1

ENTENTE := $(CARGO_TARGET_DIR)/release/entente
MODULES := $(CARGO_TARGET_DIR)/contracts
CONTRACTS := CARGO_TARGET_DIR=$(ENTENTE_CACHE)/contracts cargo

.PHONY: setup build contracts demo test bench soak chaos serve sim fuzz conformance clean-link

setup: target $(ROCKSDB_LIB_DIR)/librocksdb.a interop

target: | packages
	mkdir -p $(CARGO_TARGET_DIR)
	[ -e target ] || ln -s $(CARGO_TARGET_DIR) target

.PHONY: packages
packages:
	.ci/packages

$(ROCKSDB_LIB_DIR)/librocksdb.a: | packages
	.ci/build-rocksdb $(ENTENTE_CACHE) $(ROCKSDB_LIB_DIR)

# The other implementations of SM2, SM3 and SM4 that ours is tested against.
.PHONY: interop
interop: | packages
	runtime/crypto/interop/install $(ENTENTE_CACHE)/interop

# Ethereum's clients that use a running node in tests.
.PHONY: clients
clients: | packages
	.ci/packages clients
	node/cli/clients/install $(ENTENTE_CACHE)/clients

# The whole workspace at once, always: a part of it alone can resolve other features and build dependencies again.
build: setup
	cargo build --release --workspace --all-targets --locked

contracts: build
	for name in token evidence asset; do \
		$(ENTENTE) contract build contracts/$$name --out $(MODULES)/$$name.wasm || exit 1; \
	done

# SUITE=guomi shows the same in a group of the Guomi suite.
SUITE ?= standard
demo: contracts
	$(ENTENTE) demo --suite $(SUITE)

test: contracts clients
	cargo fmt --all --check
	cargo fmt --manifest-path contracts/Cargo.toml --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	node --test testing/conformance
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	cargo test --release --workspace --locked
	$(CONTRACTS) test --release --manifest-path contracts/Cargo.toml --locked

bench: contracts
	cargo bench --profile release --workspace --locked --benches
	$(CARGO_TARGET_DIR)/release/entente-bench

# A node under half its load for MINUTES: memory, files and disk, drawn into target/bench/soak.svg.
MINUTES ?= 60
soak: contracts
	$(CARGO_TARGET_DIR)/release/entente-bench soak $(MINUTES)

# Four real nodes under faults of every kind for MINUTES, by the plan of SEED: drawn into target/chaos/timeline.svg.
chaos: contracts
	$(CARGO_TARGET_DIR)/release/entente-chaos $(MINUTES) $(SEED)

# The long form of the tests named `fuzzed`: SECONDS for each target, or for the TARGET alone.
SECONDS ?= 60
fuzz: contracts
	ENTENTE_CACHE=$(ENTENTE_CACHE) fuzz/run $(SECONDS) $(TARGET)

# Other people's suites, whole, from the folder FIXTURES that holds them: docs/conformance.md says where they are from. ONLY
# names one of them: states, semantic or openzeppelin.
conformance: build
	@[ -n "$(FIXTURES)" ] || { echo "say where the suites are: make conformance FIXTURES=DIR" >&2; exit 2; }
	node testing/conformance/run.mjs $(FIXTURES) $(ENTENTE) $(ENTENTE_CACHE)/conformance $(ONLY)

# Simulated consortia in bad weather, one for each of SEEDS seeds; SEED=N runs one again.
SEEDS ?= 20000
sim: build
	$(CARGO_TARGET_DIR)/release/entente-sim $(if $(SEED),1 $(SEED),$(SEEDS))

serve: contracts
	.ci/serve $(ENTENTE)
