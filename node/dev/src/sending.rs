//! Transactions that the node makes for its users.

use std::sync::Arc;

use entente_executor::Simulation;
use entente_types::{Address, EthereumTransaction, Hash, Receipt, Transaction};

use crate::{DevChain, DevError, envelope::Envelope};

/// What is to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What it does.
    pub what: Simulation,
    /// Its number; the sender's next where it is not said.
    pub nonce: Option<u64>,
    /// Whether its fee is said as before EIP-1559.
    pub is_legacy: bool,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The transaction's hash.
    pub hash: Hash,
    /// Its receipt, where it is in a block already.
    pub receipt: Option<Receipt>,
}

impl DevChain {
    /// Takes somebody for the sender of what is said to be theirs.
    pub fn impersonate(&mut self, address: Address) {
        self.impersonated.insert(address);
    }

    /// Takes them for it no more: whether they were.
    pub fn stop_impersonating(&mut self, address: &Address) -> bool {
        self.impersonated.remove(address)
    }

    /// Whether whoever is said to send is taken for the sender.
    pub const fn impersonate_all(&mut self, all: bool) {
        self.impersonates_all = all;
    }

    /// Sends a transaction of an account whose key is here, or that is impersonated.
    ///
    /// # Errors
    /// Nobody's key is here, or the transaction is not let in.
    pub fn send(&mut self, unix_ms: u64, wanted: &Wanted) -> Result<Sent, DevError> {
        let from = wanted.what.from;
        let envelope = self.envelope(wanted)?;
        let made = match self.accounts.key(&from) {
            Ok(key) => envelope.sign(key)?,
            Err(_) if self.impersonates(&from) => envelope.impersonate(from)?,
            Err(error) => return Err(error),
        };
        let bytes = made.raw().len();
        let height = self.ledger().tip().number;
        let checked = self.pool.rules().check_one(height, Arc::new(Transaction::Ethereum(made)), bytes)?;
        let hash = self.let_in(checked)??;
        self.mine_what_waits(unix_ms)?;
        Ok(Sent { hash, receipt: self.ledger().receipt(&hash)?.map(|found| found.receipt) })
    }

    /// Signs a transaction of an account whose key is here, and does not send it.
    ///
    /// # Errors
    /// Nobody's key is here, or there can be no such transaction.
    pub fn sign(&self, wanted: &Wanted) -> Result<EthereumTransaction, DevError> {
        let from = wanted.what.from;
        let key = match self.accounts.key(&from) {
            Err(_) if self.impersonates(&from) => return Err(DevError::Impersonated(from)),
            found => found?,
        };
        let signed = self.envelope(wanted)?.sign(key)?;
        // One that is sent, the pool looks at; here nobody else does.
        signed.payload()?;
        Ok(signed)
    }

    /// What is wanted, with the number and the gas that it has where they are not said.
    fn envelope(&self, wanted: &Wanted) -> Result<Envelope, DevError> {
        let nonce = match wanted.nonce {
            Some(nonce) => nonce,
            None => self.next_nonce(&wanted.what.from)?,
        };
        let (chain_id, most) = (self.ledger().genesis().ethereum_chain_id, self.door.0);
        let gas = wanted.what.gas.unwrap_or(most);
        Ok(Envelope::new(&wanted.what, chain_id, nonce, gas, wanted.is_legacy))
    }

    fn impersonates(&self, address: &Address) -> bool {
        self.impersonates_all || self.impersonated.contains(address)
    }
}
