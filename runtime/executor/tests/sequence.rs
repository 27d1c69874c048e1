//! Blocks of calls that would follow a block, against blocks that do.

#[path = "common/assembler.rs"]
mod assembler;
mod common;
#[path = "common/ethereum.rs"]
mod ethereum;
#[path = "common/simulated.rs"]
mod simulated;

use assembler::{ADD, Assembler, CALL, MSTORE, POP, REVERT, SLOAD, SSTORE, creating};
use common::{Chain, account, number, word};
use entente_crypto::keccak256;
use entente_executor::{
    AccountOverride, Overrides, Sequence, SequenceBlock, SequenceCall, SequenceError, SequenceLimits, SequencedBlock,
    Simulation, SimulationError, TRANSFERS,
};
use entente_types::{
    Address, Amount, EthereumRefusal, EthereumTransaction, EthereumTransactionError, Hash, LegacyTransaction, Status,
    created_address,
};
use simulated::{CHAIN_ID, answering, deploy, of, rich};

const BLOCKHASH: u8 = 0x40;
const COINBASE: u8 = 0x41;
const TIMESTAMP: u8 = 0x42;
const NUMBER: u8 = 0x43;
const BASEFEE: u8 = 0x48;
const LIMITS: SequenceLimits = SequenceLimits { blocks: 256, bytes: 1 << 20 };

/// The transaction that a call would be, which anybody's key signs here.
fn transaction(call: &Simulation, nonce: u64, gas: u64) -> Result<EthereumTransaction, EthereumTransactionError> {
    let Simulation { to, value, input, .. } = call.clone();
    LegacyTransaction { nonce, gas_price: Amount::ZERO, gas_limit: gas, to, value, input }
        .sign(&common::key(9), CHAIN_ID)
}

struct Asked {
    blocks: Vec<SequenceBlock>,
    validates: bool,
    tells_transfers: bool,
    limits: SequenceLimits,
}

fn of_blocks(blocks: Vec<SequenceBlock>) -> Asked {
    Asked { blocks, validates: false, tells_transfers: false, limits: LIMITS }
}

fn run(chain: &Chain, asked: &Asked) -> Result<Vec<SequencedBlock>, SequenceError> {
    chain.executor.sequence(&Sequence {
        state: chain.state.clone(),
        header: &chain.tip.header,
        blocks: &asked.blocks,
        validates: asked.validates,
        tells_transfers: asked.tells_transfers,
        limits: asked.limits,
        transaction: &transaction,
    })
}

fn calls(simulations: impl IntoIterator<Item = Simulation>) -> SequenceBlock {
    let call = |simulation| SequenceCall { simulation, nonce: None };
    SequenceBlock { calls: simulations.into_iter().map(call).collect(), ..SequenceBlock::default() }
}

fn pays(from: Address, to: Address, value: u64) -> Simulation {
    Simulation { from, value: Amount::from(value), ..of(Some(to), Vec::new()) }
}

fn outputs(blocks: &[SequencedBlock]) -> Vec<Vec<u128>> {
    let output = |call: &entente_executor::SequencedCall| number(&call.simulated.receipt.output);
    blocks.iter().map(|block| block.calls.iter().map(output).collect()).collect()
}

/// Code that adds one to its slot 0 and answers what is there then.
fn counting() -> Vec<u8> {
    let counted = Assembler::default().push(0).op(&[SLOAD]).push(1).op(&[ADD]).push(0).op(&[SSTORE]).finish();
    [counted, Assembler::default().push(0).op(&[SLOAD]).push(0).op(&[MSTORE]).push(32).push(0).op(&[0xf3]).finish()]
        .concat()
}

#[test]
fn each_call_stands_on_those_before_it_and_nothing_is_kept() {
    let mut chain = rich();
    let counter = deploy(&mut chain, &counting());
    let before = chain.state.clone();
    let count = || of(Some(counter), Vec::new());
    let blocks = run(&chain, &of_blocks(vec![calls([count(), count()]), calls([]), calls([count()])])).expect("runs");
    assert_eq!(outputs(&blocks), [vec![1, 2], vec![], vec![3]]);
    assert_eq!(chain.state, before);
    // A transaction comes to the same gas.
    let real = chain.one(1, Some(counter), Vec::new());
    let first = &blocks[0].calls[0].simulated.receipt;
    assert_eq!((first.status, &first.output), (real.status, &real.output));
    assert_eq!(first.gas_used, simulated_gas(&chain, counter));
    assert_eq!(
        blocks[0].header.gas_used,
        blocks[0].calls.iter().map(|call| call.simulated.receipt.gas_used).sum::<u64>()
    );
}

/// What the first call of the counter costs an Ethereum transaction: a slot that was empty is written.
fn simulated_gas(chain: &Chain, counter: Address) -> u64 {
    let overrides = Overrides {
        accounts: [(counter, AccountOverride { storage: Some([].into()), ..AccountOverride::default() })].into(),
        ..Overrides::default()
    };
    let scene =
        entente_executor::Scene { state: chain.state.clone(), header: &chain.tip.header, overrides: &overrides };
    chain.executor.simulate(&scene, &of(Some(counter), Vec::new())).expect("runs").receipt.gas_used
}

#[test]
fn a_sender_s_nonce_rises_and_names_what_it_creates() {
    let chain = rich();
    let create = || of(None, creating(&answering(&[NUMBER])));
    let blocks = run(&chain, &of_blocks(vec![calls([create(), create()])])).expect("runs");
    let created: Vec<_> = blocks[0].calls.iter().map(|call| call.simulated.receipt.contract).collect();
    assert_eq!(created, [Some(created_address(&account(1), 0)), Some(created_address(&account(1), 1))]);
    assert_ne!(blocks[0].calls[0].hash, blocks[0].calls[1].hash);
    assert_eq!(blocks[0].calls[0].simulated.code, answering(&[NUMBER]));
}

#[test]
fn a_block_has_what_is_said_of_it_and_the_ones_below_are_found_by_their_hashes() {
    let mut chain = rich();
    let at = |instructions: &[u8]| answering(instructions);
    let asks: Vec<Address> =
        [&[NUMBER][..], &[TIMESTAMP], &[COINBASE], &[BASEFEE], &[0x60, 1, NUMBER, 0x03, BLOCKHASH]]
            .into_iter()
            .map(|instructions| deploy(&mut chain, &at(instructions)))
            .collect();
    let tip = chain.tip.header.clone();
    let all = || asks.iter().map(|to| of(Some(*to), Vec::new())).collect::<Vec<_>>();
    let mut said = calls(all());
    said.overrides.block.number = Some(tip.number + 4);
    said.overrides.block.timestamp = Some(tip.timestamp_ms / 1000 + 100);
    said.overrides.block.proposer = Some(account(7));
    let blocks = run(&chain, &of_blocks(vec![calls(all()), said])).expect("runs");
    // Those between are empty.
    assert_eq!(blocks.iter().map(|block| block.header.number - tip.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(blocks.iter().map(|block| block.calls.len()).collect::<Vec<_>>(), [5, 0, 0, 5]);
    for (index, parent) in [(0, tip.ethereum_hash), (3, blocks[2].hash)] {
        let block = &blocks[index];
        let output = |call: usize| block.calls[call].simulated.receipt.output.clone();
        assert_eq!(number(&output(0)), u128::from(block.header.number));
        assert_eq!(number(&output(1)), u128::from(block.header.timestamp_s));
        assert_eq!(output(2)[12..], block.header.beneficiary.0);
        assert_eq!(number(&output(3)), 0);
        assert_eq!((output(4), block.header.parent), (parent.0.to_vec(), parent));
        assert_eq!(block.hash, block.header.hash());
    }
    assert_eq!(blocks[0].header.timestamp_s, (tip.timestamp_ms + 1000) / 1000);
    assert_eq!((blocks[0].header.beneficiary, blocks[3].header.beneficiary), (Address::ZERO, account(7)));
}

#[test]
fn what_differs_before_a_block_stays() {
    let mut chain = rich();
    let counter = deploy(&mut chain, &counting());
    let count = || of(Some(counter), Vec::new());
    let mut overridden = calls([count(), pays(account(5), account(6), 7)]);
    let poor = AccountOverride { balance: Some(Amount::from(10)), ..AccountOverride::default() };
    let full = AccountOverride { storage: Some([([0; 32], word(40))].into()), ..AccountOverride::default() };
    overridden.overrides.accounts = [(account(5), poor), (counter, full)].into();
    let mut emptied = calls([count()]);
    let empty = AccountOverride { storage: Some([].into()), ..AccountOverride::default() };
    emptied.overrides.accounts = [(counter, empty)].into();
    let blocks = vec![calls([count()]), overridden, calls([count(), pays(account(6), account(5), 5)]), emptied];
    let blocks = run(&chain, &of_blocks(blocks)).expect("runs");
    let seen: Vec<u128> = blocks.iter().map(|block| number(&block.calls[0].simulated.receipt.output)).collect();
    assert_eq!(seen, [1, 41, 42, 1]);
    // Nobody has more than was given to it.
    let more = vec![calls([pays(account(5), account(6), 7)])];
    let error = run(&chain, &of_blocks(more)).expect_err("no coin");
    let refused = |error: &SequenceError| match error {
        SequenceError::Call { block, call, error: SimulationError::Refused(refusal) } => (*block, *call, *refusal),
        other => panic!("{other}"),
    };
    let (block, call, refusal) = refused(&error);
    assert_eq!((block, call), (chain.tip.header.number + 1, 0));
    assert!(matches!(refusal, EthereumRefusal::Funds { .. }), "{refusal}");
}

#[test]
fn coin_that_moves_is_told_of_unless_it_goes_back() {
    let mut chain = rich();
    // It sends one of what it gets to account 8, then what is left stands.
    let send = |last: &[u8]| {
        let called = Assembler::default()
            .push(0)
            .push(0)
            .push(0)
            .push(0)
            .push(1)
            .op(&[0x73])
            .op(&account(8).0)
            .push(50_000)
            .finish();
        [called.as_slice(), &[CALL, POP], last].concat()
    };
    let forwarding = deploy(&mut chain, &send(&[0x00]));
    let failing = deploy(&mut chain, &send(&[0x5f, 0x5f, REVERT]));
    let pay = |to| calls([pays(account(1), to, 3)]);
    let asked = Asked { tells_transfers: true, ..of_blocks(vec![pay(account(2)), pay(forwarding), pay(failing)]) };
    let blocks = run(&chain, &asked).expect("runs");
    let told = |block: usize| {
        let logs = &blocks[block].calls[0].simulated.receipt.logs;
        let last = |topic: &Hash| Address(topic.0[12..].try_into().expect("20 bytes"));
        logs.iter()
            .map(|log| {
                assert_eq!((log.address, log.topics[0]), (TRANSFERS, keccak256(b"Transfer(address,address,uint256)")));
                (last(&log.topics[1]), last(&log.topics[2]), number(&log.data))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(told(0), [(account(1), account(2), 3)]);
    assert_eq!(told(1), [(account(1), forwarding, 3), (forwarding, account(8), 1)]);
    assert_eq!((told(2), blocks[2].calls[0].simulated.receipt.status), (vec![], Status::Revert));
    // They are no part of what a block would be.
    let silent = run(&chain, &Asked { tells_transfers: false, ..asked }).expect("runs");
    let hashes = |blocks: &[SequencedBlock]| blocks.iter().map(|block| block.hash).collect::<Vec<_>>();
    assert_eq!(hashes(&silent), hashes(&blocks));
    assert!(silent.iter().all(|block| block.calls[0].simulated.receipt.logs.is_empty()));
}

#[test]
fn a_sequence_that_validates_holds_calls_to_nonces_and_fees() {
    let chain = rich();
    let with = |nonce, base_fee: u64, max_fee: u64| {
        let simulation =
            Simulation { max_fee: Amount::from(max_fee), gas: Some(21_000), ..pays(account(1), account(2), 1) };
        let mut block = calls([simulation]);
        block.calls[0].nonce = nonce;
        block.overrides.block.base_fee = Some(Amount::from(base_fee));
        block
    };
    let refusal = |block: SequenceBlock| {
        let asked = Asked { validates: true, ..of_blocks(vec![block]) };
        match run(&chain, &asked) {
            Ok(_) => None,
            Err(SequenceError::Call { error: SimulationError::Refused(refusal), .. }) => Some(refusal),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(refusal(with(None, 0, 0)), None);
    assert_eq!(refusal(with(Some(0), 5, 5)), None);
    assert!(matches!(refusal(with(Some(1), 0, 0)), Some(EthereumRefusal::NonceHigh { found: 1, most: 0, .. })));
    assert!(matches!(refusal(with(None, 5, 0)), Some(EthereumRefusal::BaseFee { .. })));
    assert!(matches!(refusal(with(None, 5, 4)), Some(EthereumRefusal::BaseFee { .. })));
    let used = vec![with(None, 0, 0), with(Some(0), 0, 0)];
    let error = run(&chain, &Asked { validates: true, ..of_blocks(used) }).expect_err("used");
    assert!(error.to_string().contains("nonce too low"), "{error}");
    // Without it, all of them run, and who offers nothing pays nothing.
    for block in [with(Some(7), 0, 0), with(None, 5, 0)] {
        assert_eq!(run(&chain, &of_blocks(vec![block])).expect("runs")[0].calls[0].simulated.receipt.gas_used, 21_000);
    }
}

#[test]
fn more_than_there_may_be_is_refused() {
    let chain = rich();
    let tip = chain.tip.header.clone();
    let mut at = SequenceBlock::default();
    at.overrides.block.number = Some(tip.number);
    let number_error = run(&chain, &of_blocks(vec![at.clone()])).expect_err("not above");
    assert_eq!(number_error, SequenceError::Number { found: tip.number, below: tip.number });
    at.overrides.block.number = Some(tip.number + 257);
    let blocks = run(&chain, &of_blocks(vec![at.clone()])).expect_err("too many");
    assert_eq!(blocks, SequenceError::Blocks { found: 257, limit: 256 });
    at.overrides.block.number = Some(tip.number + 256);
    assert_eq!(run(&chain, &of_blocks(vec![at])).expect("just as many").len(), 256);
    let mut early = SequenceBlock::default();
    early.overrides.block.timestamp = Some(tip.timestamp_ms / 1000);
    let seconds = tip.timestamp_ms / 1000;
    let found = run(&chain, &of_blocks(vec![early])).expect_err("not later");
    assert_eq!(found, SequenceError::Timestamp { found: seconds, before: seconds });

    let pay = |gas| Simulation { gas, ..pays(account(1), account(2), 1) };
    let mut small = calls([pay(Some(21_000)), pay(Some(21_000))]);
    small.overrides.block.gas_limit = Some(30_000);
    let error = run(&chain, &of_blocks(vec![small.clone()])).expect_err("full");
    let block = tip.number + 1;
    assert_eq!(error, SequenceError::BlockGas { block, call: 1, found: 21_000, left: 9_000 });
    small.calls[1].simulation.gas = None;
    let error = run(&chain, &of_blocks(vec![small])).expect_err("it takes what is left, which is too little");
    assert!(error.to_string().contains("intrinsic gas too low"), "{error}");

    let limits = SequenceLimits { bytes: 300, ..LIMITS };
    let error = run(&chain, &Asked { limits, ..of_blocks(vec![calls([pay(None), pay(None)])]) }).expect_err("long");
    assert_eq!(error, SequenceError::Bytes { limit: 300 });

    // An endless loop takes all the gas that there is.
    let mut endless = calls([of(Some(account(30)), Vec::new()), pay(None)]);
    let code = AccountOverride { code: Some(vec![0x5b, 0x5f, 0x56]), ..AccountOverride::default() };
    endless.overrides.accounts = [(account(30), code)].into();
    let error = run(&chain, &of_blocks(vec![endless])).expect_err("no gas is left");
    assert!(matches!(error, SequenceError::Gas { .. }), "{error}");
}

#[test]
fn a_hash_that_is_not_kept_is_zero_whatever_number_a_call_says_to_have() {
    let mut chain = rich();
    let below = deploy(&mut chain, &answering(&[0x60, 1, NUMBER, 0x03, BLOCKHASH]));
    let hash = |number: Option<u64>| {
        let mut overrides = Overrides::default();
        overrides.block.number = number;
        let scene =
            entente_executor::Scene { state: chain.state.clone(), header: &chain.tip.header, overrides: &overrides };
        chain.executor.simulate(&scene, &of(Some(below), Vec::new())).expect("runs").receipt.output
    };
    let tip = chain.tip.header.number;
    assert_ne!(hash(None), vec![0; 32]);
    assert_eq!(hash(Some(tip)), hash(None));
    for above in [tip + 2, tip + 256, tip + 512] {
        assert_eq!(hash(Some(above)), vec![0; 32], "{above}");
    }
}
