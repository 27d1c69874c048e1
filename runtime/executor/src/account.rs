//! The record of an account.

use entente_host::NodeFault;
use entente_state::{Overlay, Row, Table};
use entente_types::{Address, Amount, Hash, SenderAccount, Version};
use parity_scale_codec::{Decode, DecodeAll, Encode};

/// What engine runs a contract's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum CodeKind {
    /// A WebAssembly module.
    #[codec(index = 0)]
    Wasm,
    /// EVM bytecode.
    #[codec(index = 1)]
    Evm,
}

/// Where a contract's code is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CodeReference {
    /// What runs it.
    pub kind: CodeKind,
    /// The hash it is stored under.
    pub hash: Hash,
}

/// An account: absent where it has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// The format's version.
    pub version: Version<1>,
    /// Ethereum's count of an account's transactions, or of a contract's creations.
    pub nonce: u64,
    /// The coin it holds.
    pub balance: Amount,
    /// Its code, if it is a contract.
    pub code: Option<CodeReference>,
}

impl Default for Account {
    fn default() -> Self {
        Self { version: Version, nonce: 0, balance: Amount::ZERO, code: None }
    }
}

impl Account {
    /// The row that holds the account.
    pub fn row(address: &Address) -> Row {
        Row::new(&Table::Accounts, address.as_ref())
    }

    /// The account that a row's bytes are.
    pub fn from_bytes(address: &Address, bytes: &[u8]) -> Result<Self, NodeFault> {
        Self::decode_all(&mut &*bytes).map_err(|_| NodeFault::Row(format!("accounts/{address}")))
    }

    /// What matters of it to the Ethereum transactions that it sends, in a group with coin or without.
    pub fn as_sender(&self, balances: bool) -> SenderAccount {
        let balance = balances.then_some(self.balance);
        SenderAccount { nonce: self.nonce, balance, is_contract: self.code.is_some() }
    }

    pub(crate) fn load(overlay: &mut Overlay, address: &Address) -> Result<Option<Self>, NodeFault> {
        let bytes = overlay.get(&Self::row(address))?;
        bytes.map(|bytes| Self::from_bytes(address, bytes)).transpose()
    }

    /// Sets the account's row, or removes it where the account has nothing left.
    pub(crate) fn store(&self, overlay: &mut Overlay, address: &Address) -> Result<(), NodeFault> {
        let is_empty = *self == Self::default();
        Ok(overlay.set(&Self::row(address), (!is_empty).then(|| self.encode()))?)
    }
}
