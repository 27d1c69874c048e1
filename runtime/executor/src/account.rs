//! The record of an account.

use entente_host::NodeFault;
use entente_state::{Overlay, Place, Row, RowValue, Table};
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
    /// Another's address, whose code stands for it (EIP-7702).
    #[codec(index = 2)]
    Delegation,
}

/// Where an account's code is found.
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
    /// Its code, if it is a contract or another's stands for it.
    pub code: Option<CodeReference>,
}

impl Default for Account {
    fn default() -> Self {
        Self { version: Version, nonce: 0, balance: Amount::ZERO, code: None }
    }
}

impl Account {
    /// Whether a contract is there, whose key nobody has.
    pub(crate) fn is_contract(&self) -> bool {
        self.code.is_some_and(|code| code.kind != CodeKind::Delegation)
    }

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
        SenderAccount { nonce: self.nonce, balance, is_contract: self.is_contract() }
    }

    pub(crate) fn load(overlay: &mut Overlay, address: &Address) -> Result<Option<Self>, NodeFault> {
        Ok(Self::find(overlay, address)?.1)
    }

    /// The same, and where the account is or would be.
    pub(crate) fn find(overlay: &mut Overlay, address: &Address) -> Result<(Place, Option<Self>), NodeFault> {
        let place = overlay.find(&Self::row(address))?;
        let account = overlay.at(place).map(|bytes| Self::from_bytes(address, bytes)).transpose()?;
        Ok((place, account))
    }

    /// Sets the account's row, or removes it where the account has nothing left.
    pub(crate) fn store(&self, overlay: &mut Overlay, address: &Address) -> Result<(), NodeFault> {
        let place = overlay.find(&Self::row(address))?;
        self.store_at(overlay, place);
        Ok(())
    }

    /// The same where the account was found.
    pub(crate) fn store_at(&self, overlay: &mut Overlay, place: Place) {
        let is_empty = *self == Self::default();
        overlay.set_at(place, (!is_empty).then(|| RowValue::encoding(self)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accounts lie on the disks of chains that go on.
    #[test]
    fn each_kind_of_code_keeps_its_number() {
        for (number, kind) in [(0, CodeKind::Wasm), (1, CodeKind::Evm), (2, CodeKind::Delegation)] {
            let code = Some(CodeReference { kind, hash: Hash([7; 32]) });
            let account = Account { nonce: 5, balance: Amount::from(9), code, ..Account::default() };
            let mut bytes = vec![1, 5, 0, 0, 0, 0, 0, 0, 0, 9];
            bytes.extend([0; 31]);
            bytes.extend([1, number]);
            bytes.extend([7; 32]);
            assert_eq!(account.encode(), bytes);
            assert_eq!(Account::from_bytes(&Address::ZERO, &bytes), Ok(account));
            assert_eq!(account.is_contract(), kind != CodeKind::Delegation);
        }
    }
}
