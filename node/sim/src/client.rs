//! Clients: they sign transactions, send them to a node, and send them again elsewhere where nothing is heard of them.

use std::{collections::BTreeMap, sync::Arc};

use entente_crypto::{Address, Hash};
use entente_executor::container;
use entente_types::{
    Amount, BlockNumber, Bytes, Genesis, LegacyTransaction, NativeTransaction, Suite, Transaction,
    UnsignedFiscoTransaction, UnsignedTransaction, Version,
};

use crate::{
    Keys, Numbers, Setup,
    keys::{public_key, secret_key},
    setup::{ACCOUNTS_FROM, WEIGHT_MAX},
};

/// How many accounts send.
const ACCOUNTS: u64 = 6;

/// How many of the accounts send Ethereum's transactions too.
const ETHEREUM_ACCOUNTS: usize = 2;

/// The gas that each transaction may use.
pub(crate) const GAS: u64 = 10_000_000;

/// How long a client waits before it sends again, in milliseconds.
const PATIENCE_MS: u64 = 3_000;

/// How many transactions clients wait for at most before they send new ones.
const WAITING_MAX: usize = 300;

/// Counts its calls in its storage.
const COUNTER: &str = r#"(module
  (import "entente" "storage_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "entente" "storage_write" (func $write (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "deploy") (result i32) (i32.const 0))
  (func (export "call") (result i32)
    (drop (call $read (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8)))
    (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
    (call $write (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8))
    (i32.const 0)))"#;

/// One that waits to be told of its transaction.
struct Waiting {
    transaction: Arc<Transaction>,
    sent_at_ms: u64,
}

pub(crate) struct Clients {
    genesis: Genesis,
    genesis_hash: Hash,
    keys: Keys,
    next: u64,
    /// The next number of each account that sends Ethereum's transactions.
    numbers: [u64; ETHEREUM_ACCOUNTS],
    waiting: BTreeMap<u64, (Hash, Waiting)>,
    /// The counter's address, once it is deployed.
    pub(crate) counter: Option<Address>,
}

impl Clients {
    pub(crate) fn new(genesis: Genesis, keys: Keys) -> Self {
        let genesis_hash = genesis.hash();
        Self {
            genesis,
            genesis_hash,
            keys,
            next: 0,
            numbers: [0; ETHEREUM_ACCOUNTS],
            waiting: BTreeMap::new(),
            counter: None,
        }
    }

    fn sign(&mut self, account: usize, height: BlockNumber, to: Option<Address>, input: Vec<u8>) -> Arc<Transaction> {
        let key = ACCOUNTS_FROM + account;
        self.sign_with(key, height, to, input)
    }

    /// A number that no account used before.
    fn draw(&mut self) -> [u8; 32] {
        self.next += 1;
        let mut nonce = [0; 32];
        nonce.iter_mut().zip(self.next.to_le_bytes()).for_each(|(target, byte)| *target = byte);
        nonce
    }

    fn sign_with(&mut self, key: usize, height: BlockNumber, to: Option<Address>, input: Vec<u8>) -> Arc<Transaction> {
        let nonce = self.draw();
        let unsigned = UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: self.genesis.group_id.clone(),
            sender: public_key(key).address(),
            nonce,
            valid_until: height + 900,
            gas_limit: GAS,
            to,
            value: Amount::ZERO,
            input: Bytes::new(input).unwrap_or_default(),
            extra: Bytes::default(),
        };
        let digest = unsigned.signing_digest(Suite::Standard, &self.genesis_hash);
        let signature = self.keys.signing(key).sign(&digest);
        Arc::new(Transaction::Native(NativeTransaction { unsigned, signature }))
    }

    /// An Ethereum transaction with the account's next number: in the chain it follows the one before it, whatever
    /// becomes of those on their way. Its signature is a real one.
    fn sign_ethereum(&mut self, account: usize, to: Address) -> Option<Arc<Transaction>> {
        let number = self.numbers.get_mut(account)?;
        let transaction = LegacyTransaction {
            nonce: *number,
            gas_price: Amount::ZERO,
            gas_limit: GAS,
            to: Some(to),
            value: Amount::ZERO,
            input: Vec::new(),
        };
        let signed = transaction.sign(secret_key(ACCOUNTS_FROM + account)?, self.genesis.ethereum_chain_id).ok()?;
        (self.next, *number) = (self.next + 1, *number + 1);
        Some(Arc::new(Transaction::Ethereum(signed)))
    }

    /// A transaction of FISCO BCOS. Its signature is a real one.
    fn sign_fisco(&mut self, account: usize, height: BlockNumber, to: Address) -> Option<Arc<Transaction>> {
        let key = secret_key(ACCOUNTS_FROM + account)?;
        let unsigned = UnsignedFiscoTransaction {
            nonce: self.draw(),
            gas_price: Amount::from(30_000_000),
            gas: Amount::from(30_000_000),
            block_limit: height + 600,
            to: Some(to),
            value: Amount::ZERO,
            input: Vec::new(),
            chain_id: 1,
            group: 1,
            extra: Vec::new(),
        };
        Some(Arc::new(Transaction::Fisco(unsigned.sign(key).ok()?)))
    }

    /// Some new transactions, and those that nothing was heard of.
    pub(crate) fn batch(
        &mut self,
        now_ms: u64,
        height: BlockNumber,
        setup: &Setup,
        numbers: &mut Numbers,
    ) -> Vec<Arc<Transaction>> {
        let mut batch = Vec::new();
        for (_, waiting) in
            self.waiting.values_mut().filter(|(_, waiting)| waiting.sent_at_ms + PATIENCE_MS <= now_ms).take(8)
        {
            waiting.sent_at_ms = now_ms;
            batch.push(Arc::clone(&waiting.transaction));
        }
        let new = if self.waiting.len() < WAITING_MAX { numbers.between(1, 4) } else { 0 };
        for _ in 0..new {
            let account = numbers.below(ACCOUNTS) as usize;
            let transaction = match self.counter {
                None if self.next == 0 => {
                    let module = wat::parse_str(COUNTER).unwrap_or_default();
                    self.sign(account, height, None, container(&module, &[]))
                }
                // Who calls what is not there uses all the gas there is.
                Some(_) if self.genesis.limits.transaction_gas == GAS && numbers.per_mille(300) => {
                    self.sign(account, height, Some(native(0xeeee)), Vec::new())
                }
                Some(counter) if account < ETHEREUM_ACCOUNTS && numbers.per_mille(150) => {
                    let Some(transaction) = self.sign_ethereum(account, counter) else { continue };
                    transaction
                }
                Some(counter) if numbers.per_mille(100) => {
                    let Some(transaction) = self.sign_fisco(account, height, counter) else { continue };
                    transaction
                }
                Some(counter) if numbers.per_mille(700) => self.sign(account, height, Some(counter), Vec::new()),
                _ if setup.asks_for_empty_blocks() && numbers.per_mille(100) => {
                    self.ask_for_empty_blocks(height, setup, numbers)
                }
                _ => self.configure(account, height, numbers),
            };
            self.await_news(now_ms, &transaction);
            batch.push(transaction);
        }
        batch
    }

    /// `setValueByKey("tx_count_limit", ...)`: a limit that proposals are judged by.
    fn configure(&mut self, account: usize, height: BlockNumber, numbers: &mut Numbers) -> Arc<Transaction> {
        let value = numbers.between(20, 60).to_string();
        let input = call("setValueByKey(string,string)", &["tx_count_limit", &value]);
        self.sign(account, height, Some(native(0x1000)), input)
    }

    /// `setValueByKey("empty_block_period_ms", ...)`, signed with a sealing key, as the module demands.
    fn ask_for_empty_blocks(&mut self, height: BlockNumber, setup: &Setup, numbers: &mut Numbers) -> Arc<Transaction> {
        let value = if numbers.per_mille(300) { 0 } else { numbers.between(100, 1_500) }.to_string();
        let input = call("setValueByKey(string,string)", &["empty_block_period_ms", &value]);
        self.sign_with(numbers.place(setup.nodes), height, Some(native(0x1000)), input)
    }

    /// Makes a spare node a sealer, lets it go, or gives a sealer another weight: signed with a sealing key, as the module demands.
    pub(crate) fn change_members(
        &mut self,
        now_ms: u64,
        height: BlockNumber,
        setup: &Setup,
        numbers: &mut Numbers,
    ) -> Arc<Transaction> {
        let name = |place: usize| hex::encode(public_key(place).as_bytes());
        let reweighs = setup.weighted() && (setup.spares == 0 || numbers.per_mille(500));
        let input = if reweighs {
            // Never less than at genesis for those that are honest, and never more for a liar.
            let place = numbers.place(setup.nodes + setup.spares);
            let least = setup.weights.get(place).copied().map_or(1, u64::from);
            let lies = setup.byzantine.iter().any(|(liar, _)| *liar == place);
            let weight = if lies { least } else { numbers.between(least, WEIGHT_MAX) };
            call_with("setWeight(string,uint256)", &[Argument::Text(&name(place)), Argument::Number(weight)])
        } else {
            let spare = setup.nodes + numbers.place(setup.spares);
            let signature = if numbers.below(3) < 2 { "addSealer(string)" } else { "remove(string)" };
            call(signature, &[&name(spare)])
        };
        let key = numbers.place(setup.nodes);
        let transaction = self.sign_with(key, height, Some(native(0x1003)), input);
        self.await_news(now_ms, &transaction);
        transaction
    }

    /// Makes a sealer an observer, or an observer a sealer again: signed with another's sealing key.
    pub(crate) fn renew_member(
        &mut self,
        now_ms: u64,
        height: BlockNumber,
        member: usize,
        seals: bool,
        numbers: &mut Numbers,
    ) -> Arc<Transaction> {
        let signature = if seals { "addSealer(string)" } else { "addObserver(string)" };
        let input = call(signature, &[&hex::encode(public_key(member).as_bytes())]);
        let key = (member + 1 + numbers.place(3)) % 4;
        let transaction = self.sign_with(key, height, Some(native(0x1003)), input);
        self.await_news(now_ms, &transaction);
        transaction
    }

    /// Waits to be told of a transaction.
    fn await_news(&mut self, now_ms: u64, transaction: &Arc<Transaction>) {
        let hash = transaction.hash(Suite::Standard);
        let waiting = Waiting { transaction: Arc::clone(transaction), sent_at_ms: now_ms };
        self.waiting.insert(self.next, (hash, waiting));
    }

    /// Those that were told of wait no more.
    pub(crate) fn told(&mut self, is_told: impl Fn(&Hash) -> bool) {
        self.waiting.retain(|_, (hash, _)| !is_told(hash));
    }
}

/// A native module's address.
pub(crate) fn native(number: u16) -> Address {
    let mut bytes = [0; 20];
    bytes[18..].copy_from_slice(&number.to_be_bytes());
    Address(bytes)
}

/// A call by the Solidity ABI whose arguments are all strings.
pub(crate) fn call(signature: &str, arguments: &[&str]) -> Vec<u8> {
    call_with(signature, &arguments.iter().map(|text| Argument::Text(text)).collect::<Vec<_>>())
}

/// An argument of a call.
enum Argument<'a> {
    Text(&'a str),
    Number(u64),
}

/// A call by the Solidity ABI.
fn call_with(signature: &str, arguments: &[Argument<'_>]) -> Vec<u8> {
    let word = |number: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&number.to_be_bytes());
        word
    };
    let mut input = entente_crypto::keccak256(signature.as_bytes()).0[..4].to_vec();
    let mut tail = Vec::new();
    for argument in arguments {
        match argument {
            Argument::Number(number) => input.extend(word(*number)),
            Argument::Text(text) => {
                input.extend(word((arguments.len() * 32 + tail.len()) as u64));
                tail.extend(word(text.len() as u64));
                tail.extend_from_slice(text.as_bytes());
                tail.resize(tail.len().next_multiple_of(32), 0);
            }
        }
    }
    input.extend(tail);
    input
}
