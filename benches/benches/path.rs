//! The steps of a transfer's path under criterion.

use std::{hint::black_box, path::PathBuf, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use entente_benches::Workload;
use entente_crypto::{LtHash, Suite};
use entente_pool::{PoolRules, check};
use entente_types::{Bloom, Header, Transaction};

const TRANSFERS: u64 = 500;

fn token() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("contracts/token.wasm")
}

fn path(criterion: &mut Criterion) {
    let mut workload = Workload::new(&token(), 2_000).expect("the token's module; run `make contracts`");
    let inputs = workload.transfers(TRANSFERS).expect("transfers");
    let encoded: Vec<Vec<u8>> = inputs.iter().map(|input| input.transaction.to_bytes()).collect();
    let executed = workload.execute(&inputs).expect("executes");
    // Made anew each time: signatures that were looked at once are known.
    let rules = || PoolRules {
        suite: Suite::Standard,
        scheme: std::sync::Arc::new(Suite::Standard),
        genesis: workload.genesis.hash(),
        chain_id: 1,
        group_id: workload.genesis.group_id.clone(),
        transaction_gas: u64::MAX,
        ethereum: None,
        verified: Arc::default(),
    };
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(TRANSFERS));
    group.sample_size(20);
    group.bench_function("types::decode/transfers=500", |bencher| {
        bencher.iter(|| {
            encoded.iter().flat_map(|bytes| Transaction::from_bytes(bytes).map(|one| one.hash(Suite::Standard))).count()
        });
    });
    group.bench_function("pool::check/transfers=500", |bencher| {
        let many = || inputs.iter().map(|input| ((*input.transaction).clone(), 300)).collect::<Vec<_>>();
        let setup = || (rules(), many());
        bencher.iter_batched(setup, |(rules, many)| check(&rules, workload.parent.number, many), BatchSize::LargeInput);
    });
    group.bench_function("executor::execute/transfers=500", |bencher| {
        bencher.iter(|| workload.execute(&inputs).expect("executes"));
    });
    group.bench_function("state::roots/transfers=500", |bencher| {
        bencher.iter(|| {
            let mut commitment = LtHash::default();
            executed.changes.apply_to(Suite::Standard, &mut commitment);
            (commitment.root(Suite::Standard), executed.changes.root(Suite::Standard))
        });
    });
    group.bench_function("types::block_roots/transfers=500", |bencher| {
        let hashes: Vec<_> = inputs.iter().map(|input| input.hash).collect();
        bencher.iter(|| {
            let mut bloom = Bloom::default();
            executed.receipts.iter().flat_map(|receipt| &receipt.logs).for_each(|log| bloom.add(log));
            black_box(bloom);
            (
                Header::transaction_root(Suite::Standard, &hashes),
                Header::receipt_root(Suite::Standard, &executed.receipts),
            )
        });
    });
    group.finish();
    black_box(Arc::clone(&executed.changes));
}

criterion_group!(benches, path);
criterion_main!(benches);
