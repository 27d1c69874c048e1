//! The same transactions under plain revm: its own handler, journal and database.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use entente_types::{Address, Authorization, EthereumKind, EthereumTransaction, Hash, Log};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::{BlockEnv, TxEnv, result::ExecutionResult},
    context_interface::{
        block::BlobExcessGasAndPrice,
        transaction::{Authorization as RevmAuthorization, SignedAuthorization},
    },
    database::InMemoryDB,
    primitives::{Address as RevmAddress, B256, Bytes, TxKind, U256, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};

use crate::ethereum::{Environment, State};

/// What a transaction came to; nothing where it is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    pub success: bool,
    pub gas_used: u64,
    pub logs: Vec<Log>,
}

fn theirs(address: &Address) -> RevmAddress {
    RevmAddress::new(address.0)
}

fn database(before: &BTreeMap<Address, State>) -> InMemoryDB {
    let mut database = InMemoryDB::default();
    for (address, account) in before {
        let code = Bytes::from(account.code.clone());
        let code = Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code));
        let info = AccountInfo::new(account.balance, account.nonce, code.hash_slow(), code);
        database.insert_account_info(theirs(address), info);
        for (key, value) in &account.storage {
            database.insert_account_storage(theirs(address), *key, *value).expect("memory");
        }
    }
    database
}

/// Runs the transactions one after the other.
pub fn execute(
    environment: &Environment,
    before: &BTreeMap<Address, State>,
    transactions: &[EthereumTransaction],
) -> (Vec<Option<Came>>, BTreeMap<Address, State>) {
    let block = BlockEnv {
        number: U256::from(environment.height),
        beneficiary: theirs(&environment.proposer),
        timestamp: U256::from(environment.timestamp_s),
        gas_limit: environment.gas_limit,
        basefee: environment.ethereum.base_fee.0.to(),
        difficulty: U256::ZERO,
        prevrandao: Some(B256::new(environment.ethereum.prevrandao.0)),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: environment.ethereum.blob_base_fee.0.to(),
        }),
        slot_num: 0,
    };
    let mut evm = Context::mainnet()
        .with_db(database(before))
        .with_block(block)
        .modify_cfg_chained(|configuration| {
            configuration.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            configuration.chain_id = environment.chain_id;
        })
        .build_mainnet();
    let mut came = Vec::new();
    for transaction in transactions {
        let payload = transaction.payload().expect("a transaction");
        let transaction = TxEnv::builder()
            .caller(theirs(&transaction.origin().expect("a signature").sender))
            .gas_limit(payload.gas_limit)
            .gas_price(payload.max_fee.0.to())
            .kind(payload.to.map_or(TxKind::Create, |to| TxKind::Call(theirs(&to))))
            .value(payload.value.0)
            .data(Bytes::from(payload.input.clone()))
            .nonce(payload.nonce)
            .chain_id(Some(payload.chain_id))
            .gas_priority_fee((payload.kind == EthereumKind::SetCode).then(|| payload.max_priority_fee.0.to()))
            .authorization_list_signed(payload.authorizations.iter().map(signed).collect())
            .build()
            .expect("a transaction");
        came.push(evm.transact_commit(transaction).ok().map(|result| Came {
            success: matches!(result, ExecutionResult::Success { .. }),
            gas_used: result.tx_gas_used(),
            logs: if result.is_success() { result.logs().iter().map(log).collect() } else { Vec::new() },
        }));
        // An account that is left with nothing is none (EIP-161). This database keeps it as one that is there, and an
        // authorization by it would get gas back.
        let accounts = &mut evm.ctx.journaled_state.database.cache.accounts;
        accounts.retain(|_, account| !account.info.is_empty() || !account.storage.is_empty());
    }
    (came, state_of(&evm.ctx.journaled_state.database))
}

fn signed(authorization: &Authorization) -> SignedAuthorization {
    let Authorization { chain_id, address, nonce, signature } = authorization;
    let unsigned = RevmAuthorization { chain_id: *chain_id, address: theirs(address), nonce: *nonce };
    let number = |bytes| U256::from_be_slice(bytes);
    SignedAuthorization::new_unchecked(unsigned, signature[64], number(&signature[..32]), number(&signature[32..64]))
}

fn log(log: &revm::primitives::Log) -> Log {
    Log {
        address: Address(log.address.into_array()),
        topics: log.data.topics().iter().map(|topic| Hash(topic.0)).collect(),
        data: log.data.data.to_vec(),
    }
}

fn state_of(database: &InMemoryDB) -> BTreeMap<Address, State> {
    let mut found = BTreeMap::new();
    for (address, account) in &database.cache.accounts {
        let Some(info) = account.info() else { continue };
        let code = info.code.clone().or_else(|| database.cache.contracts.get(&info.code_hash).cloned());
        let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
        let state = State {
            balance: info.balance,
            nonce: info.nonce,
            code: code.map(|code| code.original_byte_slice().to_vec()).unwrap_or_default(),
            storage: storage.map(|(key, value)| (*key, *value)).collect(),
        };
        if state != State::default() {
            found.insert(Address(address.into_array()), state);
        }
    }
    found
}
