//! The accounts and slots that a transaction touched, before it and after it.

use std::collections::{BTreeMap, BTreeSet};

use entente_evm::{Word, shown_native, shown_wasm};
use entente_host::NodeFault;
use entente_state::Table;
use entente_types::{Address, Amount, Receipt};
use parity_scale_codec::DecodeAll;

use super::Outline;
use crate::{Account, CodeKind, context::Context, observer::Budget};

/// The bytes of JSON that an account has beside its code and slots.
const ACCOUNT_BYTES: usize = 200;
/// The bytes of JSON of a slot with its value.
const SLOT_BYTES: usize = 140;

/// What a transaction touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateTrace {
    /// As it was before.
    pub before: BTreeMap<Address, AccountState>,
    /// Where only what changed was asked for: what of it is different afterwards. An account that is gone is not here.
    pub after: Option<BTreeMap<Address, AccountState>>,
}

/// What is told of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountState {
    /// The coin that it holds.
    pub balance: Option<Amount>,
    /// Its nonce, unless that is 0.
    pub nonce: Option<u64>,
    /// Its code as EVM code sees it, unless it has none.
    pub code: Option<Vec<u8>>,
    /// Slots of words.
    pub storage: BTreeMap<Word, Word>,
}

/// The words of a slot: before and after.
type Slots = BTreeMap<Word, (Word, Word)>;

/// An account before and after.
struct Touched {
    before: (Account, Vec<u8>),
    after: (Account, Vec<u8>),
    slots: Slots,
}

/// What the transaction that has just run, and is not sealed, touched.
pub(super) fn touched(
    context: &mut Context,
    outline: &Outline,
    receipt: &Receipt,
    changed_only: bool,
    budget: &mut Budget,
) -> Result<StateTrace, NodeFault> {
    let (mut addresses, slots) = rows(context)?;
    addresses.extend([outline.from, context.block.proposer]);
    addresses.extend(outline.to.or(receipt.contract));
    addresses.extend(slots.keys());
    let mut trace = StateTrace { before: BTreeMap::new(), after: changed_only.then(BTreeMap::new) };
    for address in addresses {
        let slots = slots.get(&address).cloned().unwrap_or_default();
        let touched = read(context, &address, slots)?;
        let code = touched.before.1.len().saturating_add(touched.after.1.len());
        let bytes = touched.slots.len().saturating_mul(2 * SLOT_BYTES).saturating_add(code.saturating_mul(2));
        if !budget.take(bytes.saturating_add(ACCOUNT_BYTES)) {
            return Ok(trace);
        }
        let was_made = touched.before.0 == Account::default() && context.touched.is_created(&address);
        match &mut trace.after {
            None => {
                if !was_made {
                    trace.before.insert(address, touched.whole());
                }
            }
            Some(after) => {
                let Some((there, then)) = touched.changed() else { continue };
                if !was_made {
                    trace.before.insert(address, there);
                }
                after.extend(then.map(|then| (address, then)));
            }
        }
    }
    Ok(trace)
}

/// The accounts and the slots of words among the rows that were read or written.
fn rows(context: &mut Context) -> Result<(BTreeSet<Address>, BTreeMap<Address, Slots>), NodeFault> {
    let (mut addresses, mut slots) = (BTreeSet::new(), BTreeMap::<Address, Slots>::new());
    for row in context.overlay.take_access().reads {
        match Table::decode_all(&mut row.table()) {
            Ok(Table::Accounts) => addresses.extend(row.key().try_into().map(Address)),
            Ok(Table::Contract(address)) => {
                let Ok(key) = Word::try_from(row.key()) else { continue };
                let before = word(context.overlay.get_sealed(&row)?);
                let after = word(context.overlay.get(&row)?);
                // What is no word is a Wasm contract's.
                if let Some(words) = before.zip(after) {
                    slots.entry(address).or_default().insert(key, words);
                }
            }
            _ => {}
        }
    }
    Ok((addresses, slots))
}

fn word(value: Option<&[u8]>) -> Option<Word> {
    value.map_or(Some(Word::default()), |value| value.try_into().ok())
}

fn read(context: &mut Context, address: &Address, slots: Slots) -> Result<Touched, NodeFault> {
    let row = Account::row(address);
    let account = |bytes: Option<&[u8]>| {
        bytes.map(|bytes| Account::from_bytes(address, bytes)).transpose().map(Option::unwrap_or_default)
    };
    let before = account(context.overlay.get_sealed(&row)?)?;
    let after = account(context.overlay.get(&row)?)?;
    let before = (before, code(context, address, &before)?);
    let after = (after, code(context, address, &after)?);
    Ok(Touched { before, after, slots })
}

/// The code of an account as EVM code sees it.
fn code(context: &mut Context, address: &Address, account: &Account) -> Result<Vec<u8>, NodeFault> {
    if context.machine.natives.contains(address) {
        return Ok(shown_native(address));
    }
    match account.code {
        None => Ok(Vec::new()),
        Some(code) if code.kind == CodeKind::Wasm => Ok(shown_wasm(&code.hash)),
        Some(code) => context.code(&code.hash),
    }
}

impl AccountState {
    fn new(account: &Account, code: &[u8], storage: BTreeMap<Word, Word>) -> Self {
        Self {
            balance: Some(account.balance),
            nonce: Some(account.nonce).filter(|nonce| *nonce > 0),
            code: Some(code.to_vec()).filter(|code| !code.is_empty()),
            storage,
        }
    }
}

impl Touched {
    /// All that there was.
    fn whole(&self) -> AccountState {
        let (account, code) = &self.before;
        AccountState::new(account, code, self.slots.iter().map(|(key, (before, _))| (*key, *before)).collect())
    }

    /// The account before with the slots that changed, and what is different afterwards, unless it is gone. Nothing
    /// where nothing changed.
    fn changed(&self) -> Option<(AccountState, Option<AccountState>)> {
        let ((before, code), (after, code_after)) = (&self.before, &self.after);
        let changed = || self.slots.iter().filter(|(_, (before, after))| before != after);
        if before == after && changed().next().is_none() {
            return None;
        }
        let slots = |word: fn(&(Word, Word)) -> Word| {
            let of = changed().map(|(key, words)| (*key, word(words)));
            of.filter(|(_, word)| *word != Word::default()).collect()
        };
        let there = AccountState::new(before, code, slots(|words| words.0));
        let is_gone = *after == Account::default() && *before != Account::default();
        let then = AccountState {
            balance: Some(after.balance).filter(|balance| *balance != before.balance),
            nonce: Some(after.nonce).filter(|nonce| *nonce != before.nonce),
            code: Some(code_after.clone()).filter(|then| then != code),
            storage: slots(|words| words.1),
        };
        Some((there, (!is_gone).then_some(then)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(before: Account, after: Account, slots: &[(u8, u8, u8)]) -> Touched {
        let word = |byte| [byte; 32];
        let slots = slots.iter().map(|(key, before, after)| (word(*key), (word(*before), word(*after)))).collect();
        Touched { before: (before, vec![]), after: (after, vec![]), slots }
    }

    #[test]
    fn only_what_changed_is_told_and_zeros_are_no_slots() {
        let account = |nonce| Account { nonce, balance: Amount::from(7), ..Account::default() };
        assert_eq!(touched(account(1), account(1), &[(1, 5, 5)]).changed(), None);
        let changed = touched(account(1), account(2), &[(1, 5, 5), (2, 0, 6), (3, 7, 0), (4, 8, 9)]);
        let (there, then) = changed.changed().unwrap();
        let then = then.unwrap();
        assert_eq!((there.balance, there.nonce), (Some(Amount::from(7)), Some(1)));
        assert_eq!((then.balance, then.nonce), (None, Some(2)));
        assert_eq!(there.storage, BTreeMap::from([([3; 32], [7; 32]), ([4; 32], [8; 32])]));
        assert_eq!(then.storage, BTreeMap::from([([2; 32], [6; 32]), ([4; 32], [9; 32])]));
        assert_eq!(changed.whole().storage.len(), 4);
        let (_, then) = touched(account(1), Account::default(), &[]).changed().unwrap();
        assert_eq!(then, None);
    }
}
