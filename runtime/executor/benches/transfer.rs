//! How fast the token's transfers run in Wasm on one core, against how fast one core recovers signatures.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use common::{Chain, abi_call, account, address_word, genesis, token, word};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use entente_crypto::Suite;
use entente_executor::{ExecutedBlock, InputTransaction};
use entente_host::NativeRegistry;
use entente_types::{Address, Bloom, Hash, Header, Transaction};

const TRANSFERS: usize = 1_000;

/// A chain with a token that 100 accounts hold, and transfers from them to others.
fn prepared() -> (Chain, Vec<InputTransaction>) {
    let mut chain = Chain::new(genesis(), NativeRegistry::default());
    let coin = chain.deploy(&token(), &[]).contract.expect("a token");
    let transfer = |to: &Address| abi_call("transfer(address,uint256)", &[address_word(to), word(1_000)]);
    let holders: Vec<_> = (2..102).map(|seed| chain.sign(1, Some(coin), transfer(&account(seed)), 1_000_000)).collect();
    chain.commit(&holders);
    let transfers = (0..TRANSFERS).map(|number| {
        let mut to = Address([0x55; 20]);
        to.0[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let input = abi_call("transfer(address,uint256)", &[address_word(&to), word(1)]);
        chain.sign(2 + (number % 100) as u8, Some(coin), input, 1_000_000)
    });
    let transfers = transfers.collect();
    (chain, transfers)
}

/// The mean of some runs after a warm one.
fn timed(rounds: u32, mut run: impl FnMut()) -> Duration {
    run();
    let start = Instant::now();
    (0..rounds).for_each(|_| run());
    start.elapsed() / rounds
}

fn roots(executed: &ExecutedBlock, hashes: &[Hash]) {
    let mut commitment = executed.commitment.clone();
    executed.changes.apply_to(Suite::Standard, &mut commitment);
    black_box((
        Bloom::of(executed.receipts.iter().flat_map(|receipt| &receipt.logs)),
        executed.changes.root(Suite::Standard),
        Header::transaction_root(Suite::Standard, hashes),
        Header::receipt_root(Suite::Standard, &executed.receipts),
    ));
}

fn recover(transactions: &[InputTransaction], genesis: &Hash) {
    for input in transactions {
        let Transaction::Native(native) = input.transaction.as_ref() else { panic!("not native") };
        let digest = native.unsigned.signing_digest(Suite::Standard, genesis);
        black_box(Suite::Standard.signer(&digest, &native.signature).expect("a signature"));
    }
}

fn bench(criterion: &mut Criterion) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("no pool before");
    let (chain, transfers) = prepared();
    let genesis_hash = chain.genesis.hash();
    let hashes: Vec<Hash> = transfers.iter().map(|transfer| transfer.hash).collect();
    let executed = chain.execute(&transfers);
    assert!(executed.receipts.iter().all(|receipt| receipt.error.is_none()), "{:?}", executed.receipts[0]);

    let whole = timed(20, || drop(black_box(chain.execute_with(&transfers, false))));
    let of_roots = timed(20, || roots(&executed, &hashes));
    let verified = timed(5, || recover(&transfers, &genesis_hash));
    let rate = |time: Duration| TRANSFERS as f64 / time.as_secs_f64();
    let running = whole.saturating_sub(of_roots);
    println!(
        "one core: {:.0} transfers/s with roots and bloom, {:.0} without; {:.0} signatures/s = V; transfers / V = {:.1} \
         without roots, {:.1} with; {} gas each",
        rate(whole),
        rate(running),
        rate(verified),
        rate(running) / rate(verified),
        rate(whole) / rate(verified),
        executed.receipts[1].gas_used,
    );

    let mut group = criterion.benchmark_group("executor::transfer");
    group.throughput(Throughput::Elements(TRANSFERS as u64)).sample_size(20);
    let parameter = format!("transactions={TRANSFERS}");
    group.bench_function(BenchmarkId::new("block", &parameter), |bencher| {
        bencher.iter(|| chain.execute_with(&transfers, false));
    });
    group.bench_function(BenchmarkId::new("roots", &parameter), |bencher| bencher.iter(|| roots(&executed, &hashes)));
    group.bench_function(BenchmarkId::new("signatures", &parameter), |bencher| {
        bencher.iter(|| recover(&transfers, &genesis_hash));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
