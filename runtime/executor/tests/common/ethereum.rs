//! Ethereum's state over the whole executor: accounts put into a ledger's state, a block run over them, and what came of
//! it read back as accounts.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{collections::BTreeMap, sync::Arc};

use alloy_rlp::{Encodable, Header as RlpHeader};
use entente_crypto::{LtHash, SecretKey, Suite, keccak256};
use entente_executor::{
    Account, BlockInput, CodeKind, CodeOptions, CodeReference, ExecutedBlock, Executor, InputTransaction, genesis_block,
};
use entente_host::{EthereumEnvironment, NativeRegistry, gas::PROTOCOL_VERSION_2};
use entente_state::{MapState, Row, RowValue, Table};
use entente_types::{
    Address, Amount, Authorization, ConsensusKind, EthereumTransaction, EvmHash, EvmTimestamp, Genesis, GroupId, Hash,
    Header, LegacyTransaction, Limits, Log, Member, Proposal, Transaction, Version,
};
use parity_scale_codec::DecodeAll;
use ruint::aliases::U256;

/// The gas that a transaction of Osaka may ask for (EIP-7825).
pub const TRANSACTION_GAS_MAX: u64 = 1 << 24;

/// An account as Ethereum has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub balance: U256,
    pub nonce: u64,
    pub code: Vec<u8>,
    pub storage: BTreeMap<U256, U256>,
}

/// The block that is run.
#[derive(Debug, Clone)]
pub struct Environment {
    pub chain_id: u64,
    pub height: u64,
    pub timestamp_s: u64,
    pub gas_limit: u64,
    pub proposer: Address,
    pub ethereum: EthereumEnvironment,
}

/// What came of a block.
pub struct Executed {
    pub block: ExecutedBlock,
    pub state: BTreeMap<Address, State>,
}

/// Runs a block of transactions over accounts. The hash of a block is Keccak-256 of its number's digits, as in
/// Ethereum's fixtures.
pub fn execute(
    environment: &Environment,
    before: &BTreeMap<Address, State>,
    transactions: Vec<EthereumTransaction>,
) -> Result<Executed, String> {
    let genesis = genesis(environment.chain_id, environment.gas_limit);
    let first = genesis_block(&genesis).map_err(|fault| fault.to_string())?;
    let mut state = MapState::default();
    state.apply(&first.changes);
    for (address, account) in before {
        put(&mut state, address, account);
    }
    let height = environment.height;
    let hash_of = |number: u64| keccak256(number.to_string().as_bytes());
    for number in height.saturating_sub(256)..height {
        let row = Row::new(&Table::EthereumHashes, &[(number % 256) as u8]);
        state.0.insert(row, hash_of(number).0.into());
    }
    let number = height.saturating_sub(1);
    let parent = Header { number, ethereum_hash: hash_of(number), ..first.header };
    let input = |transaction| {
        let transaction = Transaction::Ethereum(transaction);
        let hash = transaction.hash(Suite::Standard);
        InputTransaction { hash, transaction: Arc::new(transaction) }
    };
    let transactions: Vec<InputTransaction> = transactions.into_iter().map(input).collect();
    let proposal = Proposal {
        version: Version,
        genesis: genesis.hash(),
        number: height,
        parent: parent.proposal,
        view: 0,
        timestamp_ms: environment.timestamp_s.saturating_mul(1000),
        proposer: environment.proposer,
        transactions: transactions.iter().map(|transaction| transaction.hash).collect(),
        access: None,
    };
    let executor = Executor::with(&genesis, NativeRegistry::default(), &[PROTOCOL_VERSION_2], &CodeOptions::default());
    let block = executor
        .execute(&BlockInput {
            parent: &parent,
            proposal: &proposal,
            transactions: &transactions,
            state: Arc::new(state.clone()),
            commitment: &LtHash::default(),
            record_accesses: false,
            ethereum: environment.ethereum,
        })
        .map_err(|fault| fault.to_string())?;
    state.apply(&block.changes);
    Ok(Executed { block, state: state_of(&state)? })
}

pub fn genesis(chain_id: u64, block_gas: u64) -> Genesis {
    let key = SecretKey::from_bytes(Suite::Standard, &[200; 32]).expect("a key");
    Genesis {
        version: Version,
        chain_id: 1,
        group_id: GroupId::new("group1").expect("a name"),
        ethereum_chain_id: chain_id,
        suite: Suite::Standard,
        timestamp_ms: 0,
        consensus: ConsensusKind::Solo,
        pipeline_depth: 1,
        protocol_version: 2,
        evm_hash: EvmHash::Keccak256,
        evm_timestamp: EvmTimestamp::Seconds,
        balances: true,
        limits: Limits { block_gas, transaction_gas: block_gas.min(TRANSACTION_GAS_MAX), block_transactions: 1_000 },
        sealers: vec![Member { key: key.public_key(), weight: 1 }],
        allocations: vec![],
    }
}

pub fn put(state: &mut MapState, address: &Address, account: &State) {
    let mut code = None;
    if !account.code.is_empty() {
        let hash = keccak256(&account.code);
        state.0.insert(Row::new(&Table::Code, hash.as_ref()), account.code.clone().into());
        let is_delegation = account.code.len() == 23 && account.code.starts_with(&[0xef, 0x01, 0x00]);
        let kind = if is_delegation { CodeKind::Delegation } else { CodeKind::Evm };
        code = Some(CodeReference { kind, hash });
    }
    let record = Account { nonce: account.nonce, balance: Amount(account.balance), code, ..Account::default() };
    if record != Account::default() {
        state.0.insert(Account::row(address), RowValue::encoding(&record));
    }
    for (key, value) in &account.storage {
        let row = Row::new(&Table::Contract(*address), &key.to_be_bytes::<32>());
        state.0.insert(row, value.to_be_bytes::<32>().into());
    }
}

/// All accounts of a state.
pub fn state_of(state: &MapState) -> Result<BTreeMap<Address, State>, String> {
    let mut found: BTreeMap<Address, State> = BTreeMap::new();
    for (row, value) in &state.0 {
        match Table::decode_all(&mut row.table()).map_err(|error| error.to_string())? {
            Table::Accounts => {
                let address = Address(row.key().try_into().map_err(|_| "an account's key")?);
                let account = Account::from_bytes(&address, value).map_err(|fault| fault.to_string())?;
                let code = match account.code {
                    Some(code) => state.0.get(&Row::new(&Table::Code, code.hash.as_ref())).ok_or("no code")?.to_vec(),
                    None => Vec::new(),
                };
                let entry = found.entry(address).or_default();
                *entry = State { balance: account.balance.0, nonce: account.nonce, code, ..std::mem::take(entry) };
            }
            Table::Contract(address) => {
                let key = U256::try_from_be_slice(row.key()).ok_or("a slot's key")?;
                let value = U256::try_from_be_slice(value).ok_or("a slot's value")?;
                found.entry(address).or_default().storage.insert(key, value);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// What the first account that is not as expected has instead. An account without anything is none.
pub fn difference(found: &BTreeMap<Address, State>, expected: &BTreeMap<Address, State>) -> Option<String> {
    let nothing = State::default();
    let addresses: std::collections::BTreeSet<&Address> = found.keys().chain(expected.keys()).collect();
    for address in addresses {
        let (found, expected) = (found.get(address).unwrap_or(&nothing), expected.get(address).unwrap_or(&nothing));
        if found == expected {
            continue;
        }
        let mut told = format!("{address}:");
        if found.balance != expected.balance {
            told += &format!(" balance {} instead of {}", found.balance, expected.balance);
        }
        if found.nonce != expected.nonce {
            told += &format!(" nonce {} instead of {}", found.nonce, expected.nonce);
        }
        if found.code != expected.code {
            told += &format!(" {} bytes of code instead of {}", found.code.len(), expected.code.len());
        }
        if found.storage != expected.storage {
            let keys = found.storage.keys().chain(expected.storage.keys());
            let wrong = keys.filter(|key| found.storage.get(*key) != expected.storage.get(*key));
            for key in wrong.take(3) {
                told += &format!(
                    " slot {key:#x} {:#x?} instead of {:#x?}",
                    found.storage.get(key),
                    expected.storage.get(key)
                );
            }
        }
        return Some(told);
    }
    None
}

pub fn encode_list(payload: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    RlpHeader { list: true, payload_length: payload.len() }.encode(&mut encoded);
    encoded.extend_from_slice(payload);
    encoded
}

/// Keccak-256 of the logs' RLP, which stands in a fixture for the logs.
pub fn logs_hash(logs: &[Log]) -> Hash {
    let mut all = Vec::new();
    for log in logs {
        let mut topics = Vec::new();
        log.topics.iter().for_each(|topic| topic.0.encode(&mut topics));
        let mut fields = Vec::new();
        log.address.0.encode(&mut fields);
        fields.extend(encode_list(&topics));
        log.data.as_slice().encode(&mut fields);
        all.extend(encode_list(&fields));
    }
    keccak256(&encode_list(&all))
}

/// Signs a legacy transaction, whose first six fields are encoded already, for a chain (EIP-155).
pub fn sign_legacy(fields: &[u8], key: &SecretKey, chain_id: u64) -> Result<EthereumTransaction, String> {
    let mut signed = fields.to_vec();
    chain_id.encode(&mut signed);
    signed.extend([0x80, 0x80]);
    let signature = key.sign(&keccak256(&encode_list(&signed)));
    let signature = signature.as_bytes();
    let mut fields = fields.to_vec();
    (chain_id * 2 + 35 + u64::from(signature[64])).encode(&mut fields);
    U256::from_be_slice(&signature[..32]).to_be_bytes_trimmed_vec().as_slice().encode(&mut fields);
    U256::from_be_slice(&signature[32..64]).to_be_bytes_trimmed_vec().as_slice().encode(&mut fields);
    EthereumTransaction::new(encode_list(&fields)).map_err(|error| error.to_string())
}

/// A legacy transaction.
pub struct Legacy {
    pub nonce: u64,
    pub gas_price: u64,
    pub gas_limit: u64,
    pub to: Option<Address>,
    pub value: u64,
    pub input: Vec<u8>,
}

impl Legacy {
    pub fn sign(&self, key: &SecretKey, chain_id: u64) -> EthereumTransaction {
        let transaction = LegacyTransaction {
            nonce: self.nonce,
            gas_price: Amount::from(self.gas_price),
            gas_limit: self.gas_limit,
            to: self.to,
            value: Amount::from(self.value),
            input: self.input.clone(),
        };
        transaction.sign(key, chain_id).expect("a short transaction")
    }
}

/// A transaction that sets code (EIP-7702).
pub struct SetCode {
    pub nonce: u64,
    pub gas_price: u64,
    pub gas_limit: u64,
    pub to: Address,
    pub value: u64,
    pub input: Vec<u8>,
    pub authorizations: Vec<Authorization>,
}

impl SetCode {
    pub fn sign(&self, key: &SecretKey, chain_id: u64) -> EthereumTransaction {
        let mut fields = Vec::new();
        for number in [chain_id, self.nonce, self.gas_price, self.gas_price, self.gas_limit] {
            number.encode(&mut fields);
        }
        self.to.0.encode(&mut fields);
        self.value.encode(&mut fields);
        self.input.as_slice().encode(&mut fields);
        fields.extend(encode_list(&[]));
        let authorizations: Vec<u8> = self.authorizations.iter().flat_map(encode_authorization).collect();
        fields.extend(encode_list(&authorizations));
        let signature = key.sign(&keccak256(&[vec![4], encode_list(&fields)].concat()));
        encode_signature(signature.as_bytes(), &mut fields);
        EthereumTransaction::new([vec![4], encode_list(&fields)].concat()).expect("a short transaction")
    }
}

fn encode_authorization(authorization: &Authorization) -> Vec<u8> {
    let mut fields = Vec::new();
    authorization.chain_id.to_be_bytes_trimmed_vec().as_slice().encode(&mut fields);
    authorization.address.0.encode(&mut fields);
    authorization.nonce.encode(&mut fields);
    encode_signature(&authorization.signature, &mut fields);
    encode_list(&fields)
}

/// The parity, r and s.
fn encode_signature(signature: &[u8], fields: &mut Vec<u8>) {
    signature[64].encode(fields);
    for number in [&signature[..32], &signature[32..64]] {
        U256::from_be_slice(number).to_be_bytes_trimmed_vec().as_slice().encode(fields);
    }
}

/// Lets the code at an address stand for the key's account.
pub fn authorize(key: &SecretKey, chain_id: u64, address: Address, nonce: u64) -> Authorization {
    let unsigned = Authorization { chain_id: U256::from(chain_id), address, nonce, signature: [0; 65] };
    let signature = key.sign(&unsigned.signing_hash());
    Authorization { signature: signature.as_bytes().try_into().expect("65 bytes"), ..unsigned }
}
