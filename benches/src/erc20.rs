//! A block of ERC-20 transfers by EVM code, under the executor and under plain revm.

use std::sync::Arc;

use entente_crypto::{LtHash, SecretKey, keccak256};
use entente_executor::{
    Account, BlockInput, CodeKind, CodeOptions, CodeReference, Executor, InputTransaction, genesis_block,
};
use entente_host::{
    EthereumEnvironment, NativeRegistry,
    gas::{PROTOCOL_VERSION_1, PROTOCOL_VERSION_2},
};
use entente_state::{ChangeSet, Row, RowValue, StateReadError, StateReader, Table};
use entente_types::{Address, Amount, Genesis, Header, LegacyTransaction, Proposal, Status, Transaction, Version};
use hashbrown::HashMap;
use rayon::prelude::*;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::TxEnv,
    database::InMemoryDB,
    primitives::{Address as RevmAddress, Bytes, TxKind, U256, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};

use crate::{Workload, WorkloadError, median, time};

/// Where the token stands.
const TOKEN: Address = Address([0x70; 20]);
/// What every account has of it.
const BALANCE: u64 = 1_000_000_000;
/// The gas that a transfer may use.
const GAS_LIMIT: u64 = 100_000;

/// `transfer(address,uint256)` of an ERC-20 whose balances are the mapping in slot 0, with its event and its checks, as
/// Solidity's compiler lays it out.
fn token_code() -> Vec<u8> {
    let mut code =
        vec![0x5f, 0x35, 0x60, 0xe0, 0x1c, 0x63, 0xa9, 0x05, 0x9c, 0xbb, 0x14, 0x60, 0, 0x57, 0x5f, 0x5f, 0xfd];
    let selected = code.len();
    // The sender's balance: at least the amount, which is taken from it.
    code.extend([0x5b, 0x33, 0x5f, 0x52, 0x5f, 0x60, 0x20, 0x52, 0x60, 0x40, 0x5f, 0x20, 0x80, 0x54]);
    code.extend([0x60, 0x24, 0x35, 0x81, 0x81, 0x11, 0x60, 0, 0x57, 0x90, 0x03, 0x90, 0x55]);
    let checked = code.len() - 6;
    // The receiver's balance gets it.
    code.extend([0x60, 0x04, 0x35, 0x5f, 0x52, 0x60, 0x40, 0x5f, 0x20, 0x80, 0x54, 0x60, 0x24, 0x35, 0x01, 0x90, 0x55]);
    // The event, and true.
    code.extend([0x60, 0x24, 0x35, 0x5f, 0x52, 0x60, 0x04, 0x35, 0x33, 0x7f]);
    code.extend(keccak256(b"Transfer(address,address,uint256)").0);
    code.extend([0x60, 0x20, 0x5f, 0xa3, 0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    let refused = code.len();
    code.extend([0x5b, 0x5f, 0x5f, 0xfd]);
    // Both jumps are short.
    if let Some(place) = code.get_mut(12) {
        *place = selected as u8;
    }
    if let Some(place) = code.get_mut(checked) {
        *place = refused as u8;
    }
    code
}

fn slot_of(holder: &Address) -> [u8; 32] {
    let mut bytes = [0; 64];
    for (target, byte) in bytes.iter_mut().skip(12).zip(holder.0) {
        *target = byte;
    }
    keccak256(&bytes).0
}

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

/// One transfer, as both sides take it.
struct Transfer {
    from: usize,
    nonce: u64,
    input: Vec<u8>,
}

fn transfers(keys: &[SecretKey], count: usize, nonces: &mut [u64]) -> Vec<Transfer> {
    let accounts = keys.len();
    (0..count)
        .filter_map(|index| {
            let from = index.wrapping_mul(7919) % accounts;
            let to = (from + 1 + index % (accounts - 1)) % accounts;
            let nonce = nonces.get_mut(from)?;
            let used = *nonce;
            *nonce += 1;
            let payee = keys.get(to)?.public_key().address();
            let mut input = vec![0xa9, 0x05, 0x9c, 0xbb];
            input.extend([0; 12]);
            input.extend(payee.0);
            input.extend(word(1));
            Some(Transfer { from, nonce: used, input })
        })
        .collect()
}

/// A state in memory, in a hash map as the other side's is.
#[derive(Clone, Default)]
struct Rows(HashMap<Row, RowValue>);

impl Rows {
    fn apply(&mut self, changes: &ChangeSet) {
        for change in changes.iter() {
            match &change.new {
                Some(value) => self.0.insert(change.row.clone(), value.clone()),
                None => self.0.remove(&change.row),
            };
        }
    }
}

impl StateReader for Rows {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        Ok(self.0.get(row).cloned())
    }
}

/// Our side: a chain in memory.
struct Ours {
    genesis: Genesis,
    executor: Executor,
    state: Arc<Rows>,
    parent: Header,
}

impl Ours {
    fn new(genesis: Genesis, holders: &[Address]) -> Result<Self, WorkloadError> {
        let genesis = Genesis { protocol_version: 2, ..genesis };
        let first = genesis_block(&genesis)?;
        let mut state = Rows::default();
        state.apply(&first.changes);
        let code = token_code();
        let hash = keccak256(&code);
        let account =
            Account { nonce: 1, code: Some(CodeReference { kind: CodeKind::Evm, hash }), ..Account::default() };
        state.0.insert(Row::new(&Table::Code, hash.as_ref()), code.into());
        state.0.insert(Account::row(&TOKEN), RowValue::encoding(&account));
        for holder in holders {
            let row = Row::new(&Table::Contract(TOKEN), &slot_of(holder));
            state.0.insert(row, word(BALANCE).into());
        }
        let versions = &[PROTOCOL_VERSION_1, PROTOCOL_VERSION_2];
        let executor = Executor::with(&genesis, NativeRegistry::default(), versions, &CodeOptions::default());
        Ok(Self { genesis, executor, state: Arc::new(state), parent: first.header })
    }

    fn sign(&self, keys: &[SecretKey], transfer: &Transfer) -> Result<InputTransaction, WorkloadError> {
        let wrong = || WorkloadError::Wrong("a transfer that cannot be signed".into());
        let key = keys.get(transfer.from).ok_or_else(wrong)?;
        let chain = self.genesis.ethereum_chain_id;
        let legacy = LegacyTransaction {
            nonce: transfer.nonce,
            gas_price: Amount::ZERO,
            gas_limit: GAS_LIMIT,
            to: Some(TOKEN),
            value: Amount::ZERO,
            input: transfer.input.clone(),
        };
        let transaction = Transaction::Ethereum(legacy.sign(key, chain).map_err(|_| wrong())?);
        let hash = transaction.hash(self.genesis.suite);
        // Admission found out who signed it.
        if let Transaction::Ethereum(ethereum) = &transaction {
            ethereum.origin().ok_or_else(wrong)?;
        }
        Ok(InputTransaction { hash, transaction: Arc::new(transaction) })
    }

    /// Executes a block and keeps it; seconds without the roots, for each transfer.
    fn run(&mut self, inputs: &[InputTransaction]) -> Result<f64, WorkloadError> {
        let proposal = Proposal {
            version: Version,
            genesis: self.genesis.hash(),
            number: self.parent.number + 1,
            parent: self.parent.proposal,
            view: 0,
            timestamp_ms: self.parent.timestamp_ms + 100,
            proposer: Address::ZERO,
            transactions: inputs.iter().map(|input| input.hash).collect(),
            access: None,
        };
        let input = BlockInput {
            parent: &self.parent,
            proposal: &proposal,
            transactions: inputs,
            state: Arc::clone(&self.state) as _,
            commitment: &LtHash::default(),
            record_accesses: false,
            ethereum: EthereumEnvironment::default(),
        };
        let (seconds, ran) = time(|| self.executor.run(&input));
        let executed = self.executor.conclude(&input, ran?);
        drop(input);
        if let Some(receipt) = executed.receipts.iter().find(|receipt| receipt.status != Status::Success) {
            return Err(WorkloadError::Wrong(format!("{receipt:?}")));
        }
        if executed.receipts.len() != inputs.len() {
            return Err(WorkloadError::Wrong(format!("{} transfers left out", executed.left_out.len())));
        }
        Arc::make_mut(&mut self.state).apply(&executed.changes);
        self.parent = executed.header;
        Ok(seconds / inputs.len() as f64)
    }
}

/// The other side: revm's handler, journal and database in memory.
fn database(holders: &[Address]) -> InMemoryDB {
    let mut database = InMemoryDB::default();
    let code = Bytecode::new_legacy(Bytes::from(token_code()));
    let token = RevmAddress::new(TOKEN.0);
    database.insert_account_info(token, AccountInfo::new(U256::ZERO, 1, code.hash_slow(), code));
    for holder in holders {
        // In memory there is no storage that could fail.
        let _ = database.insert_account_storage(token, U256::from_be_bytes(slot_of(holder)), U256::from(BALANCE));
    }
    database
}

fn run_plain(
    database: InMemoryDB,
    holders: &[Address],
    transfers: &[Transfer],
    chain_id: u64,
) -> Result<(f64, InMemoryDB), WorkloadError> {
    let mut evm = Context::mainnet()
        .with_db(database)
        .modify_cfg_chained(|configuration| {
            configuration.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            configuration.chain_id = chain_id;
        })
        .build_mainnet();
    evm.ctx.block.gas_limit = u64::MAX;
    let transaction = |transfer: &Transfer| {
        let caller = holders.get(transfer.from).map(|holder| RevmAddress::new(holder.0)).unwrap_or_default();
        TxEnv {
            caller,
            gas_limit: GAS_LIMIT,
            kind: TxKind::Call(RevmAddress::new(TOKEN.0)),
            data: Bytes::from(transfer.input.clone()),
            nonce: transfer.nonce,
            chain_id: Some(chain_id),
            ..TxEnv::default()
        }
    };
    let transactions: Vec<TxEnv> = transfers.iter().map(transaction).collect();
    let (seconds, succeeded) = time(|| {
        let run = |transaction| evm.transact_commit(transaction).is_ok_and(|result| result.is_success());
        transactions.into_iter().map(run).filter(|succeeded| *succeeded).count()
    });
    if succeeded != transfers.len() {
        return Err(WorkloadError::Wrong(format!("plain revm: {succeeded} of {} transfers", transfers.len())));
    }
    Ok((seconds / transfers.len() as f64, evm.ctx.journaled_state.database))
}

/// Seconds that a transfer takes here over those that it takes under plain revm: blocks of so many transfers between so
/// many accounts, the median of so many rounds, each with both sides, one after the other.
///
/// # Errors
/// A transfer that does not succeed.
pub fn measure_erc20(workload: &Workload, accounts: u64, count: usize, rounds: usize) -> Result<f64, WorkloadError> {
    let keys = (0..accounts).map(|index| workload.account(index).cloned()).collect::<Result<Vec<_>, _>>()?;
    let holders: Vec<Address> = keys.iter().map(|key| key.public_key().address()).collect();
    let mut ours = Ours::new(workload.genesis.clone(), &holders)?;
    let chain_id = ours.genesis.ethereum_chain_id;
    let mut database = database(&holders);
    let mut nonces = vec![0; keys.len()];
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let transfers = transfers(&keys, count, &mut nonces);
        let inputs = transfers.par_iter().map(|transfer| ours.sign(&keys, transfer)).collect::<Result<Vec<_>, _>>()?;
        let (theirs, kept) = run_plain(database, &holders, &transfers, chain_id)?;
        database = kept;
        let mine = ours.run(&inputs)?;
        println!("ERC-20 transfer: {:.2} µs here, {:.2} µs under plain revm", mine * 1e6, theirs * 1e6);
        ratios.push(mine / theirs);
    }
    Ok(median(&mut ratios))
}

#[cfg(test)]
mod tests {
    use entente_crypto::Suite;

    use super::*;

    #[test]
    fn both_sides_come_to_the_same_balances() -> Result<(), WorkloadError> {
        let keys: Vec<SecretKey> =
            (1..6).map(|seed| SecretKey::from_bytes(Suite::Standard, &[seed; 32]).expect("a key")).collect();
        let holders: Vec<Address> = keys.iter().map(|key| key.public_key().address()).collect();
        let mut ours = Ours::new(crate::workload::genesis(Suite::Standard, &keys[..1]), &holders)?;
        let mut nonces = vec![0; keys.len()];
        let transfers = transfers(&keys, 50, &mut nonces);
        let inputs = transfers.par_iter().map(|transfer| ours.sign(&keys, transfer)).collect::<Result<Vec<_>, _>>()?;
        ours.run(&inputs)?;
        let chain_id = ours.genesis.ethereum_chain_id;
        let (_, database) = run_plain(database(&holders), &holders, &transfers, chain_id)?;
        let token = database.cache.accounts.get(&RevmAddress::new(TOKEN.0)).expect("the token");
        for holder in &holders {
            let mine = ours.state.0.get(&Row::new(&Table::Contract(TOKEN), &slot_of(holder))).expect("a balance");
            let theirs = token.storage.get(&U256::from_be_bytes(slot_of(holder))).expect("a balance");
            assert_eq!(mine.as_slice(), theirs.to_be_bytes::<32>());
        }
        Ok(())
    }
}
