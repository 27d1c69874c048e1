//! The accounts of those who send Ethereum transactions, and the rules that these are held against.

use std::sync::Arc;

use entente_executor::{Account, EthereumRules};
use entente_host::NodeFault;
use entente_ledger::Ledger;
use entente_pool::Pool;
use entente_state::{ChangeSet, Table};
use entente_types::{Address, EthereumPayload, EthereumRefusal, SenderAccount};
use parity_scale_codec::Encode;

use crate::chain::Chain;

/// The executor's rules, as the pool asks for them.
#[derive(Debug)]
pub(crate) struct DoorRules(pub(crate) EthereumRules);

impl entente_pool::EthereumRules for DoorRules {
    fn check(&self, payload: &EthereumPayload) -> Result<(), EthereumRefusal> {
        self.0.check(payload).map(drop)
    }
}

/// Reads accounts as the last certified block left them.
pub(crate) struct Accounts {
    ledger: Arc<Ledger>,
    balances: bool,
}

impl Accounts {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        Self { ledger: Arc::clone(ledger), balances: ledger.genesis().balances }
    }

    /// An account: as the last certified block that is not on disk yet and changed it left it, or as it is on disk.
    pub(crate) fn read(&self, chain: &Chain, address: &Address) -> Result<SenderAccount, NodeFault> {
        let row = Account::row(address);
        let mut certified = chain.unwritten.iter().rev().filter(|(number, _)| *number <= chain.height());
        let bytes = match certified.find_map(|(_, changes)| changes.find(&row)) {
            Some(change) => change.new.clone(),
            None => self.ledger.state().row(&row)?,
        };
        self.of_bytes(address, bytes.as_deref())
    }

    /// Those that a block changed and that the pool follows, as the block left them.
    pub(crate) fn changed(&self, changes: &ChangeSet, pool: &Pool) -> Result<Vec<(Address, SenderAccount)>, NodeFault> {
        let mut found = Vec::new();
        let table = Table::Accounts.encode();
        for change in changes.iter().filter(|change| change.row.table() == table) {
            let Ok(address) = change.row.key().try_into().map(Address) else { continue };
            if pool.follows(&address) {
                found.push((address, self.of_bytes(&address, change.new.as_deref())?));
            }
        }
        Ok(found)
    }

    fn of_bytes(&self, address: &Address, bytes: Option<&[u8]>) -> Result<SenderAccount, NodeFault> {
        let account = bytes.map(|bytes| Account::from_bytes(address, bytes)).transpose()?;
        Ok(account.unwrap_or_default().as_sender(self.balances))
    }
}
