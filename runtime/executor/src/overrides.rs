//! A state and a block that differ from what is there, for calls that change nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entente_crypto::keccak256;
use entente_evm::{Word, delegation};
use entente_host::{BlockContext, NodeFault};
use entente_state::{ChangeSet, Row, RowValue, StateReadError, StateReader, Table};
use entente_types::{Address, Amount, EvmTimestamp, Hash};
use hashbrown::HashMap;
use parity_scale_codec::Encode;

use crate::{Account, CodeKind, CodeReference};

/// What a call sees in place of what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Accounts that differ.
    pub accounts: BTreeMap<Address, AccountOverride>,
    /// What of the block differs.
    pub block: BlockOverride,
}

/// What of an account differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// The coin that it holds.
    pub balance: Option<Amount>,
    /// Its nonce.
    pub nonce: Option<u64>,
    /// Its EVM code, or whose stands for it (EIP-7702); without a byte it has none.
    pub code: Option<Vec<u8>>,
    /// All that it stores, in place of what it does.
    pub storage: Option<BTreeMap<Word, Word>>,
    /// What it stores beside the rest.
    pub slots: BTreeMap<Word, Word>,
}

/// What of a block differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockOverride {
    /// The height.
    pub number: Option<u64>,
    /// What TIMESTAMP answers.
    pub timestamp: Option<u64>,
    /// The gas limit.
    pub gas_limit: Option<u64>,
    /// The proposer.
    pub proposer: Option<Address>,
    /// What PREVRANDAO answers.
    pub prevrandao: Option<Hash>,
    /// What a unit of gas costs at least.
    pub base_fee: Option<Amount>,
    /// What BLOBBASEFEE answers.
    pub blob_base_fee: Option<Amount>,
}

impl BlockOverride {
    pub(crate) fn apply(&self, block: &mut BlockContext) {
        block.number = self.number.unwrap_or(block.number);
        block.gas_limit = self.gas_limit.unwrap_or(block.gas_limit);
        block.proposer = self.proposer.unwrap_or(block.proposer);
        if let Some(timestamp) = self.timestamp {
            block.timestamp_ms = match block.evm_timestamp {
                EvmTimestamp::Seconds => timestamp.saturating_mul(1000),
                EvmTimestamp::Milliseconds => timestamp,
            };
        }
        let ethereum = &mut block.ethereum;
        ethereum.prevrandao = self.prevrandao.unwrap_or(ethereum.prevrandao);
        ethereum.base_fee = self.base_fee.unwrap_or(ethereum.base_fee);
        ethereum.blob_base_fee = self.blob_base_fee.unwrap_or(ethereum.blob_base_fee);
    }
}

/// A state in which some rows differ.
#[derive(Clone)]
pub(crate) struct OverriddenState {
    rows: HashMap<Row, Option<RowValue>>,
    /// The tables of which nothing is left but what is in `rows`, by their encoding.
    emptied: BTreeSet<Vec<u8>>,
    base: Arc<dyn StateReader>,
}

impl StateReader for OverriddenState {
    fn row(&self, row: &Row) -> Result<Option<RowValue>, StateReadError> {
        match self.rows.get(row) {
            Some(value) => Ok(value.clone()),
            None if self.emptied.contains(row.table()) => Ok(None),
            None => self.base.row(row),
        }
    }
}

/// The state in which these accounts differ.
pub(crate) fn overridden(
    base: Arc<dyn StateReader>,
    accounts: &BTreeMap<Address, AccountOverride>,
) -> Result<Arc<dyn StateReader>, NodeFault> {
    if accounts.is_empty() {
        return Ok(base);
    }
    let mut state = OverriddenState::of(base);
    for (address, account) in accounts {
        state.put(address, account)?;
    }
    Ok(Arc::new(state))
}

impl OverriddenState {
    /// One in which none does.
    pub(crate) fn of(base: Arc<dyn StateReader>) -> Self {
        Self { rows: HashMap::new(), emptied: BTreeSet::new(), base }
    }

    /// Has an account differ from what it is by now.
    pub(crate) fn put(&mut self, address: &Address, account: &AccountOverride) -> Result<(), NodeFault> {
        let rows = account_rows(self, address, account)?;
        if account.storage.is_some() {
            let table = Table::Contract(*address).encode();
            self.rows.retain(|row, _| row.table() != table);
            self.emptied.insert(table);
        }
        self.rows.extend(rows);
        Ok(())
    }

    /// Puts what a block changed over it.
    pub(crate) fn apply(&mut self, changes: &ChangeSet) {
        self.rows.extend(changes.iter().map(|change| (change.row.clone(), change.new.clone())));
    }
}

/// A row, and what it holds; nothing where it is not there.
pub type RowSet = (Row, Option<RowValue>);

/// The rows that an account has over this state where something of it differs. What it stores beside them is as it was,
/// even where [`AccountOverride::storage`] would take it away.
///
/// # Errors
/// A damaged row, or a storage that fails.
pub fn account_rows(
    base: &dyn StateReader,
    address: &Address,
    account: &AccountOverride,
) -> Result<Vec<RowSet>, NodeFault> {
    let row = Account::row(address);
    let there = base.row(&row)?;
    let mut record = there.map(|bytes| Account::from_bytes(address, &bytes)).transpose()?.unwrap_or_default();
    let mut rows = Vec::new();
    record.balance = account.balance.unwrap_or(record.balance);
    record.nonce = account.nonce.unwrap_or(record.nonce);
    if let Some(code) = &account.code {
        let hash = keccak256(code);
        let stands_for = code.last_chunk::<20>().is_some_and(|address| delegation(&Address(*address)) == *code);
        let kind = if stands_for { CodeKind::Delegation } else { CodeKind::Evm };
        record.code = (!code.is_empty()).then_some(CodeReference { kind, hash });
        rows.push((Row::new(&Table::Code, hash.as_ref()), Some(code.clone().into())));
    }
    let is_empty = record == Account::default();
    rows.push((row, (!is_empty).then(|| RowValue::encoding(&record))));
    let table = Table::Contract(*address);
    for (key, value) in account.storage.iter().flatten().chain(&account.slots) {
        let value = (*value != Word::default()).then(|| RowValue::from(*value));
        rows.push((Row::new(&table, key), value));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use entente_state::MapState;

    use super::*;

    const ADDRESS: Address = Address([7; 20]);

    fn slot(key: u8) -> Row {
        Row::new(&Table::Contract(ADDRESS), &[key; 32])
    }

    fn value(state: &Arc<dyn StateReader>, key: u8) -> Option<u8> {
        state.row(&slot(key)).unwrap().map(|value| value[0])
    }

    fn base() -> Arc<dyn StateReader> {
        let account = Account { nonce: 3, balance: Amount::from(5), ..Account::default() };
        let (first, second) = (RowValue::from([1; 32]), RowValue::from([2; 32]));
        let rows = [(Account::row(&ADDRESS), RowValue::encoding(&account)), (slot(1), first), (slot(2), second)];
        Arc::new(MapState(rows.into()))
    }

    fn with(account: AccountOverride) -> Arc<dyn StateReader> {
        overridden(base(), &[(ADDRESS, account)].into()).unwrap()
    }

    fn record(state: &Arc<dyn StateReader>) -> Account {
        let bytes = state.row(&Account::row(&ADDRESS)).unwrap();
        bytes.map(|bytes| Account::from_bytes(&ADDRESS, &bytes).unwrap()).unwrap_or_default()
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let state = with(AccountOverride { balance: Some(Amount::from(9)), ..AccountOverride::default() });
        assert_eq!((record(&state).nonce, record(&state).balance), (3, Amount::from(9)));
        assert_eq!((value(&state, 1), value(&state, 3)), (Some(1), None));
    }

    #[test]
    fn slots_are_set_beside_the_rest_and_a_storage_replaces_it() {
        let slots = BTreeMap::from([([1; 32], [9; 32]), ([2; 32], [0; 32])]);
        let state = with(AccountOverride { slots: slots.clone(), ..AccountOverride::default() });
        assert_eq!((value(&state, 1), value(&state, 2)), (Some(9), None));
        let storage = Some(BTreeMap::from([([3; 32], [4; 32])]));
        let state = with(AccountOverride { storage, ..AccountOverride::default() });
        assert_eq!((value(&state, 1), value(&state, 3)), (None, Some(4)));
    }

    #[test]
    fn code_is_found_under_its_hash_and_none_leaves_an_account_without() {
        let state = with(AccountOverride { code: Some(vec![1, 2]), ..AccountOverride::default() });
        let code = record(&state).code.unwrap();
        assert_eq!((code.kind, code.hash), (CodeKind::Evm, keccak256(&[1, 2])));
        assert_eq!(state.row(&Row::new(&Table::Code, code.hash.as_ref())).unwrap(), Some(RowValue::from([1, 2])));
        let state = with(AccountOverride { code: Some(delegation(&ADDRESS)), ..AccountOverride::default() });
        assert_eq!(record(&state).code.unwrap().kind, CodeKind::Delegation);
        let nothing = AccountOverride {
            balance: Some(Amount::ZERO),
            nonce: Some(0),
            code: Some(vec![]),
            ..AccountOverride::default()
        };
        assert_eq!(with(nothing).row(&Account::row(&ADDRESS)).unwrap(), None);
    }
}
