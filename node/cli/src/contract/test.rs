//! `entente contract test`: a Solidity project's tests, on a chain in memory.
//!
//! A test is a contract with methods whose names begin with `test`. The contract is deployed and its `setUp`, if it has
//! one, is sent a transaction; each test is then sent to a copy of that chain, and fails if its transaction does. It is
//! the executor of a node that runs them, with its rules, gas and native modules.

use std::{path::PathBuf, sync::Arc, thread};

use clap::Args;
use entente_client::abi::{Abi, Artefact};
use entente_crypto::{SecretKey, Suite};
use entente_executor::{
    BlockInput, CodeOptions, EXECUTION_STACK_BYTES, ExecutedBlock, Executor, InputTransaction, genesis_block,
};
use entente_host::{EthereumEnvironment, gas::PROTOCOL_VERSION_2};
use entente_state::MapState;
use entente_types::{
    Address, Amount, Bytes, ConsensusKind, EvmHash, EvmTimestamp, Genesis, GroupId, Limits, Member, Proposal, Receipt,
    Status, UnsignedTransaction, Version,
};
use serde::Serialize;

use super::solidity::{self, TestContract, Tests, is_test};
use crate::{
    output::{Failure, Output},
    table::thousands,
};

/// What is sent before each test.
const SET_UP: &str = "setUp()";
/// Whose account sends the tests.
const SENDER_SEED: [u8; 32] = [1; 32];
/// When the chain begins: nothing depends on when a test is run.
const BEGIN_MS: u64 = 1_800_000_000_000;
/// How long after one another its blocks are.
const BLOCK_MS: u64 = 1000;

/// Which tests.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// The folder of a Solidity project, with its tests in test.
    path: PathBuf,
    /// Run the tests alone whose names, as they are shown, hold this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The version of solc; else the newest that the sources allow.
    #[arg(long, value_name = "VERSION")]
    solc: Option<solidity::Version>,
}

/// What became of the tests.
#[derive(Debug, Serialize)]
struct TestedLine {
    passed: usize,
    failed: usize,
    tests: Vec<TestLine>,
}

/// What became of one.
#[derive(Debug, Serialize)]
struct TestLine {
    /// The source that the test stands in.
    source: String,
    contract: String,
    test: String,
    ok: bool,
    gas_used: u64,
    /// Why it failed.
    reason: Option<String>,
}

/// Runs the tests and says what became of them.
pub(super) fn run(arguments: &TestArguments, output: Output) -> Result<(), Failure> {
    let TestArguments { path, only, solc } = arguments;
    if path.join("Cargo.toml").is_file() {
        let manifest = path.join("Cargo.toml");
        let line = format!("{}: a Rust contract is tested by: cargo test --manifest-path", path.display());
        return Err(Failure::new(format!("{line} {}", manifest.display())));
    }
    let tests = super::told(solidity::tests(path, *solc))?;
    super::warn(&tests.warnings);
    // Contracts call one another deeply: the thread must have room for that.
    let lines = thread::scope(|scope| {
        let builder = thread::Builder::new().name("test".into()).stack_size(EXECUTION_STACK_BYTES);
        let running = builder.spawn_scoped(scope, || run_all(&tests, only.as_deref()))?;
        running.join().unwrap_or_else(|_| Err(Failure::new("the thread that executes ended unexpectedly")))
    })?;
    if lines.is_empty() {
        return Err(Failure::new(format!(
            "{}: no test's name holds {:?}",
            path.display(),
            only.as_deref().unwrap_or("")
        )));
    }
    let failed = lines.iter().filter(|line| !line.ok).count();
    let line = TestedLine { passed: lines.len() - failed, failed, tests: lines };
    output.show(&line, || text(&line))?;
    match failed {
        0 => Ok(()),
        1 => Err(Failure::new("one test failed")),
        failed => Err(Failure::new(format!("{failed} tests failed"))),
    }
}

fn text(line: &TestedLine) -> String {
    let mut text = String::new();
    let mut contract = None;
    for test in &line.tests {
        let of = (&test.source, &test.contract);
        if contract.replace(of) != Some(of) {
            text += &format!("{}: {}\n", test.source, test.contract);
        }
        text += &match &test.reason {
            None => format!("  ok      {}  gas {}\n", test.test, thousands(test.gas_used)),
            Some(reason) => format!("  FAILED  {}: {reason}\n", test.test),
        };
    }
    text + &format!("{} passed, {} failed\n", line.passed, line.failed)
}

fn run_all(tests: &Tests, only: Option<&str>) -> Result<Vec<TestLine>, Failure> {
    let chain = Chain::new()?;
    let mut lines = Vec::new();
    for contract in &tests.contracts {
        lines.extend(run_contract(&chain, contract, &tests.abis, only)?);
    }
    Ok(lines)
}

/// Runs the tests of one contract.
fn run_contract(
    chain: &Chain,
    contract: &TestContract,
    abis: &[Abi],
    only: Option<&str>,
) -> Result<Vec<TestLine>, Failure> {
    let TestContract { source, name, json } = contract;
    let artefact = Artefact::from_json(json).map_err(|error| Failure::from(error).at(name))?;
    let signatures = artefact.abi().signatures();
    let is_wanted = |signature: &&String| {
        is_test(signature) && only.is_none_or(|only| format!("{source}: {name} {signature}").contains(only))
    };
    let wanted: Vec<&String> = signatures.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let line = |test: &str, receipt: &Receipt| {
        let reason = failure(receipt, abis);
        let (source, contract, test) = (source.clone(), name.clone(), test.to_owned());
        TestLine { source, contract, test, ok: reason.is_none(), gas_used: receipt.gas_used, reason }
    };
    let mut chain = chain.clone();
    let input = artefact.deployment(&[]).map_err(|error| Failure::from(error).at(format!("{source}: {name}")))?;
    let deployed = chain.send(None, input)?;
    let Some(address) = deployed.contract.filter(|_| deployed.status == Status::Success) else {
        return Ok(vec![line("constructor", &deployed)]);
    };
    if signatures.iter().any(|signature| signature == SET_UP) {
        let receipt = chain.send(Some(address), artefact.abi().encode_call(SET_UP, &[])?)?;
        if receipt.status != Status::Success {
            return Ok(vec![line(SET_UP, &receipt)]);
        }
    }
    let mut lines = Vec::new();
    for signature in wanted {
        let input = artefact.abi().encode_call(signature, &[]);
        let input = input.map_err(|_| {
            Failure::new(format!("{source}: {name}: the test {signature} takes arguments, which nobody gives it"))
        })?;
        lines.push(line(signature.trim_end_matches("()"), &chain.clone().send(Some(address), input)?));
    }
    Ok(lines)
}

/// Why a transaction failed, in the words of whichever contract reverted first.
fn failure(receipt: &Receipt, abis: &[Abi]) -> Option<String> {
    if receipt.status == Status::Success {
        return None;
    }
    let told = abis.iter().find_map(|abi| abi.decode_revert(&receipt.output));
    let told = told.or_else(|| super::unnamed_error(receipt.status.code(), &receipt.output));
    Some(told.unwrap_or_else(|| {
        let plain = receipt.error.as_ref().map(|error| error.message.clone());
        plain.unwrap_or_else(|| format!("status {}", receipt.status.code()))
    }))
}

/// A chain in memory; a copy goes its own way.
#[derive(Clone)]
struct Chain {
    executor: Arc<Executor>,
    genesis: Arc<Genesis>,
    key: SecretKey,
    state: MapState,
    tip: ExecutedBlock,
}

impl Chain {
    fn new() -> Result<Self, Failure> {
        let key = SecretKey::from_bytes(Suite::Standard, &SENDER_SEED)?;
        let genesis = Genesis {
            version: Version,
            chain_id: 1,
            group_id: GroupId::from_number(1),
            ethereum_chain_id: crate::chain::new::ETHEREUM_CHAIN_ID,
            suite: Suite::Standard,
            timestamp_ms: BEGIN_MS,
            consensus: ConsensusKind::Solo,
            pipeline_depth: 1,
            protocol_version: PROTOCOL_VERSION_2.number,
            evm_hash: EvmHash::Keccak256,
            evm_timestamp: EvmTimestamp::Seconds,
            balances: false,
            limits: Limits::default(),
            sealers: vec![Member { key: key.public_key(), weight: 1 }],
            allocations: Vec::new(),
        };
        let tip = genesis_block(&genesis)?;
        let mut state = MapState::default();
        state.apply(&tip.changes);
        let natives = entente_precompiles::registry(genesis.suite)?;
        let executor = Executor::with(&genesis, natives, &[PROTOCOL_VERSION_2], &CodeOptions::default());
        Ok(Self { executor: Arc::new(executor), genesis: Arc::new(genesis), key, state, tip })
    }

    /// Executes a block with one transaction, which may use all the gas that one can have.
    fn send(&mut self, to: Option<Address>, input: Vec<u8>) -> Result<Receipt, Failure> {
        let (parent, suite) = (&self.tip.header, self.genesis.suite);
        let number = parent.number.saturating_add(1);
        let found = input.len();
        let input =
            Bytes::new(input).ok_or_else(|| Failure::new(format!("{found} bytes are too many for a transaction")))?;
        let transaction = UnsignedTransaction {
            version: Version,
            chain_id: self.genesis.chain_id,
            group_id: self.genesis.group_id.clone(),
            sender: self.key.public_key().address(),
            nonce: [0; 32],
            valid_until: number.saturating_add(1),
            gas_limit: self.genesis.limits.transaction_gas,
            to,
            value: Amount::ZERO,
            input,
            extra: Bytes::default(),
        };
        let transaction = transaction.sign(&self.genesis.hash(), &self.key);
        let hash = transaction.hash(suite);
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis.hash(),
            number,
            parent: parent.proposal,
            view: 0,
            timestamp_ms: parent.timestamp_ms.saturating_add(BLOCK_MS),
            proposer: self.key.public_key().address(),
            transactions: vec![hash],
            access: None,
        };
        let executed = self.executor.execute(&BlockInput {
            parent,
            proposal: &proposal,
            transactions: &[InputTransaction { hash, transaction: Arc::new(transaction) }],
            state: Arc::new(self.state.clone()),
            commitment: &self.tip.commitment,
            record_accesses: false,
            ethereum: EthereumEnvironment::default(),
        })?;
        self.state.apply(&executed.changes);
        self.tip = executed;
        self.tip.receipts.pop().ok_or_else(|| Failure::new("the chain in memory left the transaction out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code that creates a contract which answers every call with these bytes, as a revert or not.
    fn creating(answer: &[u8], opcode: u8) -> Vec<u8> {
        let length = u8::try_from(answer.len()).expect("short");
        // CODECOPY(0, 12, length), then RETURN or REVERT(0, length); the answer stands behind.
        let mut code = vec![0x60, length, 0x60, 12, 0x60, 0, 0x39, 0x60, length, 0x60, 0, opcode];
        code.extend_from_slice(answer);
        let size = u8::try_from(code.len()).expect("short");
        [&[0x60, size, 0x60, 12, 0x60, 0, 0x39, 0x60, size, 0x60, 0, 0xf3], code.as_slice()].concat()
    }

    fn contract(name: &str, methods: &[&str], code: &[u8]) -> TestContract {
        let methods: Vec<_> = methods
            .iter()
            .map(|name| serde_json::json!({ "type": "function", "name": name, "inputs": [], "outputs": [] }))
            .collect();
        let json = serde_json::json!({ "abi": methods, "bytecode": hex::encode(code) }).to_string();
        TestContract { source: "test/A.t.sol".into(), name: name.into(), json }
    }

    fn outcomes(contracts: Vec<TestContract>, only: Option<&str>) -> Vec<(String, Option<String>)> {
        let error = r#"[{"type": "error", "name": "Closed", "inputs": []}]"#;
        let tests = Tests { contracts, abis: vec![Abi::from_json(error).expect("an ABI")], warnings: Vec::new() };
        let lines = run_all(&tests, only).expect("runs");
        lines.into_iter().map(|line| (format!("{}.{}", line.contract, line.test), line.reason)).collect()
    }

    #[test]
    fn a_test_passes_if_its_transaction_does_and_fails_in_words() {
        let closed = &entente_crypto::keccak256(b"Closed()").0[..4];
        let contracts = vec![
            contract("Good", &["testOne", "testTwo", "helper"], &creating(&[], 0xf3)),
            contract("Bad", &["test"], &creating(closed, 0xfd)),
            contract("Odd", &["test"], &creating(&[1, 2, 3, 4], 0xfd)),
            contract("Stopped", &["setUp", "test"], &creating(&[], 0xfe)),
            contract("Unborn", &["test"], &[0xfe]),
        ];
        let found = outcomes(contracts, None);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["Good.testOne", "Good.testTwo", "Bad.test", "Odd.test", "Stopped.setUp()", "Unborn.constructor"]
        );
        assert_eq!((&found[0].1, &found[1].1), (&None, &None));
        assert_eq!(found[2].1.as_deref(), Some("Closed()"));
        assert_eq!(found[3].1.as_deref(), Some("an error that no ABI here names: 0x01020304"));
        assert!(found[4].1.is_some() && found[5].1.is_some(), "{found:?}");
    }

    #[test]
    fn only_the_tests_that_were_asked_for_are_run() {
        let contracts = || vec![contract("A", &["testOne", "testTwo"], &creating(&[], 0xf3))];
        assert_eq!(outcomes(contracts(), Some("testTwo")), [("A.testTwo".to_owned(), None)]);
        assert_eq!(outcomes(contracts(), Some("testThree")), []);
    }
}
